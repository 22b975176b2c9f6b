// Dials the real server, secures the line, logs in with the gateway's own credential or lets an agent do it (relay.ts), and hands the
// connection over.
// Never falls back to less security than asked, and never tells the password or the server's words about it to a client.
// Manual: 55.2.1 "Start-up", 55.2.10 "SSL Session Encryption".
import { connect as dialTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as dialTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createHash } from 'node:crypto';
import { BAD_LENGTH, FrameReader, NEED_MORE } from '../../wire/postgres/frame.ts';
import {
  BACKEND,
  cancelRequest,
  cstring,
  passwordMessage,
  readFields,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
  TERMINATE,
} from '../../wire/postgres/messages.ts';
import { MECHANISM, ScramClient } from '../../wire/postgres/scram.ts';
import type { RelayedLogin, UpstreamEvents, UpstreamLine } from '../../session/upstream.ts';
import { UpstreamError } from './error.ts';
import { Relay } from './relay.ts';

export interface UpstreamTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly tls: { readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full'; readonly ca: string | null };
  /** From dialling to the end of the login, in ms, without what an agent takes to answer. */
  readonly timeout_ms: number;
  /** Silence before TCP asks whether the server is still there. */
  readonly keepalive_ms: number;
}

export const MAJOR_MIN = 15;
export const MAJOR_MAX = 18;

/** All sockets read into one buffer, out of which each chunk is copied. */
const READ_BYTES = 64 * 1024;
/** What the server gets to take what was sent and to close; then the connection is closed for it. */
const END_GRACE_MS = 10_000;
const shared = Buffer.allocUnsafe(READ_BYTES);
/** Memory of large pieces that were given back; each new one of that size would bring the next full collection nearer. */
const spare: ArrayBufferLike[] = [];
const SPARE_MAX = 16;
const SPARE_BYTES_MIN = 16 * 1024;
const copied = (bytes: number): Buffer => {
  const chunk = bytes < SPARE_BYTES_MIN ? Buffer.allocUnsafe(bytes) : Buffer.from(memory(), 0, bytes);
  shared.copy(chunk, 0, 0, bytes);
  return chunk;
};
const memory = (): ArrayBufferLike => spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES).buffer;

/** What became known of the server while logging in. */
interface LoginState {
  processId: number;
  /** latin1: a small buffer would keep the slab it lies in. */
  secretKey: string;
  readonly parameters: Map<string, string>;
}

/**
 * Connects and logs in. `parameters` are further startup parameters (database, application_name, settings). `agent`: whose login it is;
 * null: the gateway's own. Rejects with UpstreamError,
 * or as the agent's answer does.
 */
export const connectUpstream = async (
  target: UpstreamTarget,
  parameters: ReadonlyMap<string, string>,
  agent: RelayedLogin | null = null,
): Promise<UpstreamLine> => {
  const line = new Line();
  const late = (): void => line.fail(new UpstreamError('08001', 'the database server did not answer in time'));
  let timer = setTimeout(late, target.timeout_ms);
  let agentFailed: unknown = null;
  const patient = agent && {
    tell: (message: Buffer) => agent.tell(message),
    async answer() {
      clearTimeout(timer);
      const answer = await agent.answer().catch((error: unknown) => {
        agentFailed = error;
        throw error;
      });
      timer = setTimeout(late, target.timeout_ms);
      return answer;
    },
  };
  try {
    await line.open(target);
    const state: LoginState = { processId: 0, secretKey: '', parameters: new Map() };
    line.write(startupMessage([['user', target.user], ...parameters]));
    await login(line, state, patient ? relayedLogin(line, patient) : ownLogin(line, target));
    const serverVersion = supported(state.parameters);
    return line.handOver(target, state, serverVersion);
  } catch (error) {
    line.destroy();
    // What could not be read breaks the protocol; what it was is for the log.
    throw error instanceof UpstreamError || error === agentFailed ? error : broken(error);
  } finally {
    clearTimeout(timer);
  }
};

const broken = (cause?: unknown): UpstreamError =>
  new UpstreamError('08P01', 'the database server broke the protocol while logging in', cause);

/** Holdpoint reads statements by the grammar of these versions, in these encodings; anything else could be misread. */
const supported = (parameters: ReadonlyMap<string, string>): number => {
  const version = parameters.get('server_version') ?? '';
  const major = Number.parseInt(version, 10);
  if (!(major >= MAJOR_MIN && major <= MAJOR_MAX))
    throw new UpstreamError(
      '0A000',
      `the database server's version ${version} is not one of ${MAJOR_MIN} to ${MAJOR_MAX}`,
    );
  const encoding = parameters.get('server_encoding') ?? '';
  if (encoding !== 'UTF8' && encoding !== 'SQL_ASCII')
    throw new UpstreamError('0A000', `the database's encoding ${encoding} is not UTF8 or SQL_ASCII`);
  return major;
};

/** One way to log in: takes the server's Authentication messages and says what its ErrorResponse means. */
interface Login {
  /** True: the server has let us in. */
  take(message: Message): Promise<boolean>;
  refused(message: Buffer): UpstreamError;
}

const login = async (line: Line, state: LoginState, way: Login): Promise<void> => {
  let accepted = false;
  for (;;) {
    const message = await line.message();
    const { type, body } = message;
    switch (type) {
      case BACKEND.Authentication:
        accepted = await way.take(message);
        break;
      case BACKEND.ParameterStatus: {
        const name = cstring(body, 0, body.length);
        const value = name && cstring(body, name.next, body.length);
        if (value) state.parameters.set(name.text, Buffer.from(value.text, 'latin1').toString('utf8'));
        break;
      }
      case BACKEND.BackendKeyData:
        state.processId = body.readInt32BE(0);
        state.secretKey = body.toString('latin1', 4);
        break;
      case BACKEND.NoticeResponse:
        break;
      case BACKEND.ReadyForQuery:
        if (!accepted) throw broken(new Error('ready before the login was accepted'));
        return;
      case BACKEND.ErrorResponse:
        throw way.refused(message.whole);
      default:
        throw broken(new Error(`message type 0x${type.toString(16)}`));
    }
  }
};

const relayedLogin = (line: Line, agent: RelayedLogin): Login => {
  const relay = new Relay(agent);
  let accepted = false;
  return {
    async take({ whole }) {
      if (accepted) throw broken(new Error('an authentication message after the login'));
      const answer = await relay.take(whole);
      accepted = answer === 'accepted';
      if (answer !== null && answer !== 'accepted') line.write(answer);
      return accepted;
    },
    // It is about the agent's own login, so the agent may hear it.
    refused(message) {
      const fields = readFields(message, 0, message.length);
      return new UpstreamError(fields.get('C') ?? '08004', fields.get('M') ?? '');
    },
  };
};

const ownLogin = (line: Line, target: UpstreamTarget): Login => {
  let step: Step = 'start';
  return {
    async take({ body }) {
      step = await authenticate(line, target, step, body);
      return step === 'accepted';
    },
    refused,
  };
};

/** How far the login is. What is asked out of turn is refused: a server that began with SCRAM must end it. */
type Step =
  | 'start'
  /** A password was sent, as asked. */
  | 'answered'
  | { readonly scram: ScramClient; readonly proved: boolean }
  | 'accepted';

const METHOD = { ok: 0, clear: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

/** Answers one Authentication message; the next step. Rejects UpstreamError. */
const authenticate = async (line: Line, target: UpstreamTarget, step: Step, body: Buffer): Promise<Step> => {
  const method = body.readInt32BE(0);
  const words = body.toString('utf8', 4);
  if (typeof step === 'object') {
    const { scram, proved } = step;
    if (method === METHOD.saslContinue && !proved) {
      const final = await scram.final(words).catch((error: unknown) => {
        throw new UpstreamError('08004', "the database server's SCRAM challenge is not one", error);
      });
      line.write(saslResponse(final));
      return { scram, proved: true };
    }
    if (method === METHOD.saslFinal && proved && scram.verify(words)) return 'answered';
    throw new UpstreamError('08004', 'the database server did not prove that it knows the password');
  }
  if (method === METHOD.ok && step !== 'accepted') return 'accepted';
  if (step !== 'start') throw broken(new Error(`authentication method ${method} out of turn`));
  if (method !== METHOD.clear && method !== METHOD.md5 && method !== METHOD.sasl)
    throw new UpstreamError('08004', `the database server asks for authentication method ${method}`);
  const { user, password } = target;
  if (password === null)
    throw new UpstreamError('08004', 'the database server asks for a password and none is configured');
  if (method === METHOD.sasl) {
    if (!words.split('\0').includes(MECHANISM))
      throw new UpstreamError('08004', `the database server offers no ${MECHANISM}`);
    const scram = new ScramClient(password);
    line.write(saslInitialResponse(MECHANISM, scram.first()));
    return { scram, proved: false };
  }
  if (method === METHOD.clear && !line.secure)
    throw new UpstreamError('08004', 'the database server asks for a clear password without TLS');
  line.write(passwordMessage(method === METHOD.clear ? password : md5(password, user, body.subarray(4, 8))));
  return 'answered';
};

/** States that say something about the agent's own request; all others are the operator's business. */
const TELLABLE = new Set(['3D000', '53300', '57P03', '57P01', '42501', '22023', '42704', '55000']);

const refused = (message: Buffer): UpstreamError => {
  const fields = readFields(message, 0, message.length);
  const sqlstate = fields.get('C') ?? '08004';
  const words = fields.get('M') ?? '';
  return TELLABLE.has(sqlstate)
    ? new UpstreamError(sqlstate, words)
    : new UpstreamError('08004', "the database server refused the gateway's login", new Error(`${sqlstate}: ${words}`));
};

const md5 = (password: string, user: string, salt: Buffer): string => {
  const hash = (...parts: (string | Buffer)[]): string => {
    const digest = createHash('md5');
    for (const part of parts) digest.update(part);
    return digest.digest('hex');
  };
  return `md5${hash(hash(password, user), salt)}`;
};

interface Message {
  readonly type: number;
  readonly body: Buffer;
  readonly whole: Buffer;
}

/** The socket, from dialling to the hand-over. */
class Line {
  secure = false;
  #socket: Socket | null = null;
  #tls: TLSSocket | null = null;
  /** Of the login; null: over. */
  #reader: FrameReader | null = new FrameReader('', 1024 * 1024);
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #events: UpstreamEvents | null = null;

  get #stream(): Duplex {
    return this.#tls ?? (this.#socket as Socket);
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  destroy(): void {
    this.#tls?.destroy();
    this.#socket?.destroy();
  }

  write(bytes: Buffer): boolean {
    return this.#stream.write(bytes);
  }

  async open(target: UpstreamTarget): Promise<void> {
    const wanted = target.tls.mode !== 'disable';
    // A host that is a folder is a Unix socket, as in libpq.
    const address = target.host.startsWith('/')
      ? { path: `${target.host}/.s.PGSQL.${target.port}` }
      : { host: target.host, port: target.port };
    const options = { ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: target.keepalive_ms };
    const socket = dialTcp(wanted ? options : { ...options, onread: this.#onread() });
    this.#socket = socket;
    this.#watchSocket(socket);
    await new Promise<void>((resolve, reject) => {
      this.#wake = () => this.#error && reject(this.#error);
      socket.once('connect', resolve);
    });
    this.#wake = null;
    if (wanted) await this.#encrypt(target);
    else this.#watch();
  }

  // What stays as long as the socket is made in functions of its own: a closure keeps all that others of its function use.

  #onread(): { buffer: Buffer; callback: (bytes: number) => boolean } {
    return { buffer: shared, callback: (bytes) => this.#read(copied(bytes)) };
  }

  #watchSocket(socket: Socket): void {
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.fail(
        new UpstreamError('08001', `the database server can't be reached (${error.code ?? error.message})`, error),
      ),
    );
    socket.on('close', () => this.#closed());
  }

  /** SSLRequest, then TLS. The server answers one byte; anything after it before TLS would be an injection. */
  async #encrypt(target: UpstreamTarget): Promise<void> {
    const socket = this.#socket as Socket;
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#wake = () => this.#error && reject(this.#error);
      socket.once('data', resolve);
      socket.write(sslRequest());
    });
    if (answer.length !== 1 || answer[0] !== 0x53)
      throw new UpstreamError('08001', 'the database server does not offer TLS, and the configuration demands it');
    const { mode, ca } = target.tls;
    const options: ConnectionOptions = {
      socket,
      // Whom the certificate must name; left out, Node would take it for 'localhost'.
      host: target.host,
      rejectUnauthorized: mode !== 'require',
      ...(ca === null ? {} : { ca }),
      ...(/^[\d.]+$|:|^\//.test(target.host) ? {} : { servername: target.host }),
      ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    };
    await new Promise<void>((resolve, reject) => {
      this.#wake = () => this.#error && reject(this.#error);
      const tls = dialTls(options);
      this.#tls = tls;
      tls.once('secureConnect', resolve);
      tls.on('error', (error) => this.fail(new UpstreamError('08001', 'TLS to the database server failed', error)));
      tls.on('close', () => this.#closed());
    });
    this.secure = true;
    this.#wake = null;
    this.#tls?.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#watch();
  }

  #watch(): void {
    this.#stream.on('drain', () => this.#events?.drain());
  }

  #closed(): void {
    this.fail(new UpstreamError('08001', 'the database server closed the connection'));
    const events = this.#events;
    this.#events = null;
    events?.closed();
  }

  #read(chunk: Buffer): boolean {
    if (this.#events) this.#events.data(chunk);
    else {
      this.#reader?.append(chunk);
      this.#wake?.();
    }
    return true;
  }

  /** The next whole message of the login. */
  async message(): Promise<Message> {
    const reader = this.#reader as FrameReader;
    for (;;) {
      const found = reader.next();
      if (found === BAD_LENGTH) throw broken(new Error(`a message of length ${reader.length}`));
      if (found !== NEED_MORE) {
        const whole = reader.buffer.subarray(reader.start, reader.end);
        return { type: reader.type, body: whole.subarray(5), whole };
      }
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  /** From here on whatever comes is told there. */
  listen(events: UpstreamEvents): void {
    this.#events = events;
    const early = this.#reader?.takeRest();
    this.#reader = null;
    if (early && early.length > 0) events.data(early);
    if (this.#error) this.#closed();
  }

  handOver(target: UpstreamTarget, state: LoginState, serverVersion: number): UpstreamLine {
    return new Connection(this, this.#stream, target, state, serverVersion);
  }
}

class Connection implements UpstreamLine {
  readonly processId: number;
  readonly serverVersion: number;
  parameters: ReadonlyMap<string, string>;
  readonly #line: Line;
  readonly #stream: Duplex;
  readonly #target: UpstreamTarget;
  readonly #secretKey: string;

  constructor(line: Line, stream: Duplex, target: UpstreamTarget, state: LoginState, serverVersion: number) {
    this.processId = state.processId;
    this.serverVersion = serverVersion;
    this.parameters = state.parameters;
    this.#line = line;
    this.#stream = stream;
    this.#target = target;
    this.#secretKey = state.secretKey;
  }

  get user(): string {
    return this.#target.user;
  }

  listen(events: UpstreamEvents): void {
    this.parameters = NO_PARAMETERS;
    this.#line.listen(events);
  }

  write(bytes: Buffer): boolean {
    return this.#stream.write(bytes);
  }

  get writableLength(): number {
    return this.#stream.writableLength;
  }

  reuse(chunk: Buffer): void {
    const { buffer, byteLength } = chunk;
    const ours = !this.#line.secure && byteLength >= SPARE_BYTES_MIN && buffer.byteLength === READ_BYTES;
    if (ours && spare.length < SPARE_MAX) spare.push(buffer);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(): Promise<void> {
    return cancel(this.#target, this.processId, this.#secretKey);
  }

  end(): void {
    const stream = this.#stream;
    stream.end(TERMINATE);
    // What it still sends nobody wants; but its end must be read, and a server that hangs must not keep the socket.
    stream.resume();
    const timer = setTimeout(() => this.destroy(), END_GRACE_MS).unref();
    stream.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.#line.destroy();
  }

  gone(): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve) => {
      if (stream.closed) resolve();
      else stream.once('close', resolve);
    });
  }
}

const NO_PARAMETERS: ReadonlyMap<string, string> = new Map();

/** A CancelRequest gets no answer: the server closes the connection when it has taken it. */
const cancel = async (target: UpstreamTarget, processId: number, secretKey: string): Promise<void> => {
  const line = new Line();
  const timer = setTimeout(() => line.destroy(), target.timeout_ms);
  try {
    await line.open(target);
    line.write(cancelRequest(processId, Buffer.from(secretKey, 'latin1')));
    await line.message();
  } catch {
    // Nobody is waiting for the result; a cancel that came too late is no error.
  } finally {
    clearTimeout(timer);
    line.destroy();
  }
};
