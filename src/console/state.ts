// What the page knows, as signals. Changes come from the server or from the reviewer's own hand, never from a guess:
// nothing is shown as decided before the server said so, and nothing moves while a pointer or the focus is on the list.
import { computed, effect, signal } from '@preact/signals';
import type { Level, MeView, RequestView, StepUpView } from '../review/schemas.ts';

/** undefined: not known yet; null: nobody is signed in. */
export const me = signal<MeView | null | undefined>(undefined);
/** Why the sign-in page is shown again; '' at first. */
export const signedOut = signal('');
export const environment = signal('');
/** There is a sign-in provider. */
export const sso = signal(false);
export const mode = signal<MeView['mode']>('enforce');
export const requests = signal<ReadonlyMap<string, RequestView>>(new Map());
/** A snapshot has been read: an empty queue is a fact. */
export const loaded = signal(false);

/** The answer to a call and the stream may cross: what is known to be over is never shown as going on again. */
export function put(...changed: readonly RequestView[]): void {
  const next = new Map(requests.value);
  for (const request of changed) {
    const known = next.get(request.id);
    if (known === undefined || !earlier(request, known)) next.set(request.id, request);
  }
  requests.value = next;
}

function earlier(a: RequestView, b: RequestView): boolean {
  if (a.revision !== b.revision) return a.revision < b.revision;
  const [one, other] = [progress(a), progress(b)];
  // What was released may come back.
  return one === other ? one === 1 && a.updated < b.updated : one < other;
}

function progress({ state }: RequestView): number {
  if (state === 'open' || state === 'asked') return 0;
  return state === 'approved' || state === 'released' ? 1 : 2;
}

// ---- where we are

export type Place =
  | { readonly page: 'queue'; readonly id: string | null }
  | { readonly page: 'link'; readonly token: string };

function placeOf(path: string): Place {
  const [, kind, value] = /^\/(r|in)\/([\w-]+)$/.exec(path) ?? [];
  if (kind === 'in' && value) return { page: 'link', token: value };
  return { page: 'queue', id: kind === 'r' && value ? value : null };
}

export const place = signal<Place>(placeOf(location.pathname));
addEventListener('popstate', () => {
  place.value = placeOf(location.pathname);
  sheet.value = false;
});

export function go(path: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', path);
  else history.replaceState(null, '', path);
  place.value = placeOf(path);
  sheet.value = false;
}

const narrowQuery = matchMedia('(max-width: 760px)');
export const narrow = signal(narrowQuery.matches);
narrowQuery.addEventListener('change', () => {
  narrow.value = narrowQuery.matches;
});
/** The decision sheet of a narrow screen is open. */
export const sheet = signal(false);
export const keysOpen = signal(false);
export const accountOpen = signal(false);

// ---- time

export type Line =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** `since`: when the last sign of life came, server time. */
  | { readonly state: 'lost'; readonly since: number; readonly tries: number };

export const line = signal<Line>({ state: 'connecting' });
/** Server time in whole seconds, in ms; stands still while the line is lost. */
export const now = signal(Math.floor(Date.now() / 1000) * 1000);
/** The audit log can be written; if not, no decision will be taken. */
export const recording = signal(true);
/** One sentence after the line came back; '' otherwise. */
export const back = signal('');

export const deciding = computed(() => line.value.state === 'live' && recording.value);

// ---- the queue

const RANK: Readonly<Record<Level, number>> = { critical: 0, high: 1, medium: 2, low: 3 };
/** An ended request stays in the list, struck, for this long. */
const GONE_KEPT_MS = 15_000;
/** Order changes this long after pointer and focus have left. */
const THAW_MS = 2_000;

export const isOpen = (request: RequestView) => request.state === 'open' || request.state === 'asked';

export type Group = 'yours-to-decide' | 'own' | 'others' | 'ended';
export interface Entry {
  readonly id: string;
  readonly group: Group;
}

function groupOf(request: RequestView): Group {
  if (!isOpen(request)) return 'ended';
  if (request.can_decide.may) return 'yours-to-decide';
  return request.can_decide.own ? 'own' : 'others';
}

const GROUPS: readonly Group[] = ['yours-to-decide', 'own', 'others', 'ended'];

/** Riskiest first, then oldest, by group. */
const wanted = computed<readonly Entry[]>(() =>
  [...requests.value.values()]
    .filter((request) => isOpen(request) || now.value - request.updated < GONE_KEPT_MS)
    .toSorted(
      (a, b) =>
        GROUPS.indexOf(groupOf(a)) - GROUPS.indexOf(groupOf(b)) || RANK[a.level] - RANK[b.level] || a.opened - b.opened,
    )
    .map((request) => ({ id: request.id, group: groupOf(request) })),
);

export const order = signal<readonly Entry[]>([]);
const held = signal(false);
/** On touch screens nothing hovers, so the list always waits. */
const touch = matchMedia('(hover: none)').matches;
const frozen = computed(() => (held.value || touch) && order.value.length > 0);

effect(() => {
  const next = wanted.value;
  if (!frozen.value && !same(order.peek(), next)) order.value = next;
});

function same(a: readonly Entry[], b: readonly Entry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.id === b[i]?.id && entry.group === b[i]?.group);
}

let thaw: ReturnType<typeof setTimeout> | undefined;
/** Pointer or focus is on the list; or has left it. */
export function hold(on: boolean): void {
  clearTimeout(thaw);
  if (on) held.value = true;
  else
    thaw = setTimeout(() => {
      held.value = false;
    }, THAW_MS);
}

export const arrivals = computed(() => {
  const shown = new Set(order.value.map((entry) => entry.id));
  return wanted.value.filter((entry) => !shown.has(entry.id) && isOpen(requests.value.get(entry.id) as RequestView))
    .length;
});

export function showArrivals(): void {
  order.value = wanted.value;
}

export const mine = signal(true);
export const search = signal('');

/** What the list shows. Of requests of one agent, rule and shape the first stands for all: a flood of them must not hide others. */
export const rows = computed(() => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const first = new Map<string, { alike: number }>();
  return order.value.flatMap(({ id, group }) => {
    const request = requests.value.get(id);
    if (!request || (mine.value && group === 'others')) return [];
    const text = `${id} ${request.who.id} ${request.who.sponsor ?? ''} ${request.who.on_behalf_of.join(' ')} ${request.who.task?.text ?? ''} ${request.rule} ${request.sentence} ${request.where.database} ${request.where.upstream}`;
    if (!words.every((word) => text.toLowerCase().includes(word))) return [];
    const row = { request, group, alike: 0 };
    if (!isOpen(request) || id === current.value) return [row];
    const before = first.get(`${group} ${request.group}`);
    if (before === undefined) first.set(`${group} ${request.group}`, row);
    else before.alike += 1;
    return before === undefined ? [row] : [];
  });
});

export const forYou = computed(
  () => [...requests.value.values()].filter((request) => groupOf(request) === 'yours-to-decide').length,
);
export const openCount = computed(() => [...requests.value.values()].filter(isOpen).length);

/** The card that is shown: the address's, or on a wide screen the first one, which then stays. */
const first = signal<string | null>(null);
effect(() => {
  const known = first.peek();
  if (known === null || !requests.value.has(known)) first.value = rows.value[0]?.request.id ?? null;
});
export const current = computed<string | null>(() => {
  if (place.value.page !== 'queue') return null;
  return place.value.id ?? (narrow.value ? null : first.value);
});

export function openCard(id: string): void {
  first.value = id;
  go(`/r/${id}`);
}

/** The first request that waits for this person, else the first open one; null: none but the one that is shown. */
export const nextOpen = computed<string | null>(() => {
  const waiting = rows.value.filter(({ request }) => isOpen(request) && request.id !== current.value);
  return (waiting.find(({ group }) => group === 'yours-to-decide') ?? waiting[0])?.request.id ?? null;
});

/** One step in the list as it is shown; down from a request that has ended, the next that waits. */
export function step(by: 1 | -1): void {
  const shown = requests.value.get(current.value ?? '');
  if (by === 1 && shown && !isOpen(shown) && nextOpen.value !== null) {
    openCard(nextOpen.value);
    return;
  }
  const ids = rows.value.map(({ request }) => request.id);
  const at = ids.indexOf(current.value ?? '');
  const next = ids[at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + by))];
  if (next !== undefined && next !== current.value) openCard(next);
}

// ---- deciding

export interface Draft {
  readonly choice: 'approve' | 'deny' | 'ask' | null;
  /** The revision that was on screen when it was chosen; a confirmation counts for no other. */
  readonly revision: number;
  readonly text: string;
  readonly phase:
    | { readonly type: 'writing'; readonly fault: string }
    | { readonly type: 'sending' }
    /** No answer came; being looked up. */
    | { readonly type: 'unknown' }
    /** The server said no, or somebody else was faster. */
    | { readonly type: 'refused'; readonly text: string; readonly final: boolean }
    /** It takes another sign-in. */
    | { readonly type: 'step-up'; readonly text: string; readonly step: StepUpView }
    | { readonly type: 'counted' };
}

const BLANK: Draft = { choice: null, revision: 0, text: '', phase: { type: 'writing', fault: '' } };
const drafts = signal<ReadonlyMap<string, Draft>>(new Map());
const draftKey = (id: string) => `${me.value?.id ?? ''} ${id}`;

/** Words typed for a request survive moving on, losing the line and signing out. */
export function draftOf(id: string): Draft {
  return drafts.value.get(draftKey(id)) ?? BLANK;
}

export function setDraft(id: string, change: Partial<Draft>): void {
  drafts.value = new Map(drafts.value).set(draftKey(id), { ...draftOf(id), ...change });
}

/** Signing in again, for a request. */
export const stepUp = signal<{ readonly id: string; readonly step: StepUpView } | null>(null);

/** Of whoever is signed in, what is typed and not sent. */
export function typed(): readonly (readonly [id: string, draft: Draft])[] {
  const own = draftKey('');
  return [...drafts.value].flatMap(([key, draft]) =>
    key.startsWith(own) && (draft.text !== '' || draft.choice !== null)
      ? [[key.slice(own.length), draft] as const]
      : [],
  );
}

// ---- saying it aloud

export const polite = signal('');
export const assertive = signal('');

effect(() => {
  const n = forYou.value;
  const lost = line.value.state === 'lost' ? 'Not live · ' : '';
  document.title = `${lost}${n > 0 ? `(${n}) ` : ''}${current.value ? `${current.value} · ` : ''}Holdpoint`;
});
