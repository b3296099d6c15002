import { svg } from './dom.js';

/** Outlines on a 24 by 24 grid. */
const PATHS = {
  back: 'M15 18l-6-6 6-6',
  bolt: 'M13 3 5 14h6l-1 7 8-11h-6z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  cross: 'M6 6l12 12M18 6 6 18',
  external: 'M14 5h5v5M19 5l-8 8M17 14v5H5V7h5',
  hook: 'M8 14a4 4 0 1 0 4 4h6M15.500 10.500 12 5M12 5a3 3 0 1 1 3-2.500M18 18a3 3 0 1 0-2-5',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500',
  pause: 'M9 6v12M15 6v12',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M20 20l-4-4',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.500 1.500M17.500 17.500 19 19M19 5l-1.500 1.500M6.500 17.500 5 19',
  warning: 'M12 9v4.500M12 17v.01M12 3.500 2.500 20h19z',
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));
}
