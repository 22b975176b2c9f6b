import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policyCommand } from '../../../src/cli/policy.ts';
import type { Explained, ExplainedSession } from '../../../src/sql/explain.ts';
import type { Analysis } from '../../../src/sql/findings.ts';
import { analysis, unparsed } from './made.ts';

const POLICY = `version: 1
default: allow
rules:
  - id: exports
    when: stmt.does("export")
    unless: who.in("backup")
    then: hold
    message: Say why.
    examples:
      holds: [{postgres: COPY users TO STDOUT}]
      allows: [SELECT 1]
      unless: [{postgres: COPY users TO STDOUT, as: {groups: [backup]}}, {mariadb: SELECT 1 INTO OUTFILE '/x', as: {groups: [backup]}}]
`;

let folder: string;
let file: string;
let sessions: ExplainedSession[];
let seen: string[];
let closed: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-'));
  file = join(folder, 'p.yaml');
  await writeFile(file, POLICY);
  sessions = [];
  seen = [];
  closed = 0;
});
afterEach(async () => {
  process.exitCode = undefined;
  await rm(folder, { recursive: true });
});

async function analyse(sql: Uint8Array, session: ExplainedSession): Promise<Explained> {
  sessions.push(session);
  return { analysis: analyseText(sql), earlier: [], in_transaction: false, role: 'agent', role_is_local: false };
}

function analyseText(sql: Uint8Array): Analysis {
  const text = Buffer.from(sql).toString('latin1');
  seen.push(text);
  if (!/^(COPY|SELECT)/.test(text)) return unparsed(text.indexOf('nonsense') < 3 ? 1 : 4);
  if (text.startsWith('SELECT')) return analysis([], { functions: ['pg_catalog.now'] });
  const range = { start: 0, end: 4, object: 'public.users' };
  return analysis(
    [
      { action: 'read', ...range },
      { action: 'export', ...range },
    ],
    {},
    { kind: 'COPY' },
  );
}

async function run(args: string[], stdin = '') {
  const out: string[] = [];
  const complaints: string[] = [];
  const command = policyCommand({
    postgres: async () => ({ analyse, close: async () => void (closed += 1) }),
    stdin: (async function* () {
      // In pieces that cut lines and characters.
      const bytes = Buffer.from(stdin);
      for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
    })(),
    write: async (text) => void out.push(text),
    complain: (text) => void complaints.push(text),
  });
  const failure = await command.parseAsync(args, { from: 'user' }).then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  return { out: out.join(''), complaints: complaints.join('\n'), failure, exit: process.exitCode };
}

describe('explain', () => {
  it('prints one JSON line for each line, in order, with exactly the documented fields', async () => {
    const lines = [
      { id: 'a', sql: 'COPY users TO STDOUT' },
      { id: 2, sql_hex: Buffer.from('SELECT 1').toString('hex') },
      { id: null, sql: 'nonsense' },
      { id: 'b', sql: 'COPY users TO STDOUT', as: { groups: ['backup'] }, params: ['x'] },
    ];
    const { out, exit } = await run(
      ['explain', '--engine', 'postgres', '--policy', file],
      lines.map((line) => `${JSON.stringify(line)}\n`).join('\n'),
    );
    const found = { why: 'made for a test', statement: 0, start: 0, end: 4 };
    const copy = {
      actions: ['export', 'read'],
      reads: ['public.users'],
      writes: [],
      functions: [],
      kind: 'COPY',
      statements: 1,
      findings: [
        { action: 'read', object: 'public.users', ...found },
        { action: 'export', object: 'public.users', ...found },
      ],
    };
    const none = { actions: [], reads: [], writes: [], functions: [] };
    const expected = [
      { id: 'a', verdict: 'hold', rule: 'exports', ...copy },
      {
        id: 2,
        verdict: 'allow',
        rule: 'default',
        ...none,
        functions: ['pg_catalog.now'],
        kind: 'SELECT',
        statements: 1,
        findings: [],
      },
      {
        id: null,
        verdict: 'deny',
        rule: 'unparsed',
        ...none,
        kind: '',
        statements: 0,
        findings: [],
        error: { sqlstate: '42601', message: 'syntax error', position: 1 },
      },
      { id: 'b', verdict: 'allow', rule: 'default', ...copy },
    ];
    expect(out).toBe(expected.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(exit).toBeUndefined();
    expect(closed).toBe(1);
  });

  it('gives the analyser exact bytes and the session, with defaults', async () => {
    const session = {
      server_version: '15.18',
      database: 'shop',
      search_path: 'evil',
      role: 'r',
      in_transaction: true,
      earlier: ['SET x = 1'],
    };
    const lines = [{ sql_hex: '53454C454354ff00' }, { sql: 'SELECT \u2028é', session }];
    await run(
      ['explain', '--engine', 'postgres', '--policy', file],
      lines.map((line) => JSON.stringify(line)).join('\n'),
    );
    expect(seen).toEqual(['SELECT\u00ff\u0000', 'SELECT \u00e2\u0080\u00a8\u00c3\u00a9']);
    expect(sessions).toEqual([{}, { ...session, server_version: 15 }]);
  });

  it('tells a line that is not JSON, goes on, and ends with 2', async () => {
    const { out, complaints, exit } = await run(
      ['explain', '--engine', 'postgres', '--policy', file],
      '{"id":1,"sql":"SELECT 1"}\nnope\n\n{"id":2,"sql":"SELECT 1"}',
    );
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: unknown }).id),
    ).toEqual([1, 2]);
    expect(complaints).toContain('line 2 is not JSON');
    expect(exit).toBe(2);
  });

  it('answers a line without a statement, and ends with 1', async () => {
    const { out, complaints, exit } = await run(
      ['explain', '--engine', 'postgres', '--policy', file],
      '{"id":7}\n{"id":8,"sql":3}\n',
    );
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([
      { id: 7, verdict: 'deny', rule: 'unparsed', error: { sqlstate: '22023' } },
      { id: 8, verdict: 'deny', rule: 'unparsed' },
    ]);
    expect(complaints).toContain('line 2: sql');
    expect(exit).toBe(1);
  });

  it('shows a person the rule, its words and a caret under the finding', async () => {
    const { out } = await run(['explain', '--engine', 'postgres', '--policy', file, 'COPY \u202Eusers TO STDOUT']);
    expect(out).toBe(`hold, by rule exports
  Say why.

  COPY <U+202E>users TO STDOUT
  ^^^^
  export public.users: made for a test

asks       any reviewer, within 15m
`);
  });

  it('says whom a rule asks as agents and reviewers are told', async () => {
    const reviewers = 'reviewers: {dba: {groups: [dba]}, owners: {groups: [owners]}, leads: {groups: [leads]}}\nrules:';
    const ask = 'then: hold\n    ask: {of_each: [dba, owners], escalate: {after: 5m, to: [leads]}, wait: 90s}';
    await writeFile(file, POLICY.replace('rules:', reviewers).replace('then: hold', ask));
    const { out } = await run(['explain', '--engine', 'postgres', '--policy', file, 'COPY users TO STDOUT']);
    expect(out).toContain(`
asks       one of dba and one of owners, within 15m; the connection waits 90s
           after 5m leads, too, each in the place of any other
`);
  });

  it('shows limits of what runs by itself only', async () => {
    await writeFile(file, `${POLICY}  - {id: few, when: stmt.does("read"), limit: {rows: 3, then: hold}}\n`);
    const of = async (...args: string[]) =>
      (await run(['explain', '--engine', 'postgres', '--policy', file, ...args, 'COPY users TO STDOUT'])).out;
    expect(await of()).toMatch(/asks {7}any reviewer, within 15m\nalso {7}few\n/);
    expect(JSON.parse(await of('--json'))).not.toHaveProperty('limits');
    await writeFile(file, (await readFile(file, 'utf8')).replace('then: hold', 'then: hold\n    mode: observe'));
    expect(await of()).toContain('limit      3 rows in a result, then hold for any reviewer, by rule few\n');
    expect(JSON.parse(await of('--json'))).toMatchObject({ verdict: 'allow', limits: [{ rule: 'few' }] });
  });

  it('shows where a text stops to parse, counting characters, on its own line', async () => {
    const { out } = await run(['explain', '--engine', 'postgres', '--policy', file, 'nö\nnonsense']);
    expect(out).toContain(`deny, by unparsed`);
    expect(out).toContain(`\n  nonsense\n  ^\n  42601: syntax error\n`);
  });

  it('prints JSON of an argument when asked', async () => {
    const { out } = await run(['explain', '--engine', 'postgres', '--policy', file, '--json', 'SELECT 1']);
    expect(JSON.parse(out)).toMatchObject({ id: null, verdict: 'allow', rule: 'default' });
  });

  it.each([
    [['--engine', 'mysql', '--upstream', 'mysql://x/y', 'SELECT 1'], /live catalog/],
    [['--engine', 'postgres', '--upstream', 'postgres://x/y', 'SELECT 1'], /live catalog/],
    [['--engine', 'postgres', '--policy', '/nonexistent', 'SELECT 1'], /ENOENT/],
  ])('refuses %j', async (args, message) => {
    const { failure, out } = await run(['explain', ...args]);
    expect(failure?.message).toMatch(message);
    expect(out).toBe('');
  });
});

describe('check', () => {
  it('tells rules and hash of a good file', async () => {
    const { out, exit } = await run(['check', file]);
    expect(out).toMatch(/p\.yaml: 1 rules?, hash [0-9a-f]{8}\n  exports +asks any reviewer, within 15m\n$/);
    expect(exit).toBeUndefined();
  });
  it('tells faults with a caret and ends with 1', async () => {
    await writeFile(file, POLICY.replace('then: hold', 'then: hodl'));
    const { complaints, exit } = await run(['check', file]);
    expect(complaints).toMatch(
      /p\.yaml:7:11: `then`: one of allow, hold, deny\n {4}7 \| {5}then: hodl\n {6}\| {11}\^{4}/,
    );
    expect(exit).toBe(1);
  });
  it('warns', async () => {
    await writeFile(file, POLICY.replace('then: hold', 'then: allow'));
    const { complaints, exit } = await run(['check', file]);
    expect(complaints).toContain('7:11: warning: `then: allow` can not matter');
    expect(exit).toBeUndefined();
  });
});

describe('test', () => {
  it('runs every example, one without an engine for each, and counts', async () => {
    const { out, complaints, exit } = await run(['test', file]);
    expect(out).toMatch(/passed +exports +holds +postgres +COPY users TO STDOUT  \[any reviewer\]\n/);
    expect(out.match(/passed +exports +allows +(postgres|mysql|mariadb) +SELECT 1\n/g)).toHaveLength(3);
    expect(out).toMatch(/passed +exports +unless +mariadb +SELECT 1 INTO OUTFILE '\/x'\n/);
    expect(out).toMatch(/6 passed, 0 failed\n$/);
    expect(complaints).toBe('');
    expect(exit).toBeUndefined();
  });
  it('tells a failing example with its place and ends with 1', async () => {
    await writeFile(file, POLICY.replace('allows: [SELECT 1]', 'allows: [{postgres: COPY x}]'));
    const { out, complaints, exit } = await run(['test', file]);
    expect(out).toMatch(/3 passed, 1 failed\n$/);
    expect(complaints).toMatch(/p\.yaml:11:16: rule exports matched; verdict hold by exports/);
    expect(exit).toBe(1);
  });
  it('does not pass a file without examples', async () => {
    await writeFile(file, 'version: 1\ndefault: allow\n');
    expect((await run(['test', file])).exit).toBe(1);
  });
});
