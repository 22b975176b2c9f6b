// A small model of PostgreSQL's side of the protocol, for fuzzing: names, portals, implicit and explicit transactions, skipping to Sync, output
// held back until Sync or Flush, COPY FROM STDIN, and a search_path that transactions take back. It knows a toy language (language.ts) and
// tells `ran` whatever it runs, so that a test can ask whether it should have.
import { message } from '../transcripts/client.ts';
import { isControl, parseText, type Statement, statementText } from './language.ts';

interface Failure {
  readonly sqlstate: string;
}

class ServerError extends Error {
  readonly sqlstate: string;
  constructor({ sqlstate }: Failure) {
    super(sqlstate);
    this.sqlstate = sqlstate;
  }
}

interface Portal {
  readonly text: string;
  readonly statement: Statement | null;
  done: boolean;
}

interface Copying {
  readonly done: () => void;
  readonly extended: boolean;
}

/** What the server did: parsed a statement that runs code while parsed (again, to describe it), or ran one, under this search_path. */
export interface Ran {
  readonly what: 'parse' | 'describe' | 'run';
  /** The whole text that was sent. */
  readonly text: string;
  readonly statement: Statement;
  /** Where in the text it stands, and through how many EXECs. */
  readonly place: string;
  readonly path: string;
}

const fail = (sqlstate: string): never => {
  throw new ServerError({ sqlstate });
};
const cstr = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1');

export class ModelServer {
  readonly committed: string[] = [];
  #in: Buffer = Buffer.alloc(0);
  #buffered: Buffer[] = [];
  #flushed: Buffer[] = [];
  readonly #statements = new Map<string, string>();
  /** Names of those that PREP made. */
  readonly #sql = new Set<string>();
  /** The search_path that a statement was analysed under last. */
  readonly #parsedUnder = new Map<string, string>();
  readonly #portals = new Map<string, Portal>();
  status: 'I' | 'T' | 'E' = 'I';
  #skipping = false;
  #copying: Copying | null = null;
  #pending: string[] = [];
  #session = 'public';
  #local: string | null = null;
  #before: string | null = null;
  readonly #ran: (what: Ran) => void;
  ended = false;
  /** Statements that took a refused one's place. */
  refusals = 0;

  constructor(ran: (what: Ran) => void) {
    this.#ran = ran;
  }

  get path(): string {
    return this.#local ?? this.#session;
  }

  /** Something could still be committed. */
  get open(): boolean {
    return this.status === 'T' || this.#pending.length > 0;
  }

  /** What a client would get to read now. */
  output(): Buffer {
    const bytes = Buffer.concat(this.#flushed);
    this.#flushed = [];
    return bytes;
  }

  input(bytes: Buffer): void {
    this.#in = Buffer.concat([this.#in, bytes]);
    while (this.#in.length >= 5 && !this.ended) {
      const end = this.#in.readInt32BE(1) + 1;
      if (this.#in.length < end) return;
      const type = String.fromCharCode(this.#in[0] as number);
      const body = this.#in.subarray(5, end);
      this.#in = this.#in.subarray(end);
      this.#message(type, body);
    }
  }

  #say(type: string, ...parts: Buffer[]): void {
    this.#buffered.push(message(type, ...parts));
  }

  #flush(): void {
    this.#flushed.push(...this.#buffered);
    this.#buffered = [];
  }

  #ready(): void {
    this.#say('Z', Buffer.from(this.status));
    this.#flush();
  }

  #message(type: string, body: Buffer): void {
    if (this.#copying) return this.#copyMessage(type);
    if (type === 'X') {
      this.ended = true;
      return this.#abort();
    }
    if (type === 'S') {
      this.#skipping = false;
      this.#endOfUnit();
      return this.#ready();
    }
    if (this.#skipping || type === 'd' || type === 'c' || type === 'f') return;
    const extended = type !== 'Q';
    try {
      this.#handle(type, body);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.#error(error.sqlstate, extended);
    }
  }

  #error(sqlstate: string, extended: boolean): void {
    this.#say('E', cstr('SERROR'), cstr('VERROR'), cstr(`C${sqlstate}`), cstr('Mmodel'), Buffer.from([0]));
    this.#flush();
    const explicit = this.status !== 'I';
    this.#abort();
    if (explicit) this.status = 'E';
    if (extended) this.#skipping = true;
    else this.#ready();
  }

  #handle(type: string, body: Buffer): void {
    const strings = body.toString('latin1').split('\0');
    switch (type) {
      case 'Q':
        return this.#query(strings[0] as string);
      case 'P':
        return this.#parse(strings[0] as string, strings[1] as string);
      case 'B':
        return this.#bind(strings[0] as string, strings[1] as string);
      case 'D': {
        const name = body.toString('latin1', 1, body.length - 1);
        const text = body[0] === 0x53 ? this.#statements.get(name) : this.#portals.get(name)?.text;
        if (text === undefined) return fail(body[0] === 0x53 ? '26000' : '34000');
        if (this.status === 'E' && !isControl(text)) return fail('25P02');
        // Describing a statement analyses it again when the settings are others than they were.
        const statement = body[0] === 0x53 ? this.#read(text)[0] : undefined;
        if (statement?.verb === 'HARD' && this.#parsedUnder.get(name) !== this.path) {
          this.#did('describe', text, statement, '0');
          this.#parsedUnder.set(name, this.path);
        }
        if (body[0] === 0x53) this.#say('t', Buffer.from([0, 0]));
        return this.#say('n');
      }
      case 'E':
        return this.#execute(strings[0] as string);
      case 'C': {
        const name = body.toString('latin1', 1, body.length - 1);
        if (body[0] === 0x53) {
          this.#statements.delete(name);
          this.#sql.delete(name);
        } else this.#portals.delete(name);
        return this.#say('3');
      }
      case 'H':
        return this.#flush();
      default:
        throw new Error(`the model does not know message ${type}`);
    }
  }

  #read(text: string): Statement[] {
    if (text.startsWith('SELECT pg_catalog.json_agg(name)')) return [{ verb: 'SHOW', name: 'names' }];
    if (text.startsWith('SELECT pg_catalog.concat(pg_catalog.to_regnamespace'))
      return [{ verb: 'SHOW', name: 'role_schema' }];
    if (text === 'holdpoint_refused') this.refusals++;
    return parseText(text) ?? fail('42601');
  }

  #parse(name: string, text: string): void {
    if (name === '') this.#statements.delete('');
    const statements = this.#read(text);
    if (statements.length > 1) fail('42601');
    if (this.status === 'E' && !isControl(text)) fail('25P02');
    if (name !== '' && this.#statements.has(name)) fail('42P05');
    const statement = statements[0];
    if (statement?.verb === 'HARD') this.#did('parse', text, statement, '0');
    if (statement?.verb === 'PERR') fail('42P01');
    this.#statements.set(name, text);
    this.#parsedUnder.set(name, this.path);
    this.#say('1');
  }

  #bind(portal: string, statement: string): void {
    const text = this.#statements.get(statement) ?? fail('26000');
    if (this.status === 'E' && !isControl(text)) fail('25P02');
    if (portal !== '' && this.#portals.has(portal)) fail('42P03');
    this.#begin();
    this.#portals.set(portal, { text, statement: this.#read(text)[0] ?? null, done: false });
    this.#say('2');
  }

  #execute(name: string): void {
    const portal = this.#portals.get(name) ?? fail('34000');
    if (this.status === 'E' && !isControl(portal.text)) fail('25P02');
    if (portal.statement === null) return this.#say('I');
    if (portal.done) fail('55000');
    portal.done = true;
    this.#run(portal.text, portal.statement, '0', () => {}, true);
  }

  #query(text: string): void {
    this.#statements.delete('');
    this.#portals.delete('');
    const statements = this.#read(text);
    if (statements.length === 0) this.#say('I');
    const from = (index: number): void => {
      for (let at = index; at < statements.length; at++) {
        const statement = statements[at] as Statement;
        if (this.status === 'E' && !isControl(statementText(statement))) fail('25P02');
        if (statement.verb === 'HARD') this.#did('parse', text, statement, String(at));
        if (statement.verb === 'PERR') fail('42P01');
        if (this.#run(text, statement, String(at), () => from(at + 1), false) === 'copying') return;
      }
      this.#endOfUnit();
      this.#ready();
    };
    from(0);
  }

  /** Runs one; 'copying': it waits for data, and `then` goes on. */
  #run(text: string, statement: Statement, place: string, then: () => void, extended: boolean): 'done' | 'copying' {
    const { verb, name } = statement;
    if (verb !== 'BEGIN' || this.status === 'I') this.#begin();
    if (verb !== 'SHOW' && verb !== 'EXEC') this.#did('run', text, statement, place);
    const complete = (tag: string): 'done' => {
      this.#say('C', cstr(tag));
      return 'done';
    };
    switch (verb) {
      case 'ERR':
        return fail('22012');
      case 'WRITE':
        this.#pending.push(name);
        return complete('INSERT 0 1');
      case 'BEGIN':
        this.status = 'T';
        return complete('BEGIN');
      case 'COMMIT': {
        const failed = this.status === 'E';
        if (failed) this.#abort();
        else this.#commit();
        this.status = 'I';
        if (failed) this.#portals.clear();
        return complete(failed ? 'ROLLBACK' : 'COMMIT');
      }
      case 'ROLLBACK':
        this.#abort();
        this.status = 'I';
        return complete('ROLLBACK');
      case 'SET':
        this.#session = name;
        this.#local = null;
        return complete('SET');
      case 'SETL':
        this.#local = name;
        return complete('SET');
      case 'FLIP':
        this.#session = this.path === 'public' ? 'evil' : 'public';
        this.#local = null;
        return complete('SELECT 1');
      case 'PREP':
        if (this.#statements.has(name)) fail('42P05');
        this.#statements.set(name, statementText(statement.inner as Statement));
        this.#sql.add(name);
        return complete('PREPARE');
      case 'DEAL':
        if (!this.#statements.delete(name)) fail('26000');
        this.#sql.delete(name);
        return complete('DEALLOCATE');
      case 'EXEC': {
        const inner = parseText(this.#statements.get(name) ?? fail('26000'))?.[0];
        // PostgreSQL would start a COPY here; a session that did not know of it ends.
        if (!inner || inner.verb === 'COPYIN' || place.length > 8) return fail('0A000');
        return this.#run(text, inner, `${place} x`, then, extended);
      }
      case 'SHOW':
        this.#row(name === 'names' ? JSON.stringify([...this.#sql]) : (SHOWN[name] ?? this.path));
        return complete('SHOW');
      case 'COPYIN':
        this.#say('G', Buffer.from([0, 0, 0]));
        this.#flush();
        this.#copying = {
          extended,
          done: () => {
            complete('COPY 1');
            then();
          },
        };
        return 'copying';
      case 'MANY':
        for (const row of '1234') this.#row(row);
        return complete('SELECT 4');
      default:
        this.#row('1');
        return complete('SELECT 1');
    }
  }

  #row(value: string): void {
    const bytes = Buffer.from(value);
    this.#say('D', Buffer.from([0, 1, 0, 0, 0, bytes.length]), bytes);
  }

  #copyMessage(type: string): void {
    const copying = this.#copying as Copying;
    if (type === 'd' || type === 'H' || type === 'S') return;
    this.#copying = null;
    if (type === 'X') {
      this.ended = true;
      return this.#abort();
    }
    try {
      if (type !== 'c') fail(type === 'f' ? '57014' : '08P01');
      copying.done();
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.#error(error.sqlstate, copying.extended);
    }
  }

  #did(what: Ran['what'], text: string, statement: Statement, place: string): void {
    this.#ran({ what, text, statement, place, path: this.path });
  }

  #begin(): void {
    this.#before ??= this.#session;
  }

  #commit(): void {
    this.committed.push(...this.#pending);
    this.#pending = [];
    this.#local = null;
    this.#before = null;
    this.#portals.clear();
  }

  #abort(): void {
    this.#pending = [];
    if (this.#before !== null) this.#session = this.#before;
    this.#local = null;
    this.#before = null;
    this.#portals.clear();
  }

  #endOfUnit(): void {
    if (this.status === 'I') this.#commit();
  }
}

const SHOWN: Readonly<Record<string, string>> = {
  role: 'none',
  session_authorization: 'model',
  standard_conforming_strings: 'on',
  client_encoding: 'UTF8',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  role_schema: 'f0',
};
