// A whole gateway for tests: the real composition before a real server, with an agent, its sponsor and a reviewer.
// Reviewers act through the real API. Ends by `stop`; leaves nothing behind.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readLog } from '../../src/audit/read.ts';
import type { ReadRecord } from '../../src/audit/types.ts';
import { masterKeyOf } from '../../src/cli/audit/master-key.ts';
import { loadAuditPaths, loadConfig } from '../../src/config/config.ts';
import { makeScrypt } from '../../src/identity/password.ts';
import { makeScramVerifier } from '../../src/identity/scram.ts';
import { serve } from '../../src/main.ts';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { type RequestView, type ReviewClient, reviewClient, signIn } from '../../src/review/client.ts';
import { createLog } from '../../src/telemetry/log.ts';

export const AGENT_PASSWORD = 'agent-secret';
const STARTER = new URL('../../policies/starter.yaml', import.meta.url).pathname;

export interface GatewayOptions {
  /** Of the upstream, with its password: postgres:// or mysql://. */
  readonly upstream: string;
  /** Policy text; default: the starter policy. */
  readonly policy?: string;
  /** Merged into the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Merged into the listener's part. */
  readonly listener?: Readonly<Record<string, unknown>>;
  /** Merged into the entries of users.yaml, by id. */
  readonly people?: Readonly<Record<string, object>>;
  /** Reuse this folder (a restart). */
  readonly dir?: string;
  /** Further reviewers, `reviewer-0` and so on. */
  readonly reviewers?: number;
  /** Groups of users.yaml that these are in, one in each, in turn. */
  readonly groups?: readonly string[];
  /** Warn of whoever logs in under our own OS user, as `serve` does. */
  readonly neighbours?: boolean;
}

export interface TestGateway {
  readonly dir: string;
  readonly port: number;
  readonly reviewUrl: string;
  /** A one-time sign-in, to open in a browser. */
  link(user: 'ada' | 'grace'): string;
  /** For the agent `bot`, whose sponsor is ada. */
  agentUrl(database?: string, query?: string): string;
  /** Signs in; a bearer token for the reviewers' API. */
  token(user: string): Promise<string>;
  readonly grace: ReviewClient;
  readonly ada: ReviewClient;
  /** Admin and auditor, no reviewer. */
  readonly root: ReviewClient;
  /** Another of the further reviewers each time: one person decides at most 120 times a minute. */
  inTurn(): Promise<ReviewClient>;
  /** Resolves with the first open request, `skip` ids left out; waits on the stream. */
  opened(skip?: readonly string[]): Promise<RequestView>;
  approve(request: RequestView, rationale?: string): Promise<RequestView>;
  deny(request: RequestView, rationale?: string): Promise<RequestView>;
  /** Resolves when the request is in one of these states. */
  reaches(id: string, ...states: readonly string[]): Promise<RequestView>;
  /** Resolves when the server's estimate is there. */
  estimated(id: string): Promise<RequestView>;
  /** Lines of the operator's log. */
  readonly lines: readonly string[];
  /** Changes the policy file and waits until it is in force. */
  setPolicy(text: string): Promise<void>;
  records(): Promise<ReadRecord[]>;
  stop(keep?: boolean): Promise<void>;
}

/** Writes policy, users and configuration into a folder of its own; passwords of reviewers as given, else none. */
export const writeGateway = async (
  options: GatewayOptions,
  password?: string,
): Promise<{ readonly dir: string; readonly file: string; readonly policy: string }> => {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'holdpoint-gw-')));
  const policy = join(dir, 'policy.yaml');
  await writeFile(policy, options.policy ?? (await readFile(STARTER, 'utf8')));
  const postgres = await makeScramVerifier(AGENT_PASSWORD);
  const mysql = isMysql(options) ? { mysql: await makeStored(AGENT_PASSWORD) } : {};
  const own = password === undefined ? {} : { password: await makeScrypt(password) };
  await writeFile(
    join(dir, 'users.yaml'),
    stringify({
      users: [
        {
          id: 'bot',
          kind: 'agent',
          groups: ['agents'],
          sponsor: 'ada',
          postgres,
          ...mysql,
        },
        // May break the glass, where a policy says that such people may.
        { id: 'petra', kind: 'human', groups: ['on-call'], postgres, ...mysql, ...own },
        { id: 'orphan', kind: 'agent', postgres, ...mysql },
        // Works on the database herself, and decides nothing.
        { id: 'lena', kind: 'human', groups: ['oncall'], postgres, ...mysql },
        { id: 'ada', kind: 'human', groups: ['team'], roles: ['reviewer'], ...own },
        { id: 'grace', kind: 'human', groups: ['team'], roles: ['reviewer'], ...own },
        { id: 'root', kind: 'human', roles: ['admin', 'auditor'], ...own },
        ...Array.from({ length: options.reviewers ?? 0 }, (_, n) => ({
          id: `reviewer-${n}`,
          kind: 'human',
          groups: options.groups === undefined ? [] : [options.groups[n % options.groups.length]],
          roles: ['reviewer'],
          ...own,
        })),
      ].map((user) => ({ ...user, ...options.people?.[user.id] })),
    }),
  );
  const file = join(dir, 'holdpoint.yaml');
  await writeFile(
    file,
    stringify({
      data: 'data',
      policy: 'policy.yaml',
      [isMysql(options) ? 'mysql' : 'postgres']: [
        { name: 'app', listen: '127.0.0.1:0', upstream: options.upstream, tags: { env: 'test' }, ...options.listener },
      ],
      review: { listen: '127.0.0.1:0' },
      identity: { users: 'users.yaml' },
      ...options.config,
    }),
  );
  return { dir, file, policy };
};

const isMysql = ({ upstream }: GatewayOptions): boolean => upstream.startsWith('mysql:');

export type Decision = 'approve' | 'deny';

/** On the request as this view of it shows it. */
export const decide = (
  reviewer: ReviewClient,
  { id, digest, revision }: RequestView,
  decision: Decision,
  rationale = `I ${decision} it`,
): Promise<RequestView> => reviewer.decide(id, { decision, digest, revision, rationale });

export const startGateway = async (options: GatewayOptions): Promise<TestGateway> => {
  const { dir, file, policy } = await writeGateway(options);
  const lines: string[] = [];
  const running = await serve(await loadConfig(file), {
    log: createLog({ format: 'json', write: (line) => void lines.push(line) }),
    hints: [],
    neighbours: options.neighbours ?? false,
  });
  const port = (running.postgres[0] ?? running.mysql[0])?.listen.port ?? 0;
  const { url } = running.review;
  const token = async (user: string): Promise<string> => (await signIn(url, { link: running.oneTime(user) })).token;
  const client = async (user: string): Promise<ReviewClient> => reviewClient(url, await token(user));
  const grace = await client('grace');
  const others: Promise<ReviewClient>[] = [];
  let turn = 0;
  const wait = async (found: (request: RequestView) => boolean): Promise<RequestView> => {
    for await (const message of grace.stream()) {
      if (message.type === 'snapshot') {
        const request = message.requests.find(found);
        if (request) return request;
      } else if ('request' in message && message.request && found(message.request)) return message.request;
    }
    throw new Error('the stream ended');
  };
  return {
    dir,
    port,
    reviewUrl: url,
    link: (user) => `${url}/in/${running.oneTime(user)}`,
    agentUrl: (database = isMysql(options) ? 'app' : 'postgres', query = '') =>
      `${isMysql(options) ? 'mysql' : 'postgres'}://bot:${AGENT_PASSWORD}@127.0.0.1:${port}/${database}${query}`,
    token,
    grace,
    ada: await client('ada'),
    root: await client('root'),
    inTurn() {
      const n = turn++ % (options.reviewers ?? 0);
      return (others[n] ??= client(`reviewer-${n}`));
    },
    opened: (skip = []) => wait((request) => request.state === 'open' && !skip.includes(request.id)),
    approve: (request, rationale) => decide(grace, request, 'approve', rationale),
    deny: (request, rationale) => decide(grace, request, 'deny', rationale),
    async reaches(id, ...states) {
      for await (const message of grace.stream()) {
        // Asked once the stream is open: whatever happens later is on it.
        const request =
          message.type === 'snapshot' ? await grace.get(id) : 'request' in message ? message.request : null;
        if (request?.id === id && states.includes(request.state)) return request;
      }
      throw new Error('the stream ended');
    },
    estimated: (id) => wait((request) => request.id === id && request.impact !== null),
    lines,
    async setPolicy(text) {
      const before = lines.length;
      await writeFile(policy, text);
      const deadline = Date.now() + 60_000;
      while (!lines.slice(before).some((line) => line.includes('in force'))) {
        if (Date.now() > deadline) throw new Error('the policy was not reloaded');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async records() {
      const records: ReadRecord[] = [];
      const master_key = await masterKeyOf((await loadAuditPaths(file)).master_key);
      for await (const record of readLog(join(dir, 'data', 'audit'), { master_key })) records.push(record);
      return records;
    },
    async stop(keep = false) {
      await running.stop();
      if (!keep) await rm(dir, { recursive: true, force: true });
    },
  };
};
