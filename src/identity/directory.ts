// Who principals are, as users.yaml, `identity.map` and the sources say: for showing from what was last read, for decisions read afresh. What
// a source said when somebody signed in is remembered here, and nowhere else. Must never let a decision rest on what was read earlier
// (`fresh`), nor show who could decide by what is older than SHOWN_MS_MAX.
import { LRUCache } from 'lru-cache';
import { type Description, describe, isFrom, type Known, ofUser } from './principals.ts';
import { type Again, type Lookup, type Source, type SourceEntry, SourceDown } from './types.ts';
import type { User, Users } from './users.ts';

/** The oldest reading by which it is shown who could decide. */
export const SHOWN_MS_MAX = 60_000;
/** One that is older is read again, by the way, when it is next looked at. */
export const REREAD_MS = 30_000;
/** Principals of sources that are remembered; the one that was looked at longest ago is forgotten, and has to be looked up or sign in anew. */
export const REMEMBERED_MAX = 10_000;
/** Of one principal: the newest sign-ins by token. */
export const ENTRIES_MAX = 8;
/** People that one decision may lead to: requester, sponsors, reviewers, whoever is away. */
export const FRESH_MAX = 200;
/** All readings of one decision together. Each source has a limit of its own, too. */
export const FRESH_TIMEOUT_MS = 20_000;
/** Readings under way at once, by the way; a decision's own are not counted. */
const REREADING_MAX = 8;

/** Whoever may sign in to the console, as review and approval see them. */
export interface Account {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
  readonly groups: readonly string[];
  /** Every other account of the same person. */
  readonly aliases: readonly string[];
}

export interface Links {
  readonly id: string;
  readonly sponsor: string | null;
  readonly aliases: readonly string[];
  readonly people: readonly string[];
  /** A sponsor whom nobody knows: barred from deciding, and nothing else. What a token claims is with what was asked by it (Principal.linked). */
  readonly claimed: readonly string[];
}

/** Satisfies approval's Directory. */
export interface Directory {
  reviewer(id: string): Account | undefined;
  requester(id: string): Links | undefined;
  eligible(groups: readonly string[]): readonly string[];
  member(reviewer: Account, group: string): boolean;
  /** People who are away now and have named this one to decide instead. */
  represents(id: string): readonly string[];
  /** Did a sign-in say something of this one that is too old to count, and can't be read again? */
  stale(id: string): boolean;
  /**
   * Reads these, and who answers or stands in for them, at their sources; until the next turn of the event loop the others answer by that.
   * Null: no source has anything to say of them. Rejects SourceDown: then nothing may be assumed of any.
   */
  fresh(ids: readonly string[]): Promise<void> | null;
}

export interface People {
  readonly directory: Directory;
  /** As last read, however long ago that was: for what has been let in and goes on while a source is down. Reads again by the way. */
  lastKnown(id: string): Description | undefined;
  /** Takes what a source said of whoever has just proved who they are, and how it is asked again where no lookup does. Undefined: they are nobody here, and it is forgotten. */
  admit(entry: SourceEntry, again?: Again | null): Description | undefined;
  /** Is what a source said still good: neither over nor revoked? Rejects SourceDown. */
  isGood(entry: SourceEntry): Promise<boolean>;
}

export type Standing = { readonly good: true } | { readonly good: false; readonly why: string };
export type StillGood = (entry: SourceEntry) => Promise<Standing>;

export interface DirectoryOptions {
  readonly known: () => Known;
  /** The policy's reviewer groups: its name for one -> directory groups. */
  readonly reviewers: () => Readonly<Record<string, readonly string[]>>;
  readonly lookups?: readonly Lookup[];
  /** Of what no lookup answers for, a token above all: has it been revoked since? May reject SourceDown. */
  readonly stillGood?: StillGood;
  readonly now?: () => number;
  /** What was read by the way differs from what was shown. */
  readonly changed?: () => void;
}

interface Reading {
  readonly entry: SourceEntry;
  /** By now(), when it was asked for; -Infinity: it is not to be relied on any more. */
  readonly at: number;
  /** Null: a lookup answers for it, or nobody but the sign-in. */
  readonly again: Again | null;
}

/** What sources have said of one id. */
interface Memory {
  /** By source and token. None: there was something, and it is over. */
  readonly readings: ReadonlyMap<string, Reading>;
  /** Of the latest reading that is in it, in the order in which they began: an earlier one that comes later is not news. */
  readonly turn: number;
}

/** A description, for as long as it is true. */
interface Made {
  readonly known: object;
  readonly until: number;
  readonly found: Description | undefined;
}

export function createPeople(options: DirectoryOptions): People {
  const {
    known,
    reviewers,
    lookups = [],
    stillGood = () => Promise.resolve({ good: true } as const),
    now = Date.now,
    changed = () => {},
  } = options;
  const remembered = new LRUCache<string, Memory>({ max: REMEMBERED_MAX });
  /** Ids of those that are people: of agents there may be many more. */
  const humans = new Set<string>();
  const rereading = new Set<string>();
  const lookupOf = new Map<Source, Lookup>(lookups.map((lookup) => [lookup.source, lookup]));
  /** Some sign-in can be asked about again. */
  let asksAgain = false;
  let turns = 0;
  // What is asked for every reviewer at every event is made once for a list of users.
  const locals = new WeakMap<Users, Map<string, Description | undefined>>();
  const made = new WeakMap<Memory, Made>();

  /** `shown`: by nothing that is older than SHOWN_MS_MAX. */
  function descriptionOf(id: string, shown: boolean): Description | undefined {
    const memory = remembered.get(id);
    if (memory === undefined) return local(id);
    const of = known();
    const kept = shown ? made.get(memory) : undefined;
    const at = now();
    if (kept !== undefined && kept.known === of.users && at <= kept.until) return kept.found;
    const good = [...memory.readings.values()].filter(({ entry }) => entry.expires === null || at < entry.expires);
    const fit = shown ? good.filter((one) => at <= shownUntil(one)) : good;
    const found =
      fit.length > 0
        ? describe(
            id,
            fit.map(({ entry }) => entry),
            of,
          )
        : null;
    const description = found === null ? without(id, good.length > 0) : typeof found === 'object' ? found : undefined;
    const until = Math.min(...fit.map((one) => Math.min(shownUntil(one), (one.entry.expires ?? Infinity) - 1)));
    if (shown && fit.length > 0) made.set(memory, { known: of.users, until, found: description });
    return description;
  }

  function shownUntil({ entry, at, again }: Reading): number {
    if (again !== null) return at + Math.max(again.max_age_ms, SHOWN_MS_MAX);
    return lookupOf.has(entry.source) ? at + SHOWN_MS_MAX : Infinity;
  }

  /** Of whom a source has said something, and nothing that counts now. `old`: it is only too old. */
  function without(id: string, old: boolean): Description | undefined {
    const user = known().users.get(id);
    return user !== undefined && (old || (isFrom(user, 'local') && hasVerifier(user))) ? local(id) : undefined;
  }

  /** Of users.yaml alone: without what sources say, also where only they let it in. */
  function local(id: string): Description | undefined {
    const { users } = known();
    const user = users.get(id);
    if (user === undefined) return undefined;
    const kept = locals.get(users) ?? new Map<string, Description | undefined>();
    locals.set(users, kept);
    if (!kept.has(id)) kept.set(id, ofUser(user, [], users));
    return kept.get(id);
  }

  function account(id: string): Description | undefined {
    refresh(id);
    return descriptionOf(id, true);
  }

  function links(id: string): Links | undefined {
    const found = account(id);
    if (found === undefined) return undefined;
    const { sponsor, aliases, people, because } = found;
    // A name that nobody is known by answers for nothing; barred it is all the same.
    const answers = sponsor === null || because.type === 'user' || account(sponsor)?.kind === 'human';
    if (answers) return { id, sponsor, aliases, people, claimed: [] };
    return { id, sponsor: null, aliases, people, claimed: [sponsor] };
  }

  /** What sources could say of it: those that let it in, and where nothing here does, all that can be asked. */
  function sourcesOf(id: string): readonly Lookup[] {
    if (lookups.length === 0) return lookups;
    const { users, map } = known();
    const user = users.get(id);
    const seen = [...(remembered.get(id)?.readings.values() ?? [])].map(({ entry }) => entry.source);
    return lookups.filter(({ source }) => {
      // Who came by one source is no business of another, nor of its being down.
      if (seen.length > 0) return seen.includes(source);
      if (user === undefined) return map.some(({ from }) => from === source);
      return isFrom(user, source) && (user.from !== null || !hasVerifier(user));
    });
  }

  /** Entries that no lookup answers for: those of tokens and of sign-ins elsewhere. */
  function heldOf(id: string): readonly (readonly [key: string, reading: Reading])[] {
    return [...(remembered.get(id)?.readings ?? [])].filter(([, { entry }]) => !lookupOf.has(entry.source));
  }

  /** One id, at all its sources; `early`: by the way, before it must be. Rejects SourceDown. */
  async function read(id: string, early = false): Promise<void> {
    const asked = sourcesOf(id);
    const held = heldOf(id);
    if (asked.length + held.length === 0) return;
    const turn = ++turns;
    const at = now();
    const [found, good] = await Promise.all([
      Promise.all(asked.map(async (lookup) => [lookup.source, await lookup.read(id)] as const)),
      Promise.all(held.map(async ([key, reading]) => [key, reading, await current(reading, early)] as const)),
    ]);
    const memory = remembered.get(id);
    if (memory !== undefined && memory.turn > turn) return;
    // What somebody signed in with meanwhile stays.
    const next = new Map(memory?.readings);
    for (const { source } of asked) for (const [key, { entry }] of next) if (entry.source === source) next.delete(key);
    for (const [key, was, is] of good) {
      if (is === null) next.delete(key);
      else if (next.get(key) === was) next.set(key, is);
    }
    for (const [source, entry] of found)
      if (entry !== null && entry.source === source && entry.id === id)
        next.set(keyOf(entry), { entry, at, again: null });
    // Of whom nothing is known here, and nothing there, there is nothing to remember.
    if (next.size > 0 || memory !== undefined || (known().users.get(id)?.from ?? null) !== null) keep(id, next, turn);
  }

  function keep(id: string, readings: ReadonlyMap<string, Reading>, turn: number): void {
    remembered.set(id, { readings: new Map([...readings].slice(-ENTRIES_MAX)), turn });
    if (descriptionOf(id, false)?.kind === 'human') humans.add(id);
    else humans.delete(id);
    if (humans.size > REMEMBERED_MAX) for (const one of humans) if (!remembered.has(one)) humans.delete(one);
  }

  /** What a sign-in said, as it is good now; null: not at all. Rejects SourceDown. */
  async function current(reading: Reading, early: boolean): Promise<Reading | null> {
    const { entry, again } = reading;
    if (!(await isGood(entry))) return null;
    const at = now();
    if (again === null || at - reading.at < (early ? earlyMs(again) : again.max_age_ms)) return reading;
    const said = again.read === null ? null : await again.read();
    // Of the sign-in, all but that stays: who it is, and how long.
    if (said !== null) return { entry: { ...entry, groups: said.groups }, at, again };
    return { entry, at: -Infinity, again: { ...again, read: null } };
  }

  function earlyMs({ max_age_ms }: Again): number {
    return Math.max(max_age_ms, SHOWN_MS_MAX) / 2;
  }

  function stale(id: string): boolean {
    const at = now();
    return [...(remembered.get(id)?.readings.values() ?? [])].some(
      (one) => one.again !== null && (one.entry.expires === null || at < one.entry.expires) && at > shownUntil(one),
    );
  }

  async function isGood(entry: SourceEntry): Promise<boolean> {
    if (entry.expires !== null && now() >= entry.expires) return false;
    return (await stillGood(entry)).good;
  }

  /** Whom it leads to: a sponsor is as much part of the answer as whoever was asked about. */
  function leadsTo(id: string): readonly string[] {
    const found = descriptionOf(id, false);
    return [...(found?.sponsor ? [found.sponsor] : []), ...(found?.people ?? []), ...represents(id)];
  }

  function fresh(ids: readonly string[]): Promise<void> | null {
    if (lookups.length === 0 && remembered.size === 0) return null;
    const none = reachable(ids).every((id) => sourcesOf(id).length === 0 && heldOf(id).length === 0);
    return none ? null : inTime(readAll(ids));
  }

  function reachable(ids: readonly string[]): readonly string[] {
    const seen = new Set(ids);
    for (const id of seen) for (const one of seen.size < FRESH_MAX ? leadsTo(id) : []) seen.add(one);
    return [...seen];
  }

  async function readAll(ids: readonly string[]): Promise<void> {
    const seen = new Set<string>();
    // Who is read may name others; each is read once.
    for (;;) {
      const waiting = reachable(ids).filter((id) => !seen.has(id));
      if (waiting.length === 0) return;
      if (seen.size + waiting.length > FRESH_MAX)
        throw new SourceDown('local', `one decision leads to more than ${FRESH_MAX} people`);
      for (const id of waiting) seen.add(id);
      await Promise.all(waiting.map((one) => read(one)));
    }
  }

  /** By the way, for showing: whoever looks is answered from what there is. */
  function refresh(id: string): void {
    if (lookups.length === 0 && !asksAgain) return;
    const memory = remembered.get(id);
    if (memory === undefined || rereading.has(id) || rereading.size >= REREADING_MAX) return;
    const at = now();
    if (![...memory.readings.values()].some((one) => at - one.at >= rereadAfter(one))) return;
    rereading.add(id);
    const before = JSON.stringify(descriptionOf(id, true));
    read(id, true)
      .then(
        () => {
          if (JSON.stringify(descriptionOf(id, true)) !== before) changed();
        },
        // The source is down: what was read is shown as long as it may be.
        () => {},
      )
      .finally(() => rereading.delete(id));
  }

  function rereadAfter({ entry, again }: Reading): number {
    if (again !== null) return again.read === null ? Infinity : earlyMs(again);
    return lookupOf.has(entry.source) ? REREAD_MS : Infinity;
  }

  function member({ groups }: { readonly groups: readonly string[] }, group: string): boolean {
    const wanted = reviewers();
    return Object.hasOwn(wanted, group) && (wanted[group] ?? []).some((name) => groups.includes(name));
  }

  function represents(id: string): readonly string[] {
    return known()
      .users.all.filter(({ away }) => away !== null && away.instead === id && now() < away.until)
      .map((user) => user.id);
  }

  function eligible(groups: readonly string[]): readonly string[] {
    const { users } = known();
    const others = [...humans].filter((id) => users.get(id) === undefined);
    return [...users.all.map(({ id }) => id), ...others].filter((id) => {
      const one = account(id);
      if (one?.kind !== 'human' || !one.roles.includes('reviewer')) return false;
      return groups.length === 0 || groups.some((group) => member(one, group));
    });
  }

  return {
    directory: { reviewer: account, requester: links, eligible, member, represents, stale, fresh },
    lastKnown(id) {
      refresh(id);
      return descriptionOf(id, false);
    },
    admit(entry, again = null) {
      const at = now();
      if (entry.expires !== null && at >= entry.expires) return undefined;
      const found = describe(entry.id, [entry], known());
      if (typeof found !== 'object') return undefined;
      // What users.yaml says is read there.
      if (entry.source === 'local') return found;
      const memory = remembered.get(entry.id);
      const readings = new Map(memory?.readings);
      for (const [key, { entry: old }] of readings) if (old.expires !== null && at >= old.expires) readings.delete(key);
      // The newest is the last.
      const key = keyOf(entry);
      readings.delete(key);
      asksAgain ||= again !== null;
      keep(entry.id, readings.set(key, { entry, at, again }), memory?.turn ?? 0);
      return found;
    },
    isGood,
  };
}

const keyOf = ({ source, token }: SourceEntry): string => JSON.stringify([source, token?.issuer, token?.id]);

/** Something here lets it in without any source. */
function hasVerifier({ postgres, mysql, password }: User): boolean {
  return postgres !== null || mysql !== null || password !== null;
}

/** Rejects SourceDown where nobody has answered in time. */
async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new SourceDown('local', `no answer in ${FRESH_TIMEOUT_MS / 1000} s`)),
      FRESH_TIMEOUT_MS,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
