// Under which OS user does a client on this machine run? Linux keeps it of every TCP socket (proc_net_tcp(5)); asked for connections over loopback
// alone. For a warning: must never delay or refuse a login, and what can't be read is nobody's fault.
import { open } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

/** Between two looks, in ms: whoever logs in meanwhile is seen another time. */
export const LOOK_EVERY_MS = 250;
/** Some 110,000 sockets; those behind are not seen. */
const TABLE_BYTES_MAX = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
/** Of a line there: 150, with IPv6 some 180. */
const LINE_BYTES_MAX = 512;
/** Principals that are told of once. */
const TOLD_MAX = 1_000;
const TABLES = '/proc/self/net';

/** Both ends of a connection, as a net.Socket has them. */
export interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

export interface SameUserOptions {
  /** Our own. */
  readonly uid: number;
  /** Once for each principal. */
  readonly found: (user: string) => void;
  readonly now?: () => number;
  /** Has tcp and tcp6. */
  readonly tables?: string;
}

/** Takes who has logged in over what (the same object for the same connection); resolves when it has looked, if it does. Rejects never. */
export function watchSameUser({
  uid,
  found,
  now = Date.now,
  tables = TABLES,
}: SameUserOptions): (user: string, ends: Ends) => Promise<void> {
  const told = new Set<string>();
  let looked = -Infinity;
  // Whose a connection is stays so: another login over it needs no other look.
  const known = new WeakMap<Ends, Promise<number | null>>();
  return async (user, ends) => {
    if (!isLoopback(ends.remoteAddress) || told.has(user) || told.size >= TOLD_MAX) return;
    let of = known.get(ends);
    if (of === undefined) {
      if (now() - looked < LOOK_EVERY_MS) return;
      looked = now();
      of = uidOfPeer(ends, tables).catch(() => null);
      known.set(ends, of);
    }
    if ((await of) !== uid || told.has(user)) return;
    told.add(user);
    found(user);
  };
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(::1$|(::ffff:)?127\.)/.test(address);

/** Of the client's own socket; null: it is not there. Rejects where there are no such tables. */
export async function uidOfPeer(ends: Ends, tables: string = TABLES): Promise<number | null> {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = ends;
  const from = remoteAddress.replace(/^::ffff:/, '');
  const to = localAddress.replace(/^::ffff:/, '');
  // What is IPv4 to one end may be IPv6 to the other.
  const places = isIPv4(from)
    ? ([
        ['tcp', ''],
        ['tcp6', MAPPED],
      ] as const)
    : ([['tcp6', '']] as const);
  for (const [table, before] of places) {
    const row = ` ${before}${hexOf(from)}:${port(remotePort)} ${before}${hexOf(to)}:${port(localPort)} `;
    // Behind both ends: state, queues, timer, retransmits, uid.
    const uid = /^\S+ \S+ \S+ +\S+ +(\d+) /.exec((await behind(row, `${tables}/${table}`)) ?? '')?.[1];
    if (uid !== undefined) return Number(uid);
  }
  return null;
}

/** Words of 32 bits in hex, as the processor has them: the lowest byte first on all that Node runs on but s390x, where nothing is found. */
const MAPPED = '0000000000000000FFFF0000';
const LOOPBACK_6 = '00000000000000000000000001000000';
const hexOf = (address: string): string =>
  isIPv4(address) ? Buffer.from(address.split('.').toReversed().map(Number)).toString('hex').toUpperCase() : LOOPBACK_6;
const port = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0');

/** What stands behind a text on its line; null: it is nowhere. Read no further than needed: such a file has no size to go by. */
async function behind(text: string, path: string): Promise<string | null> {
  const file = await open(path);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let kept = '';
  try {
    for (let bytes = 0; bytes < TABLE_BYTES_MAX; ) {
      const { bytesRead } = await file.read({ buffer });
      bytes += bytesRead;
      kept += buffer.toString('latin1', 0, bytesRead);
      const at = kept.indexOf(text);
      const end = at === -1 ? -1 : kept.indexOf('\n', at);
      if (at !== -1 && (end !== -1 || bytesRead === 0))
        return kept.slice(at + text.length, end === -1 ? kept.length : end);
      if (bytesRead === 0) return null;
      // It may go on in what is read next.
      if (at === -1) kept = kept.slice(-LINE_BYTES_MAX);
    }
    return null;
  } finally {
    await file.close();
  }
}
