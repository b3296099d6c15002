// Live updates. A view asks again every few seconds while someone looks at it, less often
// once they have done nothing for a while, and not at all in a hidden tab: every call
// costs the operator money.

const BUSY_MS = 4_000;
const IDLE_MS = 30_000;
const IDLE_AFTER_MS = 3 * 60_000;
const MOST_MS = 60_000;

let lastInput = Date.now();
for (const name of ['pointerdown', 'keydown', 'scroll']) {
  addEventListener(name, () => { lastInput = Date.now(); }, { passive: true, capture: true });
}

/**
 * Calls `update` again and again until the signal aborts. After an error it waits
 * longer each time.
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
