// Events for webhooks: records of requests, permits and policies, folded to what a request was right after each of them, from wherever a webhook left off. What is remembered of a
// request ends with it; statements are kept only where a webhook sends them.
import { apply, isTerminal } from '../approval/lifecycle.ts';
import { tally } from '../approval/quorum.ts';
import type { Permit, PermitEvent, Request } from '../approval/types.ts';
import type { Config } from '../config/config.ts';
import { fromRecord, permitFromRecord } from '../gate/journal.ts';
import type { Feed, HookEvent, Mark } from '../review/webhooks/ports.ts';
import { startWebhooks, type Webhooks } from '../review/webhooks/webhooks.ts';
import { type Headline, headlineOf } from '../review/view.ts';
import type { Log } from '../telemetry/log.ts';
import type { Tail, TailRecord } from './tail.ts';

/** After its end a permit's last use may still run. */
const PERMIT_KEPT_MS = 24 * 3_600_000;

interface Options {
  readonly config: Config;
  readonly tail: Tail;
  /** The log's last record before anything of this start could be an event. */
  readonly from: number;
  readonly log: Log;
  readonly version: string;
  /** The console's address without a slash at its end. */
  readonly console: () => string;
}

export const openWebhooks = async ({ config, tail, from, log, version, console }: Options): Promise<Webhooks> =>
  startWebhooks(config.chat.webhooks, {
    data: config.data,
    version,
    console,
    log_id: tail.audit.tag('webhooks').slice(0, 12),
    clock: {
      now: () => Date.now(),
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    ports: {
      // Of requests that were open already it hears, too.
      now: { cursor: from, since: 1 },
      feed: (mark, text) => new EventFeed(tail, mark, text),
      audit: tail.audit,
      warn: (text) => log.warn(text),
      info: (text) => log.info(text),
    },
  });

/** Of one webhook. */
export class EventFeed implements Feed {
  readonly #tail: Tail;
  readonly #fold: Fold;
  readonly #events: AsyncGenerator<HookEvent>;
  readonly #stop = new AbortController();
  #position: number;
  #mark: Mark;

  constructor(tail: Tail, from: Mark, text: boolean) {
    this.#tail = tail;
    this.#fold = new Fold(text);
    this.#position = from.cursor;
    this.#mark = from;
    this.#events = this.#read(from);
  }

  async next(): Promise<HookEvent | null> {
    const { value } = await this.#events.next();
    return value ?? null;
  }

  mark(): Mark {
    return this.#mark;
  }

  settled(): void {
    this.#mark = { cursor: this.#position, since: this.#fold.since(this.#position) };
  }

  close(): void {
    this.#stop.abort();
    // Where it stands in the log, it has a file open.
    this.#events.return(undefined).catch(() => {});
  }

  /** From the log up to what is in memory, then from there; and again where it falls behind that. */
  async *#read(from: Mark): AsyncGenerator<HookEvent> {
    const { signal } = this.#stop;
    let { since } = from;
    while (!signal.aborted) {
      this.#fold.clear();
      for await (const record of this.#tail.audit.read(since)) {
        if (signal.aborted) return;
        yield* this.#take(record);
      }
      for (;;) {
        const record = this.#tail.next(this.#position);
        if (record === 'behind') break;
        if (record === null) await this.#tail.more(signal);
        else yield* this.#take(record);
        if (signal.aborted) return;
      }
      since = this.#fold.since(this.#position);
    }
  }

  *#take(record: TailRecord): Generator<HookEvent> {
    const event = this.#fold.take(record);
    if (record.seq <= this.#position) return;
    this.#position = record.seq;
    if (event) yield event;
  }
}

/** What is known of requests and permits that can still have events. */
class Fold {
  readonly #text: boolean;
  readonly #requests = new Map<
    string,
    { readonly seq: number; readonly request: Request; readonly headline: Headline }
  >();
  readonly #permits = new Map<string, { readonly seq: number; readonly permit: Permit }>();

  constructor(text: boolean) {
    this.#text = text;
  }

  clear(): void {
    this.#requests.clear();
    this.#permits.clear();
  }

  /** The first record that is needed to understand those after `position`. */
  since(position: number): number {
    const all = [...this.#requests.values(), ...this.#permits.values()];
    return all.reduce((least, { seq }) => Math.min(least, seq), position + 1);
  }

  /** Null: no event, or of a request or permit whose beginning nobody can read any more. */
  take(record: TailRecord): HookEvent | null {
    return this.#ofRequest(record) ?? this.#ofPermit(record) ?? ofPolicy(record);
  }

  #ofRequest(record: TailRecord): HookEvent | null {
    const event = fromRecord(record);
    if (event === null) return null;
    const id = event.type === 'opened' ? event.request.id : event.id;
    const before = this.#requests.get(id);
    if (before === undefined && event.type !== 'opened') return null;
    const after = apply(before?.request, event);
    const headline = (event.type === 'changed' ? null : before?.headline) ?? headlineFor(record, after);
    const request = this.#text ? after : { ...after, sql: '', parameters: [], earlier: [], reason: '' };
    if (isTerminal(request.state) && request.broken_glass?.reviewed !== null) this.#requests.delete(id);
    else this.#requests.set(id, { seq: before?.seq ?? record.seq, request, headline });
    const { approvals, needed } = tally(request.ask, request.escalated !== null, request.decisions);
    const why = 'why' in event ? event.why : null;
    const { seq, type } = record;
    return {
      about: 'request',
      seq,
      type,
      at: event.at,
      request,
      headline,
      approvals: { given: approvals.length, needed },
      why,
    };
  }

  #ofPermit(record: TailRecord): HookEvent | null {
    const event = permitFromRecord(record);
    if (event === null) return null;
    for (const [id, { permit }] of this.#permits)
      if (permit.until + PERMIT_KEPT_MS < event.at) this.#permits.delete(id);
    const { seq, type } = record;
    if (event.type === 'permit_granted') this.#permits.set(event.permit.id, { seq, permit: event.permit });
    const permit = this.#permits.get(event.type === 'permit_granted' ? event.permit.id : event.id)?.permit;
    return permit ? { about: 'permit', seq, type, at: event.at, permit, ...factsOf(event) } : null;
  }
}

const ofPolicy = ({ seq, type, time, clear }: TailRecord): HookEvent | null => {
  const policy = { about: 'policy', seq, type, at: Date.parse(time) } as const;
  if (type === 'policy.loaded') {
    const { hash, rules, mode } = clear as unknown as Loaded;
    return { ...policy, loaded: { hash, rules, mode }, problems: [] };
  }
  if (type !== 'policy.refused') return null;
  return { ...policy, loaded: null, problems: (clear as unknown as Refused).problems };
};

type PolicyEvent = Extract<HookEvent, { about: 'policy' }>;
type Loaded = NonNullable<PolicyEvent['loaded']>;
type Refused = Pick<PolicyEvent, 'problems'>;

/** Once for all webhooks, while the record is in memory: a long statement takes its time to look through. */
const headlines = new WeakMap<TailRecord, Headline>();

const headlineFor = (record: TailRecord, request: Request): Headline => {
  const headline = headlines.get(record) ?? headlineOf(request);
  headlines.set(record, headline);
  return headline;
};

const factsOf = (event: PermitEvent): Pick<Extract<HookEvent, { about: 'permit' }>, 'use' | 'revoked'> => {
  switch (event.type) {
    case 'permit_granted':
      return { use: null, revoked: null };
    case 'permit_used':
      return { use: { number: event.use, session: event.session, outcome: null }, revoked: null };
    case 'permit_use_ended':
      return { use: { number: event.use, session: null, outcome: event.outcome }, revoked: null };
    case 'permit_revoked':
      return { use: null, revoked: { by: event.by, reason: event.reason } };
  }
};
