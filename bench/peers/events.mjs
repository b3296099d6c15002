// The events for every sender: 1 KB of JSON, each with a mark by which the receiver recognizes
// it, whatever envelope the sender adds.

const BYTES = 1024;
const MARK = /peers-[0-9a-f]{8}-\d+/;

/**
 * An order, in JSON of exactly 1,024 bytes.
 *
 * @param {string} mark
 */
export function event(mark) {
  const number = Number(mark.slice(mark.lastIndexOf('-') + 1));
  const order = { mark, lines: lines(number), note: '' };
  order.note = '-'.repeat(BYTES - Buffer.byteLength(JSON.stringify(order)));
  return order;
}

/** @param {string} body */
export function markOf(body) {
  return MARK.exec(body)?.[0];
}

/** @param {number} seed */
function lines(seed) {
  return Array.from({ length: 12 }, (_, index) => ({
    sku: `SKU-${((seed * 12 + index) * 2_654_435_761) % 0xffff_ffff}`,
    quantity: 1 + ((seed + index) % 9),
    cents: 100 + ((seed * 37 + index * 101) % 99_900),
  }));
}

/** Records when events were published and when they arrived, by `performance.now()`. */
export class Journal {
  /** @param {string} run eight hexadecimal digits */
  constructor(run) {
    this.run = run;
    this.count = 0;
    /** @type {Map<string, { publishedAt: number, isAccepted: boolean, arrivals: number[] }>} */
    this.entries = new Map();
  }

  /** Records that an event is about to be published. */
  begin() {
    this.count += 1;
    const mark = `peers-${this.run}-${this.count}`;
    this.entries.set(mark, { publishedAt: performance.now(), isAccepted: false, arrivals: [] });
    return mark;
  }

  /** @param {string} mark */
  accept(mark) {
    this.#entry(mark).isAccepted = true;
  }

  /**
   * Records a delivery attempt. Attempts of other runs are ignored.
   *
   * @param {string | undefined} mark
   */
  arrive(mark) {
    if (mark) this.entries.get(mark)?.arrivals.push(performance.now());
  }

  /**
   * @param {string[]} marks
   */
  summary(marks) {
    const accepted = marks.map((mark) => this.#entry(mark)).filter(({ isAccepted }) => isAccepted);
    const arrived = accepted.filter(({ arrivals }) => arrivals.length > 0);
    return {
      accepted: accepted.length,
      arrived: arrived.length,
      lost: accepted.length - arrived.length,
      repeated: arrived.filter(({ arrivals }) => arrivals.length > 1).length,
      attempts: accepted.reduce((sum, { arrivals }) => sum + arrivals.length, 0),
      /** The time from the start of the publishing request to the event's first arrival. */
      latencies: arrived.map(({ publishedAt, arrivals }) => (arrivals[0] ?? NaN) - publishedAt),
      begun: Math.min(...accepted.map(({ publishedAt }) => publishedAt)),
      ended: Math.max(...arrived.map(({ arrivals }) => arrivals[0] ?? NaN)),
    };
  }

  /** @param {string} mark */
  #entry(mark) {
    const entry = this.entries.get(mark);
    if (!entry) throw new Error(`unknown event ${mark}`);
    return entry;
  }
}
