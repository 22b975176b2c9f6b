// What happens, as it reaches reviewers: the events of desk, permits, connections and policy in the order of the log, the last of them kept,
// and all of them read from the log at a start. Must never tell of one before another that the log has before it.
import type { ApprovalEvent, Desk, PermitEvent, Permits, Request } from '../approval/types.ts';
import type { AuditLog, ReadRecord } from '../audit/types.ts';
import { fromRecord, permitFromRecord } from '../gate/journal.ts';
import { together } from '../gate/who.ts';
import type { EventsPort, PolicyLike, SessionLike, StreamEvent } from '../review/ports.ts';

/** Events kept for reviewers who come back with a cursor, or read slowly: at least half as many; of connections as many more. */
export const EVENTS_KEPT_MAX = 10_000;
/** Characters of statements that are kept for them alone; looked at after so many events. */
const CHARS_KEPT_MAX = 64 * 1024 * 1024;
const LOOKED_AFTER = 500;
/** Told at once; whoever wants more asks again. */
const AT_ONCE_MAX = 100;

/** An event without what it is about as that is now: a long request is not kept for each of its events. */
type Kept = { readonly seq: number; readonly type: string } & (
  | { readonly request: string }
  | { readonly permit: string }
  | { readonly session: SessionLike }
  | { readonly policy: PolicyLike }
);

export class Events implements EventsPort {
  readonly #desk: Desk;
  readonly #permits: Permits;
  readonly #audit: AuditLog;
  readonly #kept: Ring;
  readonly #sessions: Ring;
  /** What kept events are about, as it is now: the desk forgets requests that ended sooner than that. */
  readonly #requests = new Map<string, Request>();
  #told = 0;
  readonly #listeners = new Set<() => void>();
  #cursor = 0;
  /** Durable, and not told yet: they come in any order within one turn of the event loop, which is when the log acknowledges what it wrote. */
  #arrived: Kept[] = [];

  constructor(desk: Desk, permits: Permits, audit: AuditLog, kept_max = EVENTS_KEPT_MAX) {
    this.#kept = new Ring(kept_max);
    this.#sessions = new Ring(kept_max);
    this.#desk = desk;
    this.#permits = permits;
    this.#audit = audit;
    desk.subscribe((seq, event, request) => {
      this.#requests.set(request.id, request);
      this.happened({ seq, type: requestType(event), request: request.id });
    });
    permits.subscribe((seq, event, permit) => this.happened({ seq, type: permitType(event), permit: permit.id }));
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** It is on record as `seq`. */
  happened(event: Kept): void {
    if (this.#arrived.length === 0) setImmediate(() => this.#tell());
    this.#arrived.push(event);
  }

  /** Reads the log once: permits and requests are as they were, and cursors of before are good. */
  async restore(): Promise<void> {
    const requests: { seq: number; event: ApprovalEvent }[] = [];
    const permits: { seq: number; event: PermitEvent }[] = [];
    const opened = new Map<unknown, SessionLike>();
    let forgotten = -Infinity;
    for await (const record of this.#audit.read()) {
      const { seq } = record;
      const event = fromRecord(record);
      const permit = event ? null : permitFromRecord(record);
      if (event) requests.push({ seq, event });
      if (permit) permits.push({ seq, event: permit });
      const kept = event
        ? { seq, type: requestType(event), request: event.type === 'opened' ? event.request.id : event.id }
        : permit
          ? { seq, type: permitType(permit), permit: permit.type === 'permit_granted' ? permit.permit.id : permit.id }
          : otherOf(record, opened);
      if (kept) this.#keep(kept);
      if (record.type === 'log.segments_removed') forgotten = Date.parse(String(record.clear.until));
    }
    this.#cursor = this.#audit.seq;
    await this.#permits.restore(permits);
    await this.#desk.restore(requests, forgotten);
  }

  after(cursor: number, sessions: boolean): readonly StreamEvent[] | null {
    if (cursor > this.#cursor) return null;
    const kept = this.#kept.after(cursor);
    const more = sessions ? this.#sessions.after(cursor) : [];
    if (kept === null || more === null) return null;
    const next = more.length === 0 ? kept : [...kept, ...more].toSorted((a, b) => a.seq - b.seq);
    const told: StreamEvent[] = [];
    for (const event of next.slice(0, AT_ONCE_MAX)) {
      const now = this.#asItIs(event);
      // Of what is forgotten nothing can be told but that something is missing.
      if (now === null) return null;
      told.push(now);
    }
    return told;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    const arrived = this.#arrived.toSorted((a, b) => a.seq - b.seq);
    this.#arrived = [];
    for (const event of arrived) this.#keep(event);
    this.#told += arrived.length;
    if (this.#told >= LOOKED_AFTER) this.#forget();
    for (const listener of this.#listeners) listener();
  }

  #keep(event: Kept): void {
    ('session' in event ? this.#sessions : this.#kept).push(event);
    this.#cursor = event.seq;
  }

  /** What no kept event is about, and then events, until the statements that only they keep are few enough. */
  #forget(): void {
    this.#told = 0;
    for (;;) {
      const about = this.#kept.requests();
      let chars = 0;
      for (const [id, { sql }] of this.#requests) {
        if (!about.has(id)) this.#requests.delete(id);
        else if (this.#desk.get(id) === undefined) chars += sql.length;
      }
      if (chars <= CHARS_KEPT_MAX) return;
      this.#kept.halve();
    }
  }

  #asItIs(event: Kept): StreamEvent | null {
    const { seq, type } = event;
    if ('request' in event) {
      const request = this.#desk.get(event.request) ?? this.#requests.get(event.request);
      return request ? { seq, type, request } : null;
    }
    if ('permit' in event) {
      const permit = this.#permits.get(event.permit);
      return permit ? { seq, type, permit } : null;
    }
    return event;
  }
}

/** The last events, in the order of the log. */
class Ring {
  readonly #max: number;
  #kept: Kept[] = [];
  /** Every event after this sequence number is kept. */
  #floor = 0;

  constructor(max: number) {
    this.#max = max;
  }

  push(event: Kept): void {
    this.#kept.push(event);
    if (this.#kept.length > this.#max) this.halve();
  }

  /** Drops the older half. */
  halve(): void {
    const dropped = this.#kept.splice(0, Math.ceil(this.#kept.length / 2));
    this.#floor = dropped.at(-1)?.seq ?? this.#floor;
  }

  requests(): ReadonlySet<string> {
    return new Set(this.#kept.flatMap((event) => ('request' in event ? [event.request] : [])));
  }

  /** At most AT_ONCE_MAX; null: some of them are not kept any more. */
  after(cursor: number): readonly Kept[] | null {
    if (cursor < this.#floor) return null;
    const from = this.#kept.findLastIndex(({ seq }) => seq <= cursor) + 1;
    return this.#kept.slice(from, from + AT_ONCE_MAX);
  }
}

/** As the stream names it. */
const requestType = (event: ApprovalEvent): string =>
  `request.${event.type === 'finished' ? (event.outcome.sqlstate === null ? 'executed' : 'failed') : event.type}`;

const permitType = (event: PermitEvent): string => event.type.replace('permit_', 'permit.');

/** Policies and connections, of which nothing else is rebuilt. `opened`: the connections whose end is not read yet. */
const otherOf = ({ seq, type, time, clear, sealed }: ReadRecord, opened: Map<unknown, SessionLike>): Kept | null => {
  if (type === 'policy.loaded') {
    const { path, hash, rules } = clear as unknown as PolicyLike;
    return { seq, type, policy: { path, hash, rules } };
  }
  if (type === 'session.opened') {
    const { who, where, application_name, upstream_user } = {
      application_name: '',
      ...clear,
      ...sealed,
    } as unknown as SessionLike;
    const id = String(clear.session);
    const since = Date.parse(time);
    const session = { id, who: together(who, sealed), where, application_name, upstream_user, since, held: null };
    opened.set(id, session);
    return { seq, type, session };
  }
  const session = type === 'session.closed' ? opened.get(clear.session) : undefined;
  if (session === undefined) return null;
  opened.delete(session.id);
  return { seq, type, session };
};
