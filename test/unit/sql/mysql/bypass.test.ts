// The bypass collection's MySQL and MariaDB part under the starter policy: what must be held is held, what is ordinary passes. Cases that
// the text alone can't tell are listed with their reason, and never just left out.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Analysis } from '../../../../src/sql/findings.ts';
import type { MysqlContext } from '../../../../src/sql/mysql/context.ts';
import { latin1, MARIADB, MYSQL, session, starterPolicy, verdict } from './helpers.ts';
import { TRICKS } from './tricks.ts';

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

const CASES = readFileSync(new URL('../../../../fixtures/sql/bypass-mysql.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

/** Commands without a text, which the wire's own table judges. */
const NO_TEXT = new Set([
  'Raw',
  'ChangeUser',
  'SetOption',
  'Fetch',
  'Execute',
  'ExecuteDirect',
  'LongData',
  'ExecLong',
]);
const TEXT = new Set(['Query', 'QueryAttrs', 'Split', 'Prepare']);
const CHARSETS: Readonly<Record<number, string>> = { 8: 'latin1', 28: 'gbk', 45: 'utf8mb4' };

/** Analyses of the whole conversation, each under what the ones before it left. Null: it is not told by texts. */
function play(item: Case, start: MysqlContext): Analysis[] | null {
  const steps: [text: string | null, database?: string][] = (item.session ?? []).map((text) => [latin1(text)]);
  if (item.sql_hex !== undefined) steps.push([Buffer.from(item.sql_hex, 'hex').toString('latin1')]);
  else if (item.sql !== undefined) steps.push([latin1(item.sql)]);
  for (const [type, first] of item.messages ?? []) {
    if (TEXT.has(type)) steps.push([latin1(first as string)]);
    else if (type === 'InitDb') steps.push([null, first as string]);
    else if (type === 'Raw' || type === 'ChangeUser') return null;
    else expect(NO_TEXT).toContain(type);
  }
  return session(steps, { ...start, charset: CHARSETS[item.connect?.charset ?? 45]! });
}

test.each([MYSQL, MARIADB])('the starter policy holds what must be held: $engine', async (context) => {
  const policy = await starterPolicy();
  const wrong: string[] = [];
  const arguable: string[] = [];
  let [judged, wire] = [0, 0];
  for (const item of CASES) {
    if (!item.servers.some((server) => server.startsWith(context.engine === 'mysql' ? 'MySQL' : 'MariaDB'))) continue;
    const all = play(item, context);
    if (all === null) {
      wire += 1;
      continue;
    }
    judged += 1;
    const held = all.some((analysis) => verdict(policy, analysis, context.engine) !== 'allow');
    if (held === item.expect.must_hold) continue;
    if (item.expect.arguable) arguable.push(item.id);
    else wrong.push(`${item.id}: ${held ? 'held' : 'not held'}`);
  }
  console.log(
    `${context.engine}: ${judged} cases judged, ${wire} without a text, arguable otherwise: ${arguable.join(' ')}`,
  );
  expect(wrong).toEqual([]);
  expect(judged).toBeGreaterThan(150);
});

test.each([MYSQL, MARIADB])('tricks and what looks like one: $engine', async (context) => {
  const policy = await starterPolicy();
  const wrong: string[] = [];
  let judged = 0;
  for (const { engines, messages, must_hold, live } of TRICKS) {
    if (live || !engines.includes(context.engine)) continue;
    judged += 1;
    const all = session(
      messages.map((text) => [latin1(text)]),
      context,
    );
    const held = all.some((analysis) => verdict(policy, analysis, context.engine) !== 'allow');
    if (held !== must_hold) wrong.push(`${held ? 'held' : 'not held'}: ${messages.join(' ⏎ ')}`);
  }
  expect(wrong).toEqual([]);
  expect(judged).toBeGreaterThan(500);
});
