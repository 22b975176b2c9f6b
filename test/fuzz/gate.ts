// A gate for fuzzing: judges the toy language by what the session tells it, answers at once or later, and lets a coin decide what is held.
import type { WireText } from '../../src/errors/catalogue.ts';
import type {
  GateSession,
  HoldStart,
  Judgement,
  Meter,
  NameEffect,
  Plan,
  Release,
  SessionFacts,
} from '../../src/session/gate.ts';
import { isControl, parseText, type Statement, statementText } from './language.ts';

export const REFUSAL: WireText = { severity: 'ERROR', sqlstate: '42501', message: 'refused' };
const NOTICE: WireText = { severity: 'NOTICE', sqlstate: '00000', message: 'held' };

/** What a release is given for: the text without Holdpoint's own statements. */
export const keyOf = (text: string): string =>
  (parseText(text) ?? [])
    .filter(({ verb }) => verb !== 'OWN')
    .map(statementText)
    .join(';');

const READING: ReadonlySet<string> = new Set(['SELECT', 'READ', 'MANY']);

type Verdict = 'allow' | 'hold' | 'deny';
const STRICTNESS: readonly Verdict[] = ['allow', 'hold', 'deny'];

export interface ModelGateOptions {
  readonly facts: SessionFacts;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Runs it now or some steps later. */
  readonly later: (what: () => void) => void;
  /** A hold starts: the facts must be the server's. */
  readonly holds: (text: string) => void;
}

export class ModelGate implements GateSession {
  readonly catalogQuery = null;
  readonly releases = new Map<string, number>();
  /** Releases that were given back: nothing of them may have been sent, nor be sent later. */
  unsent = 0;
  /** Calls of `finished` and `unsent`, one entry for each release. */
  readonly finished: number[] = [];
  /** Results that were cut. */
  cuts = 0;
  readonly #options: ModelGateOptions;

  constructor(options: ModelGateOptions) {
    this.#options = options;
  }

  judge(text: string): Judgement | Promise<Judgement> {
    const judgement = this.#judge(text);
    return this.#options.random() < 0.5
      ? judgement
      : new Promise((resolve) => this.#options.later(() => resolve(judgement)));
  }

  stillMeans(): boolean {
    return true;
  }

  catalogMark(): number {
    return 0;
  }

  ownCatalog(): ReturnType<GateSession['ownCatalog']> {
    return { temporary: false, alone: true, whole: true };
  }

  judgeCall(): Judgement {
    return { type: 'refuse', plan: null, refuse: () => this.#text() };
  }

  uncarried(): Promise<WireText> {
    return this.#text();
  }

  #isMany({ verb, name }: Statement, depth: number): boolean {
    const inner = verb === 'EXEC' && depth < 4 ? this.#inner(name) : undefined;
    return verb === 'MANY' || (inner !== undefined && this.#isMany(inner, depth + 1));
  }

  meter({ text, ...plan }: Plan): Meter {
    const { random } = this.#options;
    const meter = {
      rows_left: random() < 0.5 ? Infinity : Math.floor(random() * 4),
      bytes_left: Infinity,
      withholds: false,
      passed(rows: number) {
        if (rows > meter.rows_left) throw new Error('more rows passed than may');
        meter.rows_left -= rows;
      },
      judge: (): Exclude<Judgement, { type: 'pass' }> => {
        const stopped = { ...plan, text };
        if (random() < 0.2) return { type: 'refuse', plan: stopped, refuse: () => this.#text() };
        return { type: 'hold', plan: stopped, hold: () => this.#wait(text) };
      },
      lift() {
        meter.rows_left = Infinity;
      },
      cut: () => {
        this.cuts++;
      },
    };
    return meter;
  }

  #judge(text: string): Judgement {
    const statements = parseText(text);
    if (!statements) return { type: 'refuse', plan: null, refuse: () => this.#text() };
    const path = { now: this.#options.facts.search_path };
    let strictest: Verdict = 'allow';
    let opaque = false;
    for (const statement of statements) {
      const verdict = this.#verdict(statement, path, 0);
      if (STRICTNESS.indexOf(verdict) > STRICTNESS.indexOf(strictest)) strictest = verdict;
      opaque ||= statement.verb === 'FLIP' || (statement.verb === 'EXEC' && !this.#inner(statement.name));
    }
    const many = statements.some((one) => this.#isMany(one, 0));
    // As a policy has it: what else a message does must not be decided by the end of a limited result.
    if (many && strictest === 'allow' && statements.length > 1 && statements.some(({ verb }) => !READING.has(verb)))
      strictest = 'hold';
    const plan = { ...planOf(text, statements, opaque), limited: many && strictest === 'allow' };
    if (strictest === 'allow') return { type: 'pass', plan };
    if (strictest === 'deny') return { type: 'refuse', plan, refuse: () => this.#text() };
    return { type: 'hold', plan, hold: () => this.#hold(text) };
  }

  #inner(name: string): Statement | undefined {
    return (this.#options.facts.prepared(name) as { statement?: Statement } | undefined)?.statement;
  }

  #verdict(statement: Statement, path: { now: string | null }, depth: number): Verdict {
    switch (statement.verb) {
      case 'READ':
        return path.now === 'public' ? 'allow' : 'hold';
      case 'HOLD':
      case 'HARD':
        return 'hold';
      case 'DENY':
        return 'deny';
      case 'SET':
      case 'SETL':
        path.now = statement.name;
        return 'allow';
      case 'FLIP':
      case 'ROLLBACK':
      case 'COMMIT':
        path.now = null;
        return 'allow';
      case 'EXEC': {
        const inner = this.#inner(statement.name);
        return inner && depth < 4 ? this.#verdict(inner, path, depth + 1) : 'hold';
      }
      default:
        return 'allow';
    }
  }

  #text(): Promise<WireText> {
    return new Promise((resolve) => this.#options.later(() => resolve(REFUSAL)));
  }

  #release(text: string): Release {
    const key = keyOf(text);
    this.releases.set(key, (this.releases.get(key) ?? 0) + 1);
    const index = this.finished.push(0) - 1;
    const over = (): void => {
      this.finished[index] = (this.finished[index] as number) + 1;
    };
    return {
      request: String(index),
      permitted: null,
      finished: over,
      unsent: () => {
        over();
        this.unsent++;
        // It counts for nothing that has run, or that will.
        this.releases.set(key, (this.releases.get(key) as number) - 1);
        return true;
      },
    };
  }

  #hold(text: string): Promise<HoldStart> {
    this.#options.holds(text);
    return this.#wait(text);
  }

  #wait(text: string): Promise<HoldStart> {
    const { random, later } = this.#options;
    const first = random();
    const approves = random() < 0.6;
    const releases = random() < 0.9;
    let over = false;
    const start = (): HoldStart => {
      if (first < 0.1) return { type: 'refuse', text: REFUSAL };
      if (first < 0.3) return { type: 'run', notice: NOTICE, release: this.#release(text) };
      return {
        type: 'wait',
        notice: NOTICE,
        heartbeat: () => NOTICE,
        stage: 'held',
        wait_ms: 1_000_000,
        listen: (listener) =>
          later(() => {
            if (over) return;
            over = true;
            listener.ended(approves ? { type: 'approved' } : { type: 'refuse', text: REFUSAL });
          }),
        end: () =>
          new Promise((resolve) =>
            later(() => {
              const first_to_end = !over;
              over = true;
              resolve(first_to_end ? REFUSAL : null);
            }),
          ),
        release: () =>
          new Promise((resolve) =>
            later(() =>
              resolve(
                releases
                  ? { type: 'run', notice: NOTICE, release: this.#release(text) }
                  : { type: 'refuse', text: REFUSAL },
              ),
            ),
          ),
      };
    };
    return new Promise((resolve) => later(() => resolve(start())));
  }

  show(): WireText {
    return REFUSAL;
  }

  async call(): Promise<WireText> {
    return REFUSAL;
  }

  ran(): void {}
  close(): void {}
}

const planOf = (text: string, statements: readonly Statement[], opaque: boolean): Plan => {
  const names: NameEffect[] = [];
  let block: Plan['block'] = null;
  statements.forEach(({ verb, name, inner }, statement) => {
    if (verb === 'PREP') names.push({ type: 'prepare', name, inner: { statement: inner }, statement });
    if (verb === 'DEAL') names.push({ type: 'deallocate', name, statement });
    if (verb === 'BEGIN') block = 'open';
    if (verb === 'COMMIT' || verb === 'ROLLBACK') block = 'closed';
  });
  const own = statements.flatMap(({ verb, name }, statement) =>
    verb === 'OWN' ? [{ op: 'set', name: 'reason', value: name, statement } as const] : [],
  );
  const executed = statements.some(({ verb }) => verb === 'EXEC');
  return {
    text,
    forward: own.length > 0 ? text.replaceAll(/OWN \w+/g, (found) => ' '.repeat(found.length)) : null,
    statements: statements.length,
    copy_in: statements.some(({ verb }) => verb === 'COPYIN'),
    transaction_control:
      statements.length > 0 && statements.every((one) => isControl(statementText(one)) || one.verb === 'BEGIN'),
    block,
    // What EXEC runs may be a SET.
    queries: true,
    changes_catalog: null,
    temporary: [],
    changes_facts: opaque || executed || statements.some(({ verb }) => verb === 'SET' || verb === 'SETL'),
    changes_role: opaque || executed,
    opaque,
    resets: false,
    names,
    by_name: executed,
    preparable: statements.length === 1 && !executed && !opaque && block === null && names.length === 0,
    declares: false,
    runs_late: false,
    limited: false,
    only_reads: statements.every(({ verb }) => READING.has(verb)),
    cursors: [],
    own,
    parse_is_harmless: !statements.some(({ verb }) => verb === 'HARD'),
    position_shift: [],
    gate: { statement: statements[0] },
  };
};
