// What all parts of a session share: the phase, the command under way, the statements that the server has prepared, and the facts that the
// gate reads. Fields and their bookkeeping: it decides nothing, and must never send anything.
// The parts are functions over it, one story a file; ARCHITECTURE.md tells which.
import type { Duplex } from 'node:stream';
import type { WireText } from '../../errors/catalogue.ts';
import { CLIENT, MARIADB_CLIENT } from '../../wire/mysql/capabilities.ts';
import { PacketReader } from '../../wire/mysql/frame.ts';
import { type ReplyFormat, ReplyReader, STATUS_FLAGS } from '../../wire/mysql/replies.ts';
import type { ResultFormat } from '../../wire/mysql/results.ts';
import type { EarlierText, GateSession, Judgement, Meter, MysqlFacts, Plan, Release } from '../gate.ts';
import type { Answer, Hold } from '../hold.ts';
import type { Outbox } from '../turn.ts';
import { Pace } from '../pace.ts';
import type { MysqlUpstream } from '../upstream.ts';
import { type ParsedUnder, type Prepared, PreparedStatements } from './prepared.ts';

export interface MysqlSessionLimits {
  readonly statement_bytes_max: number;
  readonly bind_bytes_max: number;
  readonly held_bytes_max: number;
  readonly backlog_bytes_max: number;
  readonly prepared_statements_max: number;
  readonly prepared_bytes_max: number;
  readonly heartbeat_ms: number;
}

export interface MysqlSessionEvents {
  /** Something that must not happen did; for the log. Never holds statement text. */
  fault(what: string, error?: unknown): void;
  /** KILL of a connection id that the client named: done if it is a session of the same user. */
  kill(id: number, whole: boolean): 'done' | 'unknown';
  closed(): void;
  /**
   * Instead of `closed`: the client asks to be somebody else (COM_CHANGE_USER, this payload), and its stream is nobody's. `early`: what came
   * behind it.
   */
  changeUser(request: Buffer, early: Buffer): void;
}

/** What a session asks of its gate. */
export type MysqlGate = Pick<
  GateSession,
  'judge' | 'uncarried' | 'meter' | 'show' | 'call' | 'ran' | 'close' | 'stillMeans'
>;

/** The gate thinks about this text; an object for each, so that a late verdict finds nobody waiting. */
export interface Judging {
  readonly name: 'judging';
  readonly text: string;
  readonly under: ParsedUnder | null;
  verdict: Judgement | null;
}

/** Until the answers to our own questions are in. */
export interface Rereading {
  readonly name: 'rereading';
  /** Questions that are not yet answered. */
  left: number;
  /** Of the one row, so far; null: there is none yet. */
  values: (string | null)[] | null;
  /** The server's ERR to one of them. */
  error: Buffer | null;
  /** The server was told what to track. */
  readonly tracking: boolean;
  /** It is asked again: a KILL QUERY that was meant for something else has hit the first question. */
  readonly again: boolean;
}

export type Phase =
  | { readonly name: 'open' }
  /** A command is answered. */
  | { readonly name: 'busy' }
  /** The client sends a file. */
  | { readonly name: 'importing' }
  | Rereading
  | Judging
  /** Until the gate has answered a call of holdpoint.*. */
  | { readonly name: 'calling' }
  /** Until somebody has decided, or nobody waits any more. */
  | Hold
  | { readonly name: 'closed' };

/** A result waits at its limit. */
export interface Paused {
  readonly name: 'paused';
  readonly hold: Hold;
}

/** The rest is withheld, and nothing that answers this command passes. */
export interface Cutting {
  readonly name: 'cutting';
  readonly text: WireText;
  readonly meter: Meter;
  /** Of the error that the client gets in the place of the rest. */
  readonly sequence: number;
  /** The server has answered all. */
  ended: boolean;
  /** The KILL QUERY is still on its way: no other statement may come under way. */
  cancelling: boolean;
}

export const OPEN: Phase = { name: 'open' };
export const BUSY: Phase = { name: 'busy' };
export const IMPORTING: Phase = { name: 'importing' };
export const CALLING: Phase = { name: 'calling' };
export const CLOSED: Phase = { name: 'closed' };

/** What becomes of the client's command at hand: done with (sent, or answered here), or read again later. */
export type Step = 'done' | 'wait';

/** Longest packet of the server that must be whole to be read, in bytes: an error, a definition, or what OK tells of a session. */
const REPLY_BYTES_MAX = 1024 * 1024;
/** Beside the text or the values: command, attributes of a query. */
const COMMAND_BYTES = 64 * 1024;

export class State implements MysqlFacts {
  // ---- both ends
  readonly client: Duplex;
  readonly upstream: MysqlUpstream;
  readonly limits: MysqlSessionLimits;
  readonly events: MysqlSessionEvents;
  /** From `start` on. */
  gate!: MysqlGate;
  readonly pace: Pace;
  readonly toClient: Outbox;
  readonly toServer: Outbox;
  /** The client's bytes; its message is the command at hand. */
  readonly in: PacketReader;
  readonly out = new PacketReader(REPLY_BYTES_MAX);
  readonly format: ReplyFormat & ResultFormat;
  readonly reply: ReplyReader;
  /** The client is read again: whoever waited goes on. */
  readonly goOn: () => void;
  clientGone = false;
  /** What the server has said and nobody has read yet is read now. */
  relay: () => void = () => {};
  /** Stops to hear the client, whose stream somebody else takes over. */
  letGo: () => void = () => {};
  /** CLIENT_LOCAL_FILES, CLIENT_QUERY_ATTRIBUTES, CLIENT_SESSION_TRACK. */
  readonly localFiles: boolean;
  readonly attributes: boolean;
  readonly tracks: boolean;
  /** MARIADB_CLIENT_PROGRESS: the client can be told that its statement is held. */
  readonly progress: boolean;
  readonly mariadb: boolean;

  phase: Phase = BUSY;
  /** A result has reached its limit: nothing of the client is handled until it is known what becomes of it. */
  limiting: Paused | Cutting | null = null;

  // ---- what the gate reads (MysqlFacts), next to the getters below
  readonly role_is_local = false;
  readonly in_implicit_transaction = false;
  readonly catalog_is_own = false;
  readonly catalog_is_stale = false;
  readonly has_uncommitted = false;
  readonly committed_changes = 0;
  catalog_changes = 0;
  temporaries: readonly string[] = NO_TABLES;

  // ---- the facts
  /** As last read or told; what is not known is read before the next judgement. */
  factsKnown = false;
  /** A KILL QUERY of ours may still hit what runs next: that is to be a question of ours. */
  killed = false;
  /** Counts changes of the facts. */
  epoch = 0;
  now: ParsedUnder = { sql_mode: null, charset: '', database: undefined };
  /** Its sql_mode has NO_BACKSLASH_ESCAPES. */
  noEscapes = false;
  currentRole = '';
  idle_ms: number | null = null;
  idle_in_transaction_ms: number | null = null;
  multi_statements: boolean;
  /** SERVER_STATUS_* flags as the server had them last. */
  status: number;
  earlier: EarlierText[] = [];
  reason = '';
  reason_at = 0;
  hold_ms: number | null = null;
  break_glass = '';
  /** While the facts are read for the first time: whom to tell. */
  first: (() => void) | null = null;
  /** The server was told what to track, and still is to be told. */
  tracking = false;
  /** Names of SQL PREPARE, in lower case, latin1, with what the gate remembered. */
  readonly names = new Map<string, { readonly inner: unknown; readonly text: string }>();
  /** No code ran that may have made or taken away names that are not known here. */
  namesSure = true;
  readonly statements = new PreparedStatements();

  // ---- the command at hand
  /** Set while a prepared statement is judged: what it was parsed under. */
  under: ParsedUnder | null = null;
  /** Verdicts that were waited for: of this command, and of no other. */
  readonly judged: Judging[] = [];
  /** What became of it while it was held, and the facts then. */
  ready: (Answer & { readonly epoch: number }) | null = null;

  /** Packets that the client was told while it was held: the server's answer has its sequence ids so much later. */
  ahead = 0;

  /** KILL QUERY came while the command at hand was judged, or the facts were read for it: it is not sent. */
  cancelled = false;
  /** KILL QUERYs that are on their way to the server: no other statement may come under way. */
  interrupting = 0;

  // ---- the command that the server answers
  plan: Plan | null = null;
  release: Release | null = null;
  meter: Meter | null = null;
  /** Of COM_STMT_PREPARE: its text. Of an execution: the statement. */
  preparing: string | null = null;
  executing: Prepared | null = null;
  /** Command byte; 0: none. */
  command = 0;
  /** performance.now() when it was sent. */
  sent = 0.5;
  rows = 0;
  bytes = 0;
  /** One of its results ended with a packet that tells nothing of the session. */
  untracked = false;
  /** The server has told of one of the facts that they are others now. */
  told = false;
  /** Bound to a statement that tells Holdpoint something. */
  values: readonly (string | null)[] = [];
  /** What COM_SET_OPTION asked for. */
  option = false;
  /** COM_CHANGE_USER: its payload, while the server forgets what the session had there. */
  changing: Buffer | null = null;

  constructor(
    client: Duplex,
    upstream: MysqlUpstream,
    limits: MysqlSessionLimits,
    events: MysqlSessionEvents,
    goOn: () => void,
  ) {
    const { flags, mariadb } = upstream.capabilities;
    this.client = client;
    this.upstream = upstream;
    this.limits = limits;
    this.events = events;
    this.goOn = goOn;
    this.status = upstream.status;
    this.mariadb = upstream.server.engine === 'mariadb';
    this.localFiles = (flags & CLIENT.LOCAL_FILES) !== 0;
    this.attributes = (flags & CLIENT.QUERY_ATTRIBUTES) !== 0;
    this.tracks = (flags & CLIENT.SESSION_TRACK) !== 0;
    this.multi_statements = (flags & CLIENT.MULTI_STATEMENTS) !== 0;
    this.progress = (mariadb & MARIADB_CLIENT.PROGRESS) !== 0;
    const optional = (flags & CLIENT.OPTIONAL_RESULTSET_METADATA) !== 0;
    this.format = {
      deprecateEof: (flags & CLIENT.DEPRECATE_EOF) !== 0,
      sessionTrack: this.tracks,
      optionalMetadata: optional || (mariadb & MARIADB_CLIENT.CACHE_METADATA) !== 0,
      optionalPrepared: optional,
      progress: this.progress,
      extendedMetadata: (mariadb & MARIADB_CLIENT.EXTENDED_METADATA) !== 0,
    };
    this.reply = new ReplyReader(this.format);
    this.in = new PacketReader(Math.max(limits.statement_bytes_max, limits.bind_bytes_max) + COMMAND_BYTES);
    this.pace = new Pace(client, upstream);
    this.toClient = this.pace.toClient;
    this.toServer = this.pace.toServer;
  }

  get closed(): boolean {
    return this.phase === CLOSED;
  }

  get engine(): 'mysql' | 'mariadb' {
    return this.upstream.server.engine;
  }

  get version(): number {
    return this.upstream.server.version;
  }

  get search_path(): string | null {
    const { sql_mode, database } = this;
    return sql_mode === null || database === undefined ? null : `${database ?? ''}; sql_mode ${sql_mode}`;
  }

  get sql_mode(): string | null {
    return (this.under ?? this.now).sql_mode;
  }

  get charset(): string {
    return (this.under ?? this.now).charset;
  }

  get database(): string | null | undefined {
    return (this.under ?? this.now).database;
  }

  get role(): string {
    return this.currentRole;
  }

  get in_transaction(): boolean {
    return (this.status & IN_TRANS) !== 0 || !this.autocommit;
  }

  get autocommit(): boolean {
    return (this.status & AUTOCOMMIT) !== 0;
  }

  get server_timeout_ms(): number | null {
    return (this.status & IN_TRANS) !== 0 ? this.idle_in_transaction_ms : this.idle_ms;
  }

  prepared(name: string): unknown {
    // What else the server folds to the same name is not known here.
    if (!PLAIN_NAME.test(name)) return undefined;
    const known = this.names.get(name.toLowerCase());
    if (known) return known.inner;
    return this.namesSure ? null : undefined;
  }

  planned(): { readonly at: null; readonly elsewhere: boolean } {
    return CURRENT;
  }

  preparedTexts(): readonly string[] {
    const named = [...this.names].map(([name, { text }]) => `${name} ${text}`).toSorted();
    return [...named, ...this.statements.texts()];
  }

  /** The facts are others now. */
  change(facts: Partial<ParsedUnder>, role = this.currentRole): void {
    const next = { ...this.now, ...facts };
    const { sql_mode, charset, database } = this.now;
    if (
      next.sql_mode === sql_mode &&
      next.charset === charset &&
      next.database === database &&
      role === this.currentRole
    )
      return;
    this.now = next;
    this.noEscapes = NO_ESCAPES.test(next.sql_mode ?? '');
    this.currentRole = role;
    this.epoch++;
  }

  /** What waited in this phase, if it is still the one, goes on with the command at hand. */
  resume(from: Phase): void {
    if (this.phase !== from) return;
    this.phase = OPEN;
    this.goOn();
  }

  /** The command at hand is done with. */
  settled(): void {
    this.under = null;
    this.cancelled = false;
    if (this.judged.length > 0) this.judged.length = 0;
  }

  /** The command at hand is not sent any more. */
  dropReady(): void {
    if (this.ready?.type === 'run') this.ready.release.unsent();
    this.ready = null;
  }
}

const { IN_TRANS, AUTOCOMMIT } = STATUS_FLAGS;

export const NO_TABLES: readonly string[] = [];

/** Plans are made anew whenever what they use is another. */
const CURRENT = { at: null, elsewhere: false } as const;

const NO_ESCAPES = /(^|,)NO_BACKSLASH_ESCAPES(,|$)/;

/** A name that every collation folds alike. */
const PLAIN_NAME = /^[\x20-\x7e]{1,64}$/;
