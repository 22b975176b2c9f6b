// The page's programs verify what Holdpoint signs, and nothing else; its tables are complete.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WEBHOOK_EVENTS } from '../../../src/config/webhooks.ts';
import { signedHeaders } from '../../../src/review/webhooks/sign.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/webhooks.md'), 'utf8');
const programOf = (language: string): string => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page)?.[1] ?? '';

interface Case {
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const SECRET = `whsec_${Buffer.alloc(24, 3).toString('base64')}`;
const TEXT = 'ein Text von 24 Zeichen, ä';
const BODY = '{"type": "request.opened", "ä": "\u2028"}';
const at = Date.now();
const good = (secrets: readonly string[], when = at): Case['headers'] =>
  signedHeaders(secrets, { id: 'hp_1', at: when, body: BODY });

const CASES: readonly (readonly [name: string, given: Case, right: boolean])[] = [
  ['signed', { secret: SECRET, headers: good([SECRET]), body: BODY }, true],
  ['signed with a text', { secret: TEXT, headers: good([TEXT]), body: BODY }, true],
  ['signed with two, the first', { secret: SECRET, headers: good([SECRET, TEXT]), body: BODY }, true],
  ['signed with two, the second', { secret: TEXT, headers: good([SECRET, TEXT]), body: BODY }, true],
  ['another secret', { secret: TEXT, headers: good([SECRET]), body: BODY }, false],
  ['another body', { secret: SECRET, headers: good([SECRET]), body: BODY.replace('opened', 'closed') }, false],
  ['another id', { secret: SECRET, headers: { ...good([SECRET]), 'webhook-id': 'hp_2' }, body: BODY }, false],
  [
    'another time',
    { secret: SECRET, headers: { ...good([SECRET]), 'webhook-timestamp': `${Math.floor(at / 1000) - 1}` }, body: BODY },
    false,
  ],
  ['old', { secret: SECRET, headers: good([SECRET], at - 400_000), body: BODY }, false],
  ['from the future', { secret: SECRET, headers: good([SECRET], at + 400_000), body: BODY }, false],
  ['no time', { secret: SECRET, headers: { ...good([SECRET]), 'webhook-timestamp': 'now' }, body: BODY }, false],
  ['no signature', { secret: SECRET, headers: { ...good([SECRET]), 'webhook-signature': '' }, body: BODY }, false],
  [
    'another version',
    {
      secret: SECRET,
      headers: { ...good([SECRET]), 'webhook-signature': good([SECRET])['webhook-signature']!.replace('v1', 'v2') },
      body: BODY,
    },
    false,
  ],
];

describe('the page', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'holdpoint-verify-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('in Node', async () => {
    const file = join(dir, 'verify.mjs');
    writeFileSync(file, programOf('js'));
    const { verify } = (await import(pathToFileURL(file).href)) as {
      verify: (secret: string, headers: Case['headers'], body: Buffer) => boolean;
    };
    expect(
      CASES.map(([name, { secret, headers, body }]) => [name, verify(secret, headers, Buffer.from(body))]),
    ).toEqual(CASES.map(([name, , right]) => [name, right]));
  });

  it('in Python', () => {
    const run = `${programOf('python')}\nimport json, sys\nprint(json.dumps([verify(c["secret"], c["headers"], c["body"].encode()) for c in json.load(sys.stdin)]))`;
    const input = JSON.stringify(CASES.map(([, given]) => given));
    const answers = JSON.parse(execFileSync('python3', ['-c', run], { input, encoding: 'utf8' })) as boolean[];
    expect(CASES.map(([name], i) => [name, answers[i]])).toEqual(CASES.map(([name, , right]) => [name, right]));
  });

  it('lists every event', () => {
    const section = page.split('| event | when |')[1]?.split('\n\n')[0] ?? '';
    const listed = [...section.matchAll(/`((?:request|permit|policy)\.[a-z_]+)`/g)].map(([, name]) => name);
    expect(new Set(listed)).toEqual(new Set(WEBHOOK_EVENTS));
  });
});
