// A reviewers' server that signs people in with a provider, for tests: the product's own composition of it, over the in-memory desk. Real
// providers run as programs of their own (oidc-provider.ts). Leaves nothing behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openDirectory } from '../../src/compose/ldap.ts';
import { identityPort } from '../../src/compose/review.ts';
import { openSignIn } from '../../src/compose/sign-in.ts';
import { parseConfig } from '../../src/config/config.ts';
import { FACTORS_KEY } from '../../src/identity/factors.ts';
import { createIdentity } from '../../src/identity/identity.ts';
import { parseUsers } from '../../src/identity/users.ts';
import { createReviewServer, type ReviewServer } from '../../src/review/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { type FakeDesk, fakeDesk } from '../browser/fake-desk.ts';
import { SERVICE } from './slapd.ts';

export interface RunningProvider {
  readonly issuer: string;
  /** Who is in which groups from now on. */
  groups(of: Readonly<Record<string, readonly string[]>>): Promise<void>;
  stop(): Promise<void>;
}

/** `gateway`: where reviewers open the page. `tells`: how it says groups after the sign-in. */
export const startProvider = async (
  gateway: string,
  tells: 'refresh' | 'userinfo' | 'nothing' = 'userinfo',
): Promise<RunningProvider> => {
  const program = join(import.meta.dirname, 'oidc-provider.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, gateway, tells], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const issuer = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then(() => Promise.reject(new Error('the provider ended before it began'))),
  ]);
  return {
    issuer,
    groups: async (of) => {
      const taken = once(lines, 'line');
      child.stdin.write(`${JSON.stringify(of)}\n`);
      await taken;
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
};

export interface SignInHouse {
  readonly url: string;
  readonly desk: FakeDesk;
  readonly server: ReviewServer;
  /** Lines of the operator's log. */
  readonly lines: readonly string[];
  readonly dir: string;
  stop(): Promise<void>;
}

export interface SignInOptions {
  readonly host?: string;
  readonly port: number;
  /** Goes under identity. */
  readonly identity?: Readonly<Record<string, unknown>>;
  readonly sign_in?: readonly string[];
  /** A list under users. */
  readonly users: string;
  readonly console_dir?: string | null;
  /** What sealed the codes' secrets. */
  readonly factors_key?: Buffer;
}

export const startSignIn = async (options: SignInOptions): Promise<SignInHouse> => {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-sign-in-'));
  const url = `http://${options.host ?? '127.0.0.1'}:${options.port}`;
  const file = join(dir, 'users.yaml');
  await writeFile(file, options.users);
  if (options.factors_key) await writeFile(join(dir, FACTORS_KEY), options.factors_key);
  const config = parseConfig(
    JSON.stringify({
      data: dir,
      policy: 'policy.yaml',
      postgres: [{ name: 'app', listen: '127.0.0.1:0', upstream: 'postgres://u@127.0.0.1/db' }],
      review: { listen: `127.0.0.1:${options.port}`, url, sign_in: options.sign_in ?? ['local'] },
      identity: { users: file, ...options.identity },
    }),
    { file: join(dir, 'holdpoint.yaml'), env: { OIDC_SECRET: 'provider-secret', LDAP_PASSWORD: SERVICE.password } },
  );
  const users = parseUsers(options.users, { file });
  const identity = createIdentity({ users: () => users, reviewers: () => ({}), secret: Buffer.alloc(32, 7) });
  const lines: string[] = [];
  const log = createLog({ format: 'json', write: (line) => void lines.push(line) });
  const origins = new Set([url]);
  const ldap = openDirectory(config, log);
  const others = ldap === null ? [] : [ldap.checker];
  const desk = fakeDesk();
  const { audit } = desk.ports;
  const closers: (() => Promise<void> | void)[] = [];
  const parts = { config, users: () => users, identity, others, origins: () => origins, log, audit, closers };
  const signIn = await openSignIn(parts);
  const server = await createReviewServer(
    { ...desk.ports, identity: identityPort(identity, signIn) },
    {
      listen: config.review.listen,
      url,
      tls: null,
      secure: false,
      console_dir: options.console_dir ?? null,
      session_ttl_ms: 3_600_000,
      decisions_per_minute_max: 1_000,
      version: '0.0.0',
    },
  );
  return {
    url,
    desk,
    server,
    lines,
    dir,
    stop: async () => {
      await server.close();
      for (const close of closers) await close();
      ldap?.close();
      await rm(dir, { recursive: true });
    },
  };
};

/** A browser's cookies by host, and nothing else of one. */
export class Jar {
  readonly #cookies = new Map<string, Map<string, string>>();

  get(url: string, name: string): string | undefined {
    return this.#cookies.get(new URL(url).host)?.get(name);
  }

  async fetch(url: string, form?: Readonly<Record<string, string>>): Promise<Response> {
    const { host } = new URL(url);
    const cookies = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, cookies);
    const response = await fetch(url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form && { body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(pair.slice(0, at));
      else cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  /** Follows redirections as far as `until`, and tells where that is; answers the provider's own pages as `login`. */
  async follow(from: string, login: string, until: (url: string) => boolean): Promise<string> {
    let url = from;
    for (let steps = 0; steps < 20; steps += 1) {
      if (until(url)) return url;
      let response = await this.fetch(url);
      if (response.status === 200 && url.includes('/interaction/')) {
        const prompt = (await response.text()).includes('name="login"') ? 'login' : 'consent';
        response = await this.fetch(url, { prompt, login, password: 'any' });
      }
      const location = response.headers.get('location');
      if (location === null) throw new Error(`${url} answers ${response.status} and leads nowhere`);
      url = new URL(location, url).href;
    }
    throw new Error('too many steps');
  }
}
