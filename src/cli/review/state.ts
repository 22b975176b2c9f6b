// What the terminal client knows, and what follows from it. Changes come from the server or from the reviewer's own keys, never
// from a guess; update.ts makes them. Nothing in here moves by itself: the order of the queue is what was last asked for.
import type { DecisionBody, MeView } from '../../review/client.ts';
import type { Face } from './cells.ts';
import type { Reading } from './reading.ts';
import type { RequestView } from '../../review/client.ts';

export type Live =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** `since`: of the last sign of life, server time. */
  | { readonly state: 'lost'; readonly since: number };

export type Group = 'for-you' | 'not-yours' | 'ended';

/** A place in the queue: its group is that of the moment it was put there. */
export interface Entry {
  readonly id: string;
  readonly group: Group;
}

export type Screen =
  | { readonly type: 'queue' }
  | { readonly type: 'history' }
  | {
      readonly type: 'card';
      readonly id: string;
      /** First line of it that is shown. */
      readonly top: number;
      /** The most lines that have been shown, for what nobody has read. */
      readonly read: number;
      /** Finding that is pointed at; null: none. */
      readonly finding: number | null;
      readonly from: 'queue' | 'history';
      /** Its statement is shown so. */
      readonly reading: Reading;
    }
  | { readonly type: 'keys'; readonly over: Exclude<Screen, { type: 'keys' }> };

export type Act = 'approve' | 'permit' | 'deny' | 'ask';

/** One question of a prompt and what is typed as its answer. */
export interface Prompt {
  readonly act: Act | 'find';
  /** The request as it was when the prompt was opened: what is on the screen, and what a decision names. */
  readonly shown: RequestView | null;
  /** Server time when it was opened. */
  readonly at: number;
  readonly step: number;
  /** Answers, one for each step; what is typed stays when one goes back. */
  readonly answers: readonly string[];
  readonly caret: number;
  readonly fault: string;
  /** Ids that were known when it was opened. */
  readonly known: ReadonlySet<string>;
}

/** What became of the reviewer's last decision or question. */
export interface Sent {
  readonly id: string;
  readonly act: Act;
  readonly phase: 'sending' | 'unknown' | 'counted' | 'refused';
  /** The server's sentence where it refused. */
  readonly text: string;
  /** Server time when it was sent. */
  readonly at: number;
}

export interface State {
  readonly me: MeView;
  readonly face: Face;
  readonly live: Live;
  /** Server time in whole seconds, ms; stands still while the line is lost. */
  readonly now: number;
  /** Server time minus this machine's. */
  readonly offset: number;
  readonly recording: boolean;
  readonly requests: ReadonlyMap<string, RequestView>;
  /** A snapshot has come: an empty queue is a fact. */
  readonly loaded: boolean;
  /** Open requests that the server did not send: it sends the newest. */
  readonly unsent: number;
  readonly order: readonly Entry[];
  /** Ids of past requests, newest first; null: not asked for yet. */
  readonly history: readonly string[] | null;
  /** The request that the cursor is on, in the queue and in the history. */
  readonly at: { readonly queue: string | null; readonly history: string | null };
  readonly mine: boolean;
  readonly find: string;
  readonly screen: Screen;
  readonly prompt: Prompt | null;
  /** Words typed for a request and not sent. */
  readonly drafts: ReadonlyMap<string, string>;
  readonly sent: Sent | null;
  /** One sentence on the last line until the next key. */
  readonly note: string;
  /** Size that the terminal has got while a prompt was open. */
  readonly resized: Face | null;
}

export type Effect =
  | { readonly type: 'decide'; readonly id: string; readonly body: DecisionBody }
  | { readonly type: 'ask'; readonly id: string; readonly text: string }
  /** `checks`: wait, then read it once more. */
  | { readonly type: 'read'; readonly id: string; readonly checks: number }
  | { readonly type: 'history' }
  | { readonly type: 'redraw' }
  | { readonly type: 'quit' };

export interface Updated {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const COLUMNS_MIN = 80;
export const ROWS_MIN = 24;

export function tooSmall({ columns, rows }: Face): boolean {
  return columns < COLUMNS_MIN || rows < ROWS_MIN;
}

export function initial(me: MeView, face: Face, now: number): State {
  return {
    me,
    face,
    live: { state: 'connecting' },
    now,
    offset: 0,
    recording: true,
    requests: new Map(),
    loaded: false,
    unsent: 0,
    order: [],
    history: null,
    at: { queue: null, history: null },
    mine: false,
    find: '',
    screen: { type: 'queue' },
    prompt: null,
    drafts: new Map(),
    sent: null,
    note: '',
    resized: null,
  };
}

export function isOpen({ state }: RequestView): boolean {
  return state === 'open' || state === 'asked';
}

export function groupOf(request: RequestView): Group {
  if (!isOpen(request)) return 'ended';
  return request.can_decide.may ? 'for-you' : 'not-yours';
}

const GROUPS: readonly Group[] = ['for-you', 'not-yours', 'ended'];
const RANK = { critical: 0, high: 1, medium: 2, low: 3 } as const;

/** Riskiest first, then oldest: the queue as it would be now. */
export function wanted(state: State): Entry[] {
  return [...state.requests.values()]
    .filter(isOpen)
    .toSorted(
      (a, b) =>
        GROUPS.indexOf(groupOf(a)) - GROUPS.indexOf(groupOf(b)) || RANK[a.level] - RANK[b.level] || a.opened - b.opened,
    )
    .map((request) => ({ id: request.id, group: groupOf(request) }));
}

/** Open requests that the queue does not show yet. */
export function arrivals({ order, requests }: State): number {
  const shown = new Set(order.map(({ id }) => id));
  return [...requests.values()].filter((request) => isOpen(request) && !shown.has(request.id)).length;
}

export interface Row {
  readonly request: RequestView;
  readonly group: Group;
}

/** What is listed now: the queue in its order, or the history, narrowed to what was looked for. */
export function rowsOf(state: State, list: 'queue' | 'history'): Row[] {
  const entries: readonly Entry[] =
    list === 'queue' ? state.order : (state.history ?? []).map((id) => ({ id, group: 'ended' as const }));
  return entries.flatMap(({ id, group }) => {
    const request = state.requests.get(id);
    if (!request || !found(request, state.find)) return [];
    if (list === 'queue' && state.mine && group === 'not-yours' && !isOwn(request)) return [];
    return [{ request, group }];
  });
}

export function isOwn({ can_decide }: RequestView): boolean {
  return !can_decide.may && can_decide.own;
}

function found({ id, who, rule, sentence, where, findings }: RequestView, words: string): boolean {
  const text = [
    id,
    who.id,
    who.sponsor,
    ...who.on_behalf_of,
    who.task?.text,
    rule,
    sentence,
    where.database,
    where.upstream,
    ...findings.map((f) => f.object),
  ]
    .join(' ')
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Which list a screen is, or lies over. */
export function listOf(screen: Screen): 'queue' | 'history' {
  if (screen.type === 'keys') return listOf(screen.over);
  return screen.type === 'card' ? screen.from : screen.type;
}

/** Why nobody can decide here now; empty: deciding is on. */
export function off(state: State): string {
  if (state.live.state === 'connecting') return 'Not live yet. Deciding is off until the line is there.';
  if (state.live.state === 'lost')
    return `Not live since ${clock(state.live.since)}. Deciding is off until the line is back.`;
  return state.recording ? '' : 'The audit log cannot be written. Deciding is off until it can.';
}

/** "14:05:31", UTC. */
export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** After requests changed: an empty list takes what there is, and a cursor always stands on something. */
export function settled(state: State): State {
  const order = state.order.length === 0 ? wanted(state) : state.order;
  const next = { ...state, order };
  const on = (list: 'queue' | 'history') => {
    const rows = rowsOf(next, list);
    return rows.some(({ request }) => request.id === state.at[list]) ? state.at[list] : (rows[0]?.request.id ?? null);
  };
  return { ...next, at: { queue: on('queue'), history: on('history') } };
}

export function only(state: State): Updated {
  return { state, effects: [] };
}
