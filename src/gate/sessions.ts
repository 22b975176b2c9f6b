// The connections that are open now, over all guarded servers: whose, since when, and what each waits for. Must never list one whose
// beginning is not on record, nor end one without a word to its client.
import { texts } from '../errors/catalogue.ts';
import type { Where, Who } from '../policy/types.ts';
import type { State } from './state.ts';

/** A client's connection. */
export interface LiveSession {
  readonly id: string;
  readonly who: Who;
  readonly where: Where;
  readonly application_name: string;
  readonly upstream_user: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** The request that it waits for; null: it waits for none. */
  readonly held: string | null;
}

export type SessionTold = (seq: number, type: 'session.opened' | 'session.closed', session: LiveSession) => void;

export class LiveSessions {
  readonly #live = new Map<string, State>();
  readonly #told: SessionTold;
  #made = 0;

  /** `told`: after each is durable, with the audit sequence number. */
  constructor(told: SessionTold) {
    this.#told = told;
  }

  /** Of no other connection, before or after a restart. */
  newId(): string {
    return `s${process.pid.toString(36)}-${Date.now().toString(36)}-${(++this.#made).toString(36)}`;
  }

  opened(seq: number, state: State): void {
    this.#live.set(state.id, state);
    this.#told(seq, 'session.opened', sessionOf(state));
  }

  /** It has ended; that is on record later. */
  ended({ id }: State): void {
    this.#live.delete(id);
  }

  closed(seq: number, state: State): void {
    this.#told(seq, 'session.closed', sessionOf(state));
  }

  /** In order of their beginning. */
  list(): readonly LiveSession[] {
    return [...this.#live.values()].map(sessionOf);
  }

  /** False: there is none such (any more). */
  end(id: string, by: string): boolean {
    const state = this.#live.get(id);
    state?.opening.end(texts.ended({ by, id: state.held }));
    return state !== undefined;
  }
}

const sessionOf = ({ id, who, where, opening, since, held }: State): LiveSession => {
  const { application_name, upstream_user } = opening;
  return { id, who, where, application_name, upstream_user, since, held };
};
