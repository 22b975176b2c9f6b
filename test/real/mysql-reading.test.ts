// The lexer and the splitter against real servers: what Holdpoint reads in a message is what the server reads in it, under every mode and
// where the mode changes inside of the message. Messages drawn by the seed; HOLDPOINT_PROVE=1: many more of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Action, Analysis } from '../../src/sql/findings.ts';
import { analyseText } from '../../src/sql/mysql/analysis.ts';
import { modeOf } from '../../src/sql/mysql/modes.ts';
import { folded, lowered } from '../../src/sql/mysql/names.ts';
import { isOfKind } from '../corpus/mysql-agreement.ts';
import { figure, pick, PROVE, type Random, random } from '../fuzz/random.ts';
import { DATABASE, Oracle, type Seen } from './mysql-reading/oracle.ts';
import { message } from './mysql-reading/texts.ts';
import { available, type Engine, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const MESSAGES = PROVE ? 40_000 : 1_500;
const VERSIONS: Readonly<Record<Engine, RegExp>> = {
  mysql: /^(\d+)\.(\d+)\.(\d+)/,
  mariadb: /^(\d+)\.(\d+)\.(\d+)-MariaDB/,
};
const MODES: Readonly<Record<Engine, readonly string[]>> = {
  mysql: ['', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'IGNORE_SPACE', 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'],
  mariadb: ['', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'IGNORE_SPACE', 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', 'ORACLE'],
};
/** Not parsed, or nothing. */
const NO_STATEMENT = new Set(['sql/error', 'sql/empty_query']);
const ER_PARSE_ERROR = 1064;
/** Access denied for the user: a file; one of these privileges is needed; no such stored function. */
const ER_ACCESS_DENIED = 1045;
const ER_SPECIFIC_ACCESS_DENIED = 1227;
const ER_SP_DOES_NOT_EXIST = 1305;
const HOLDS: readonly Action[] = ['admin', 'grant', 'role', 'code', 'unknown'];
/** Shown of what is wrong. */
const EXAMPLES = 10;

/** Each letter of the first plane, without spaces and surrogates: what the collation of names has for it, and its small letter. */
const LETTERS = `WITH RECURSIVE bytes AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM bytes WHERE n < 255),
codes AS (SELECT CONCAT(LPAD(HEX(high.n), 2, '0'), LPAD(HEX(low.n), 2, '0')) AS letter FROM bytes AS high JOIN bytes AS low
WHERE high.n * 256 + low.n > 32 AND high.n NOT BETWEEN 0xd8 AND 0xdf),
names AS (SELECT letter, CONVERT(CONVERT(UNHEX(letter) USING ucs2) USING utf8mb3) COLLATE utf8mb3_general_ci AS name FROM codes),
letters AS (SELECT letter, HEX(WEIGHT_STRING(name)) AS weight, HEX(CONVERT(LOWER(name) USING ucs2)) AS small FROM names) `;
const ALIKE_MIN = 300;

/** What the server saw and the analysis did not; null: nothing. */
function missed(seen: readonly Seen[], { error, statements, findings }: Analysis): string | null {
  // Refused as a whole.
  if (error) return null;
  const actions = new Set(findings.map(({ action }) => action));
  for (const { errno } of seen) {
    if (errno === ER_ACCESS_DENIED && !actions.has('export')) return 'INTO OUTFILE';
    if (errno === ER_SPECIFIC_ACCESS_DENIED && !HOLDS.some((action) => actions.has(action)))
      return 'what needs a privilege';
    if (errno === ER_SP_DOES_NOT_EXIST && !actions.has('code') && !actions.has('ddl')) return 'a call';
  }
  if (actions.has('unknown')) return null;
  const real = seen.filter(({ event, errno }) => !NO_STATEMENT.has(event) && errno !== ER_PARSE_ERROR);
  for (const [index, { event }] of real.entries()) {
    const kind = statements[index]?.kind;
    if (kind === undefined || !isOfKind(kind, event)) return `statement ${index}: ${event}, not ${kind}`;
  }
  return null;
}

describe.each(ENGINES)('%s', (engine) => {
  describe.skipIf(!available(engine))('reads what Holdpoint reads', () => {
    let server: TestMysql;
    let oracle: Oracle;
    let version: number;
    let below: Random;

    const start = async (): Promise<void> => {
      server = await startMysql(engine, ['--performance-schema=ON']);
      oracle = await Oracle.open(server);
    };
    const stop = async (): Promise<void> => {
      await oracle?.close();
      await server?.stop();
    };

    beforeAll(async () => {
      await start();
      const [, major, minor, patch] = VERSIONS[engine].exec(await server.sql('SELECT version()'))!;
      version = Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
      below = random();
    });
    afterAll(stop);

    test('in messages that are hard to read', async () => {
      const wrong: string[] = [];
      const began = performance.now();
      let [statements, several, refused, lost, died] = [0, 0, 0, 0, 0];
      for (let left = MESSAGES; left > 0; left -= 1) {
        const text = message(below);
        const sql_mode = pick(below, MODES[engine]);
        const seen = await oracle.ask(text, sql_mode);
        if (seen === null) {
          lost += 1;
          if (await oracle.isAlive()) continue;
          died += 1;
          await stop();
          await start();
          continue;
        }
        const analysis = analyseText(Buffer.from(text, 'utf8').toString('latin1'), {
          engine,
          version,
          database: DATABASE,
          role: '',
          sql_mode: modeOf(sql_mode),
          charset: 'utf8mb4',
          multi_statements: true,
          in_transaction: false,
          autocommit: true,
          // The asker keeps what it has prepared.
          prepared: () => undefined,
        });
        const parsed = seen.filter(({ event }) => !NO_STATEMENT.has(event)).length;
        statements += parsed;
        if (parsed > 1) several += 1;
        if (analysis.error) refused += 1;
        const what = missed(seen, analysis);
        if (what !== null) wrong.push(`${what}: [${sql_mode}] ${JSON.stringify(text)}`);
      }
      const what = `${statements} statements, ${refused} refused, ${lost} not told, the server died of ${died}`;
      figure(`${engine} reading, ${what}`, MESSAGES, began);
      expect(wrong.slice(0, EXAMPLES)).toEqual([]);
      expect(statements).toBeGreaterThan(MESSAGES / 4);
      expect(several).toBeGreaterThan(MESSAGES / 50);
      expect(lost).toBeLessThan(MESSAGES / 50);
    });

    test('takes no two names for others that the server takes for one', async () => {
      const rows = async (select: string): Promise<string[][]> =>
        (await server.sql(LETTERS + select))
          .trim()
          .split('\n')
          .map((line) => line.split(/[,\t]/).map((code) => String.fromCharCode(Number.parseInt(code, 16))));
      const alike = await rows('SELECT GROUP_CONCAT(letter) FROM letters GROUP BY weight HAVING COUNT(*) > 1');
      expect(alike.filter((letters) => new Set(letters.map((letter) => folded(`${letter}_`))).size > 1)).toEqual([]);
      expect(alike.length).toBeGreaterThan(ALIKE_MIN);
      // Of capitals that came late the servers know nothing.
      const small = await rows('SELECT letter, small FROM letters WHERE small <> letter');
      expect(small.filter(([capital, letter]) => lowered(capital!) !== letter)).toEqual([]);
      expect(small.length).toBeGreaterThan(ALIKE_MIN);
    });
  });
});
