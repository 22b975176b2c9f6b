// What a refusal leaves behind: random conversations through the gateway, whose policy denies some of what is said, and the same with the
// server alone, which is made to raise an error of its own at exactly those points (refusals/language.ts). Every reply, every status, every
// row and what is in the tables afterwards must be the same. A failure is shrunk and printed with its seed and path:
// HOLDPOINT_SEED=<seed> repeats the run, HOLDPOINT_PATH=<path> starts at the failure.
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Target, WireClient } from '../transcripts/client.ts';
import { AGENT_PASSWORD, decide, startGateway, type TestGateway } from './gateway.ts';
import { CANNOT_BIND, converse, type Heard, isRefused } from './refusals/conversation.ts';
import { CONTENTS, PREPARES, policy, REFILL, REMAKE, schema } from './refusals/language.ts';
import { type Step, sequence, usesExecute } from './refusals/sequence.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const PROVE = process.env['HOLDPOINT_PROVE'] === '1';
/** Who refuses; how many sequences on each server; how many at a time, each in databases of its own. */
const MODES = [
  { by: 'rule', verdict: 'deny', sequences: PROVE ? 50_000 : 150, workers: 4 },
  { by: 'person', verdict: 'hold', sequences: PROVE ? 5000 : 40, workers: 2 },
] as const;
/** Sequences that one connection lives. */
const LIVES = 200;
const seed = Number(process.env['HOLDPOINT_SEED'] ?? randomInt(2 ** 31 - 1));

const query = (sql: string): Step => ({ say: 'Query', texts: [{ sql, refused: false, parses: true }] });
const WAIT: Step = { say: 'wait' };
const NOTHING: ReadonlySet<Step> = new Set();
/** Ends whatever is open, and forgets what the session knows. */
const CLEAN: readonly Step[] = [query('ROLLBACK'), query('DISCARD ALL'), WAIT];
const CLEANED = '< CommandComplete "DISCARD ALL",< ReadyForQuery I';

/** One of the two: a database, the connection that is tried, and one beside it. */
class Side {
  readonly #target: Target;
  readonly #beside: pg.Client;
  #client: WireClient | null = null;
  #lived = 0;
  #initial = '';

  constructor(target: Target, beside: pg.Client) {
    this.#target = target;
    this.#beside = beside;
  }

  async start(): Promise<void> {
    // No triggers: the tables are emptied in any order.
    await this.#beside.query('SET session_replication_role = replica');
    this.#initial = await this.#contents();
  }

  /** Plays the steps and cleans up: what was heard, and what was in the tables. */
  async play(steps: readonly Step[], refused: ReadonlySet<Step>): Promise<Heard & { readonly contents: string }> {
    if (this.#lived++ % LIVES === 0) this.reconnect();
    this.#client ??= await WireClient.open(this.#target);
    const heard = await converse(this.#client, steps, refused);
    const clean = heard.closed ? heard : await converse(this.#client, CLEAN, NOTHING);
    if (clean.closed) this.reconnect();
    else if (clean.lines.slice(-2).join() !== CLEANED)
      throw new Error(`a reply too many, or too few\n${[...heard.lines, ...clean.lines].join('\n')}`);
    const contents = await this.#contents();
    if (contents !== this.#initial) await this.#beside.query(this.#lived % LIVES === 0 ? REMAKE : REFILL);
    return { ...heard, lines: [...heard.lines, ...(heard.closed ? [] : clean.lines)], contents };
  }

  /** After a failure: what it left must not be taken for the next one's. */
  async forget(): Promise<void> {
    this.reconnect();
    await this.#beside.query(REMAKE);
  }

  reconnect(): void {
    this.#client?.destroy();
    this.#client = null;
  }

  async stop(): Promise<void> {
    this.reconnect();
    await this.#beside.end();
  }

  async #contents(): Promise<string> {
    const { rows } = await this.#beside.query({ text: CONTENTS, rowMode: 'array' });
    return rows.map((row) => JSON.stringify(row)).join('\n');
  }
}

const CASES = MAJORS.filter(available).flatMap((major) =>
  MODES.map((mode) => [`PostgreSQL ${major}, refused by a ${mode.by}`, { major, ...mode }] as const),
);

describe.each(CASES)('%s', (_, { major, by, verdict, workers, ...mode }) => {
  const sequences = Number(process.env['HOLDPOINT_SEQUENCES'] ?? mode.sequences);
  let server: TestServer;
  let gateway: TestGateway;
  let admin: pg.Client;
  let stopping = false;
  const sides: { readonly gateway: Side; readonly server: Side }[] = [];

  beforeAll(async () => {
    server = await startServer(major);
    admin = new pg.Client(server.url);
    await admin.connect();
    await admin.query('CREATE ROLE reader');
    for (const where of ['behind', 'alone'] as const) {
      await admin.query(`CREATE DATABASE ${where}`);
      const client = await connected(where);
      await client.query(schema(where === 'behind' || by === 'person'));
      await client.end();
    }
    gateway = await startGateway({ upstream: server.url, policy: policy(verdict), reviewers: 50 });
    if (by === 'person')
      void denyAll(gateway).catch((error: unknown) => {
        if (!stopping) throw error;
      });
    for (let worker = 0; worker < workers; worker++)
      sides.push({ gateway: await side('behind', worker), server: await side('alone', worker) });
  });
  afterAll(async () => {
    stopping = true;
    for (const pair of sides) for (const one of Object.values(pair)) await one.stop();
    await gateway?.stop();
    await admin?.end();
    await server?.stop();
  });

  const connected = async (database: string): Promise<pg.Client> => {
    const client = new pg.Client(server.url.replace(/postgres$/, database));
    await client.connect();
    return client;
  };
  const side = async (where: 'behind' | 'alone', worker: number): Promise<Side> => {
    const database = `${where}_${worker}`;
    await admin.query(`CREATE DATABASE ${database} TEMPLATE ${where}`);
    const target =
      where === 'behind'
        ? { port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database }
        : { port: server.port, user: server.user, password: server.password, database };
    const made = new Side(target, await connected(database));
    await made.start();
    return made;
  };

  test(`a refusal is an error of the server in all but its text: ${sequences} sequences (HOLDPOINT_SEED=${seed})`, async () => {
    const counts = { replies: 0, refused: 0, byDesign: 0, errors: 0 };
    const began = performance.now();
    const path = process.env['HOLDPOINT_PATH'];
    const results = await Promise.allSettled(
      (path === undefined ? sides : sides.slice(0, 1)).map(async (pair, worker) => {
        const property = fc.asyncProperty(sequence({ queryBehindUnsynced: major < 18 }), async (steps) => {
          const all = usesExecute(steps) ? [...PREPARES.map(query), WAIT, ...steps] : steps;
          try {
            const behind = await pair.gateway.play(all, NOTHING);
            const alone = await pair.server.play(
              all,
              new Set([...behind.refused, ...(by === 'rule' ? all.filter(isRefused) : [])]),
            );
            counts.byDesign += behind.refused.size;
            for (const line of behind.lines) {
              if (line.startsWith('<')) counts.replies++;
              if (line.includes('REFUSED')) counts.refused++;
              if (line.startsWith('< Error')) counts.errors++;
            }
            same(behind, alone);
          } catch (error) {
            await pair.gateway.forget();
            await pair.server.forget();
            throw error;
          }
        });
        await fc.assert(property, {
          seed: seed + worker,
          numRuns: Math.ceil(sequences / workers),
          ...(path === undefined ? {} : { path }),
        });
      }),
    );
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [told(result.reason as Error)] : []));
    if (failures.length > 0) throw new Error(failures.join('\n\n'));
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `refusals by a ${by} on PostgreSQL ${major}: ${sequences} sequences in ${seconds.toFixed(0)} s, seed ${seed}: ${counts.replies} replies, ${counts.errors} errors, ${counts.refused} refusals${by === 'rule' ? `, ${counts.byDesign} of them by design` : ''}`,
    );
    expect(counts.refused).toBeGreaterThan(0);
  });
});

/** Until the gateway stops. Rejects when a denial could not be made: who waits for it fails then. */
const denyAll = async (gateway: TestGateway): Promise<void> => {
  for await (const message of gateway.grace.stream()) {
    const changed = message.type === 'snapshot' ? message.requests : 'request' in message ? [message.request] : [];
    for (const request of changed) {
      if (request?.state !== 'open') continue;
      await decide(await gateway.inTurn(), request, 'deny', 'no');
    }
  }
};

type Played = Heard & { readonly contents: string };

const same = (behind: Played, alone: Played): void => {
  const through = `${behind.lines.join('\n')}\n${behind.status}\n${behind.contents}`.split('\n');
  const expected = `${alone.lines.join('\n')}\n${alone.status}\n${alone.contents}`.split('\n');
  const at = through.findIndex((line, index) => line !== expected[index] && !both(line, expected[index]));
  if (at < 0 && through.length === expected.length) return;
  const place = at < 0 ? through.length : at;
  const show = (lines: readonly string[]): string => lines.slice(0, place + 6).join('\n');
  throw new Error(
    `line ${place + 1} differs\n--- through the gateway\n${show(through)}\n--- the server alone\n${show(expected)}`,
  );
};

/** Refused, and with parameters that do not fit, or in a failed block: either error leaves the same behind. */
const both = (behind: string, alone: string | undefined): boolean =>
  behind === '< REFUSED' && (alone === `< ${CANNOT_BIND}` || alone?.startsWith('< ErrorResponse ERROR 25P02') === true);

/** fast-check's seed and path, and the difference. */
const told = ({ message, cause }: Error): string =>
  [...message.split('\n').filter((line) => /seed|Shrunk/.test(line)), cause instanceof Error ? cause.message : ''].join(
    '\n',
  );
