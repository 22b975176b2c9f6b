// PostgreSQL's own grammar (libpg_query 18 in WASM): text to raw parse tree. The only file that touches the WASM module.
// An instance that threw anything but a syntax error is never used again: it has leaked its stack, and after some fifty such
// accidents it hangs.
/* oxlint-disable no-underscore-dangle -- emscripten names its exports so */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseSqlstate } from './sqlstates.ts';

/** A raw parse tree's node, as libpg_query prints it: fields by name, child nodes wrapped as {Kind: fields}. */
export type Tree = { readonly [field: string]: unknown };

export interface RawStatement {
  readonly stmt?: Tree;
  /** Byte offset in the parsed text; absent: 0. */
  readonly stmt_location?: number;
  /** Bytes; absent: to the end of the text. */
  readonly stmt_len?: number;
}

export type ParseOutcome =
  | { readonly ok: true; readonly statements: readonly RawStatement[] }
  /** position: 1-based, in characters; 0: none. */
  | { readonly ok: false; readonly sqlstate: string; readonly message: string; readonly position: number };

interface Wasm {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
  _wasm_parse_plpgsql(text: number): number;
  _wasm_free_string(text: number): void;
}
type Factory = (options: { wasmBinary: Uint8Array }) => Promise<Wasm>;

const require = createRequire(import.meta.url);
const factory = require('libpg-query/wasm/libpg-query.js') as Factory;
const binary = readFileSync(require.resolve('libpg-query/wasm/libpg-query.wasm'));

/** Parses with one WASM instance at a time and keeps a spare one for when the first has to go. */
export class Parser {
  #wasm: Wasm | null = null;
  #spare: Wasm | null = null;
  #loading: Promise<void> | null = null;
  /** Instances thrown away since the start. */
  discarded = 0;

  /** Resolves when an instance is ready. */
  static async create(): Promise<Parser> {
    const parser = new Parser();
    await parser.load();
    return parser;
  }

  /** True while texts can be parsed without waiting. */
  get ready(): boolean {
    return this.#wasm !== null;
  }

  /** Loads what is missing; safe to call at any time. */
  async load(): Promise<void> {
    this.#loading ??= this.#fill().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
  }

  async #fill(): Promise<void> {
    this.#wasm ??= await factory({ wasmBinary: binary });
    this.#spare ??= await factory({ wasmBinary: binary });
  }

  /** Text: UTF-8 bytes as latin1, without NUL. Needs `ready`. */
  parse(text: string): ParseOutcome {
    const wasm = this.#wasm;
    if (!wasm) throw new Error('the parser is not loaded');
    try {
      return parseWith(wasm, text);
    } catch {
      this.#discard();
      return TOO_COMPLEX;
    }
  }

  /** The plpgsql parser's tree of a CREATE FUNCTION or DO statement; null: it does not parse. Text as for `parse`. */
  parsePlpgsql(text: string): unknown {
    const wasm = this.#wasm;
    if (!wasm) throw new Error('the parser is not loaded');
    try {
      const pointer = copyIn(wasm, text);
      const result = wasm._wasm_parse_plpgsql(pointer);
      const printed = textAt(memoryOf(wasm), result);
      wasm._free(pointer);
      wasm._wasm_free_string(result);
      return printed.startsWith('{') ? (JSON.parse(printed) as unknown) : null;
    } catch {
      this.#discard();
      return null;
    }
  }

  #discard(): void {
    this.discarded += 1;
    this.#wasm = this.#spare;
    this.#spare = null;
    void this.load();
  }
}

/** What is said of a text that the parser's stack or memory can't hold. */
export const TOO_COMPLEX: ParseOutcome = {
  ok: false,
  sqlstate: '54001',
  message: 'statement too complex to analyse',
  position: 0,
};

/** Memory that has grown is another ArrayBuffer; looked at through Buffer, whose native methods cost a third of emscripten's. */
function memoryOf(wasm: Wasm): Buffer {
  const { buffer } = wasm.HEAPU8;
  let memory = MEMORIES.get(wasm);
  if (memory?.buffer !== buffer) {
    memory = Buffer.from(buffer);
    MEMORIES.set(wasm, memory);
  }
  return memory;
}
const MEMORIES = new WeakMap<Wasm, Buffer>();

/** C text, up to its NUL. */
function textAt(memory: Buffer, pointer: number): string {
  return pointer === 0 ? '' : memory.toString('utf8', pointer, memory.indexOf(0, pointer));
}

function copyIn(wasm: Wasm, text: string): number {
  const pointer = wasm._malloc(text.length + 1);
  if (pointer === 0) throw new Error('out of memory');
  const memory = memoryOf(wasm);
  memory.write(text, pointer, 'latin1');
  memory[pointer + text.length] = 0;
  return pointer;
}

/** PgQueryParseResult: {parse_tree, stderr_buffer, error}; PgQueryError: {message, funcname, filename, lineno, cursorpos, context}. */
function parseWith(wasm: Wasm, text: string): ParseOutcome {
  const pointer = copyIn(wasm, text);
  const result = wasm._wasm_parse_query_raw(pointer);
  wasm._free(pointer);
  const memory = memoryOf(wasm);
  const error = memory.readUInt32LE(result + 8);
  let outcome: ParseOutcome;
  if (error === 0) {
    const tree = JSON.parse(textAt(memory, memory.readUInt32LE(result))) as { stmts?: RawStatement[] };
    outcome = { ok: true, statements: tree.stmts ?? [] };
  } else {
    const message = textAt(memory, memory.readUInt32LE(error));
    const file = textAt(memory, memory.readUInt32LE(error + 8));
    const position = Math.max(0, memory.readInt32LE(error + 16));
    outcome = STACK_OR_MEMORY.test(message)
      ? TOO_COMPLEX
      : { ok: false, sqlstate: parseSqlstate(message, file), message, position };
  }
  wasm._wasm_free_parse_result(result);
  return outcome;
}
const STACK_OR_MEMORY = /stack depth|out of memory|memory exhausted/i;
