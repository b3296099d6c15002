// The harness talks only to senders on this machine, so that a wrong option can't put load on
// anyone else.

/**
 * The URL, if its host is a literal loopback address. A name such as `localhost` is refused,
 * because what it resolves to can change.
 *
 * @param {string} text
 * @returns {URL}
 */
export function loopbackUrl(text) {
  const url = URL.parse?.(text) ?? parse(text);
  if (url?.protocol !== 'http:') throw new Error(`not an http URL: ${text}`);
  if (!/^127(\.\d{1,3}){3}$/.test(url.hostname) && url.hostname !== '[::1]') {
    throw new Error(`not a loopback address, such as 127.0.0.1: ${url.hostname}`);
  }
  return url;
}

/** @param {string} text */
function parse(text) {
  // Node 20 has no URL.parse.
  return URL.canParse(text) ? new URL(text) : null;
}
