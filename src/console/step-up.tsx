// Signing in again for a decision whose rule demands more of the sign-in: here with a password and what comes after it, or away at the provider and
// back to the same card. What was typed is there again, and is sent by nothing but the person's own hand.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { StepUpView } from '../review/schemas.ts';
import { api, type Second, why } from './api.ts';
import { Icon } from './icons.tsx';
import { connect, disconnect } from './line.ts';
import { askKey } from './security-key.ts';
import { field, refusedText } from './signin.tsx';
import { assertive, type Draft, go, me, setDraft, stepUp, typed } from './state.ts';

/** In this window's own storage, from leaving for the provider to coming back. */
const STORED = 'holdpoint-typed';
/** As long as the provider may take. */
const STORED_MS = 10 * 60_000;
const AGAIN = 'Signed in again. Confirm once more.';

interface Stored {
  readonly user: string;
  readonly signed_in: number;
  /** This machine's clock. */
  readonly at: number;
  readonly id: string;
  readonly typed: readonly (readonly [id: string, draft: Pick<Draft, 'choice' | 'revision' | 'text'>])[];
}

/** Begins it, in the way in which the person signed in. */
export function signInFor(id: string, step: StepUpView): void {
  const bySso = step.signed_in === null || step.signed_in.by[0] === 'oidc';
  if (step.sso !== null && bySso) leave(id, step.sso.start);
  else stepUp.value = { id, step };
}

/** Away to the provider. */
export function leave(id: string, start: string): void {
  const person = me.value;
  if (!person) return;
  const kept = typed().map(([of, { choice, revision, text }]) => [of, { choice, revision, text }] as const);
  const stored: Stored = { user: person.id, signed_in: person.signed_in, at: Date.now(), id, typed: kept };
  sessionStorage.setItem(STORED, JSON.stringify(stored));
  location.assign(start);
}

/** Back from the provider: the card, and what was typed. */
export function takeUp(): void {
  const text = sessionStorage.getItem(STORED);
  sessionStorage.removeItem(STORED);
  const stored = text === null ? null : (JSON.parse(text) as Stored);
  const person = me.value;
  if (!person || stored?.user !== person.id || Date.now() - stored.at > STORED_MS) return;
  for (const [id, draft] of stored.typed) setDraft(id, draft);
  const fault = person.signed_in === stored.signed_in ? refusedText : AGAIN;
  setDraft(stored.id, { phase: { type: 'writing', fault } });
  assertive.value = fault;
  go(`/r/${stored.id}`, 'replace');
}

export function StepUpDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = stepUp.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog class="keys again" ref={dialog} aria-labelledby="step-up-title" onClose={() => (stepUp.value = null)}>
      {open && <Form id={open.id} step={open.step} key={open.id} />}
    </dialog>
  );
}

/** The password was right; this is asked for. */
interface Half {
  readonly password: string;
  readonly code: boolean;
  readonly key: object | null;
}

function Form({ id, step }: { readonly id: string; readonly step: StepUpView }) {
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [half, setHalf] = useState<Half | null>(null);
  const user = me.value?.id ?? step.user;

  const signIn = async (password: string, second: Second = {}) => {
    setBusy(true);
    setFault('');
    // The line of the old sign-in ends with it.
    disconnect();
    const answer = await api.login(user, password, second).catch(() => null);
    if (answer?.ok) {
      me.value = answer.value;
      stepUp.value = null;
      setDraft(id, { phase: { type: 'writing', fault: AGAIN } });
      assertive.value = AGAIN;
      document.getElementById('rationale')?.focus();
    } else if (answer && why(answer.problem) === 'second-factor') {
      const { factors = [], webauthn = null } = answer.problem;
      setHalf({ password, code: factors.includes('totp') || factors.includes('recovery'), key: webauthn });
      if (second.otp !== undefined || second.webauthn !== undefined)
        setFault('That does not count. A code is good for a minute, and once.');
    } else setFault(answer ? (answer.problem.detail ?? answer.problem.title) : 'No answer from the server. Try again.');
    connect();
    setBusy(false);
  };
  const withKey = async () => {
    if (busy || half === null || half.key === null) return;
    setBusy(true);
    const asked = await askKey(half.key);
    if (asked.ok) return signIn(half.password, { webauthn: asked.answer });
    setBusy(false);
    setFault(asked.text);
  };
  const submit = (data: FormData) => {
    if (busy) return;
    if (half === null) void signIn(field(data, 'password'));
    else if (half.code) void signIn(half.password, { otp: field(data, 'otp').trim() });
    else void withKey();
  };
  const { sso } = step;
  const alone = half !== null && !half.code;

  return (
    <form
      class="step-up"
      onSubmit={(event) => {
        event.preventDefault();
        submit(new FormData(event.currentTarget));
      }}
    >
      <div class="sech">
        <h2 id="step-up-title">Sign in again for {id}</h2>
        <span class="r">
          <button class="btn sm" type="button" onClick={() => (stepUp.value = null)}>
            Back to the card
          </button>
        </span>
      </div>
      <p class="q small">
        As <b>{user}</b>. What you typed stays, and nothing is sent until you confirm it there.
      </p>
      {half === null ? (
        <label>
          Password
          <input class="field" name="password" type="password" autocomplete="current-password" required />
        </label>
      ) : (
        <p class="q small">The password is right. {alone ? 'Now your security key.' : 'Now the second factor.'}</p>
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
        <button class="btn primary" type="submit" aria-disabled={busy}>
          {busy ? 'Signing in' : alone ? 'Use a security key' : 'Sign in'}
        </button>
        {half?.code && half.key !== null && (
          <button class="btn" type="button" aria-disabled={busy} onClick={() => void withKey()}>
            <Icon name="key" />
            Use a security key
          </button>
        )}
        {half === null && sso !== null && (
          <button class="btn" type="button" onClick={() => leave(id, sso.start)}>
            With single sign-on
          </button>
        )}
      </div>
    </form>
  );
}
