// Stands between a gateway and its MySQL or MariaDB server and listens: what the server was told to run, and what it refused itself. Changes
// nothing. It reads no TLS.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM, LAST_STATEMENT, queryText } from '../../src/wire/mysql/commands.ts';
import type { Tap } from './tap.ts';

const HEADER_BYTES = 4;
const HEAD_ERR = 0xff;

/** `ran`: texts of COM_QUERY, of a prepared statement each time it is executed, and of any other command `COM_NAME <hex>`. */
export const startMysqlTap = async (server_port: number): Promise<Tap> => {
  const ran: string[] = [];
  const errors: Buffer[] = [];
  const sockets = new Set<Socket>();
  const join = (from: Socket, to: Socket, take: (sequence: number, payload: Buffer) => void): void => {
    const listen = cut(take);
    sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      listen(chunk);
      to.write(chunk);
    });
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const listener = createServer({ noDelay: true }, (gateway) => {
    const server = connect({ port: server_port, host: '127.0.0.1', noDelay: true });
    const session = new Session((text) => ran.push(text));
    join(gateway, server, (sequence, payload) => session.told(sequence, payload));
    join(server, gateway, (_, payload) => {
      session.said(payload);
      if (payload[0] === HEAD_ERR) errors.push(Buffer.from(payload));
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    ran,
    errors,
    clear() {
      ran.length = 0;
      errors.length = 0;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
};

/** Calls `take` for each packet. */
const cut = (take: (sequence: number, payload: Buffer) => void): ((chunk: Buffer) => void) => {
  let buffer: Buffer = Buffer.alloc(0);
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + buffer.readUIntLE(0, 3);
      if (buffer.length < end) return;
      take(buffer[3] as number, buffer.subarray(HEADER_BYTES, end));
      buffer = buffer.subarray(end);
    }
  };
};

const NAMES = new Map<number | undefined, string>(Object.entries(COM).map(([name, code]) => [code, name]));

/** Follows the ids of prepared statements on one connection. */
class Session {
  readonly #run: (text: string) => void;
  readonly #prepared = new Map<number, string>();
  #flags: number | null = null;
  /** Its reply comes next. */
  #preparing: string | null = null;
  #last = 0;

  constructor(run: (text: string) => void) {
    this.#run = run;
  }

  told(sequence: number, payload: Buffer): void {
    // The login, and the data of a file.
    if (sequence !== 0) {
      this.#flags ??= payload.readUInt32LE(0);
      return;
    }
    switch (payload[0]) {
      case COM.QUERY: {
        const attributes = ((this.#flags ?? 0) & CLIENT.QUERY_ATTRIBUTES) !== 0;
        return this.#run(payload.toString('latin1', queryText(payload, 0, payload.length, attributes)));
      }
      case COM.STMT_PREPARE:
        this.#preparing = payload.toString('latin1', 1);
        return;
      case COM.STMT_EXECUTE:
      case COM.STMT_BULK_EXECUTE: {
        const id = payload.readUInt32LE(1);
        return this.#run(this.#prepared.get(id === LAST_STATEMENT ? this.#last : id) ?? `statement ${id}`);
      }
      default:
        this.#run(`COM_${NAMES.get(payload[0]) ?? payload[0]} ${payload.toString('hex', 1)}`.trimEnd());
    }
  }

  said(payload: Buffer): void {
    if (this.#preparing === null) return;
    if (payload[0] === 0) {
      this.#last = payload.readUInt32LE(1);
      this.#prepared.set(this.#last, this.#preparing);
    }
    this.#preparing = null;
  }
}
