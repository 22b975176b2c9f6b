// What each key does, as tables by screen, and how a prompt is answered. Pure. Must never send anything but what was confirmed
// on the screen it was read from.
import type { DecisionBody } from '../../review/client.ts';
import { bodyHeight, cardOf } from './card.ts';
import { endSentence } from './facts.ts';
import type { Key } from './input.ts';
import { edited, open, STEPS } from './prompt.ts';
import { readAs, type Reading } from './reading.ts';
import type { RequestView } from '../../review/client.ts';
import {
  type Act,
  isOpen,
  listOf,
  off,
  only,
  type Prompt,
  rowsOf,
  type Screen,
  settled,
  type State,
  tooSmall,
  type Updated,
  wanted,
} from './state.ts';

export function pressed(before: State, key: Key): Updated {
  // Both have been read; where a call is under way what is known of it stays.
  const over = before.sent?.phase === 'counted' || before.sent?.phase === 'refused';
  const state = before.note === '' && !over ? before : { ...before, note: '', sent: over ? null : before.sent };
  const name = key.type === 'press' ? key.name : key.type === 'char' ? key.char : '';
  if (name === 'interrupt') return { state, effects: [{ type: 'quit' }] };
  if (tooSmall(state.face) && name !== 'q') return only(state);
  if (name === 'redraw') return { state, effects: [{ type: 'redraw' }] };
  if (state.prompt) return prompted(state, state.prompt, key);
  if (state.screen.type === 'keys') return only({ ...state, screen: state.screen.over });
  const keys = state.screen.type === 'card' ? CARD : LIST;
  if (/^[1-9]$/.test(name)) return only(toFinding(state, Number(name) - 1));
  return (
    (Object.hasOwn(keys, name) ? keys[name] : Object.hasOwn(ALWAYS, name) ? ALWAYS[name] : undefined)?.(state) ??
    only(state)
  );
}

type Press = (state: State) => Updated;
type Keys = Readonly<Record<string, Press>>;

const ALWAYS: Keys = {
  q: (state) => ({ state, effects: [{ type: 'quit' }] }),
  '?': (state) =>
    only(state.screen.type === 'keys' ? state : { ...state, screen: { type: 'keys', over: state.screen } }),
};

const LIST: Keys = {
  j: (state) => only(move(state, 1)),
  down: (state) => only(move(state, 1)),
  k: (state) => only(move(state, -1)),
  up: (state) => only(move(state, -1)),
  ' ': (state) => only(move(state, LIST_PAGE)),
  'page-down': (state) => only(move(state, LIST_PAGE)),
  b: (state) => only(move(state, -LIST_PAGE)),
  'page-up': (state) => only(move(state, -LIST_PAGE)),
  g: (state) => only(move(state, -Infinity)),
  home: (state) => only(move(state, -Infinity)),
  G: (state) => only(move(state, Infinity)),
  end: (state) => only(move(state, Infinity)),
  enter: (state) => {
    const id = state.at[listOf(state.screen)];
    return only(id === null ? state : { ...state, screen: cardScreen(state, id) });
  },
  n: (state) => only(renewed(state)),
  v: (state) => only(settled({ ...state, mine: !state.mine })),
  '/': (state) => only({ ...state, prompt: open(state, 'find', null) }),
  h: (state) => ({
    state: { ...state, screen: { type: 'history' }, history: null, find: '' },
    effects: [{ type: 'history' }],
  }),
  escape: (state) =>
    only(
      settled(
        state.screen.type === 'history' ? { ...state, screen: { type: 'queue' }, find: '' } : { ...state, find: '' },
      ),
    ),
};
const LIST_PAGE = 8;

const CARD: Keys = {
  ' ': (state) => only(page(state, 1)),
  'page-down': (state) => only(page(state, 1)),
  b: (state) => only(page(state, -1)),
  'page-up': (state) => only(page(state, -1)),
  down: (state) => only(scroll(state, (top) => top + 1)),
  up: (state) => only(scroll(state, (top) => top - 1)),
  g: (state) => only(scroll(state, () => 0)),
  home: (state) => only(scroll(state, () => 0)),
  G: (state) => only(scroll(state, () => Infinity)),
  end: (state) => only(scroll(state, () => Infinity)),
  t: (state) => only(toPart(state, 'transaction')),
  c: (state) => only(toPart(state, 'conversation')),
  j: (state) => only(toOther(state, 1)),
  k: (state) => only(toOther(state, -1)),
  f: (state) => only(read(state, 'formatted')),
  p: (state) => only(read(state, 'values')),
  a: (state) => only(begin(state, 'approve')),
  s: (state) => only(begin(state, 'permit')),
  d: (state) => only(begin(state, 'deny')),
  r: (state) => only(begin(state, 'ask')),
  escape: (state) => only({ ...state, screen: { type: listOf(state.screen) } }),
};

function move(state: State, by: number): State {
  const list = listOf(state.screen);
  const ids = rowsOf(state, list).map(({ request }) => request.id);
  const at = ids.indexOf(state.at[list] ?? '');
  const next = ids[Math.min(ids.length - 1, Math.max(0, at + by))] ?? null;
  return { ...state, at: { ...state.at, [list]: next } };
}

/** The queue as it is now; what has ended leaves it. */
function renewed(state: State): State {
  const kept = new Set([...(state.history ?? []), state.screen.type === 'card' ? state.screen.id : '']);
  const requests = new Map([...state.requests].filter(([id, request]) => isOpen(request) || kept.has(id)));
  const was = state.order.findIndex(({ id }) => id === state.at.queue);
  const next = { ...state, requests, order: wanted({ ...state, requests }) };
  const near = next.order[Math.min(Math.max(0, was), next.order.length - 1)]?.id ?? null;
  return settled(
    next.order.some(({ id }) => id === state.at.queue) ? next : { ...next, at: { ...next.at, queue: near } },
  );
}

// ---- the card

type CardScreen = Extract<Screen, { type: 'card' }>;

function cardScreen(state: State, id: string): CardScreen {
  const from = listOf(state.screen);
  const screen: CardScreen = { type: 'card', id, top: 0, read: 0, finding: null, from, reading: 'sent' };
  return scrolled({ ...state, screen }, screen, () => 0);
}

function scrolled(state: State, screen: CardScreen, to: (top: number) => number): CardScreen {
  const request = state.requests.get(screen.id);
  if (!request) return screen;
  const card = cardOf(request, state, state.face, screen.finding, screen.reading);
  const height = bodyHeight(card, state.face);
  const top = Math.max(0, Math.min(to(screen.top), card.body.length - height));
  // Read is what is decided on.
  const counts = screen.reading === 'sent' && top <= screen.read;
  return { ...screen, top, read: counts ? Math.max(screen.read, top + height) : screen.read };
}

function scroll(state: State, to: (top: number) => number): State {
  return state.screen.type === 'card' ? { ...state, screen: scrolled(state, state.screen, to) } : state;
}

function page(state: State, by: 1 | -1): State {
  const request = state.screen.type === 'card' ? state.requests.get(state.screen.id) : undefined;
  if (!request) return state;
  const height = bodyHeight(cardOf(request, state, state.face, null, readingOf(state)), state.face);
  return scroll(state, (top) => top + by * Math.max(1, height - 2));
}

function readingOf({ screen }: State): Reading {
  return screen.type === 'card' ? screen.reading : 'sent';
}

/** Shown so from its first line, or as it was sent if it is shown so already. */
function read(state: State, asked: Reading): State {
  const { screen } = state;
  const request = screen.type === 'card' ? state.requests.get(screen.id) : undefined;
  if (screen.type !== 'card' || !request) return state;
  const reading = screen.reading === asked ? 'sent' : asked;
  const found = readAs(request, reading);
  if (typeof found === 'string') return { ...state, note: found };
  return { ...state, screen: scrolled(state, { ...screen, reading }, () => 0) };
}

function toPart(state: State, part: 'transaction' | 'conversation'): State {
  const request = state.screen.type === 'card' ? state.requests.get(state.screen.id) : undefined;
  if (!request) return state;
  if (part === 'transaction' && !request.in_transaction) return { ...state, note: 'It is in no transaction.' };
  const line = cardOf(request, state, state.face, null, readingOf(state))[part];
  return scroll(state, () => line);
}

/** Its text is underlined, and its line in view. */
function toFinding(state: State, finding: number): State {
  const { screen } = state;
  const request = screen.type === 'card' ? state.requests.get(screen.id) : undefined;
  if (screen.type !== 'card' || !request?.findings[finding]) return state;
  const pointed = { ...screen, finding: screen.finding === finding ? null : finding };
  const card = cardOf(request, state, state.face, finding, screen.reading);
  const line = card.found[finding] ?? 0;
  const seen = line >= screen.top && line < screen.top + bodyHeight(card, state.face);
  return { ...state, screen: scrolled({ ...state, screen: pointed }, pointed, (top) => (seen ? top : line - 1)) };
}

function toOther(state: State, by: 1 | -1): State {
  const next = move(state, by);
  const id = next.at[listOf(next.screen)];
  return id === null || (next.screen.type === 'card' && id === next.screen.id)
    ? { ...state, note: by === 1 ? 'This is the last one.' : 'This is the first one.' }
    : { ...next, screen: cardScreen(next, id) };
}

// ---- deciding

function begin(state: State, act: Act): State {
  const request = state.screen.type === 'card' ? state.requests.get(state.screen.id) : undefined;
  if (!request) return state;
  const why = barred(state, request, act);
  if (why !== '') return { ...state, note: why };
  // Decided on is the statement as it was sent, which stands above the prompt.
  const shown = readingOf(state) === 'sent' ? state : read(state, 'sent');
  return { ...shown, prompt: open(shown, act, request), sent: null };
}

/** Why this act can't begin; empty: it can. */
function barred(state: State, request: RequestView, act: Act): string {
  if (!isOpen(request)) return endSentence(request);
  if (!request.can_decide.may) return request.can_decide.text;
  if (off(state) !== '') return off(state);
  const { sent } = state;
  if (sent?.id === request.id && sent.phase === 'sending') return 'Your last word is on its way. Wait for the answer.';
  if (sent?.id === request.id && sent.phase === 'unknown') return 'We do not know yet. Do not decide again; checking.';
  if (request.ask.channel === 'console' && act !== 'ask')
    return `Rule ${request.rule} wants it decided in the console.`;
  if (act === 'permit' && request.permit === null)
    return `No permit: rule ${request.rule} allows none, or this statement can have none.`;
  return '';
}

function prompted(state: State, prompt: Prompt, key: Key): Updated {
  const name = key.type === 'press' ? key.name : '';
  if (name === 'escape') return only(back(state, prompt));
  if (name !== 'enter') return only({ ...state, prompt: edited(prompt, key) });
  const steps = STEPS[prompt.act];
  const answer = prompt.answers[prompt.step] ?? '';
  const fault = prompt.shown ? (steps[prompt.step]?.check(answer, prompt.shown) ?? '') : '';
  if (fault !== '') return only({ ...state, prompt: { ...prompt, fault } });
  if (prompt.step + 1 < steps.length) {
    const step = prompt.step + 1;
    return only({ ...state, prompt: { ...prompt, step, caret: (prompt.answers[step] ?? '').length, fault: '' } });
  }
  if (prompt.act === 'find') return only(settled(closed({ ...state, find: answer.trim() })));
  return send(state, prompt);
}

/** One question back; from the first one out, with what was typed kept for later. */
function back(state: State, prompt: Prompt): State {
  if (prompt.step > 0) {
    const step = prompt.step - 1;
    return { ...state, prompt: { ...prompt, step, caret: (prompt.answers[step] ?? '').length, fault: '' } };
  }
  const { act, shown, answers } = prompt;
  if (!shown) return closed(state);
  const words = answers[STEPS[act].findIndex(({ begin: preset }) => !preset)] ?? '';
  return closed({ ...state, drafts: new Map(state.drafts).set(`${shown.id} ${act}`, words) });
}

/** What waited is shown now. */
function closed(state: State): State {
  const { prompt, resized } = state;
  const next = { ...state, prompt: null, resized: null };
  const shown = prompt?.shown;
  const another = shown && state.requests.get(shown.id)?.revision !== shown.revision;
  return resized || another ? sized(next, resized ?? state.face) : next;
}

/** On a screen of another size, or when it is another text: what was read of it is unread, but for what is in view. */
export function sized(state: State, face: State['face']): State {
  const { screen } = state;
  const next = { ...state, face };
  return screen.type === 'card' ? { ...next, screen: scrolled(next, { ...screen, read: 0 }, (top) => top) } : next;
}

function send(state: State, prompt: Prompt): Updated {
  const { act, shown, answers } = prompt;
  if (!shown || act === 'find') return only(closed(state));
  const fault = off(state);
  if (fault !== '') return only({ ...state, prompt: { ...prompt, fault } });
  const { id, digest, revision } = shown;
  const sent = closed({ ...state, sent: { id, act, phase: 'sending', text: '', at: state.now } });
  const [first = '', uses = '', rows = '', rationale = ''] = answers.map((answer) => answer.trim());
  if (act === 'ask') return { state: sent, effects: [{ type: 'ask', id, text: first }] };
  const body: DecisionBody =
    act === 'permit'
      ? {
          decision: 'approve',
          digest,
          revision,
          rationale,
          permit: { for: first, uses: Number(uses), rows: Number(rows) },
        }
      : { decision: act, digest, revision, rationale: first };
  return { state: sent, effects: [{ type: 'decide', id, body }] };
}
