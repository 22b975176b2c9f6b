// What a client says before it is anybody: the startup packet and its `options`, decoded by the server's own rules.
// Never guesses: an option that these rules do not cover is returned as refused, not passed on.
// Source of the rules: manual 55.2.1 and 55.7 (StartupMessage); pg_split_opts and process_postgres_switches of the server.
import { isUtf8 } from 'node:buffer';
import { CANCEL_REQUEST, GSSENC_REQUEST, PROTOCOL_3_2, SSL_REQUEST } from './messages.ts';

export type StartupPacket =
  | { readonly type: 'ssl' }
  | { readonly type: 'gssenc' }
  | { readonly type: 'cancel'; readonly processId: number; readonly secretKey: Buffer }
  | {
      readonly type: 'startup';
      readonly minor: number;
      /** Protocol options (`_pq_.`) that we do not know. */
      readonly unrecognised: readonly string[];
      /** In the order sent, names as sent, `_pq_.` ones left out. */
      readonly parameters: ReadonlyMap<string, string>;
    }
  /** A protocol that is not 3: no answer can be sure to be understood. */
  | { readonly type: 'unsupported'; readonly why: string }
  | { readonly type: 'bad'; readonly why: string };

/** Reads the packet at the start of `buffer`; null while it is not whole. `bytes_max` bounds its length field. */
export const readStartupPacket = (buffer: Buffer, bytes_max: number): { packet: StartupPacket; end: number } | null => {
  if (buffer.length < 4) return null;
  const length = buffer.readInt32BE(0);
  if (length < 8 || length > bytes_max)
    return { packet: { type: 'bad', why: `invalid length of startup packet: ${length}` }, end: buffer.length };
  if (buffer.length < length) return null;
  const packet = buffer.subarray(0, length);
  return { packet: decode(packet), end: length };
};

const decode = (packet: Buffer): StartupPacket => {
  const request = packet.readInt32BE(4);
  if (request === SSL_REQUEST || request === GSSENC_REQUEST) {
    if (packet.length !== 8) return { type: 'bad', why: 'invalid length of an encryption request' };
    return { type: request === SSL_REQUEST ? 'ssl' : 'gssenc' };
  }
  if (request === CANCEL_REQUEST) {
    // A cancel key is 4 bytes in 3.0 and at most 256 in 3.2.
    if (packet.length < 16 || packet.length > 12 + 256)
      return { type: 'bad', why: 'invalid length of a cancel request' };
    return { type: 'cancel', processId: packet.readInt32BE(8), secretKey: Buffer.from(packet.subarray(12)) };
  }
  const major = request >>> 16;
  if (major !== PROTOCOL_3_2 >>> 16)
    return {
      type: 'unsupported',
      why: `unsupported frontend protocol ${major}.${request & 0xffff}: Holdpoint speaks 3.0 to 3.2`,
    };
  // Names that differ in bytes must not become the same name.
  if (!isUtf8(packet.subarray(8))) return { type: 'bad', why: 'startup packet is not UTF-8' };
  const parameters = new Map<string, string>();
  const unrecognised: string[] = [];
  let at = 8;
  for (;;) {
    const nameEnd = packet.indexOf(0, at);
    if (nameEnd < 0) return { type: 'bad', why: 'invalid startup packet layout: expected terminator as last byte' };
    if (nameEnd === at) {
      if (at !== packet.length - 1)
        return { type: 'bad', why: 'invalid startup packet layout: expected terminator as last byte' };
      return { type: 'startup', minor: request & 0xffff, unrecognised, parameters };
    }
    const valueEnd = packet.indexOf(0, nameEnd + 1);
    if (valueEnd < 0) return { type: 'bad', why: 'invalid startup packet layout: expected terminator as last byte' };
    const name = packet.toString('utf8', at, nameEnd);
    if (name.startsWith('_pq_.')) unrecognised.push(name);
    else parameters.set(name, packet.toString('utf8', nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
};

export type Options =
  | { readonly settings: readonly (readonly [string, string])[] }
  /** A switch other than -c and --name=value, or a malformed one. */
  | { readonly refused: string };

/** Decodes the `options` startup parameter: words split at white space, `\` takes the next character as it is. */
export const readOptions = (options: string): Options => {
  const words = splitWords(options);
  const settings: [string, string][] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    let setting: string | undefined;
    if (word.startsWith('--')) setting = word.slice(2);
    else if (word.startsWith('-c')) setting = word.length > 2 ? word.slice(2) : words[++index];
    const equals = setting?.indexOf('=') ?? -1;
    if (setting === undefined || equals < 1) return { refused: word };
    // The server turns '-' into '_' in such a name.
    settings.push([setting.slice(0, equals).replaceAll('-', '_'), setting.slice(equals + 1)]);
  }
  return { settings };
};

const SPACES = new Set([' ', '\t', '\n', '\v', '\f', '\r']);

const splitWords = (text: string): string[] => {
  const words: string[] = [];
  let word: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (SPACES.has(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (character === '\\' && at + 1 < text.length) word = (word ?? '') + text[++at];
    else if (character === '\\') word ??= '';
    else word = (word ?? '') + character;
  }
  if (word !== null) words.push(word);
  return words;
};
