// A stand-in Gate for tests of MySQL sessions: it knows a statement by a regular expression, holds what a table says, and keeps what it was told.
// Must never be taken for an analysis.
import { texts, type WireText } from '../../src/errors/catalogue.ts';
import type {
  BoundParameter,
  HoldEnded,
  HoldStart,
  Judgement,
  Meter,
  MysqlFacts,
  OwnCommand,
  Plan,
  Said,
  StatementOutcome,
} from '../../src/session/gate.ts';
import type { MysqlGate } from '../../src/session/mysql/session.ts';

type Wait = Extract<HoldStart, { type: 'wait' }>;
type End = Parameters<Wait['end']>[0];

/** A statement that waits for somebody. */
export interface Held {
  readonly text: string;
  readonly parameters: readonly BoundParameter[];
  /** What the gate saw when it was held. */
  readonly facts: Pick<MysqlFacts, 'sql_mode' | 'database' | 'in_transaction' | 'role' | 'charset' | 'autocommit'>;
  approve(): void;
  /** Somebody says something on its request. */
  say(said: Said): void;
  deny(): void;
  /** How the wait ended without a decision. */
  readonly left: Promise<End>;
  /** Of its one run. */
  readonly outcome: Promise<StatementOutcome | null>;
  /** Resolves where it was let through and nothing of it was sent. */
  readonly unsent: Promise<void>;
}

export interface Rules {
  hold?: RegExp;
  deny?: RegExp;
  /** Rows of a limited result. */
  limited?: { readonly match: RegExp; readonly rows: number };
  /** Answers later, not at once. */
  slow?: RegExp;
  wait_ms?: number;
}

const ID = 'HP-7KQ4M2XA';
export const STAGE = `held: ${ID} waits for one of dba`;
const IMPORT = /^\s*load\s+data\s+local/i;
const FACTS = /^\s*(set|use|call|prepare|execute|deallocate)\b/i;
const REASON = /^\s*set\s+@holdpoint_reason\s*=\s*'([^']*)'\s*$/i;
const SHOW = /^\s*show\s+holdpoint\s+requests\s*$/i;
const COMMENT = /\/\*(?![!M])[^*]*\*\//g;

export class StandInGate implements MysqlGate {
  readonly rules: Rules;
  readonly facts: MysqlFacts;
  readonly history: { readonly text: string; readonly outcome: string; readonly rows: number }[] = [];
  /** Texts that were asked about. */
  readonly asked: string[] = [];
  closed = '';
  readonly #held: Held[] = [];
  #waiting: ((held: Held) => void)[] = [];

  constructor(rules: Rules, facts: MysqlFacts) {
    this.rules = rules;
    this.facts = facts;
  }

  /** The next statement that is held. */
  held(): Promise<Held> {
    const held = this.#held.shift();
    return held ? Promise.resolve(held) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  judge(text: string): Judgement | Promise<Judgement> {
    this.asked.push(text);
    const judgement = this.#judge(text);
    return this.rules.slow?.test(text) ? new Promise((resolve) => setImmediate(() => resolve(judgement))) : judgement;
  }

  #judge(text: string): Judgement {
    const plan = this.#plan(text);
    const { hold, deny } = this.rules;
    if (deny?.test(text)) return { type: 'refuse', plan, refuse: async () => deniedByPolicy() };
    if (hold?.test(text)) return { type: 'hold', plan, hold: async (parameters) => this.#open(plan, parameters) };
    return { type: 'pass', plan };
  }

  #plan(text: string): Plan {
    const reason = REASON.exec(text)?.[1];
    const own: OwnCommand[] = [];
    if (reason !== undefined) own.push({ op: 'set', name: 'reason', value: reason, statement: 0 });
    if (SHOW.test(text)) own.push({ op: 'show-requests', statement: 0 });
    const blanked = text.replace(COMMENT, (comment) => ' '.repeat(comment.length));
    return {
      text,
      forward: blanked === text ? null : blanked,
      statements: text.split(';').filter((part) => part.trim() !== '').length,
      copy_in: IMPORT.test(text),
      transaction_control: /^\s*(begin|commit|rollback|start)\b/i.test(text),
      block: null,
      changes_facts: FACTS.test(text),
      queries: true,
      changes_catalog: null,
      temporary: [],
      changes_role: /^\s*set\s+role/i.test(text),
      opaque: /^\s*call\b/i.test(text),
      resets: false,
      names: [],
      by_name: false,
      preparable: true,
      declares: false,
      runs_late: false,
      limited: this.rules.limited?.match.test(text) ?? false,
      only_reads: /^\s*select\b/i.test(text),
      cursors: [],
      own,
      parse_is_harmless: true,
      position_shift: [],
      gate: null,
    };
  }

  #open(plan: Plan, parameters: readonly BoundParameter[]): HoldStart {
    let decide: (ended: HoldEnded) => void = () => {};
    let leave: (why: End) => void = () => {};
    let say: (said: Said) => void = () => {};
    let giveBack: () => void = () => {};
    let finish: (outcome: StatementOutcome | null) => void = () => {};
    const unsent = (): boolean => {
      giveBack();
      return true;
    };
    const ended = new Promise<HoldEnded>((resolve) => (decide = resolve));
    const { sql_mode, database, in_transaction, role, charset, autocommit } = this.facts;
    const held: Held = {
      text: plan.text,
      parameters,
      facts: { sql_mode, database, in_transaction, role, charset, autocommit },
      approve: () => decide({ type: 'approved' }),
      say: (said) => say(said),
      deny: () => decide({ type: 'refuse', text: texts.denied({ ...texts.denied.example, inTransaction: false }) }),
      left: new Promise((resolve) => (leave = resolve)),
      outcome: new Promise((resolve) => (finish = resolve)),
      unsent: new Promise((resolve) => (giveBack = resolve)),
    };
    const next = this.#waiting.shift();
    if (next) next(held);
    else this.#held.push(held);
    return {
      type: 'wait',
      notice: texts.held(texts.held.example),
      heartbeat: () => texts.stillHeld(texts.stillHeld.example),
      stage: STAGE,
      wait_ms: this.rules.wait_ms ?? 20_000,
      listen(listener) {
        say = (said) => listener.said(said);
        void ended.then((end) => listener.ended(end));
      },
      async end(why) {
        leave(why);
        if (why === 'cancelled') return texts.cancelled(texts.cancelled.example);
        return why === 'overflow' ? texts.overflow(texts.overflow.example) : texts.pending(texts.pending.example);
      },
      async release() {
        return {
          type: 'run',
          notice: texts.approved(texts.approved.example),
          release: { request: ID, permitted: null, finished: finish, unsent },
        };
      },
    };
  }

  async uncarried(plan: Plan): Promise<WireText> {
    return texts.uncarried({ ...texts.uncarried.example, command: plan.text });
  }

  meter(plan: Plan, parameters: () => readonly BoundParameter[]): Meter {
    let rows_left = this.rules.limited?.rows ?? Infinity;
    const hold = (): Promise<HoldStart> => Promise.resolve(this.#open(plan, parameters()));
    return {
      get rows_left() {
        return rows_left;
      },
      bytes_left: Infinity,
      withholds: false,
      passed: (rows) => void (rows_left -= rows),
      judge: () => ({ type: 'hold', plan, hold }),
      lift: () => void (rows_left = Infinity),
      cut: (outcome) => void this.history.push({ text: `cut ${plan.text}`, outcome, rows: 0 }),
    };
  }

  show(): { rows: string[][] } {
    return { rows: [[ID, 'held', '0 of 1', '', 'wait']] };
  }

  async call(): Promise<{ rows: string[][] }> {
    return this.show();
  }

  stillMeans(): boolean {
    return true;
  }

  ran(plan: Plan, _start: number, outcome: string, rows: number): void {
    this.history.push({ text: plan.text, outcome, rows });
  }

  close(why: string): void {
    this.closed = why;
  }
}

const deniedByPolicy = (): WireText => texts.deniedByPolicy(texts.deniedByPolicy.example);
