// Stands between a gateway and its server and listens: what the server was told to run, and what it refused itself. Changes nothing.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Tap {
  readonly port: number;
  /** Since `clear`, as latin1: texts of Query, of Parse each time one of its portals is executed, `FunctionCall <oid>`. */
  readonly ran: readonly string[];
  /** Since `clear`: bodies of the server's ErrorResponses. */
  readonly errors: readonly Buffer[];
  clear(): void;
  close(): Promise<void>;
}

export const startTap = async (server_port: number): Promise<Tap> => {
  const ran: string[] = [];
  const errors: Buffer[] = [];
  const sockets = new Set<Socket>();
  const join = (from: Socket, to: Socket, listen: (chunk: Buffer) => void): void => {
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
    const told = statements((text) => ran.push(text));
    // The startup message has no type.
    join(gateway, server, cut(true, told));
    const said = (type: string, body: Buffer): void => {
      if (type === 'E') errors.push(Buffer.from(body));
    };
    join(server, gateway, cut(false, said));
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

/** Calls `take` for each whole message; where the first one is `untyped`, with '' as its type. */
const cut = (untyped: boolean, take: (type: string, body: Buffer) => void): ((chunk: Buffer) => void) => {
  let buffer: Buffer = Buffer.alloc(0);
  let at = untyped ? 0 : 1;
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= at + 4) {
      const end = at + buffer.readInt32BE(at);
      if (buffer.length < end) return;
      take(buffer.toString('latin1', 0, at), buffer.subarray(at + 4, end));
      buffer = buffer.subarray(end);
      at = 1;
    }
  };
};

/** Follows names of statements and portals on one connection. */
const statements = (run: (text: string) => void): ((type: string, body: Buffer) => void) => {
  const prepared = new Map<string, string>();
  const portals = new Map<string, string>();
  return (type, body) => {
    const [first = '', second = ''] = body.toString('latin1').split('\0', 2);
    if (type === 'Q') run(first);
    if (type === 'P') prepared.set(first, second);
    if (type === 'B') portals.set(first, prepared.get(second) ?? `EXECUTE ${second}`);
    if (type === 'E') run(portals.get(first) ?? `FETCH FROM ${first}`);
    if (type === 'F') run(`FunctionCall ${body.readUInt32BE(0)}`);
  };
};
