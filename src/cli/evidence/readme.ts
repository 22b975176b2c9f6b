// The text beside the tables of a folder: what each file and field is, and how whoever takes the folder away checks it.

import { drawn } from '../review/cells.ts';
import type { FileEntry } from './folder.ts';
import type { PageFacts } from './page.ts';
import { TABLE_NAMES, TABLES } from './tables.ts';

export function readme(
  { period, log, made, version, alerts, unproved }: PageFacts,
  files: readonly FileEntry[],
): string {
  const proof = files.some(({ path }) => path === 'proof.jsonl');
  const tables = TABLE_NAMES.map((name) => {
    const { title, what, fields } = TABLES[name];
    const width = Math.max(...fields.map((one) => one.name.length)) + 2;
    const rows = fields.map((one) => `  ${one.name.padEnd(width)}${one.meaning}`);
    return `${name}.json: ${title}\n${what}\n${rows.join('\n')}\n`;
  });
  return `EVIDENCE OF HOLDPOINT
Log      ${drawn(log)}
Period   ${period.from} to ${period.to} (the end is not part of it), UTC
Made     ${made} by Holdpoint ${version}

${alerts.map(({ title, lines }) => [`* ${title}`, ...lines.map((line) => `  ${drawn(line)}`)].join('\n')).join('\n')}

Open index.html in any browser: it needs no network and no script.

HOW TO VERIFY IT, OFFLINE
You need the log's verifier key (name+id+base64). Take it from whoever gave it to you before, not from this folder.
${
  proof
    ? `
  holdpoint audit verify THIS-FOLDER --key KEY
      Are the files those of manifest.json, and do all records of records.jsonl lead to the signed checkpoint?
  holdpoint audit verify receipts/HP-....json --key KEY
      The same of one request, without the rest of the folder.
  python3 verify.py evidence THIS-FOLDER KEY
  python3 verify.py receipt receipts/HP-....json KEY
      The same with another program: docs/verify.py of Holdpoint, Python's standard library alone.

manifest.json is signed by nobody: the command that made this folder printed its SHA-256. Write that down, or sign it.
What the proof does not show: that the log has no other records; that the tables say what the records say (make the
folder anew from a copy of the log: holdpoint audit evidence); that the machine's clock was right.
`
    : `
There is no proof in this folder: see above, and Verification in index.html.
`
}
${unproved.join('\n')}

FILES
index.html       for people; pages/ has the rows beyond the first of a long table
summary.json     the numbers, the result of the verification, and how many rows each table has
records.jsonl    the records that the tables rest on, a line each, byte for byte as in the log; sealed texts are sealed in it
proof.jsonl      one proof for all of these: see below
receipts/        one file for each decided request, where there are not too many
manifest.json    bytes and SHA-256 of each file but itself

Tables are arrays of JSON objects, one a line. null: there is none, or it is not known. Times are ISO 8601, UTC.
Fields may be added in later versions; those that are here keep name and meaning.

${tables.join('\n')}
PROOF.JSONL
A JSON value on each line. The first: {"holdpoint":"evidence proof","v":1,"checkpoint":NOTE}, a C2SP signed note of an RFC 6962 tree.
Then, from the first leaf of the tree to the last: a number N stands for the next N lines of records.jsonl, each a leaf,
SHA-256(0x00 || line without its newline); [H, HASH] stands for a whole subtree of 2^H leaves, HASH its root in base64. It begins at
a multiple of 2^H. Joined as RFC 6962 says (SHA-256(0x01 || left || right)) they give the checkpoint's root. Lines of
records.jsonl beyond those are of records that the checkpoint does not cover yet.
`;
}
