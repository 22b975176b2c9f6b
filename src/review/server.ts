// The reviewers' server: HTTP API, stream and console on one port. It knows the rest of the product by ports.ts only.
// Must never listen before it can refuse: everything is in place when the port opens.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Sessions } from './access.ts';
import { readAssets } from './assets.ts';
import type { ReviewPorts } from './ports.ts';
import type { Desk } from './callers.ts';
import { actsLimiter, routes } from './routes.ts';
import { stream } from './stream.ts';

export interface ReviewOptions {
  /** Port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** How reviewers reach it. Null: as it listens. */
  readonly url: string | null;
  /** PEM texts; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** It is reached over TLS (here, or a proxy in front ends it): cookies are Secure and named __Host-. */
  readonly secure: boolean;
  /** The built console; null: API only. */
  readonly console_dir: string | null;
  /** How long a sign-in in the browser lasts. */
  readonly session_ttl_ms: number;
  /** Of one person, in all their sessions. */
  readonly decisions_per_minute_max: number;
  readonly version: string;
}

export interface ReviewServer {
  readonly address: { readonly host: string; readonly port: number };
  /** Where the page may be. */
  readonly origins: ReadonlySet<string>;
  /** Ends every stream and waits for calls under way. */
  close(): Promise<void>;
}

/** From the first byte to the last of a call; a client that sends slower is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 2_000;

/** Resolves when it listens; rejects when it cannot (address in use, no right to the port). */
export async function createReviewServer(ports: ReviewPorts, options: ReviewOptions): Promise<ReviewServer> {
  const { host } = options.listen;
  const origins = new Set<string>(options.url === null ? [] : [new URL(options.url).origin]);
  const desk: Desk = {
    ports,
    sessions: new Sessions(),
    acts: actsLimiter(options.decisions_per_minute_max),
    secure: options.secure,
    session_ttl_ms: options.session_ttl_ms,
    version: options.version,
    url: options.url ?? '/',
    assets: await readAssets(options.console_dir),
    origins: () => origins,
    ended: (session) => reviewers.ended(session.key),
  };
  const timeouts = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS };
  const answer = getRequestListener(routes(desk).fetch, { overrideGlobalObjects: false });
  const server = options.tls
    ? createTlsServer({ ...timeouts, ...options.tls, minVersion: 'TLSv1.2' }, answer)
    : createServer(timeouts, answer);
  server.maxConnections = CONNECTIONS_MAX;
  const reviewers = stream(server, desk);

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.listen.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  // Without a proxy in front the page is where it listens; behind one only the public URL is.
  if (!options.secure || options.tls)
    for (const name of host === '127.0.0.1' || host === '::1' || host === 'localhost'
      ? ['127.0.0.1', 'localhost', '[::1]']
      : [host.includes(':') ? `[${host}]` : host])
      origins.add(new URL(`${options.tls ? 'https' : 'http'}://${name}:${port}`).origin);

  return {
    address: { host, port },
    origins,
    close: async () => {
      reviewers.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await closed;
    },
  };
}
