// A real review server on a free loopback port, over the in-memory desk.
import type { ReviewPorts } from '../../../src/review/ports.ts';
import { type ReviewServer, createReviewServer } from '../../../src/review/server.ts';
import { type FakeDesk, fakeDesk, PASSWORD, samples } from '../../browser/fake-desk.ts';

export interface Harness {
  readonly url: string;
  readonly desk: FakeDesk;
  readonly server: ReviewServer;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Signs in by cookie; the result's headers make a legitimate write. */
  enter(user: string): Promise<{ cookie: string; csrf: string; headers: Record<string, string> }>;
}

export async function start(
  options: {
    readonly secure?: boolean;
    readonly url?: string;
    readonly identity?: Partial<ReviewPorts['identity']>;
  } = {},
): Promise<Harness> {
  const desk = fakeDesk();
  const ports = { ...desk.ports, identity: { ...desk.ports.identity, ...options.identity } };
  const server = await createReviewServer(ports, {
    tls: null,
    listen: { host: '127.0.0.1', port: 0 },
    url: options.url ?? null,
    secure: options.secure ?? false,
    console_dir: null,
    session_ttl_ms: 3_600_000,
    decisions_per_minute_max: 120,
    version: '0.0.0',
  });
  for (const request of samples()) desk.add(request);
  const url = `http://127.0.0.1:${server.address.port}`;
  const post: Harness['post'] = (path, body, headers = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    url,
    desk,
    server,
    post,
    enter: async (user) => {
      const origin = options.url ?? url;
      const response = await post('/api/login', { user, password: PASSWORD }, { Origin: origin });
      const cookie = (response.headers.getSetCookie()[0] ?? '').split(';')[0] as string;
      const { csrf } = (await response.json()) as { csrf: string };
      return { cookie, csrf, headers: { Cookie: cookie, Origin: origin, 'X-Holdpoint-CSRF': csrf } };
    },
  };
}

export async function problemOf(response: Response): Promise<string> {
  const { type } = (await response.json()) as { type: string };
  return `${response.status} ${type.replace('urn:holdpoint:problem:', '')}`;
}
