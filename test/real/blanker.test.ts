// The blanker and the splitter against real servers: what Holdpoint reads in a text is what the server reads in it. The server only parses
// (blanker/oracle.ts). Mutants drawn by the seed, and every way of joining strings, comments, dollar quotes and line ends; HOLDPOINT_PROVE=1:
// 50,000 and all of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Parser } from '../../src/sql/postgres/parser.ts';
import { PROVE, type Random, random, SEED } from '../fuzz/random.ts';
import { FAULTS, judge, REFUSALS, Tally } from './blanker/judge.ts';
import { joins, mutant } from './blanker/mutants.ts';
import { Oracle } from './blanker/oracle.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const MUTANTS = PROVE ? 50_000 : 3_000;
/** Of the joins, one in so many. */
const JOINS_STEP = PROVE ? 1 : 29;
const BATCH = 500;
/** What a server would have run, or begun to. */
const KNOWN = [
  /^(client_encoding|standard_conforming_strings) is /,
  /^Holdpoint knows /,
  // Only DO's grammar takes two in a row, and what DO makes of them is an error.
  /^a block comment between two string literals/,
];
/** Shown of each kind. */
const EXAMPLES = 10;

describe.each(MAJORS)('PostgreSQL %i', (major) => {
  describe.skipIf(!available(major))('reads what Holdpoint reads', () => {
    let server: TestServer;
    let oracle: Oracle;
    let parser: Parser;
    let below: Random;

    beforeAll(async () => {
      server = await startServer(major);
      oracle = await Oracle.open(server);
      parser = await Parser.create();
      below = random();
    });
    afterAll(async () => {
      oracle?.close();
      await server?.stop();
    });

    const prove = async (what: string, texts: Iterable<string>, probes: number): Promise<void> => {
      const tally = new Tally();
      const began = performance.now();
      let batch: string[] = [];
      const flush = async (): Promise<void> => {
        await judge(batch, { parser, oracle, major, below, probes }, tally);
        batch = [];
      };
      for (const text of texts) if (batch.push(text) === BATCH) await flush();
      await flush();
      console.log(report(what, major, tally, oracle.asked, performance.now() - began));
      expect(tally.texts).toBeGreaterThan(1000);
      expect(tally.probes.code).toBeGreaterThan(100);
      expect(tally.probes.hidden).toBeGreaterThan(100);
      expect(tally.several).toBeGreaterThan(10);
      expect(FAULTS.flatMap((kind) => tally.of(kind)).slice(0, EXAMPLES)).toEqual([]);
      expect(
        tally.of('refused by Holdpoint alone').filter(({ why }) => !KNOWN.some((known) => known.test(why))),
      ).toEqual([]);
    };

    test('in mutants', async () => {
      await prove('mutants', mutants(below), 8);
    });

    test('in joined strings, comments, dollar quotes and line ends', async () => {
      await prove('joins', sample(joins()), PROVE ? 40 : 4);
    });
  });
});

function* mutants(below: Random): Generator<string> {
  for (let left = MUTANTS; left > 0; left -= 1) yield mutant(below);
}

function* sample(texts: Iterable<string>): Generator<string> {
  let at = SEED;
  for (const text of texts) if (at++ % JOINS_STEP === 0) yield text;
}

function report(what: string, major: number, tally: Tally, asked: number, ms: number): string {
  const { texts, statements, several, unread, probes } = tally;
  const number = (count: number): string => count.toLocaleString('en');
  const faults = FAULTS.map((kind) => `${number(tally.of(kind).length)} ${kind}`).join(', ');
  const refusals = REFUSALS.map((kind) => {
    const counts = new Map<string, number>();
    for (const { why } of tally.of(kind)) {
      const cause = why.replace(/"[\s\S]*"/, '...').replace(/ at \d+.*/, '');
      counts.set(cause, (counts.get(cause) ?? 0) + 1);
    }
    const causes = [...counts]
      .toSorted((a, b) => b[1] - a[1])
      .map(([cause, count]) => `\n    ${number(count)} ${cause}`);
    return `  ${kind}: ${number(tally.of(kind).length)}${causes.slice(0, EXAMPLES).join('')}`;
  });
  return [
    `blanker, PostgreSQL ${major}, ${what}: ${number(texts)} texts in ${(ms / 1000).toFixed(1)} s, HOLDPOINT_SEED=${SEED}; ${number(statements)} statements (${number(several)} texts with several), ${number(unread)} texts that neither reads; sentinels: ${number(probes.code)} in code, ${number(probes.hidden)} hidden; the server read ${number(asked)} texts`,
    `  ${faults}`,
    ...refusals,
  ].join('\n');
}
