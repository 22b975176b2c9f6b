// Single keys, as the terminal has them. Inactive in fields, and they can be switched off (WCAG 2.1.4).
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { choose, confirm } from './decide.tsx';
import {
  accountOpen,
  current,
  go,
  keysOpen,
  narrow,
  place,
  requests,
  sheet,
  showArrivals,
  step,
  mine,
} from './state.ts';
import { pointed } from './statement.tsx';

const STORED = 'holdpoint.keys';
export const single = signal(localStorage.getItem(STORED) !== 'off');

const card = () => (current.value === null ? undefined : requests.value.get(current.value));

/** Where the focus was before a key moved it to the rationale. */
let before: HTMLElement | null = null;

const KEYS: Readonly<Record<string, () => void>> = {
  j: () => step(1),
  k: () => step(-1),
  a: () => pick('approve'),
  d: () => pick('deny'),
  r: () => pick('ask'),
  n: showArrivals,
  v: () => {
    mine.value = !mine.value;
  },
  '/': () => document.getElementById('search')?.focus(),
  '?': () => {
    keysOpen.value = true;
  },
};

function pick(choice: 'approve' | 'deny' | 'ask'): void {
  const request = card();
  if (!request) return;
  before = document.activeElement instanceof HTMLElement ? document.activeElement : null;
  choose(request, choice);
}

export function listen(): void {
  addEventListener('keydown', (event) => {
    if (event.isComposing || place.value.page !== 'queue' || keysOpen.value || accountOpen.value) return;
    const field =
      event.target instanceof HTMLElement && event.target.matches('input:not([type=radio]), textarea, select');
    if (event.key === 'Escape') {
      escape(field, event.target as HTMLElement);
      return;
    }
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      const request = card();
      if (request && !event.repeat) void confirm(request);
      event.preventDefault();
      return;
    }
    if (field || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !single.value) return;
    if (/^[1-9]$/.test(event.key)) {
      document.getElementById(`finding-${event.key}`)?.focus();
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function escape(field: boolean, target: HTMLElement): void {
  if (sheet.value) sheet.value = false;
  else if (field) {
    target.blur();
    if (before?.isConnected) before.focus();
    before = null;
  } else if (pointed.value !== '') pointed.value = '';
  else if (narrow.value && place.value.page === 'queue' && place.value.id !== null) go('/');
}

const HELP: readonly (readonly [string, string])[] = [
  ['j k', 'next, previous request'],
  ['a', 'approve once'],
  ['d', 'deny'],
  ['r', 'ask the requester'],
  ['Ctrl Enter', 'confirm'],
  ['Esc', 'leave the field, go back'],
  ['1 to 9', 'go to a finding'],
  ['n', 'show what arrived meanwhile'],
  ['/', 'find agent, table, rule or id'],
  ['v', 'for my groups, or all'],
  ['?', 'these keys'],
];

export function KeysDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (keysOpen.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [keysOpen.value]);
  return (
    <dialog class="keys" ref={dialog} aria-labelledby="keys-title" onClose={() => (keysOpen.value = false)}>
      <div class="sech">
        <h2 id="keys-title">Keys</h2>
        <span class="r">
          <button class="btn sm" type="button" onClick={() => (keysOpen.value = false)}>
            Close
          </button>
        </span>
      </div>
      <dl>
        {HELP.map(([key, does]) => (
          <div key={key}>
            <dt>{key.split(' ').map((one) => (one === 'to' ? ' to ' : <kbd key={one}>{one}</kbd>))}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={single.value}
          onChange={(event) => {
            single.value = event.currentTarget.checked;
            localStorage.setItem(STORED, single.value ? 'on' : 'off');
          }}
        />
        Single keys act
      </label>
    </dialog>
  );
}
