// When views call the API: for what is on the screen, and again while it is visible. Every
// call costs the operator money, so a list makes calls only for what is scrolled into view,
// and a hidden tab makes none.

/** How many calls `whenSeen` makes at once. */
const PARALLEL = 4;

/** How often `poll` asks while the page is used, and after `IDLE_AFTER_MS` without input. */
const BUSY_MS = 4_000;
const IDLE_MS = 30_000;
const IDLE_AFTER_MS = 3 * 60_000;
const MOST_MS = 60_000;

let lastInput = Date.now();
for (const name of ['pointerdown', 'keydown', 'scroll']) {
  addEventListener(name, () => { lastInput = Date.now(); }, { passive: true, capture: true });
}

/**
 * Calls `update` repeatedly until the signal aborts, with longer waits after errors.
 *
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} update
 */
export function poll(signal, update) {
  let errors = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const schedule = () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    const usual = Date.now() - lastInput > IDLE_AFTER_MS ? IDLE_MS : BUSY_MS;
    timer = setTimeout(run, Math.min(usual * 2 ** errors, MOST_MS));
  };
  const run = async () => {
    if (document.hidden) return;
    try {
      await update();
      errors = 0;
    } catch {
      errors += 1;
    }
    schedule();
  };
  document.addEventListener('visibilitychange', () => !document.hidden && schedule(), { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  schedule();
}

/**
 * Calls `load` for each watched element that comes into view.
 *
 * @param {AbortSignal} signal
 */
export function whenSeen(signal) {
  /** @type {Map<Element, () => Promise<void>>} */
  const waiting = new Map();
  /** @type {(() => Promise<void>)[]} */
  const queue = [];
  let running = 0;

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        const load = waiting.get(target);
        if (!isIntersecting || !load) continue;
        waiting.delete(target);
        observer.unobserve(target);
        queue.push(load);
      }
      next();
    },
    { rootMargin: '200px' },
  );
  signal.addEventListener('abort', () => observer.disconnect());

  function next() {
    while (!signal.aborted && running < PARALLEL) {
      const load = queue.shift();
      if (!load) return;
      running += 1;
      load()
        // The view is useful without it.
        .catch(() => {})
        .finally(() => {
          running -= 1;
          next();
        });
    }
  }

  /** @param {Element} element @param {() => Promise<void>} load */
  return (element, load) => {
    waiting.set(element, load);
    observer.observe(element);
  };
}
