// The answer to "may this run?": a gate of one upstream, and one session of it for each client's. Never forwards and never answers the
// client itself: a session does both.
//
//   judge.ts --> passes (memory.ts, context.ts, meaning.ts); or deny.ts; or hold.ts --> wait.ts;   limit.ts: what it returns
import { performance } from 'node:perf_hooks';
import type { WireText } from '../errors/catalogue.ts';
import type {
  BoundParameter,
  Gate,
  GateSession,
  Judgement,
  Meter,
  OwnAnswer,
  OwnFunction,
  OwnShow,
  Plan,
} from '../session/gate.ts';
import { askFirstAs } from './ask-first.ts';
import { call } from './call.ts';
import { uncarried } from './deny.ts';
import { judge, judgeCall } from './judge.ts';
import { meter } from './limit.ts';
import { ownCatalogQuery, stillMeans, takeOwnCatalog } from './meaning.ts';
import { Memory } from './memory.ts';
import type { GateOptions } from './options.ts';
import { remembered } from './plan.ts';
import { show } from './show.ts';
import { judgeStartup } from './startup.ts';
import { type Shared, State } from './state.ts';
import { Totals } from './totals.ts';
import { apart } from './who.ts';

export const createGate = (options: GateOptions): Gate => {
  const shared: Shared = { options, memory: new Memory(), totals: new Totals(() => performance.now()) };
  /** In the order in which they began. */
  const live = new Set<State>();
  const ending = new Set<Promise<void>>();
  const ended = (end: Promise<void>): void => {
    ending.add(end);
    void end.finally(() => ending.delete(end));
  };
  return {
    async close() {
      await Promise.all(ending);
    },
    askFirst: (...asked) => askFirstAs(live, ...asked),
    startup: (opening, settings) => judgeStartup(options, opening, settings),
    async open(opening, facts) {
      const who = options.who(opening.login);
      if (!who) throw new Error(`there is no user ${opening.login.user} any more`);
      const id = options.sessions.newId();
      const where = options.where(opening);
      const { application_name, upstream_user, server_version, server_pid } = opening;
      const { clear, words } = apart(who);
      const token = options.token(opening.login);
      const seq = await options.audit.append({
        type: 'session.opened',
        clear: {
          session: id,
          who: clear,
          where,
          upstream_user,
          server_version,
          server_pid,
          ...(token !== null && { token }),
        },
        // The agent's to choose.
        sealed: { ...words, application_name },
      });
      const state = new State(shared, opening, facts, who, where, id);
      options.sessions.opened(seq, state);
      await state.catalog?.open();
      live.add(state);
      return new Session(state, (end) => {
        live.delete(state);
        ended(end);
      });
    },
  };
};

class Session implements GateSession {
  readonly #state: State;
  readonly #ended: (end: Promise<void>) => void;

  constructor(state: State, ended: (end: Promise<void>) => void) {
    this.#state = state;
    this.#ended = ended;
  }

  judge(text: string, types: readonly number[], planned: number | null): Judgement | Promise<Judgement> {
    return judge(this.#state, text, types, planned);
  }

  judgeCall(oid: number): Judgement | Promise<Judgement> {
    return judgeCall(this.#state, oid);
  }

  uncarried(plan: Plan): Promise<WireText> {
    return uncarried(this.#state, plan);
  }

  stillMeans(plan: Plan): boolean | Promise<boolean> {
    return stillMeans(this.#state, plan);
  }

  get catalogQuery(): string | null {
    return ownCatalogQuery(this.#state);
  }

  catalogMark(): number {
    return this.#state.catalog?.last?.id ?? 0;
  }

  ownCatalog(query: string, rows: string | null): ReturnType<GateSession['ownCatalog']> {
    return takeOwnCatalog(this.#state, query, rows);
  }

  meter(plan: Plan, parameters: () => readonly BoundParameter[]): Meter {
    return meter(this.#state, plan, parameters);
  }

  show(command: OwnShow): OwnAnswer | WireText {
    return show(this.#state, command);
  }

  call(name: OwnFunction, given: readonly string[]): Promise<OwnAnswer | WireText> {
    return call(this.#state, name, given);
  }

  ran(plan: Plan, start: number, outcome: string, rows: number, bytes: number, duration_us: number): void {
    const { analysis, rule } = remembered(plan);
    this.#state.log.allowed(start, analysis.shape, rule, outcome, rows, bytes, duration_us);
  }

  close(why: string): void {
    this.#state.catalog?.close();
    this.#ended(end(this.#state, why));
  }
}

const end = async (s: State, why: string): Promise<void> => {
  const { log, options, id, who } = s;
  options.sessions.ended(s);
  try {
    await log.flush();
    const seq = await options.audit.append({ type: 'session.closed', clear: { session: id, who: who.id, why } });
    options.sessions.closed(seq, s);
  } catch (error) {
    options.fault('the end of a session could not be recorded', error);
  }
};
