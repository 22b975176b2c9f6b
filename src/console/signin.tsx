// Signing in: a local account, or the button behind a one-time link. The link is used up by the button, never by
// opening the page, so that a preview of it signs nobody in.
import { useState } from 'preact/hooks';
import type { MeView } from '../review/schemas.ts';
import { type Answer, api } from './api.ts';
import { Icon } from './icons.tsx';
import { environment, go, me, place, signedOut } from './state.ts';

export function SignIn() {
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const link = place.value.page === 'link' ? place.value.token : null;

  const attempt = async (call: () => Promise<Answer<MeView>>) => {
    setBusy(true);
    setFault('');
    try {
      const answer = await call();
      if (answer.ok) {
        if (link !== null) go('/', 'replace');
        signedOut.value = '';
        me.value = answer.value;
      } else setFault(answer.problem.title);
    } catch {
      setFault('No answer from the server. Try again.');
    }
    setBusy(false);
  };

  return (
    <div class="sign">
      <main id="main">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (busy) return;
            const data = new FormData(event.currentTarget);
            void attempt(() =>
              link === null ? api.login(field(data, 'user').trim(), field(data, 'password')) : api.useLink(link),
            );
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
          {link === null ? (
            <>
              <label>
                User
                <input
                  class="field"
                  name="user"
                  autocomplete="username"
                  autocapitalize="none"
                  spellcheck={false}
                  required
                />
              </label>
              <label>
                Password
                <input class="field" name="password" type="password" autocomplete="current-password" required />
              </label>
            </>
          ) : (
            <p class="q">This link signs you in once, without a password.</p>
          )}
          {fault && (
            <p class="err" role="alert">
              <Icon name="x" />
              {fault}
            </p>
          )}
          <button class="btn primary" type="submit" aria-disabled={busy}>
            {busy ? 'Signing in' : 'Sign in'}
          </button>
          {link !== null && (
            <button class="btn quiet" type="button" onClick={() => go('/', 'replace')}>
              Use a password instead
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

function field(data: FormData, name: string): string {
  const value = data.get(name);
  return typeof value === 'string' ? value : '';
}
