// The bypass collection: what must be held has a finding that a sound policy holds for, what is ordinary has none.
// Cases that need the live catalog or a judgement call are reported, with their reason, and never just left out.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Analysis } from '../../../src/sql/findings.ts';
import { analyseText } from '../../../src/sql/postgres/analysis.ts';
import { CONTEXT, heldFor, latin1, parser } from './helpers.ts';

interface Case {
  readonly id: string;
  readonly transport: string;
  readonly session?: readonly string[];
  readonly sql?: string;
  readonly sql_hex?: string;
  readonly messages?: readonly (readonly [string, ...unknown[]])[];
  readonly needs_catalog?: boolean;
  readonly expect: { readonly must_hold: boolean; readonly arguable?: boolean; readonly relations?: readonly string[] };
}

const CASES = readFileSync(new URL('../../../fixtures/sql/bypass-postgres.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)
  // What they hide is in no statement's text: test/real/bypass.test.ts sends them.
  .filter(({ transport }) => !['fastpath', 'startup-option', 'replication-startup'].includes(transport));

/** What the text alone cannot tell, by case. */
const KNOWN: Readonly<Record<string, string>> = {
  'pg-operator-cast-007': 'a view whose query calls a function',
  'pg-query-function-037': 'n.secret is a function of the row, not a column',
  'pg-server-file-021': 'a foreign table over a server file',
  'pg-server-file-022': 'a foreign table over a server program',
  'pg-side-effect-function-039': 'a function of an extension: nothing says that it is harmless',
  'pg-name-resolution-003': 'a temporary view made earlier in the session is held when it is made',
  'pg-role-grant-009': 'arguable; the SET ROLE before it is held',
  'pg-role-grant-012': 'arguable; the SET SESSION AUTHORIZATION before it is held',
};

/** Analyses of the whole conversation, each under what the ones before it left. */
function play(item: Case): Analysis[] {
  const texts = (item.session ?? []).map(latin1);
  if (item.sql_hex !== undefined) texts.push(Buffer.from(item.sql_hex, 'hex').toString('latin1'));
  else if (item.sql !== undefined) texts.push(latin1(item.sql));
  for (const [type, first, second] of item.messages ?? []) {
    if (type === 'Query') texts.push(latin1(first as string));
    if (type === 'Parse') texts.push(latin1(second as string));
  }
  const prepared = new Map<string, Analysis>();
  let search_path = CONTEXT.search_path;
  return texts.map((text) => {
    const analysis = analyseText(parser, text, {
      ...CONTEXT,
      server_version: 15,
      search_path,
      prepared: (name) => prepared.get(name),
    });
    for (const effect of analysis.effects) {
      if (effect.type === 'prepare') prepared.set(effect.name, effect.inner);
      if (effect.type === 'set' && effect.name === 'search_path') search_path = effect.value ?? CONTEXT.search_path;
    }
    return analysis;
  });
}

const exceptions: string[] = [];

test.each(CASES.map((item) => [item.id, item] as const))('%s', (id, item) => {
  const reasons = play(item).flatMap(heldFor);
  const right = reasons.length > 0 === item.expect.must_hold;
  if (KNOWN[id] !== undefined) {
    exceptions.push(`${id}: ${KNOWN[id]}`);
    expect(right, `${id} is right now: take it off the list`).toBe(false);
    return;
  }
  expect(right, item.expect.must_hold ? 'nothing holds it' : `held for ${reasons.join('; ')}`).toBe(true);
});

test('the collection is there, and its exceptions are known', () => {
  expect(CASES.length).toBeGreaterThan(330);
  expect(exceptions.length).toBe(Object.keys(KNOWN).length);
  console.log(`What the text alone cannot tell:\n  ${exceptions.join('\n  ')}`);
});
