// State and event to state: every key, every message of the server, every answer to a call. Pure; what has to be done outside
// comes back as data. Must never count a decision before the server did, and never move what is under the cursor.
import type { Followed } from '../../review/client.ts';
import { endSentence } from './facts.ts';
import type { Key } from './input.ts';
import { pressed, sized } from './keys.ts';

import type { RequestView } from '../../review/client.ts';
import { clock, isOpen, only, settled, type State, type Updated } from './state.ts';

export type Event =
  | { readonly type: 'key'; readonly key: Key }
  | { readonly type: 'size'; readonly columns: number; readonly rows: number }
  /** `at`: this machine's clock, ms. */
  | { readonly type: 'tick'; readonly at: number }
  | { readonly type: 'followed'; readonly message: Followed; readonly at: number }
  /** What the server said to a call; text: its refusal. */
  | {
      readonly type: 'answered';
      readonly id: string;
      readonly request: RequestView | null;
      readonly refused: string | null;
    }
  /** Nobody knows whether the call arrived. */
  | { readonly type: 'unknown'; readonly id: string }
  /** Read again, as it is now; `checks`: how often it was, after a call whose fate nobody knows. */
  | { readonly type: 'read'; readonly request: RequestView; readonly checks: number }
  | { readonly type: 'history'; readonly requests: readonly RequestView[] };

/** A call that has not arrived by then will not. */
const CHECKS_MAX = 5;

export function update(state: State, event: Event): Updated {
  switch (event.type) {
    case 'key':
      return pressed(state, event.key);
    case 'size': {
      const face = { ...state.face, columns: event.columns, rows: event.rows };
      return only(state.prompt ? { ...state, resized: face } : sized(state, face));
    }
    case 'tick':
      return only(state.live.state === 'live' ? { ...state, now: whole(event.at + state.offset) } : state);
    case 'followed':
      return followed(state, event.message, event.at);
    case 'answered':
      return only(answered(state, event.id, event.request, event.refused));
    case 'unknown':
      return { state: phase(state, event.id, 'unknown'), effects: [{ type: 'read', id: event.id, checks: 1 }] };
    case 'read':
      return read(state, event.request, event.checks);
    case 'history':
      return only(settled({ ...put(state, event.requests, true), history: event.requests.map(({ id }) => id) }));
  }
}

function whole(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

// ---- what the server tells

function followed(state: State, message: Followed, at: number): Updated {
  if (message.type === 'lost') {
    if (state.live.state === 'lost') return only(state);
    const since = message.since + state.offset;
    return only({ ...state, live: { state: 'lost', since }, now: whole(since) });
  }
  const offset = 'time' in message ? message.time - at : state.offset;
  const back = state.live.state === 'lost' ? `Back since ${clock(at + offset)}.` : state.note;
  const alive: State = { ...state, live: { state: 'live' }, offset, now: whole(at + offset), note: back };
  if (message.type === 'snapshot') {
    const fresh = message.requests;
    const open = new Set(fresh.map(({ id }) => id));
    const gone = [...state.requests.values()].filter((request) => isOpen(request) && !open.has(request.id));
    return {
      state: settled({ ...put(alive, fresh, true), loaded: true, unsent: message.open - fresh.length }),
      effects: gone.map(({ id }) => ({ type: 'read', id, checks: 0 })),
    };
  }
  if (message.type === 'health') return only({ ...alive, recording: message.recording });
  if ('request' in message && message.request && message.type.startsWith('request.'))
    return only(judgedAgain(alive, settled(put(alive, [message.request], false))));
  return only(alive);
}

/** Whoever has the card open is told that it is another one now, and starts to read it at its top. */
function judgedAgain(before: State, after: State): State {
  const { screen } = after;
  // Under an open prompt nothing moves; its last line says it.
  if (screen.type !== 'card' || after.prompt) return after;
  const [was, is] = [before.requests.get(screen.id), after.requests.get(screen.id)];
  if (!was || !is || was.revision === is.revision) return after;
  const anew = sized({ ...after, screen: { ...screen, top: 0 } }, after.face);
  return { ...anew, note: 'Judged again. Read it once more.' };
}

/** Answers and the stream may cross: what is known to be later is never shown as earlier again. */
function put(state: State, changed: readonly RequestView[], all: boolean): State {
  const requests = new Map(state.requests);
  for (const request of changed) {
    const known = requests.get(request.id);
    // What ended before anybody here saw it belongs to the history.
    if (known ? later(request, known) : all || isOpen(request)) requests.set(request.id, request);
  }
  return { ...state, requests };
}

function later(a: RequestView, b: RequestView): boolean {
  return a.revision !== b.revision
    ? a.revision > b.revision
    : progress(a) !== progress(b)
      ? progress(a) > progress(b)
      : a.updated >= b.updated;
}

/** What was released may come back. */
function progress({ state }: RequestView): number {
  if (state === 'open' || state === 'asked') return 0;
  return state === 'approved' || state === 'released' ? 1 : 2;
}

function answered(state: State, id: string, request: RequestView | null, refused: string | null): State {
  const next = request ? settled(put(state, [request], true)) : state;
  if (refused !== null) return phase(next, id, 'refused', refused);
  const drafts = new Map(next.drafts);
  for (const act of ['approve', 'permit', 'deny', 'ask']) drafts.delete(`${id} ${act}`);
  return phase({ ...next, drafts }, id, 'counted');
}

function phase(state: State, id: string, to: 'unknown' | 'counted' | 'refused', text = ''): State {
  return state.sent?.id === id ? { ...state, note: '', sent: { ...state.sent, phase: to, text } } : state;
}

function read(state: State, request: RequestView, checks: number): Updated {
  const next = settled(put(state, [request], true));
  const { sent } = next;
  if (checks === 0 || sent?.id !== request.id || sent.phase !== 'unknown') return only(next);
  const mine =
    sent.act === 'ask'
      ? request.said.some(({ by, kind, at }) => by === state.me.id && kind === 'question' && at >= sent.at)
      : request.decisions.some(({ by, at }) => by === state.me.id && at >= sent.at);
  if (mine) return only(answered(next, request.id, null, null));
  if (!isOpen(request)) return only(phase(next, request.id, 'refused', `Not counted: ${endSentence(request)}`));
  if (checks < CHECKS_MAX) return { state: next, effects: [{ type: 'read', id: request.id, checks: checks + 1 }] };
  return only(phase(next, request.id, 'refused', 'It did not arrive. The request is still open.'));
}
