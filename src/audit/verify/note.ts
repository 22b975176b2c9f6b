// Reads what the log's owner signed: verifier keys and signed notes (C2SP signed-note, tlog-checkpoint), Ed25519.
// Must never take a note whose signature it has not checked, nor one of a key that was not given.

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** RFC 8410, 4: what stands before the 32 bytes of a public key. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519 = 1;

export interface VerifierKey {
  readonly name: string;
  /** Eight hex digits. */
  readonly id: string;
  readonly key: KeyObject;
}

export interface SignedCheckpoint {
  readonly origin: string;
  /** How many records it covers. */
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  /** `name+id` of the given keys that signed it. */
  readonly signed_by: readonly string[];
}

/** What was given is not what it should be; the message says what, for whoever gave it. */
export class BadInput extends Error {}

/** `name+id+base64`. Throws BadInput. */
export function parseKey(text: string): VerifierKey {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  const [, name = '', id = '', base64 = ''] = match ?? [];
  const bytes = Buffer.from(base64, 'base64');
  if (match === null || bytes.length !== 33 || bytes[0] !== ED25519)
    throw new BadInput(`'${text.trim().slice(0, 80)}' is no verifier key: it looks like name+1a2b3c4d+base64, Ed25519`);
  const hash = createHash('sha256').update(`${name}\n`).update(bytes).digest('hex').slice(0, 8);
  if (hash !== id)
    throw new BadInput(`the verifier key of ${name} is damaged: its id is ${id}, and its content says ${hash}`);
  return {
    name,
    id,
    key: createPublicKey({ key: Buffer.concat([SPKI, bytes.subarray(1)]), format: 'der', type: 'spki' }),
  };
}

/** One key a line; empty lines and those with # at their beginning are passed over. Throws BadInput. */
export function parseKeys(text: string): VerifierKey[] {
  const keys = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map(parseKey);
  if (keys.length === 0) throw new BadInput('there is no verifier key in it');
  return keys;
}

/** One note, or several one after the other. Throws BadInput for a text that is none, and where none of the keys signed one. */
export function parseCheckpoints(text: string, keys: readonly VerifierKey[], from: string): SignedCheckpoint[] {
  const notes = notesIn(text);
  if (notes === null) throw new BadInput(`${from} holds no checkpoint, or something beside checkpoints`);
  return notes.map((note) => checked(note, keys, from));
}

const SIGNATURE = '\u2014 ';
/** Of one note. */
const SIGNATURES_MAX = 16;

/** The text, an empty line, signatures; empty lines between one and the next are no matter. Null: there is something else. */
function notesIn(text: string): string[] | null {
  const notes: string[] = [];
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  for (let at = 0; at < lines.length; ) {
    if (lines[at] === '') {
      at++;
      continue;
    }
    const middle = lines.indexOf('', at);
    if (middle - at < 3) return null;
    const behind = lines.slice(middle + 1, middle + 1 + SIGNATURES_MAX);
    const other = behind.findIndex((line) => !line.startsWith(SIGNATURE));
    const signatures = other === -1 ? behind.length : other;
    if (signatures === 0) return null;
    const end = middle + 1 + signatures;
    notes.push(`${lines.slice(at, end).join('\n')}\n`);
    at = end;
  }
  return notes.length === 0 ? null : notes;
}

function checked(note: string, keys: readonly VerifierKey[], from: string): SignedCheckpoint {
  const end = note.indexOf('\n\n') + 1;
  const [origin = '', size = '', root = ''] = note.slice(0, end).split('\n');
  const bytes = Buffer.from(root, 'base64');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || bytes.length !== 32 || bytes.toString('base64') !== root)
    throw new BadInput(`${from}: a checkpoint in it is malformed`);
  const signed = Buffer.from(note.slice(0, end));
  const signed_by: string[] = [];
  for (const line of note.slice(end + 1).split('\n')) {
    const [, name, base64 = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    const signature = Buffer.from(base64, 'base64');
    const id = signature.toString('hex', 0, 4);
    const key = keys.find((one) => one.name === name && one.id === id);
    if (key === undefined) continue;
    // The key's own name is in the signed text, so a note of another log of the same key is another note.
    if (origin !== key.name || signature.length !== 68 || !verify(null, signed, key.key, signature.subarray(4)))
      throw new BadInput(
        `${from}: the checkpoint of ${size} records bears a signature of ${name}+${id} that is wrong: it is forged or damaged`,
      );
    signed_by.push(`${key.name}+${key.id}`);
  }
  if (signed_by.length === 0)
    throw new BadInput(`${from}: the checkpoint of ${size} records is not signed by a key that was given`);
  return { origin, size: Number(size), root: bytes, note, signed_by };
}
