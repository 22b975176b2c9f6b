// One client's side of a sequence: says it, knows what it is owed for each message, and writes down what came. It must never
// wait for a reply that the protocol does not promise, nor take two replies for one.
import { printReply, type Reply, SAY, type WireClient } from '../../transcripts/client.ts';
import { MISSING, REFUSED, REFUSED_BY, STANDS_FOR_REFUSAL, WAITS } from './language.ts';
import { printStep, type Step } from './sequence.ts';

/** Longest that a whole sequence may take, in ms. */
const SEQUENCE_MS_MAX = 60_000;

export interface Heard {
  /** What was said (`>`) and what came back (`<`), each reply behind the message it answers. */
  readonly lines: readonly string[];
  /** Of the last ReadyForQuery. */
  readonly status: string;
  /** Steps that the gateway refused where the server alone would not fail by itself. */
  readonly refused: ReadonlySet<Step>;
  readonly closed: boolean;
}

/** Says the steps as they are, but for those that are replaced for the server alone. */
export const converse = async (
  client: WireClient,
  steps: readonly Step[],
  refused: ReadonlySet<Step>,
): Promise<Heard> => {
  const talk = new Talk(client);
  let bytes: Buffer[] = [];
  const work = async (): Promise<void> => {
    for (const step of steps) {
      if (step.say !== 'wait') {
        bytes.push(encode(step, refused));
        talk.said(step);
        continue;
      }
      client.send(Buffer.concat(bytes));
      bytes = [];
      await talk.settle();
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing more came\n${talk.lines().join('\n')}`)), SEQUENCE_MS_MAX);
  });
  await Promise.race([work(), late]).finally(() => clearTimeout(timer));
  return { lines: talk.lines(), status: talk.status, refused: talk.refused, closed: talk.closed };
};

const encode = (step: Exclude<Step, { say: 'wait' }>, refused: ReadonlySet<Step>): Buffer => {
  const replaced = refused.has(step);
  switch (step.say) {
    case 'Query':
      return SAY.Query(replaced ? REFUSED : step.texts.map(({ sql }) => sql).join('; '));
    case 'Parse':
      return SAY.Parse(step.name, replaced ? REFUSED : step.text.sql);
    case 'Bind':
      return SAY.Bind(step.portal, replaced ? MISSING : step.name, step.values, step.binary ? [1] : []);
    case 'Execute':
      return SAY.Execute(replaced ? MISSING : step.portal, step.rows);
    case 'Describe':
      return SAY.Describe(step.kind, replaced ? MISSING : step.name);
    case 'Close':
      return SAY.Close(step.kind, step.name);
    case 'CopyData':
      return SAY.CopyData(step.data);
    case 'CopyFail':
      return SAY.CopyFail('no');
    // No function has this number.
    case 'FunctionCall':
      return SAY.FunctionCall(0);
    default:
      return SAY[step.say]();
  }
};

/** Under any settings. A Query with a statement that does not parse fails by itself. */
export const isRefused = (step: Step): boolean =>
  step.say === 'Query'
    ? step.texts.some(({ refused }) => refused) && step.texts.every(({ parses }) => parses)
    : step.say === 'Parse' && step.text.refused;

/** Where `d` has come to mean evil.d the server alone fails by itself: in what it analyses before anything runs. */
const failsAlone = (step: Step): boolean =>
  step.say === 'Bind' ||
  (step.say === 'Query' ? step.texts.length === 1 : step.say === 'Parse' && !UTILITY.test(step.text.sql));
const UTILITY = /^(EXECUTE|DECLARE|COPY|PREPARE)/;

/** A failed block, a wrong count of parameters, a wrong value: with two of them at once it does not matter which is told first. */
const UNFIT: ReadonlySet<string> = new Set(['25P02', '08P01', '22P02']);
const endsBlock = (step: Step): boolean =>
  step.say === 'Query' && step.texts.length > 1 && step.texts.some(({ sql }) => /^(ROLLBACK|COMMIT|END)/.test(sql));
export const CANNOT_BIND = 'cannot bind';

interface Said {
  readonly step: Step;
  readonly seen: string[];
}

/** The reply that ends what is owed for a message; the rest come before it. */
const ENDS: Readonly<Record<string, string>> = {
  Query: 'Z',
  FunctionCall: 'Z',
  Sync: 'Z',
  Parse: '1',
  Bind: '2',
  Close: '3',
  Describe: 'nT',
  Execute: 'CsI',
};

class Talk {
  readonly #client: WireClient;
  readonly #all: Said[] = [];
  #owed: Said[] = [];
  #copying = false;
  #skipping = false;
  /** Of the last ReadyForQuery. */
  status = '';
  closed = false;
  readonly refused = new Set<Step>();

  constructor(client: WireClient) {
    this.#client = client;
  }

  said(step: Step): void {
    const said = { step, seen: [] };
    this.#all.push(said);
    if (!(step.say in ENDS)) return;
    if (step.say === 'Sync') this.#skipping = false;
    else if (this.#skipping) return;
    this.#owed.push(said);
  }

  /** Until nothing is owed, or the server waits for data. */
  async settle(): Promise<void> {
    while (this.#owed.length > 0 && !this.closed) {
      if (this.#copying && !this.#dataEnded()) return;
      const reply = await this.#client.next();
      if (reply) this.#heard(reply);
      else this.#close();
    }
  }

  lines(): string[] {
    return this.#all.flatMap(({ step, seen }) => [`> ${printStep(step)}`, ...seen]);
  }

  /** The end of the data was said behind the message that it is for. */
  #dataEnded(): boolean {
    const from = this.#all.indexOf(this.#owed[0] as Said);
    return this.#all.slice(from).some(({ step }) => step.say === 'CopyDone' || step.say === 'CopyFail');
  }

  #close(): void {
    this.closed = true;
    this.#owed[0]?.seen.push('< (closed)');
  }

  #heard(reply: Reply): void {
    const head = this.#owed[0] as Said;
    if (reply.type === 'S' || (reply.type === 'N' && WAITS.test(reply.body.toString('utf8')))) return;
    if (reply.type === 'Z') this.status = printReply(reply);
    head.seen.push(`< ${this.#print(reply, head)}`);
    if (reply.type === 'G') {
      this.#copying = true;
      const next = this.#owed[1]?.step;
      if (next?.say === 'Sync' && next.inCopy) this.#owed.splice(1, 1);
      return;
    }
    if (reply.type === 'C' || reply.type === 'E' || reply.type === 'Z') this.#copying = false;
    const { say } = head.step;
    if (reply.type === 'E' && ENDS[say] !== 'Z') return this.#skip();
    if (ENDS[say]?.includes(reply.type)) this.#owed.shift();
  }

  /** An error in the extended protocol: nothing before the next Sync is answered. */
  #skip(): void {
    const sync = this.#owed.findIndex(({ step }) => step.say === 'Sync');
    this.#skipping = sync < 0;
    this.#owed = sync < 0 ? [] : this.#owed.slice(sync);
  }

  #print(reply: Reply, { step }: Said): string {
    if (reply.type === 'E') {
      const fields = new Map(
        reply.body
          .toString('utf8')
          .split('\0')
          .map((field) => [field[0] ?? '', field.slice(1)]),
      );
      const code = fields.get('C');
      const message = fields.get('M') ?? '';
      // Whatever the state.
      if (step.say === 'FunctionCall') return 'FunctionCall refused';
      if (STANDS_FOR_REFUSAL.test(message)) return 'REFUSED';
      // A Bind that fails late leaves half a portal on the server, which in a failed block answers as if it were one. Not through here.
      if (code === '34000' && this.status.endsWith('E') && (step.say === 'Execute' || step.say === 'Describe')) {
        this.refused.add(step);
        return 'REFUSED';
      }
      if (step.say === 'Bind' && UNFIT.has(code ?? '')) return CANNOT_BIND;
      // A Query that ends a failed block and goes on is refused whole: what it says behind that end is judged only without it.
      if (code === '25P02' && endsBlock(step)) {
        this.refused.add(step);
        return 'REFUSED';
      }
      // Holdpoint shortens what it quotes.
      if (code === '42601' && message.startsWith('unterminated')) return `unterminated at ${fields.get('P')}`;
      const by = code === '42501' ? REFUSED_BY.exec(message) : null;
      if (by !== null || code === 'ZH006') {
        if (by?.[1] !== 'evil' || !(failsAlone(step) || isRefused(step))) this.refused.add(step);
        return 'REFUSED';
      }
    }
    return printReply(reply);
  }
}
