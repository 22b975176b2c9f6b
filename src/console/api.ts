// The page's calls to the reviewers' API. A refusal is a value; a thrown error means that nobody knows what happened.
import type { DecisionBody } from '../review/bodies.ts';
import type {
  DoorView,
  KeysView,
  KeyView,
  LinkView,
  ListView,
  MeView,
  ProblemView,
  RequestView,
  SignOutAllView,
  SignOutView,
} from '../review/schemas.ts';

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: ProblemView };

/** What comes after the password. */
export interface Second {
  readonly otp?: string;
  readonly webauthn?: unknown;
}

const TIMEOUT_MS = 10_000;

async function call<T>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  csrf?: string | null,
  body?: unknown,
): Promise<Answer<T>> {
  const response = await fetch(path, {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(csrf ? { 'X-Holdpoint-CSRF': csrf } : {}),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 204) return { ok: true, value: undefined as T };
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/problem+json'))
    return { ok: false, problem: (await response.json()) as ProblemView };
  if (!response.ok || !type.startsWith('application/json')) throw new Error(`unexpected answer ${response.status}`);
  return { ok: true, value: (await response.json()) as T };
}

/** The last part of a problem's type: 'own', 'already-decided' ... */
export function why(problem: ProblemView): string {
  return problem.type.split(':').at(-1) ?? '';
}

export const api = {
  me: () => call<MeView>('GET', '/api/me'),
  door: () => call<DoorView>('GET', '/api/door'),
  login: (user: string, password: string, second: Second = {}) =>
    call<MeView>('POST', '/api/login', null, { user, password, ...second }),
  useLink: (token: string) => call<MeView>('POST', `/in/${encodeURIComponent(token)}`, null, {}),
  logout: (csrf: string | null) => call<SignOutView>('POST', '/api/logout', csrf, {}),
  logoutAll: (csrf: string | null) => call<SignOutAllView>('POST', '/api/logout/everywhere', csrf, {}),
  link: (csrf: string | null) => call<LinkView>('POST', '/api/links', csrf, {}),
  keys: () => call<KeysView>('GET', '/api/keys'),
  keyOptions: (csrf: string | null) => call<object>('POST', '/api/keys/options', csrf, {}),
  addKey: (csrf: string | null, name: string, answer: unknown) =>
    call<KeyView>('POST', '/api/keys', csrf, { name, answer }),
  removeKey: (csrf: string | null, id: string) =>
    call<undefined>('DELETE', `/api/keys/${encodeURIComponent(id)}`, csrf),
  get: (id: string) => call<RequestView>('GET', `/api/requests/${encodeURIComponent(id)}`),
  lastDecided: () => call<ListView>('GET', '/api/requests?state=decided&limit=1'),
  ask: (id: string, csrf: string | null, text: string) =>
    call<RequestView>('POST', `/api/requests/${encodeURIComponent(id)}/questions`, csrf, { text }),
  decide: (id: string, csrf: string | null, body: DecisionBody) =>
    call<RequestView>('POST', `/api/requests/${encodeURIComponent(id)}/decisions`, csrf, body),
};
