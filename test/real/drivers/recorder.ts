// Sits before the gateway and writes down what a client says to it, one line a message, in the transcripts' notation: so that a driver
// that changes what it sends at its start is noticed. Secrets and what is drawn by chance never reach the text.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { cstring, FRONTEND, readBind, readParse } from '../../../src/wire/postgres/messages.ts';
import { readStartupPacket } from '../../../src/wire/postgres/startup.ts';

const STARTUP_BYTES_MAX = 10_000;

export class Recorder {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #lines: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async before(port: number): Promise<Recorder> {
    const server = createServer((client) => recorder.#join(client, connect(port, '127.0.0.1'))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const recorder: Recorder = new Recorder(server);
    return recorder;
  }

  /** What was said on the connections made since the last call. */
  take(): string {
    const lines = this.#lines;
    this.#lines = [];
    return lines.map((line) => `> ${line}\n`).join('');
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const lines = this.#lines;
    const conversation = new Conversation((line) => void lines.push(line));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {}).on('close', () => to.destroy());
    }
    client.on('data', (chunk: Buffer) => {
      conversation.hear(chunk);
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => client.write(chunk));
  }
}

/** One client's messages in clear. */
class Conversation {
  readonly #write: (line: string) => void;
  #buffer: Buffer = Buffer.alloc(0);
  #started = false;
  /** Names that a driver draws by chance, in the order they came. */
  readonly #names: string[] = [];
  #passwords = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  hear(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#started ? this.#message() : this.#startup());
  }

  #startup(): boolean {
    const read = readStartupPacket(this.#buffer, STARTUP_BYTES_MAX);
    if (!read) return false;
    const { packet, end } = read;
    this.#buffer = this.#buffer.subarray(end);
    if (packet.type === 'startup') {
      this.#started = true;
      // By name: Go draws their order by chance.
      const parameters = Object.fromEntries([...packet.parameters].toSorted(([a], [b]) => (a < b ? -1 : 1)));
      this.#write(`StartupMessage 3.${packet.minor} ${JSON.stringify(parameters)}`);
    } else this.#write({ ssl: 'SSLRequest', gssenc: 'GSSENCRequest', cancel: 'CancelRequest' }[packet.type as 'ssl']);
    return true;
  }

  #message(): boolean {
    const end = this.#buffer.length < 5 ? Number.POSITIVE_INFINITY : this.#buffer.readInt32BE(1) + 1;
    if (this.#buffer.length < end) return false;
    this.#write(this.#read(this.#buffer.subarray(0, end)));
    this.#buffer = this.#buffer.subarray(end);
    return true;
  }

  #read(whole: Buffer): string {
    const end = whole.length;
    const text = (at: number): string => cstring(whole, at, end)?.text ?? '';
    const say = (...words: readonly unknown[]): string =>
      words.map((word, index) => (index === 0 ? String(word) : JSON.stringify(word))).join(' ');
    switch (whole[0]) {
      case FRONTEND.Query:
        return say('Query', text(5));
      case FRONTEND.Parse: {
        const read = readParse(whole, 0, end);
        return say('Parse', this.#name(text(5)), text(6 + Buffer.byteLength(text(5))), ...nonEmpty(read?.types));
      }
      case FRONTEND.Bind: {
        const read = readBind(whole, 0, end);
        const values = read?.values.map((value, at) =>
          value === null ? null : read.formats[at] === 1 ? { hex: value.toString('hex') } : value.toString('utf8'),
        );
        const results = nonEmpty(read?.resultFormats);
        return say(
          'Bind',
          this.#name(read?.portal ?? ''),
          this.#name(read?.statement ?? ''),
          ...(results.length > 0 ? [values ?? []] : nonEmpty(values)),
          ...results,
        );
      }
      case FRONTEND.Describe:
        return `Describe ${whole.toString('latin1', 5, 6)} ${JSON.stringify(this.#name(text(6)))}`;
      case FRONTEND.Close:
        return `Close ${whole.toString('latin1', 5, 6)} ${JSON.stringify(this.#name(text(6)))}`;
      case FRONTEND.Execute: {
        const rows = whole.readInt32BE(end - 4);
        return say('Execute', this.#name(text(5)), ...(rows === 0 ? [] : [rows]));
      }
      case FRONTEND.Password:
        // The first names the mechanism; nonces, proofs and passwords stay out.
        return this.#passwords++ === 0 ? say('SASLInitialResponse', text(5)) : 'SASLResponse';
      case FRONTEND.Sync:
        return 'Sync';
      case FRONTEND.Flush:
        return 'Flush';
      case FRONTEND.Terminate:
        return 'Terminate';
      default:
        return `(type ${JSON.stringify(whole.toString('latin1', 0, 1))})`;
    }
  }

  /** The driver's own name with what it draws by chance replaced: many letters and digits without a word (postgres.js: base 36, then a count). */
  #name(name: string): string {
    if (!/^(?=.*\d)[a-z0-9]{8,}$/.test(name)) return name;
    if (!this.#names.includes(name)) this.#names.push(name);
    return `<by chance ${this.#names.indexOf(name) + 1}>`;
  }
}

const nonEmpty = <T>(list: readonly T[] | undefined): (readonly T[])[] => (list && list.length > 0 ? [list] : []);
