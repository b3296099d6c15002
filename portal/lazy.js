// Loads what is on the screen, a few at a time: a list of a hundred endpoints costs no
// hundred calls until it is scrolled through.

/** How many calls run at once. */
const PARALLEL = 4;

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
        // What is loaded like this only adds to the view, which is useful without it.
        .catch(() => {})
        .finally(() => {
          running -= 1;
          next();
        });
    }
  }

  /**
   * @param {Element} element
   * @param {() => Promise<void>} load
   */
  return (element, load) => {
    waiting.set(element, load);
    observer.observe(element);
  };
}
