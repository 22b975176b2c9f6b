// One webhook at work: event after event in the order of the log, each until the receiver took it, or 24 h have passed, or it says that it
// wants no more. Waits for nobody but its own receiver, and nobody waits for it. Must never skip an event that is not on record as given up.
import { createHash } from 'node:crypto';
import { bury, type filesOf, type HookState, StateFile } from './files.ts';
import { BARE, payloadOf } from './payload.ts';
import type { Feed, HookConfig, HookEvent, HookPorts, Mark } from './ports.ts';
import type { Sender } from './send.ts';

/** Full jitter: any time up to this, which doubles with each failure. */
const BACKOFF_MS_FIRST = 1_000;
const BACKOFF_MS_MAX = 300_000;
/** An event is given up when it, or one before it, could not be delivered for so long. */
const GIVE_UP_MS = 24 * 3_600_000;
/** Until what only the log or the disk keeps us from is tried again. */
const OWN_FAULT_MS = 5_000;

export interface HookClock {
  now(): number;
  /** Calls back once; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

export interface HookOptions {
  readonly files: Pick<ReturnType<typeof filesOf>, 'state' | 'dead'>;
  readonly ports: HookPorts;
  readonly sender: Pick<Sender, 'send' | 'close'>;
  readonly clock: HookClock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Of the log: begins every webhook-id. */
  readonly log_id: string;
  readonly console: () => string;
}

/** How a webhook does. */
export interface HookHealth {
  readonly name: string;
  readonly state: 'working' | 'failing' | 'gone';
  /** Everything up to this audit sequence number is delivered, given up or not asked for. */
  readonly cursor: number;
  /** Since when it fails, and why; null: it works. */
  readonly failing: { readonly since: number; readonly tries: number; readonly why: string } | null;
  /** Given up since the start. */
  readonly dead: number;
}

export class Hook {
  readonly #config: HookConfig;
  readonly #options: HookOptions;
  readonly #file: StateFile;
  readonly #url_tag: string;
  readonly #stop = new AbortController();
  #mark: Mark;
  #gone: HookState['gone'];
  #feed: Feed | null = null;
  #failing: HookHealth['failing'] = null;
  #dead = 0;
  /** What keeps it from going on, as was told last; '': nothing. */
  #fault = '';
  /** Id of the last dead letter: the log may refuse its record after it was written. */
  #buried = '';
  #running: Promise<void> = Promise.resolve();

  /** `state`: what it left behind. */
  constructor(config: HookConfig, state: HookState, options: HookOptions) {
    this.#config = config;
    this.#options = options;
    this.#file = new StateFile(options.files.state, (error) =>
      this.#warn(`cannot keep how far it is: ${String(error)}`),
    );
    this.#url_tag = createHash('sha256').update(config.url).digest('hex').slice(0, 16);
    this.#mark = state;
    // Another address is another receiver.
    this.#gone = state.gone?.url_tag === this.#url_tag ? state.gone : null;
  }

  start(): void {
    if (this.#gone) {
      this.#warn(`is off: its receiver answered 410 Gone at ${new Date(this.#gone.at).toISOString()}; ${ON_AGAIN}`);
      return;
    }
    this.#running = this.#run();
  }

  health(): HookHealth {
    return {
      name: this.#config.name,
      state: this.#gone ? 'gone' : this.#failing ? 'failing' : 'working',
      cursor: this.#mark.cursor,
      failing: this.#failing,
      dead: this.#dead,
    };
  }

  /** Resolves when nothing of it is under way and how far it is is on disk. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#feed?.close();
    this.#options.sender.close();
    await this.#running;
    await this.#file.flush();
  }

  async #run(): Promise<void> {
    while (!this.#stopped() && this.#gone === null) {
      const feed = this.#options.ports.feed(this.#mark, this.#config.text);
      this.#feed = feed;
      try {
        for (let event = await feed.next(); event !== null; event = await feed.next()) {
          if (this.#wants(event) && !(await this.#deliver(event))) return;
          feed.settled();
          this.#fault = '';
          this.#keep(feed.mark());
        }
        return;
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error);
        if (fault !== this.#fault) this.#warn(`cannot go on, and tries again: ${fault}`);
        this.#fault = fault;
        await this.#pause(OWN_FAULT_MS);
      } finally {
        feed.close();
      }
    }
  }

  #wants({ type }: HookEvent): boolean {
    const group = `${type.split('.')[0]}.*`;
    return this.#config.events.some((pattern) => pattern === '*' || pattern === type || pattern === group);
  }

  /** True: done with it. False: this hook has ended. */
  async #deliver(event: HookEvent): Promise<boolean> {
    const { clock, sender, log_id, console } = this.#options;
    const id = `hp_${log_id}_${event.seq}`;
    const body = payloadOf(event, this.#config, console());
    for (;;) {
      const failing = this.#failing;
      const given_up = failing === null ? Infinity : Math.max(event.at, failing.since) + GIVE_UP_MS;
      if (failing && clock.now() >= given_up) {
        await this.#giveUp(event, id, failing.why);
        return true;
      }
      const sent = await sender.send(id, body);
      if (sent.type === 'delivered') {
        this.#works();
        return true;
      }
      if (this.#stopped()) return false;
      if (sent.type === 'gone') {
        await this.#disable(event);
        return false;
      }
      const { since, tries } = this.#fails(sent.why);
      const until = Math.max(event.at, since) + GIVE_UP_MS - clock.now();
      await this.#pause(Math.min(Math.max(this.#backoff(tries), sent.retry_after_ms ?? 0), until));
      if (this.#stopped()) return false;
    }
  }

  #backoff(tries: number): number {
    return this.#options.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** (tries - 1));
  }

  #fails(why: string): NonNullable<HookHealth['failing']> {
    if (this.#failing === null)
      this.#warn(`fails: ${why}. It is tried again for 24 h, and what happens meanwhile waits`);
    const { since, tries } = this.#failing ?? { since: this.#options.clock.now(), tries: 0 };
    this.#failing = { since, tries: tries + 1, why };
    return this.#failing;
  }

  #works(): void {
    if (this.#failing)
      this.#options.ports.info(`webhook ${this.#config.name} works again, after ${this.#failing.tries} failures`);
    this.#failing = null;
  }

  async #giveUp(event: HookEvent, id: string, why: string): Promise<void> {
    const { files, clock, console } = this.#options;
    const { type, seq: cursor } = event;
    const letter = { id, type, cursor, at: clock.now(), why, body: payloadOf(event, BARE, console()) };
    const dropped = this.#buried === id ? 0 : await bury(files.dead, letter);
    this.#buried = id;
    await this.#record('webhook.dead', { id, cursor, event: type, why });
    this.#dead += 1;
    this.#warn(`gave up ${type} of record ${cursor}: ${why}. It is in ${files.dead}`);
    if (dropped > 0) this.#warn(`dropped its ${dropped} oldest dead letters: ${files.dead} was full`);
  }

  async #disable({ seq: cursor }: HookEvent): Promise<void> {
    this.#gone = { url_tag: this.#url_tag, at: this.#options.clock.now() };
    this.#file.save({ ...this.#mark, gone: this.#gone });
    await this.#file.flush();
    this.#warn(`is off: its receiver answered 410 Gone; ${ON_AGAIN}`);
    await this.#record('webhook.gone', { cursor });
  }

  async #record(type: string, what: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#options.ports.audit.append({ type, clear: { webhook: this.#config.name, ...what } });
  }

  #keep(mark: Mark): void {
    this.#mark = mark;
    this.#file.save({ ...mark, gone: null });
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        resolve();
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #warn(text: string): void {
    this.#options.ports.warn(`webhook ${this.#config.name} ${text}`);
  }
}

const ON_AGAIN = "'holdpoint webhooks retry' or another url turns it on, and what happened meanwhile follows";
