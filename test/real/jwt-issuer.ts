// Issuers of tokens as processes of their own: one that serves keys, or misbehaves, as it was told last, and one that is a whole OpenID
// provider (oidc-provider) with a client that gets itself tokens. Ends when its parent closes its input.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What it answers to everything but metadata; hang: never; drip: a byte now and then; huge: without end. */
export type Behaviour =
  | { readonly keys: readonly object[] }
  | { readonly text: string; readonly status?: number }
  | { readonly redirect: string }
  | 'hang'
  | 'drip'
  | 'huge'
  | 'reset';

interface Told {
  readonly behave: Behaviour;
  /** Of /.well-known/openid-configuration; null: it has none. */
  readonly metadata?: object | null;
  /** What its clock says; null: the time. */
  readonly date?: string | null;
}

export interface IssuerProcess {
  /** Without a slash at its end. */
  readonly url: string;
  /** From now on. Resolves when it does. */
  behave(how: Behaviour, metadata?: object | null, date?: string | null): Promise<void>;
  /** Requests so far. */
  asked(): Promise<number>;
  stop(): Promise<void>;
}

/** `certificate`: files; null: http. */
export const startIssuer = async (
  certificate: { readonly cert: string; readonly key: string } | null = null,
): Promise<IssuerProcess> => {
  const { child, ask, first } = await start(['keys', ...(certificate ? [certificate.cert, certificate.key] : [])]);
  return {
    url: `${certificate ? 'https://localhost' : 'http://127.0.0.1'}:${first}`,
    behave: async (how, metadata = null, date = null) => {
      await ask(JSON.stringify({ behave: how, metadata, date } satisfies Told));
    },
    asked: async () => Number(await ask('"asked"')),
    stop: () => end(child),
  };
};

export interface ProviderProcess {
  readonly url: string;
  stop(): Promise<void>;
}

/** Its client report-bot, whose secret is client-secret, gets tokens for the audience holdpoint-db. */
export const startProvider = async (): Promise<ProviderProcess> => {
  const { child, first } = await start(['provider']);
  return { url: `http://127.0.0.1:${first}`, stop: () => end(child) };
};

const start = async (args: readonly string[]) => {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value } = (await lines.next()) as { value: string | undefined };
    if (value === undefined) throw new Error('the issuer ended');
    return value;
  };
  const first = await next();
  const ask = (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    return next();
  };
  return { child, ask, first };
};

const end = async (child: ReturnType<typeof spawn>): Promise<void> => {
  const ended = once(child, 'close');
  child.stdin?.end();
  await ended;
};

const serveKeys = async (cert: string | undefined, key: string | undefined): Promise<void> => {
  let told: Told = { behave: { keys: [] } };
  let asked = 0;
  const answer = (path: string, response: ServerResponse): void => {
    asked += 1;
    const { behave, metadata, date } = told;
    if (date != null) response.setHeader('Date', date);
    if (path === '/.well-known/openid-configuration' && metadata) return void response.end(JSON.stringify(metadata));
    if (behave === 'hang') return;
    if (behave === 'reset') return void response.socket?.destroy();
    if (behave === 'drip') {
      response.write('{');
      const timer = setInterval(() => response.write(' '), 100);
      response.on('close', () => clearInterval(timer));
    } else if (behave === 'huge') {
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(64 * 1024)));
      };
      response.on('drain', more);
      more();
    } else if ('redirect' in behave) response.writeHead(302, { location: behave.redirect }).end();
    else if ('text' in behave) response.writeHead(behave.status ?? 200).end(behave.text);
    else response.end(JSON.stringify(behave));
  };
  const server =
    cert !== undefined && key !== undefined
      ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) =>
          answer(request.url ?? '', response),
        )
      : createServer((request, response) => answer(request.url ?? '', response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Told | 'asked';
    if (order !== 'asked') told = order;
    console.log(asked);
  }
  process.exit(0);
};

const serveProvider = async (): Promise<void> => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const { default: Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'report-bot',
        client_secret: 'client-secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:holdpoint',
        getResourceServerInfo: () => ({
          scope: '',
          audience: 'holdpoint-db',
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    extraTokenClaims: () => ({ groups: ['agents'], sponsor: 'ada', task: 'month end' }),
  });
  server.on('request', provider.callback());
  console.log(port);
  for await (const _ of createInterface({ input: process.stdin }));
  process.exit(0);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , what, cert, key] = process.argv;
  await (what === 'provider' ? serveProvider() : serveKeys(cert, key));
}
