// The packets of the connection phase, out and in: greeting, SSLRequest, handshake response, authentication. Payloads only, without headers.
// Throws Malformed at whatever is not exactly such a packet; never reads past a length that lies.
// Source: MySQL Server Doxygen, "Connection Phase Packets"; MariaDB, "Connection".
import { isUtf8 } from 'node:buffer';
import { Bytes, int, lenencString, Malformed, nulString } from './bytes.ts';
import { type Capabilities, CLIENT, isMariadb } from './capabilities.ts';
import { HEADER } from './messages.ts';

export const PROTOCOL_VERSION = 10;
/** Random bytes that a proof of the password is made with. */
export const NONCE_BYTES = 20;
const SSL_REQUEST_BYTES = 32;

/** Protocol::HandshakeV10. */
export interface Greeting {
  readonly version: string;
  readonly threadId: number;
  /** NONCE_BYTES, none of them 0. */
  readonly nonce: Buffer;
  readonly capabilities: Capabilities;
  /** Low byte of the server's collation. */
  readonly collation: number;
  readonly status: number;
  readonly plugin: string;
}

export const greeting = ({ version, threadId, nonce, capabilities, collation, status, plugin }: Greeting): Buffer =>
  Buffer.concat([
    Buffer.of(PROTOCOL_VERSION),
    nulString(version),
    int(4, threadId),
    nulString(nonce.subarray(0, 8)),
    int(2, capabilities.flags & 0xffff),
    int(1, collation),
    int(2, status),
    int(2, capabilities.flags >>> 16),
    int(1, NONCE_BYTES + 1),
    Buffer.alloc(6),
    int(4, capabilities.mariadb),
    nulString(nonce.subarray(8)),
    nulString(plugin),
  ]);

export const readGreeting = (payload: Buffer): Greeting => {
  const bytes = new Bytes(payload);
  if (bytes.int(1) !== PROTOCOL_VERSION) throw new Malformed('not protocol version 10');
  const version = bytes.nul().toString('latin1');
  const threadId = bytes.int(4);
  const first = bytes.take(8);
  bytes.take(1);
  const low = bytes.int(2);
  const collation = bytes.int(1);
  const status = bytes.int(2);
  const flags = (low | (bytes.int(2) << 16)) >>> 0;
  const length = bytes.int(1);
  bytes.take(6);
  const extended = bytes.int(4);
  // Its last byte is a NUL.
  const second = bytes.take(Math.max(13, length - 8)).subarray(0, NONCE_BYTES - 8);
  // A server of old may leave out the NUL (MySQL bug 59453).
  const plugin = (flags & CLIENT.PLUGIN_AUTH) === 0 ? '' : (bytes.rest().toString('latin1').split('\0')[0] ?? '');
  return {
    version,
    threadId,
    nonce: Buffer.concat([first, second]),
    capabilities: { flags, mariadb: isMariadb({ flags, mariadb: 0 }) ? extended : 0 },
    collation,
    status,
    plugin,
  };
};

/** What both SSLRequest and HandshakeResponse41 begin with. */
interface Head {
  readonly capabilities: Capabilities;
  /** Longest packet that the client takes, in bytes. */
  readonly packet_bytes_max: number;
  /** One byte: the servers look at no second one, whatever some drivers put there. */
  readonly collation: number;
}

/** Protocol::HandshakeResponse41. */
export interface HandshakeResponse extends Head {
  readonly type: 'response';
  readonly user: string;
  readonly proof: Buffer;
  /** '' for none. */
  readonly database: string;
  readonly plugin: string;
  /** In the order sent. */
  readonly attributes: ReadonlyMap<string, string>;
}

export type ClientHello =
  | HandshakeResponse
  | ({ readonly type: 'ssl' } & Head)
  /** Before 4.1, or without what REQUIRED names: its flags are all that can be read. */
  | { readonly type: 'old'; readonly capabilities: Capabilities };

const head = ({ capabilities, packet_bytes_max, collation }: Head): Buffer =>
  Buffer.concat([
    int(4, capabilities.flags),
    int(4, packet_bytes_max),
    int(1, collation),
    Buffer.alloc(19),
    int(4, capabilities.mariadb),
  ]);

export const sslRequest = (hello: Head): Buffer => head(hello);

export const handshakeResponse = (response: Omit<HandshakeResponse, 'type'>): Buffer => {
  const { flags } = response.capabilities;
  const lenenc = (flags & CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA) !== 0;
  const { proof } = response;
  const attributes = [...response.attributes].flatMap((pair) => pair.map(lenencString));
  return Buffer.concat([
    head(response),
    nulString(response.user),
    lenenc ? lenencString(proof) : Buffer.concat([int(1, proof.length), proof]),
    ...((flags & CLIENT.CONNECT_WITH_DB) === 0 ? [] : [nulString(response.database)]),
    ...((flags & CLIENT.PLUGIN_AUTH) === 0 ? [] : [nulString(response.plugin)]),
    ...((flags & CLIENT.CONNECT_ATTRS) === 0 ? [] : [lenencString(Buffer.concat(attributes))]),
  ]);
};

/** `offer`: what was offered; a flag beyond it changes nothing in the layout, as at the servers. */
export const readClientHello = (payload: Buffer, offer: Capabilities): ClientHello => {
  const bytes = new Bytes(payload);
  const low = bytes.int(2);
  if ((low & CLIENT.PROTOCOL_41) === 0) return { type: 'old', capabilities: { flags: low, mariadb: 0 } };
  const flags = (low | (bytes.int(2) << 16)) >>> 0;
  const packet_bytes_max = bytes.int(4);
  const collation = bytes.int(1);
  bytes.take(19);
  const extended = bytes.int(4);
  const capabilities = { flags, mariadb: isMariadb({ flags, mariadb: 0 }) ? extended : 0 };
  const start = { capabilities, packet_bytes_max, collation };
  if (payload.length === SSL_REQUEST_BYTES && (flags & CLIENT.SSL) !== 0) return { type: 'ssl', ...start };
  const has = (flag: number): boolean => (flags & offer.flags & flag) !== 0;
  if (!has(CLIENT.SECURE_CONNECTION) || !has(CLIENT.PLUGIN_AUTH)) return { type: 'old', capabilities };
  const user = utf8(bytes.nul());
  const proof = bytes.take(has(CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA) ? bytes.lenenc() : bytes.int(1));
  const database = has(CLIENT.CONNECT_WITH_DB) ? utf8(bytes.nul()) : '';
  const plugin = bytes.nul().toString('latin1');
  const attributes = has(CLIENT.CONNECT_ATTRS) && bytes.left > 0 ? readAttributes(bytes) : new Map<string, string>();
  return { type: 'response', ...start, user, proof, database, plugin, attributes };
};

/** COM_CHANGE_USER: who the client says it is from now on. */
export interface ChangeUser extends Pick<HandshakeResponse, 'user' | 'proof' | 'database' | 'plugin' | 'attributes'> {
  /** Two bytes here; null: left out. */
  readonly collation: number | null;
}

/** `capabilities`: in force with the client. */
export const readChangeUser = (payload: Buffer, { flags }: Capabilities): ChangeUser => {
  const bytes = new Bytes(payload, 1);
  const user = utf8(bytes.nul());
  const proof = bytes.take(bytes.int(1));
  const database = utf8(bytes.nul());
  const collation = bytes.left > 0 ? bytes.int(2) : null;
  const plugin = bytes.left > 0 ? bytes.nul().toString('latin1') : '';
  const attributed = (flags & CLIENT.CONNECT_ATTRS) !== 0 && bytes.left > 0;
  const attributes = attributed ? readAttributes(bytes) : new Map<string, string>();
  return { user, proof, database, collation, plugin, attributes };
};

/** Names that differ in bytes must not become the same name. */
const utf8 = (name: Buffer): string => {
  if (!isUtf8(name)) throw new Malformed('a name that is not UTF-8');
  return name.toString('utf8');
};

const readAttributes = (bytes: Bytes): Map<string, string> => {
  const all = new Bytes(bytes.take(bytes.lenenc()));
  const attributes = new Map<string, string>();
  while (all.left > 0) {
    const name = all.take(all.lenenc()).toString('utf8');
    attributes.set(name, all.take(all.lenenc()).toString('utf8'));
  }
  return attributes;
};

/** Protocol::AuthSwitchRequest: prove it in another way, with this nonce. */
export const authSwitchRequest = (plugin: string, nonce: Buffer): Buffer =>
  Buffer.concat([Buffer.of(HEADER.EOF), nulString(plugin), nulString(nonce)]);

export const readAuthSwitchRequest = (payload: Buffer): { readonly plugin: string; readonly nonce: Buffer } => {
  const bytes = new Bytes(payload, 1);
  // Alone, the byte asks for the proof of before 4.1.
  if (bytes.left === 0) return { plugin: 'mysql_old_password', nonce: Buffer.alloc(0) };
  return { plugin: bytes.nul().toString('latin1'), nonce: bytes.rest().subarray(0, NONCE_BYTES) };
};

/** Protocol::AuthMoreData. */
export const authMoreData = (data: Buffer): Buffer => Buffer.concat([Buffer.of(HEADER.MORE_DATA), data]);
