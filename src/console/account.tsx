// One's own account: how one signed in, security keys, a way into a terminal, and out of everywhere at once.
// Must never show a link longer than it is good for anything.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { KeyView, LinkView } from '../review/schemas.ts';
import { type Answer, api } from './api.ts';
import { Icon } from './icons.tsx';
import { disconnect } from './line.ts';
import { makeKey } from './security-key.ts';
import { accountOpen, me, signedOut } from './state.ts';

const WORDS: Readonly<Record<string, string>> = {
  local: 'a password',
  ldap: "the directory's password",
  oidc: 'single sign-on',
  link: 'a one-time link',
  totp: 'a code',
  recovery: 'a recovery code',
  webauthn: 'a security key',
};

export function AccountDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (accountOpen.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [accountOpen.value]);
  return (
    <dialog
      class="keys account"
      ref={dialog}
      aria-labelledby="account-title"
      onClose={() => (accountOpen.value = false)}
    >
      {accountOpen.value && <Account />}
    </dialog>
  );
}

function Account() {
  const [fault, setFault] = useState('');
  const [keys, setKeys] = useState<readonly KeyView[]>([]);
  const [link, setLink] = useState<LinkView | null>(null);
  const person = me.value;
  const csrf = person?.csrf ?? null;

  /** What it answers; null: a fault is shown. */
  async function to<T>(call: Promise<Answer<T>>): Promise<{ readonly value: T } | null> {
    setFault('');
    const answer = await call.catch(() => null);
    if (answer?.ok) return { value: answer.value };
    setFault(answer?.problem.title ?? 'No answer from the server. Try again.');
    return null;
  }
  const readKeys = async () => {
    const read = await to(api.keys());
    if (read) setKeys(read.value.keys);
  };
  useEffect(() => void readKeys(), []);
  useEffect(() => {
    if (link === null) return undefined;
    const timer = setTimeout(() => setLink(null), Math.max(0, link.expires - Date.now()));
    return () => clearTimeout(timer);
  }, [link]);

  const add = async (form: HTMLFormElement) => {
    const name = new FormData(form).get('name');
    const options = await to(api.keyOptions(csrf));
    if (!options || typeof name !== 'string') return;
    const made = await makeKey(options.value);
    if (!made.ok) return setFault(made.text);
    if (await to(api.addKey(csrf, name.trim(), made.answer))) {
      form.reset();
      await readKeys();
    }
  };
  const remove = async (id: string) => {
    if (await to(api.removeKey(csrf, id))) await readKeys();
  };
  const leave = async () => {
    if (!(await to(api.logoutAll(csrf)))) return;
    accountOpen.value = false;
    disconnect();
    signedOut.value = 'You are signed out everywhere.';
    me.value = null;
  };

  if (!person) return null;
  return (
    <>
      <div class="sech">
        <h2 id="account-title">{person.id}</h2>
        <span class="r">
          <button class="btn sm" type="button" onClick={() => (accountOpen.value = false)}>
            Close
          </button>
        </span>
      </div>
      <p class="q small">
        Signed in at {new Date(person.signed_in).toISOString().slice(11, 16)} UTC, by{' '}
        {person.by.map((one) => WORDS[one] ?? one).join(' and ')}.
      </p>
      {fault && (
        <p class="err" role="alert">
          <Icon name="x" />
          {fault}
        </p>
      )}
      {person.takes_keys && (
        <section aria-labelledby="account-keys">
          <h3 id="account-keys">Security keys</h3>
          {keys.length === 0 && <p class="q small">None. With one, your password alone signs nobody in.</p>}
          <ul>
            {keys.map(({ id, name, added, used }) => (
              <li key={id}>
                <span>
                  <bdi>{name}</bdi>
                  <span class="q xs">
                    since {day(added)}, {used === null ? 'not used yet' : `last used ${day(used)}`}
                  </span>
                </span>
                <button class="btn sm" type="button" aria-label={`Remove ${name}`} onClick={() => void remove(id)}>
                  Remove
                </button>
              </li>
            ))}
          </ul>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void add(event.currentTarget);
            }}
          >
            <label>
              Name of a new key
              <input class="field" name="name" maxLength={64} required />
            </label>
            <button class="btn" type="submit">
              <Icon name="key" />
              Add it
            </button>
          </form>
        </section>
      )}
      <section aria-labelledby="account-terminal">
        <h3 id="account-terminal">In a terminal</h3>
        {link === null ? (
          <button
            class="btn"
            type="button"
            onClick={async () => {
              const made = await to(api.link(csrf));
              if (made) setLink(made.value);
            }}
          >
            Get a one-time link
          </button>
        ) : (
          <>
            <p class="mono xs command" tabIndex={0}>
              holdpoint login --link {location.origin}/in/{link.link}
            </p>
            <p class="q xs">
              Good once, for two minutes. What it opens ends when you sign out everywhere, or when this session would.
            </p>
          </>
        )}
      </section>
      <section aria-labelledby="account-out">
        <h3 id="account-out">Everywhere</h3>
        <p class="q small">Ends every session and token of yours, and those that you got for agents.</p>
        <button class="btn" type="button" onClick={() => void leave()}>
          Sign out everywhere
        </button>
      </section>
    </>
  );
}

const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
