// The reviewers' API over a real desk and a real log: all of the product but connections. Every answer is read with the schema that describes it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { z } from 'zod';
import { createDesk } from '../../../src/approval/desk.ts';
import { createPermits } from '../../../src/approval/permits.ts';
import type { Clock, Desk, Held, Request } from '../../../src/approval/types.ts';
import { type Checkpoints, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { receiptOf } from '../../../src/audit/receipt.ts';
import type { AuditLog } from '../../../src/audit/types.ts';
import { Events } from '../../../src/compose/events.ts';
import { identityPort, permitsPort, policyPort, requestsPort, type SignInPorts } from '../../../src/compose/review.ts';
import { keysPort } from '../../../src/compose/sign-in.ts';
import { RuleCounts } from '../../../src/gate/counts.ts';
import type { SourceEntry } from '../../../src/identity/types.ts';
import { openJwt } from '../../../src/compose/jwt.ts';
import { auditJournal } from '../../../src/gate/journal.ts';
import { createIdentity, type Identity } from '../../../src/identity/identity.ts';
import { openFactors } from '../../../src/identity/factors.ts';
import { createPasswordSignIn, localPasswords } from '../../../src/identity/sign-in.ts';
import { parseUsers, type Users } from '../../../src/identity/users.ts';
import { createWebAuthn } from '../../../src/identity/webauthn.ts';
import { texts } from '../../../src/errors/catalogue.ts';
import type { JwtIssuer } from '../../../src/config/jwt.ts';
import type { Gate } from '../../../src/session/gate.ts';
import type { LoadedPolicy } from '../../../src/policy/load.ts';
import { signIn } from '../../../src/review/client.ts';
import { operation, type OperationName } from '../../../src/review/operations.ts';
import type { SessionLike } from '../../../src/review/ports.ts';
import { problemView, type RequestView } from '../../../src/review/schemas.ts';
import { createReviewServer } from '../../../src/review/server.ts';
import { issuers } from '../identity/tokens.ts';
import { heldOf } from '../approval/help.ts';

/** ada answers for bot, tomasz for etl; tomasz and ida have no role. */
const USERS = `
users:
  - {id: bot, kind: agent, groups: [agents], sponsor: ada}
  - {id: etl, kind: agent, groups: [agents], sponsor: tomasz}
  - {id: ada, kind: human, groups: [team], roles: [reviewer]}
  - {id: grace, kind: human, groups: [team, dba], roles: [reviewer]}
  - {id: aiko, kind: human, groups: [dba], roles: [reviewer]}
  - {id: ines, kind: human, groups: [owners], roles: [reviewer]}
  - {id: hedy, kind: human, roles: [auditor]}
  - {id: root, kind: human, roles: [admin]}
  - {id: tomasz, kind: human}
  - {id: ida, kind: human}
`;
const REVIEWERS = { dba: ['dba'], owners: ['owners'], 'break-glass': ['team'] };

/** As `issuer: holdpoint` is read. */
const OWN = issuers('- issuer: holdpoint');
const SILENT = { info: () => {}, error: () => {} };

const CLOCK: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Judges nothing: whatever is asked for first needs a word, but for SELECT. */
const gate = (desk: Desk): Pick<Gate, 'askFirst'> => ({
  async askFirst(user, sql, parameters, reason) {
    if (sql.startsWith('SELECT')) return { type: 'needs-none' };
    if (sql.startsWith('COPY')) return { type: 'refused', text: texts.connectFirst({ user }) };
    const who = { ...heldOf().who, id: user, sponsor: 'ada' };
    const held = heldOf({ who, sql, shape: sql, digest: `digest of ${sql}`, parameters, reason });
    const result = await desk.ahead(held);
    return 'request' in result ? { type: 'open', request: result.request.id } : { type: 'needs-none' };
  },
});

const signInOf = async (identity: Identity, users: () => Users, dir: string): Promise<SignInPorts> => {
  const secret = Buffer.alloc(32, 7);
  const factors = await openFactors({ file: join(dir, 'second-factors.json'), users, key: secret });
  const webauthn = createWebAuthn({ factors, host: 'localhost', origins: () => ['http://localhost'], secret });
  return {
    password: createPasswordSignIn({
      checkers: [localPasswords(users)],
      admit: ({ id }) => identity.reviewer(id) ?? null,
      factors,
      webauthn,
      second_factor: 'optional',
    }),
    sso: null,
    keys: keysPort(factors, webauthn),
  };
};

export interface Answered {
  readonly status: number;
  /** The last part of a problem's type; '' for none. */
  readonly why: string;
  readonly detail: string;
  readonly body: unknown;
}

export interface House {
  readonly url: string;
  readonly desk: Desk;
  readonly audit: AuditLog;
  readonly events: Events;
  /** What GET /api/sessions shows, and whom it ended. */
  readonly sessions: SessionLike[];
  readonly ended: string[];
  /** A bearer token, got by a one-time sign-in; once for each user, and for each name of a further one. */
  token(user: string, further?: string): Promise<string>;
  /** Opens a request; the statement makes it another one. */
  open(sql: string, held?: Partial<Held>, ask?: Partial<Held['ask']>): Promise<Request>;
  /** `who`: a user, or a token; null: nobody. Throws where the answer is not as the operation's schema says. */
  call(who: string | null, name: OperationName, id?: string, body?: unknown, query?: string): Promise<Answered>;
  view(who: string, id: string): Promise<RequestView>;
  records(type?: string): Promise<{ type: string; clear: Readonly<Record<string, unknown>> }[]>;
  /** Where the log is, and tokens.json. */
  readonly dir: string;
  /** As a listener asks whose password it is; null: nobody's. */
  password(user: string, password: string): Promise<SourceEntry | null>;
  /** Stops everything, and starts it on the same log. Tokens end. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startHouse(
  options: {
    readonly decisions_per_minute_max?: number;
    readonly events_kept_max?: number;
    readonly database_tokens?: boolean;
    /** identity.jwt; default: Holdpoint alone. */
    readonly jwt?: readonly JwtIssuer[];
  } = {},
): Promise<House> {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-review-'));
  const policy = join(dir, 'policy.yaml');
  await writeFile(policy, 'rules: []\n');
  const users = parseUsers(USERS, { file: join(dir, 'users.yaml') });
  const sessions: SessionLike[] = [];
  const ended: string[] = [];

  const begin = async () => {
    const identity = createIdentity({ users: () => users, reviewers: () => REVIEWERS, secret: Buffer.alloc(32, 7) });
    let checkpoints!: Checkpoints;
    const audit = await openAuditLog({
      dir: join(dir, 'audit'),
      node: 'test',
      checkpoints: async () => (checkpoints = await openCheckpoints({ dir: join(dir, 'audit'), node: 'test' })),
    });
    let present: readonly string[] = [];
    const { directory } = identity;
    const counts = new RuleCounts();
    counts.add('former', 'denied');
    counts.add('writes', 'held');
    const jwt = await openJwt({
      config: { data: dir, identity: { jwt: options.jwt ?? (options.database_tokens === false ? [] : OWN) } },
      identity: () => identity,
      log: SILENT,
    });
    const journal = auditJournal(audit);
    const permits = createPermits({ journal, clock: CLOCK, directory });
    const desk = createDesk({
      journal,
      clock: CLOCK,
      directory,
      permits,
      tag: (digest) => audit.tag(digest),
      requests_open_per_principal_max: 100_000,
      unsponsored: 'refuse',
      present: () => present,
    });
    const events = new Events(desk, permits, audit, options.events_kept_max);
    await events.restore();
    const server = await createReviewServer(
      {
        identity: identityPort(identity, await signInOf(identity, () => users, dir)),
        requests: requestsPort(desk, directory, new Map([['app', gate(desk)]])),
        permits: permitsPort(permits),
        sessions: {
          list: () => sessions,
          end: (id, by) => {
            ended.push(`${id} by ${by}`);
            return true;
          },
        },
        tokens: jwt?.tokens ?? null,
        audit,
        events,
        evidence: {
          receipt: (id) =>
            receiptOf(id, { dir: join(dir, 'audit'), cover: async (size) => checkpoints.cover(size, 5000) }),
          anchors: () => [{ name: 'vault', record: 7, at: 1_700_000_000_000, failing: false }],
          shipping: () => [],
        },
        policy: policyPort(() => policyAt(policy), counts),
        guards: [],
        environment: 'test',
        mode: 'enforce',
        present: (reviewers) => {
          present = reviewers;
          desk.presence();
        },
      },
      {
        listen: { host: '127.0.0.1', port: 0 },
        url: null,
        tls: null,
        secure: false,
        console_dir: null,
        session_ttl_ms: 3_600_000,
        decisions_per_minute_max: options.decisions_per_minute_max ?? 1_000_000,
        version: '0.0.0',
      },
    );
    return {
      identity,
      audit,
      desk,
      events,
      server,
      checker: jwt?.checker ?? null,
      tokens: new Map<string, Promise<string>>(),
    };
  };
  const end = async ({ server, desk, audit }: Awaited<ReturnType<typeof begin>>) => {
    await server.close();
    await desk.close();
    await audit.close();
  };

  let now = await begin();
  const house: House = {
    get url() {
      return `http://127.0.0.1:${now.server.address.port}`;
    },
    get desk() {
      return now.desk;
    },
    get audit() {
      return now.audit;
    },
    get events() {
      return now.events;
    },
    sessions,
    ended,
    token(user, further = '') {
      const { tokens, identity } = now;
      const key = `${user} ${further}`;
      const known = tokens.get(key);
      if (known !== undefined) return known;
      const made = signIn(house.url, { link: identity.issueOneTime(user) }).then(({ token }) => token);
      tokens.set(key, made);
      return made;
    },
    async open(sql, held = {}, ask = {}) {
      const who = { ...heldOf().who, id: 'bot', sponsor: 'ada' };
      const text = Buffer.from(sql).toString('latin1');
      const whole = heldOf(
        { who, sql: text, shape: sql, digest: `digest of ${sql}`, ...held },
        { of: ['dba'], ...ask },
      );
      const result = await now.desk.hold(whole, 60_000);
      if (!('request' in result)) throw new Error(`not opened: ${JSON.stringify(result)}`);
      return result.request;
    },
    async call(who, name, id = '', body, query = '') {
      const row = operation(name);
      const token = who === null ? null : who.length > 20 ? who : await house.token(who);
      const response = await fetch(`${house.url}${row.path.replace('{id}', id)}${query}`, {
        method: row.method.toUpperCase(),
        headers: {
          ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      return answered(row.answer, response);
    },
    view: async (who, id) => (await house.call(who, 'request', id)).body as RequestView,
    async records(type) {
      const found: { type: string; clear: Readonly<Record<string, unknown>> }[] = [];
      for await (const one of now.audit.read())
        if (type === undefined || one.type === type) found.push({ type: one.type, clear: one.clear });
      return found;
    },
    dir,
    password: async (user, password) => (await now.checker?.check(user, Buffer.from(password))) ?? null,
    async restart() {
      await end(now);
      now = await begin();
    },
    async stop() {
      await end(now);
      await rm(dir, { recursive: true, force: true });
    },
  };
  return house;
}

const policyAt = (path: string): LoadedPolicy =>
  ({
    path,
    hash: POLICY_HASH,
    rules: 0,
    file: { rules: [{ id: 'reads' }, { id: 'writes' }] },
  }) as unknown as LoadedPolicy;

/** SHA-256 of the policy file above. */
const POLICY_HASH = 'e0dfa70eb69d47fe9cb2be8a4fcd53e74cf7fe26fcbb1f06912b57a9c028e4e0';

/** Reads an answer with the schema of its operation: a field more or less than documented is a fault. */
async function answered(schema: z.ZodType | null, response: Response): Promise<Answered> {
  const type = response.headers.get('content-type') ?? '';
  if (type === 'application/problem+json') {
    const body: unknown = await response.json();
    const problem = problemView.parse(body);
    expect(body).toEqual(problem);
    expect(problem.status).toBe(response.status);
    const why = problem.type.replace('urn:holdpoint:problem:', '');
    return { status: response.status, why, detail: problem.detail ?? '', body };
  }
  if (schema === null) {
    expect([response.status, await response.text()]).toEqual([204, '']);
    return { status: 204, why: '', detail: '', body: null };
  }
  expect([response.status, type]).toEqual([200, 'application/json']);
  const body: unknown = await response.json();
  expect(body).toEqual(schema.parse(body));
  return { status: 200, why: '', detail: '', body };
}
