// `policy explain --engine mysql|mariadb` as scripts use it: JSON lines in, one line out for each, under the session that each describes.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { policyCommand } from '../../../src/cli/policy.ts';

type Engine = 'mysql' | 'mariadb';

interface Explained {
  readonly id: unknown;
  readonly verdict: string;
  readonly rule: string;
  readonly actions: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly kind: string;
  readonly statements: number;
  readonly findings: readonly { readonly action: string; readonly start: number; readonly end: number }[];
}

async function explain(engine: Engine, lines: readonly object[]): Promise<Explained[]> {
  const out: string[] = [];
  const complaints: string[] = [];
  await policyCommand({
    postgres: () => Promise.reject(new Error('PostgreSQL was not asked for')),
    stdin: (async function* () {
      yield Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    })(),
    write: async (text) => void out.push(text),
    complain: (text) => void complaints.push(text),
  }).parseAsync(['explain', '--engine', engine], { from: 'user' });
  expect(complaints).toEqual([]);
  return out
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Explained);
}

const one = async (engine: Engine, sql: string, session: object = {}): Promise<Explained> => {
  const [answer] = await explain(engine, [{ id: 1, sql, session }]);
  return answer!;
};
const verdict = async (engine: Engine, sql: string, session: object = {}): Promise<string> => {
  const { verdict: word, rule } = await one(engine, sql, session);
  return `${word} by ${rule}`;
};

describe.each(['mysql', 'mariadb'] as const)('%s', (engine) => {
  test('the documented fields, names as the server resolves them, byte offsets', async () => {
    const sql = 'SELECT `é`.id FROM `é` JOIN other.t USING (id)';
    expect(await one(engine, sql, { database: 'shop' })).toEqual({
      id: 1,
      verdict: 'allow',
      rule: 'default',
      actions: ['read'],
      reads: ['other.t', 'shop.é'],
      writes: [],
      functions: [],
      kind: 'SELECT',
      statements: 1,
      limits: [{ rule: 'bulk-read', rows: 10_000, bytes: 10_485_760, per_ms: null, verdict: 'hold', observe: false }],
      findings: [
        expect.objectContaining({ action: 'read', object: 'shop.é', start: 20, end: 24 }),
        expect.objectContaining({ action: 'read', object: 'other.t', start: 30, end: 37 }),
      ],
    });
  });

  test('exact bytes, keys of the other engine, and an unreadable text', async () => {
    const answers = await explain(engine, [
      { id: 'a', sql_hex: Buffer.from("SELECT '\xff'", 'latin1').toString('hex'), params: ['x'] },
      { id: 'b', sql: 'DROP TABLE t', session: { search_path: 'public', role: 'r' } },
      { id: 'c', sql: "SELECT 'open" },
    ]);
    expect(answers.map(({ id, verdict: word, rule }) => `${String(id)} ${word} ${rule}`)).toEqual([
      'a allow default',
      'b hold ddl',
      'c deny unparsed',
    ]);
  });

  test('earlier statements: database, character set, prepared statements', async () => {
    expect(await one(engine, 'DELETE FROM t WHERE id = 1', { earlier: ['USE shop'] })).toMatchObject({
      writes: ['shop.t'],
    });
    expect(await verdict(engine, 'SELECT 1', { charset: 'gbk' })).toBe('hold by unknown');
    expect(await verdict(engine, 'SELECT 1', { charset: 'gbk', earlier: ['SET NAMES utf8mb4'] })).toBe(
      'allow by default',
    );
    const prepare = (text: string) => ({ earlier: [`PREPARE p FROM '${text}'`] });
    expect(await verdict(engine, 'EXECUTE p', prepare('DROP TABLE t'))).toBe('hold by ddl');
    expect(await verdict(engine, 'EXECUTE P', prepare('SELECT 1'))).toBe('allow by default');
    expect(await verdict(engine, 'EXECUTE p', { earlier: ['PREPARE p FROM @text'] })).toBe('hold by opaque-code');
    expect(await verdict(engine, 'EXECUTE q', { earlier: ['CALL p()'] })).toBe('hold by opaque-code');
    expect(await one(engine, 'SELECT 1 FROM t', { earlier: ['CALL p()'] })).toMatchObject({
      verdict: 'hold',
      rule: 'unresolved',
    });
  });

  // A quote that only some modes end, and a statement behind it.
  const hidden = "SELECT 'a\\'; DROP TABLE t; -- '";
  test.each([
    [{}, 'allow by default'],
    [{ sql_mode: 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES' }, 'hold by ddl'],
    [{ earlier: ["SET sql_mode = 'no_backslash_escapes'"] }, 'hold by ddl'],
    [{ earlier: ["SET sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')"] }, 'hold by ddl'],
    [{ earlier: ["SET sql_mode = concat(@@sql_mode, ',STRICT_TRANS_TABLES')"] }, 'allow by default'],
    [{ earlier: ['SET sql_mode = @@global.sql_mode'] }, 'hold by ddl'],
    [{ sql_mode: 'NO_BACKSLASH_ESCAPES', earlier: ["SET SESSION sql_mode = ''"] }, 'allow by default'],
    [{ sql_mode: 'A_MODE_OF_TOMORROW' }, 'hold by ddl'],
  ])('sql_mode: %j', async (session, expected) => {
    expect(await verdict(engine, hidden, session)).toBe(expected);
  });
});

test('the version decides which versioned comments are read, however it is written', async () => {
  const sql = 'SELECT 1 /*!80400 INTO OUTFILE "/tmp/x" */';
  expect(await verdict('mysql', sql)).toBe('deny by server-files');
  for (const server_version of ['8.0.36', 8, 80_036]) {
    expect(await verdict('mysql', sql, { server_version }), String(server_version)).toBe('allow by default');
  }
  expect(await verdict('mariadb', 'SELECT 1 /*!110400 INTO OUTFILE "/tmp/x" */')).toBe('allow by default');
  for (const server_version of ['11.4.2-MariaDB-log', '5.5.5-11.4.2-MariaDB', 11.4])
    expect(await verdict('mariadb', 'SELECT 1 /*!110400 INTO OUTFILE "/tmp/x" */', { server_version })).toBe(
      'deny by server-files',
    );
});

interface Case {
  readonly id: string;
  readonly servers: readonly string[];
  readonly session?: readonly string[];
  readonly sql?: string;
  readonly sql_hex?: string;
  readonly messages?: readonly (readonly [string, ...unknown[]])[];
  readonly connect?: { readonly charset?: number };
  readonly expect: { readonly must_hold: boolean; readonly arguable?: boolean };
}

const CASES = readFileSync(new URL('../../../fixtures/sql/bypass-mysql.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);
/** Ordinary, and held all the same: test/unit/sql/mysql/bypass.test.ts says why. */
const HELD = new Set(['my-name-resolution-021']);
const TEXT: ReadonlySet<string> = new Set(['Query', 'QueryAttrs', 'Split', 'Prepare']);
const CHARSETS: Readonly<Record<number, string>> = { 8: 'latin1', 28: 'gbk', 45: 'utf8mb4' };

/** Every text of the case as a line, with those before it as its session. Null: commands without a text decide. */
function linesOf({ id, session = [], sql, sql_hex, messages = [], connect }: Case): object[] | null {
  if (messages.some(([type]) => type === 'Raw' || type === 'ChangeUser')) return null;
  const texts: object[] = session.map((text) => ({ sql: text }));
  if (sql_hex !== undefined) texts.push({ sql_hex });
  else if (sql !== undefined) texts.push({ sql });
  for (const [type, text] of messages) {
    if (TEXT.has(type)) texts.push({ sql: text });
    if (type === 'InitDb') texts.push({ sql: `USE \`${String(text)}\`` });
  }
  const charset = CHARSETS[connect?.charset ?? 45]!;
  return texts.map((text, at) => ({
    id,
    ...text,
    session: {
      charset,
      earlier: texts.slice(0, at).flatMap((one_before) => ('sql' in one_before ? one_before.sql : [])),
    },
  }));
}

test.each([
  ['mysql', 'MySQL'],
  ['mariadb', 'MariaDB'],
] as const)(
  'the bypass collection: what must be held of %s is held, what is ordinary passes',
  async (engine, server) => {
    const cases = CASES.filter(({ servers }) => servers.some((name) => name.startsWith(server)));
    const lines = cases.flatMap((item) => linesOf(item) ?? []);
    const answers = await explain(engine, lines);
    expect(answers).toHaveLength(lines.length);
    const judged = new Set(answers.map(({ id }) => id));
    const held = new Set(answers.filter(({ verdict: word }) => word !== 'allow').map(({ id }) => id));
    const wrong = cases.filter(
      ({ id, expect: { must_hold, arguable } }) =>
        judged.has(id) && !arguable && held.has(id) !== (must_hold || HELD.has(id)),
    );
    expect(wrong.map(({ id }) => id)).toEqual([]);
    expect(judged.size).toBeGreaterThan(150);
  },
);
