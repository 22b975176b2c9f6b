// One statement's wait for somebody's word: from the request that is opened, or the refusal that is recorded, to what becomes of it.
// Whoever is first counts: the decision, the clock, the client, the server. It must never lose a release: one that comes when nobody
// waits any more is reported as unsent.
//
//                  /----------\ changed: somebody has to decide again
//   recording --> waiting --> releasing --> over: `answered` is called, once
//        |          |          |  ^  \----> over: `leave` was called, nobody is told
//        |          |          v  |
//        \----------\------ looking: the session reads its facts, and says when it has
import type { WireText } from '../errors/catalogue.ts';
import type {
  BoundParameter,
  HoldEnded,
  HoldStart,
  Judgement,
  Plan,
  Release,
  Said,
  StatementOutcome,
  WaitListener,
} from './gate.ts';

/** The outcome of a statement that was let through, and did not run although something of it may have reached the server. */
export const NOT_RUN: StatementOutcome = { tag: null, sqlstate: '08006', rows: 0, bytes: 0, duration_ms: 0 };

type Wait = Pick<Extract<HoldStart, { type: 'wait' }>, 'heartbeat' | 'listen' | 'end' | 'release'>;
type Why = Parameters<Wait['end']>[0];
type Changed = Extract<Awaited<ReturnType<Wait['release']>>, { type: 'changed' }>;
/** What a client that waits can be told meanwhile. */
interface Words {
  heartbeat(): WireText;
  readonly stage: string;
}

/** What became of the message at hand; consumed when it is read again. */
export type Answer =
  /** `cancelled`: the client asked for it meanwhile; what has not been sent must not be. */
  | { readonly type: 'run'; readonly plan: Plan; readonly release: Release; readonly cancelled: boolean }
  | { readonly type: 'refuse'; readonly text: WireText };

export interface HoldEvents {
  /** A word to the client that still waits. */
  notice(text: WireText): void;
  /** The request is open and the client waits. */
  waiting(words: Words): void;
  /** It still does. */
  heartbeat(words: Words): void;
  /** Somebody said something on the request; null: nothing that the client has to hear, but that its wait is another one now. */
  said(text: WireText | null, words: Words): void;
  /** Before it is let through the session is to read anew what it alone can, and then to call `hold.looked()`. Absent: there is nothing. */
  look?(hold: Hold): void;
  answered(answer: Answer): void;
  /** The gate failed: nothing may be sent. */
  failed(what: string, error: unknown): void;
  /** The gate failed when nobody waited any more. */
  fault(what: string, error: unknown): void;
}

export class Hold implements Words, WaitListener {
  readonly name = 'held';
  stage = '';
  #state: 'recording' | 'waiting' | 'releasing' | 'looking' | 'over' = 'recording';
  #plan: Plan | null;
  readonly #heartbeat_ms: number | null;
  readonly #events: HoldEvents;
  #wait: Wait | null = null;
  #left: Why = 'shutdown';
  #cancelled = false;
  /** When it began to wait, and how long it does, in ms. */
  #since = 0;
  #wait_ms = 0;
  /** For the next heartbeat, and for the end of the wait. */
  #timer: NodeJS.Timeout | undefined;
  #beats = 0;

  /** `heartbeat_ms`: between two of them; null: the client can be told nothing. */
  constructor(
    judgement: Exclude<Judgement, { type: 'pass' }>,
    parameters: readonly BoundParameter[],
    heartbeat_ms: number | null,
    events: HoldEvents,
  ) {
    this.#plan = judgement.plan;
    this.#heartbeat_ms = heartbeat_ms;
    this.#events = events;
    const started: Promise<HoldStart> =
      judgement.type === 'hold'
        ? judgement.hold(parameters)
        : judgement.refuse().then((text) => ({ type: 'refuse', text }));
    started.then(
      (start) => this.#started(start),
      (error) => this.#failed('a statement could not be recorded', error),
    );
  }

  /** The client waits for a person now, and may send more or leave. */
  get waiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Plan.queries of what waits. */
  get queries(): boolean {
    return this.#plan?.queries === true;
  }

  /** A CancelRequest, or KILL QUERY, came. Where a release is on its way, or comes first, the answer says so. */
  cancel(): void {
    this.#cancelled = true;
    if (this.#state === 'waiting') this.end('cancelled');
  }

  /** The client stops waiting and is told so; what it is told depends on who was first. */
  end(why: Why): void {
    this.#wait?.end(why).then(
      (text) => {
        if (text !== null && this.#state === 'waiting') this.#answer({ type: 'refuse', text });
      },
      (error) => this.#failed('the end of a hold could not be recorded', error),
    );
  }

  /** Nobody waits for an answer any more. The request lives on as the gate sees fit. */
  leave(why: Why): void {
    const wait = this.#state === 'waiting' || this.#state === 'looking' ? this.#wait : null;
    this.#over();
    this.#left = why;
    if (wait) this.#endUnheard(wait);
  }

  /** HoldEvents.look has been done. */
  looked(): void {
    if (this.#state === 'looking') this.#release();
  }

  /** Words for a heartbeat, as things stand now. */
  heartbeat(): WireText {
    if (this.#wait === null) throw new Error('nobody waits');
    return this.#wait.heartbeat();
  }

  /** Until the next heartbeat, and until the wait ends. None of them then: it would say that nothing of it is left. */
  #waits(): void {
    clearTimeout(this.#timer);
    const every_ms = this.#heartbeat_ms ?? Infinity;
    const next = (this.#beats + 1) * every_ms;
    const beats = next < this.#wait_ms;
    const left = (beats ? next : this.#wait_ms) - (performance.now() - this.#since);
    // Whole ms, and no closure: thousands may wait at once.
    this.#timer = setTimeout(ring, Math.max(0, Math.ceil(left)), this, beats);
  }

  /** The next heartbeat, or the end of the wait. */
  rings(beats: boolean): void {
    if (!beats) return this.end('waited-out');
    this.#beats += 1;
    this.#events.heartbeat(this);
    // The word may have found that the client is gone.
    if (this.#state === 'waiting') this.#waits();
  }

  said({ notice, stage, adds_ms }: Said): void {
    if (this.#state !== 'waiting') return;
    const changed = notice !== null || stage !== this.stage || adds_ms > 0;
    this.stage = stage;
    if (adds_ms > 0) {
      this.#wait_ms += adds_ms;
      this.#waits();
    }
    if (changed) this.#events.said(notice, this);
  }

  /** What would run is something else than was approved: it waits as before, in the time that is left. */
  #again({ notice, stage }: Changed): void {
    this.stage = stage;
    this.#state = 'waiting';
    this.#waits();
    this.#wait?.listen(this);
    this.#events.notice(notice);
    if (this.#cancelled) return this.end('cancelled');
    this.#events.waiting(this);
  }

  failed(error: unknown): void {
    this.#failed('a hold failed', error);
  }

  ended(end: HoldEnded): void {
    if (this.#state !== 'waiting') return;
    if (end.type === 'approved') this.#release();
    else this.#answer(end);
  }

  #started(start: HoldStart): void {
    if (this.#state === 'over') {
      if (start.type === 'wait') this.#endUnheard(start);
      if (start.type === 'run') start.release.unsent();
      return;
    }
    if (start.type === 'refuse') return this.#answer(start);
    this.#events.notice(start.notice);
    if (start.type === 'run') return this.#run(start.release);
    this.#wait = start;
    this.stage = start.stage;
    this.#state = 'waiting';
    this.#since = Math.floor(performance.now());
    this.#wait_ms = start.wait_ms;
    this.#waits();
    if (!this.#cancelled) this.#events.waiting(this);
    start.listen(this);
    if (this.#cancelled) this.end('cancelled');
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#state = 'releasing';
    this.#wait?.release().then(
      (result) => {
        if (this.#state === 'over') {
          if (result.type === 'run') result.release.unsent();
          if ((result.type === 'changed' || result.type === 'look') && this.#wait) this.#endUnheard(this.#wait);
          return;
        }
        if (result.type === 'look') return this.#look();
        if (result.type === 'changed') return this.#again(result);
        if (result.type === 'refuse') return this.#answer(result);
        this.#events.notice(result.notice);
        this.#plan = result.plan ?? this.#plan;
        this.#run(result.release);
      },
      (error) => this.#failed('a release could not be recorded', error),
    );
  }

  #look(): void {
    this.#state = 'looking';
    if (this.#events.look) this.#events.look(this);
    else this.looked();
  }

  #run(release: Release): void {
    if (this.#plan !== null)
      return this.#answer({ type: 'run', plan: this.#plan, release, cancelled: this.#cancelled });
    release.unsent();
    this.#failed('a statement without a plan was let through', undefined);
  }

  #answer(answer: Answer): void {
    this.#over();
    this.#events.answered(answer);
  }

  #endUnheard(wait: Wait): void {
    wait.end(this.#left).catch((error: unknown) => this.#events.fault('a hold could not be ended', error));
  }

  #failed(what: string, error: unknown): void {
    if (this.#state === 'over') return this.#events.fault(what, error);
    this.#over();
    this.#events.failed(what, error);
  }

  #over(): void {
    clearTimeout(this.#timer);
    this.#state = 'over';
  }
}

const ring = (hold: Hold, beats: boolean): void => hold.rings(beats);
