import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const A = 1;
const RESPONSE = 0x8400;
const NO_SUCH_NAME = 3;

/** The address of the receivers that the sender may reach. */
export const ALLOWED = '127.0.0.1';
/** Another loopback address, which the sender must not be allowed to reach. */
export const FORBIDDEN = '127.0.0.2';

/**
 * A name server for two names. `forbidden.test` resolves to the forbidden address.
 * `rebinding.test` alternates between the allowed and the forbidden address, which catches a
 * sender that checks one answer and connects to the next. The TTL of 0 forbids caching.
 *
 * @param {number} port 0 for any free port
 */
export async function serveNames(port) {
  const asked = { 'forbidden.test': 0, 'rebinding.test': 0 };
  const socket = createSocket('udp4');
  socket.on('message', (query, { port: from, address }) => {
    const question = parse(query);
    if (!question) return;
    let addresses = null;
    if (question.name === 'forbidden.test' || question.name === 'rebinding.test') {
      addresses = /** @type {string[]} */ ([]);
      if (question.type === A) {
        asked[question.name] += 1;
        const isAllowed = question.name === 'rebinding.test' && asked[question.name] % 2 === 1;
        addresses.push(isAllowed ? ALLOWED : FORBIDDEN);
      }
    }
    socket.send(answer(query, question.end, addresses), from, address);
  });
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, asked, close: () => socket.close() };
}

/**
 * The first question of a query. `end` is where it ends.
 *
 * @param {Buffer} query
 */
function parse(query) {
  const labels = [];
  let at = 12;
  for (;;) {
    const length = query[at];
    // A label has at most 63 bytes. Greater values are compression pointers, which a question
    // does not have.
    if (length === undefined || length > 63) return null;
    at += 1;
    if (length === 0) break;
    labels.push(query.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > query.length) return null;
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at), end: at + 4 };
}

/**
 * @param {Buffer} query
 * @param {number} end of its question
 * @param {string[] | null} addresses null if there is no such name
 */
function answer(query, end, addresses) {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(RESPONSE | (addresses ? 0 : NO_SUCH_NAME), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses?.length ?? 0, 6);
  head.writeUInt32BE(0, 8);
  const records = (addresses ?? []).map((address) => Buffer.from([
    0xc0, 12, // a pointer to the question's name
    0, A, 0, 1, // type A, class IN
    0, 0, 0, 0, // TTL 0
    0, 4, ...address.split('.').map(Number),
  ]));
  return Buffer.concat([head, ...records]);
}
