// A logged-in connection to a real server of the MySQL protocol, as a session uses it. Logging in is login.ts's work.
import type { MysqlServer, MysqlUpstreamLine, UpstreamEvents } from '../../session/upstream.ts';
import type { Capabilities } from '../../wire/mysql/capabilities.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { COM } from '../../wire/mysql/commands.ts';
import { command } from '../../wire/mysql/messages.ts';
import { killQuery } from './kill.ts';
import { type LoggedIn, login, type MysqlLine, type MysqlTarget, type Wanted } from './login.ts';

const QUIT = packets(0, command(COM.QUIT));

/** Connects and logs in with the gateway's own credential. Rejects UpstreamError. */
export const connectMysql = async (target: MysqlTarget, wanted: Wanted): Promise<MysqlUpstreamLine> =>
  new Connection(target, await login(target, wanted));

class Connection implements MysqlUpstreamLine {
  readonly server: MysqlServer;
  readonly threadId: number;
  readonly capabilities: Capabilities;
  readonly status: number;
  readonly #line: MysqlLine;
  readonly #target: MysqlTarget;

  constructor(target: MysqlTarget, { line, server, threadId, capabilities, status }: LoggedIn) {
    this.server = server;
    this.threadId = threadId;
    this.capabilities = capabilities;
    this.status = status;
    this.#line = line;
    this.#target = target;
  }

  get user(): string {
    return this.#target.user;
  }

  listen(events: UpstreamEvents): void {
    this.#line.listen(events);
  }

  write(bytes: Buffer): boolean {
    return this.#line.write(bytes);
  }

  get writableLength(): number {
    return this.#line.writableLength;
  }

  reuse(chunk: Buffer): void {
    this.#line.reuse(chunk);
  }

  pause(): void {
    this.#line.stream.pause();
  }

  resume(): void {
    this.#line.stream.resume();
  }

  cancel(): Promise<void> {
    return killQuery(this.#target, this.threadId);
  }

  end(): void {
    this.#line.end(QUIT);
  }

  hangUp(): void {
    this.#line.end(Buffer.alloc(0));
  }

  destroy(): void {
    this.#line.destroy();
  }

  gone(): Promise<void> {
    return this.#line.gone();
  }
}
