// Statements that COM_STMT_PREPARE made, by the server's ids, with what an execution of them depends on.
import type { Meter, Permitted, Plan } from '../gate.ts';
import { LAST_STATEMENT } from '../../wire/mysql/commands.ts';
import { NO_TYPES } from '../../wire/mysql/parameters.ts';

/** What the text was parsed under, and stays so. */
export interface ParsedUnder {
  readonly sql_mode: string | null;
  readonly charset: string;
  readonly database: string | null | undefined;
}

export class Prepared implements ParsedUnder {
  readonly id: number;
  /** As the client sent it. latin1 */
  readonly text: string;
  readonly parameters: number;
  readonly sql_mode: string | null;
  readonly charset: string;
  readonly database: string | null | undefined;
  /** Two bytes for each parameter, as the client sent them last; and whether the server has them. */
  types: Buffer = NO_TYPES;
  typesSent = false;
  /** What the client sent of parameters before the execution: whole packets, not yet sent on. */
  long: LongData[] = [];
  longBytes = 0;
  /** More than may be kept. */
  longLost = false;
  /** Of its cursor, whose rows COM_STMT_FETCH takes. */
  plan: Plan | null = null;
  meter: Meter | null = null;
  permitted: Permitted | null = null;

  constructor(id: number, text: string, parameters: number, under: ParsedUnder) {
    this.id = id;
    this.text = text;
    this.parameters = parameters;
    this.sql_mode = under.sql_mode;
    this.charset = under.charset;
    this.database = under.database;
  }

  dropLong(): void {
    if (this.longBytes > 0) this.long = [];
    this.longBytes = 0;
    this.longLost = false;
  }
}

export interface LongData {
  readonly parameter: number;
  readonly packets: Buffer;
  readonly data: Buffer;
}

export class PreparedStatements {
  readonly #byId = new Map<number, Prepared>();
  #last: Prepared | null = null;
  /** Of their texts. */
  bytes = 0;
  /** Of parameters that wait for their execution. */
  longBytes = 0;

  get size(): number {
    return this.#byId.size;
  }

  /** `lastKnown`: the server knows LAST_STATEMENT. */
  get(id: number, lastKnown: boolean): Prepared | undefined {
    return id === LAST_STATEMENT && lastKnown ? (this.#last ?? undefined) : this.#byId.get(id);
  }

  add(prepared: Prepared): void {
    this.close(prepared.id);
    this.#byId.set(prepared.id, prepared);
    this.#last = prepared;
    this.bytes += prepared.text.length;
  }

  /** The last prepare came to nothing: LAST_STATEMENT is none. */
  noLast(): void {
    this.#last = null;
  }

  close(id: number): void {
    const prepared = this.#byId.get(id);
    if (!prepared) return;
    this.#byId.delete(id);
    this.bytes -= prepared.text.length;
    this.dropLong(prepared);
    if (this.#last === prepared) this.#last = null;
  }

  dropLong(prepared: Prepared): void {
    this.longBytes -= prepared.longBytes;
    prepared.dropLong();
  }

  keepLong(prepared: Prepared, data: LongData): void {
    prepared.long.push(data);
    prepared.longBytes += data.packets.length;
    this.longBytes += data.packets.length;
  }

  clear(): void {
    this.#byId.clear();
    this.#last = null;
    this.bytes = this.longBytes = 0;
  }

  texts(): string[] {
    return [...this.#byId.values()].map(({ id, text }) => `${id} ${text}`);
  }
}
