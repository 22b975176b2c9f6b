// The page: top bar, queue, card. Which of them a narrow screen shows is told to the style sheet by data-view.
import { effect, signal } from '@preact/signals';
import { StepUpDialog } from './step-up.tsx';
import { AccountDialog } from './account.tsx';
import { api } from './api.ts';
import { CardOrNothing } from './card.tsx';
import { clock } from './format.ts';
import { Icon, Sprite } from './icons.tsx';
import { KeysDialog } from './keys.tsx';
import { disconnect } from './line.ts';
import { Observing } from './observing.tsx';
import { Queue } from './queue.tsx';
import { SignIn } from './signin.tsx';
import {
  accountOpen,
  assertive,
  current,
  forYou,
  go,
  keysOpen,
  line,
  loaded,
  me,
  order,
  place,
  polite,
  recording,
  sheet,
  signedOut,
} from './state.ts';
import { Teach } from './teach.tsx';

const THEMES = ['system', 'light', 'dark'] as const;
type Theme = (typeof THEMES)[number];
const STORED = 'holdpoint.theme';
const theme = signal<Theme>(THEMES.find((one) => one === localStorage.getItem(STORED)) ?? 'system');
effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  document.body.dataset.view =
    place.value.page === 'queue' && place.value.id ? (sheet.value ? 'decide' : 'card') : 'list';
});

export function App() {
  return (
    <>
      <Sprite />
      <div class="vh" aria-live="polite">
        {polite.value}
      </div>
      <div class="vh" aria-live="assertive">
        {assertive.value}
      </div>
      <Observing />
      <Page />
    </>
  );
}

function Page() {
  if (me.value === undefined) return <main id="main" class="teach" aria-busy="true" />;
  if (me.value === null || place.value.page === 'link') return <SignIn />;
  // The first run teaches; once something was held, an open card stays where it is.
  const empty = loaded.value && order.value.length === 0 && current.value === null;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Top />
      {empty ? (
        <Teach />
      ) : (
        <main id="main" class="split">
          <Queue />
          <CardOrNothing />
        </main>
      )}
      <KeysDialog />
      <AccountDialog />
      <StepUpDialog />
    </>
  );
}

function Top() {
  const person = me.value;
  if (!person) return null;
  return (
    <header class="top" inert={sheet.value}>
      <a
        class="brand"
        href="/"
        onClick={(event) => {
          event.preventDefault();
          go('/');
        }}
      >
        <svg aria-hidden="true">
          <use href="#i-logo" />
        </svg>
        Holdpoint
      </a>
      <nav aria-label="Main">
        <a href="/" aria-current="page" onClick={(event) => (event.preventDefault(), go('/'))}>
          Queue{' '}
          {forYou.value > 0 && (
            <span class="count">
              {forYou.value}
              <span class="vh"> for you</span>
            </span>
          )}
        </a>
      </nav>
      <div class="right">
        <Live />
        <span class="mono xs hide">{person.environment}</span>
        <button class="btn quiet who" type="button" popovertarget="menu">
          <span class="av" aria-hidden="true">
            {person.id.slice(0, 2).toUpperCase()}
          </span>
          {person.id}
        </button>
        <button class="btn quiet menu" type="button" aria-label="Menu" popovertarget="menu">
          <Icon name="menu" />
        </button>
        <Menu />
      </div>
    </header>
  );
}

function Live() {
  const state = line.value;
  if (state.state === 'lost')
    return (
      <span class="live lost">
        <Icon name="x" />
        Not live since {clock(state.since)}
      </span>
    );
  if (state.state === 'connecting')
    return (
      <span class="live">
        <Icon name="dots" />
        Connecting
      </span>
    );
  if (!recording.value)
    return (
      <span class="live lost">
        <Icon name="x" />
        Not recording
      </span>
    );
  return (
    <span class="live">
      <i />
      Live
    </span>
  );
}

function Menu() {
  const person = me.value;
  if (!person) return null;
  return (
    <div id="menu" popover="auto" class="menu-box">
      <p>
        <b>{person.id}</b>
        <br />
        <span class="q">{person.roles.join(', ') || 'no role'}</span>
        <br />
        <span class="q">{person.groups.length > 0 ? person.groups.join(', ') : 'in no group'}</span>
      </p>
      <div class="seg" role="group" aria-label="Theme">
        {THEMES.map((one) => (
          <button
            type="button"
            key={one}
            aria-pressed={theme.value === one}
            onClick={() => {
              theme.value = one;
              localStorage.setItem(STORED, one);
            }}
          >
            {one[0]?.toUpperCase()}
            {one.slice(1)}
          </button>
        ))}
      </div>
      <button
        class="btn quiet"
        type="button"
        onClick={() => {
          document.getElementById('menu')?.hidePopover();
          keysOpen.value = true;
        }}
      >
        Keys
      </button>
      <button
        class="btn quiet"
        type="button"
        onClick={() => {
          document.getElementById('menu')?.hidePopover();
          accountOpen.value = true;
        }}
      >
        Account
      </button>
      <button class="btn" type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </div>
  );
}

async function signOut(): Promise<void> {
  const answer = await api.logout(me.value?.csrf ?? null).catch(() => null);
  if (!answer?.ok && answer?.problem.status !== 401) {
    assertive.value = 'Not signed out: no answer from the server.';
    return;
  }
  disconnect();
  signedOut.value = '';
  // The provider's page sends the browser back here.
  if (answer?.ok && answer.value.url !== null) location.assign(answer.value.url);
  else me.value = null;
}
