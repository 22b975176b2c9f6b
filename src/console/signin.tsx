// Signing in: with the company's provider, a local account and its second factor, or the button behind a one-time link. The link is used up
// by the button, never by opening the page, so that a preview of it signs nobody in.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { MeView } from '../review/schemas.ts';
import { type Answer, api, type Second, why } from './api.ts';
import { Icon } from './icons.tsx';
import { askKey } from './security-key.ts';
import { environment, go, me, place, signedOut, sso } from './state.ts';

/** What the way back from the provider may say; the address names a line of these, and nothing else. */
const REFUSED: Readonly<Record<string, string>> = {
  'sso-refused': 'The sign-in with the provider did not count. Start again.',
  'sso-unknown': 'The provider knows you, but this Holdpoint has no account of yours.',
  'sso-down': 'The sign-in provider does not answer. Try later.',
  'too-many': 'Too many tries. Wait a minute.',
  'not-recorded': 'The audit log cannot be written, so nobody is signed in.',
};
const refused = new URLSearchParams(location.search).get('refused');
if (refused !== null) history.replaceState(null, '', location.pathname);
/** Why the way back from the provider led to nothing; '' where it did not. */
export const refusedText = (Object.hasOwn(REFUSED, refused ?? '') && REFUSED[refused ?? '']) || '';

/** The password was right; this is asked for. */
interface Half {
  readonly user: string;
  readonly password: string;
  readonly code: boolean;
  readonly key: object | null;
}

export function SignIn() {
  const [fault, setFault] = useState(refusedText);
  const [busy, setBusy] = useState(false);
  const [half, setHalf] = useState<Half | null>(null);
  const link = place.value.page === 'link' ? place.value.token : null;

  const attempt = async (call: () => Promise<Answer<MeView>>, tried?: Pick<Half, 'user' | 'password'> & Second) => {
    setBusy(true);
    setFault('');
    try {
      const answer = await call();
      if (answer.ok) {
        if (link !== null) go('/', 'replace');
        signedOut.value = '';
        me.value = answer.value;
      } else if (tried && why(answer.problem) === 'second-factor') {
        const { factors = [], webauthn = null } = answer.problem;
        const { user, password } = tried;
        const code = factors.includes('totp') || factors.includes('recovery');
        setHalf({ user, password, code, key: webauthn });
        if (tried.otp !== undefined || tried.webauthn !== undefined)
          setFault('That does not count. A code is good for a minute, and once.');
      } else setFault(answer.problem.detail ?? answer.problem.title);
    } catch {
      setFault('No answer from the server. Try again.');
    }
    setBusy(false);
  };
  const signIn = (user: string, password: string, second: Second = {}) =>
    attempt(() => api.login(user, password, second), { user, password, ...second });
  const withKey = async ({ user, password, key }: Half) => {
    if (busy || key === null) return;
    setBusy(true);
    const asked = await askKey(key);
    if (asked.ok) return signIn(user, password, { webauthn: asked.answer });
    setBusy(false);
    setFault(asked.text);
  };
  const submit = (data: FormData) => {
    if (busy) return;
    if (link !== null) void attempt(() => api.useLink(link));
    else if (half === null) void signIn(field(data, 'user').trim(), field(data, 'password'));
    else if (half.code) void signIn(half.user, half.password, { otp: field(data, 'otp').trim() });
    else void withKey(half);
  };
  const alone = half !== null && !half.code;

  return (
    <div class="sign">
      <main id="main">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            submit(new FormData(event.currentTarget));
          }}
        >
          <span class="brand">
            <svg aria-hidden="true">
              <use href="#i-logo" />
            </svg>
            Holdpoint
          </span>
          <div>
            <h1>Sign in to review</h1>
            <p class="q">
              {environment.value && `${environment.value}, `}
              {location.host}
            </p>
          </div>
          {signedOut.value && <p class="q small">{signedOut.value} What you typed is kept.</p>}
          {link !== null ? (
            <p class="q">This link signs you in once, without a password.</p>
          ) : half === null ? (
            <Password />
          ) : (
            <p class="q">
              The password of <b>{half.user}</b> is right. {alone ? 'Now your security key.' : 'Now the second factor.'}
            </p>
          )}
          {half?.code && (
            <label>
              Six-digit code, or a recovery code
              <input
                class="field mono"
                name="otp"
                autocomplete="one-time-code"
                autocapitalize="none"
                spellcheck={false}
                maxLength={64}
                required
                ref={(input) => input?.focus()}
              />
            </label>
          )}
          {fault && (
            <p class="err" role="alert">
              <Icon name="x" />
              {fault}
            </p>
          )}
          <div class="drow">
            <Submit primary={!sso.value || half !== null || link !== null} busy={busy}>
              {alone ? 'Use a security key' : 'Sign in'}
            </Submit>
            {half?.code && half.key !== null && (
              <button class="btn" type="button" aria-disabled={busy} onClick={() => void withKey(half)}>
                <Icon name="key" />
                Use a security key
              </button>
            )}
          </div>
          {(link !== null || half !== null) && (
            <button
              class="btn quiet"
              type="button"
              onClick={() => {
                setFault('');
                setHalf(null);
                if (link !== null) go('/', 'replace');
              }}
            >
              {link !== null ? 'Use a password instead' : 'Somebody else'}
            </button>
          )}
          <p class="xs qq">Five tries a minute. Every sign-in, also a failed one, is on the record.</p>
        </form>
      </main>
      <aside>
        <div>
          <svg viewBox="0 0 76 120" width="76" height="120" aria-hidden="true">
            <g stroke="var(--ink)" stroke-width="5">
              <path d="M6 0v120M26 0v120" />
              <path d="M50 0v120M70 0v120" stroke-dasharray="16 10" />
            </g>
          </svg>
          <p>A hold point is a step beyond which nothing may proceed until the named authority signs.</p>
        </div>
      </aside>
    </div>
  );
}

function Password() {
  const { value } = place;
  const back = value.page === 'queue' && value.id !== null ? `?back=${encodeURIComponent(`/r/${value.id}`)}` : '';
  return (
    <>
      {sso.value && (
        <>
          <a class="btn primary" href={`/oidc/start${back}`}>
            Continue with single sign-on
          </a>
          <p class="or">or with a password</p>
        </>
      )}
      <label>
        User
        <input class="field" name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required />
      </label>
      <label>
        Password
        <input class="field" name="password" type="password" autocomplete="current-password" required />
      </label>
    </>
  );
}

function Submit({ primary, busy, children }: { primary: boolean; busy: boolean; children: ComponentChildren }) {
  return (
    <button class={primary ? 'btn primary' : 'btn'} type="submit" aria-disabled={busy}>
      {busy ? 'Signing in' : children}
    </button>
  );
}

export function field(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === 'string' ? value : '';
}
