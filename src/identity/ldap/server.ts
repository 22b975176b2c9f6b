// One server of the directory: its connections that lie ready, and whether it is known to be down. While it is, it is asked once in a
// while by nobody's login, and is back with its first answer. Must never search on a connection that is not bound as configured.
import type { LdapConfig, LdapServer } from '../../config/ldap.ts';
import { DirectoryFault } from './ask.ts';
import { Connection } from './connection.ts';
import { PresenceFilter } from 'ldapts';

/** Connections that lie ready, of each kind. */
export const IDLE_MAX = 32;
/** Until a server that is down is asked again: doubled each time. */
export const RETRY_FIRST_MS = 1000;
export const RETRY_MAX_MS = 30_000;
/** Answers in a row that did not come until a server is down: one may be a search that is slow. */
export const LATE_MAX = 3;
/** A server that was back for less long waits on where it was. */
const SETTLED_MS = 60_000;

/** searching: bound as the service account, or as nobody where that is configured. binding: to try passwords on. */
type Kind = 'searching' | 'binding';

/** What an operator is told. */
export interface ServerState {
  readonly server: string;
  readonly up: boolean;
  /** Why it is down. */
  readonly why: string | null;
}

/** A connection for one piece of work, and the time that is left for it. */
export interface Borrowed {
  readonly connection: Connection;
  /** For the next operation, in milliseconds. Throws DirectoryFault when the time is over. */
  readonly left: () => number;
}

export class Server {
  readonly name: string;
  readonly #server: LdapServer;
  readonly #config: LdapConfig;
  readonly #tell: (state: ServerState) => void;
  readonly #idle: Record<Kind, Connection[]> = { searching: [], binding: [] };
  #down: string | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retry_ms = RETRY_FIRST_MS;
  #back_at = Number.NEGATIVE_INFINITY;
  #late = 0;
  #closed = false;

  constructor(server: LdapServer, config: LdapConfig, tell: (state: ServerState) => void) {
    this.name = `${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
    this.#server = server;
    this.#config = config;
    this.#tell = tell;
  }

  /** Why it is known to be down; null: it is not. */
  get down(): string | null {
    return this.#down;
  }

  /** Work that searches. `until`: performance.now() at which its time is over. Rejects with DirectoryFault, or as the work does. */
  searching<T>(until: number, work: (borrowed: Borrowed) => Promise<T>): Promise<T> {
    return this.#with('searching', until, work);
  }

  /** Work that binds. */
  binding<T>(until: number, work: (borrowed: Borrowed) => Promise<T>): Promise<T> {
    return this.#with('binding', until, work);
  }

  /** A connection of one's own, bound for searching where `bound`. Rejects with DirectoryFault. */
  async open(until: number, bound: boolean): Promise<Connection> {
    const { ca, connect_timeout_ms, bind } = this.#config;
    const connection = await Connection.open(this.#server, {
      ca,
      connect_timeout_ms: Math.min(connect_timeout_ms, leftOf(until)),
    });
    if (!bound || bind === null || bind === 'anonymous') return connection;
    try {
      if (await connection.bind(bind.dn, bind.password, this.#operationMs(until))) return connection;
      throw new DirectoryFault('service', "it refused the service account's name or password");
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    for (const connection of Object.values(this.#idle).flat()) connection.close();
  }

  async #with<T>(kind: Kind, until: number, work: (borrowed: Borrowed) => Promise<T>): Promise<T> {
    try {
      const result = await this.#once(kind, until, work);
      this.#late = 0;
      return result;
    } catch (error) {
      if (error instanceof DirectoryFault) this.#failed(error);
      throw error;
    }
  }

  async #once<T>(kind: Kind, until: number, work: (borrowed: Borrowed) => Promise<T>): Promise<T> {
    const ready = this.#ready(kind);
    if (ready === null) return this.#on(await this.open(until, kind === 'searching'), kind, until, work);
    try {
      return await this.#on(ready, kind, until, work);
    } catch (error) {
      // The server may have ended it while it lay there, which says nothing about the server.
      if (!(error instanceof DirectoryFault && error.kind === 'closed')) throw error;
      return this.#on(await this.open(until, kind === 'searching'), kind, until, work);
    }
  }

  async #on<T>(
    connection: Connection,
    kind: Kind,
    until: number,
    work: (borrowed: Borrowed) => Promise<T>,
  ): Promise<T> {
    try {
      return await work({ connection, left: () => this.#operationMs(until) });
    } finally {
      const idle = this.#idle[kind];
      if (!connection.usable || this.#closed || idle.length >= IDLE_MAX) connection.close();
      else {
        connection.rest();
        idle.push(connection);
      }
    }
  }

  #ready(kind: Kind): Connection | null {
    for (;;) {
      const connection = this.#idle[kind].pop();
      if (connection === undefined) return null;
      if (!connection.usable) continue;
      connection.resume();
      return connection;
    }
  }

  #operationMs(until: number): number {
    return Math.min(this.#config.operation_timeout_ms, leftOf(until));
  }

  #failed(fault: DirectoryFault): void {
    // It answers.
    if (fault.kind === 'answer' || fault.kind === 'limit') return;
    this.#late += 1;
    if ((fault.kind === 'timeout' || fault.kind === 'closed') && this.#late < LATE_MAX) return;
    if (this.#down !== null || this.#closed) return;
    this.#down = fault.message;
    const settled = performance.now() - this.#back_at > SETTLED_MS;
    this.#retry_ms = settled ? RETRY_FIRST_MS : Math.min(this.#retry_ms * 2, RETRY_MAX_MS);
    this.#retryLater();
    this.#tell({ server: this.name, up: false, why: fault.message });
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.#ask(), this.#retry_ms);
    this.#retry.unref();
  }

  /** Half open: one question of our own decides whether logins come here again. */
  async #ask(): Promise<void> {
    const until = performance.now() + this.#config.connect_timeout_ms + 2 * this.#config.operation_timeout_ms;
    try {
      const connection = await this.open(until, true);
      try {
        await isThere(connection, this.#operationMs(until));
      } finally {
        connection.close();
      }
    } catch (error) {
      if (this.#closed) return;
      this.#down = error instanceof Error ? error.message : String(error);
      this.#retry_ms = Math.min(this.#retry_ms * 2, RETRY_MAX_MS);
      this.#retryLater();
      return;
    }
    if (this.#closed) return;
    this.#down = null;
    this.#late = 0;
    this.#back_at = performance.now();
    this.#tell({ server: this.name, up: true, why: null });
  }
}

/** Whatever it says of its root entry, it is there. Rejects with DirectoryFault. */
async function isThere(connection: Connection, timeout_ms: number): Promise<void> {
  const filter = new PresenceFilter({ attribute: 'objectClass' });
  try {
    await connection.search({ base: '', scope: 'base', filter, attributes: ['1.1'], entries_max: 1 }, timeout_ms);
  } catch (error) {
    if (
      !(error instanceof DirectoryFault && error.kind === 'answer' && error.code !== BUSY && error.code !== UNAVAILABLE)
    )
      throw error;
  }
}

/** RFC 4511, appendix A. */
const BUSY = 51;
const UNAVAILABLE = 52;

/** Throws DirectoryFault when there is none left. */
function leftOf(until: number): number {
  const left = Math.floor(until - performance.now());
  if (left <= 0) throw new DirectoryFault('limit', 'no time is left');
  return left;
}
