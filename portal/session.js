// Where the portal's token comes from, and where it is kept.
//
// A link has it in the fragment, which no server and no log sees. It leaves the address
// bar at once, so that it is not copied or bookmarked with the page. To survive a reload
// it is kept in sessionStorage: one tab, gone when the tab closes. Memory alone would
// protect nothing more, because a script that could read the one could read the other,
// and the policy lets no foreign script run. A key that someone pastes is never stored.

const STORED = 'portal-session';

/** The token of the link that opened the page, or of this tab. Null if there is none. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given !== null) {
    history.replaceState(null, '', location.pathname + location.search);
    // Nothing of an earlier session in this tab stays.
    forgetToken();
    if (given !== '') storage((kept) => kept.setItem(STORED, given));
    return given === '' ? null : given;
  }
  return storage((kept) => kept.getItem(STORED));
}

export function forgetToken() {
  storage((kept) => kept.removeItem(STORED));
}

/**
 * Browsers that block storage, in frames for example, throw. The session then lasts
 * until the page is reloaded.
 *
 * @template T
 * @param {(kept: Storage) => T} use
 * @returns {T | null}
 */
function storage(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}
