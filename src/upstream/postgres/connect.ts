// Dials the real server, secures the line, logs in with the gateway's own credential or lets an agent do it (relay.ts), and hands the
// connection over.
// Never falls back to less security than asked, and never tells the password or the server's words about it to a client.
// Manual: 55.2.1 "Start-up", 55.2.10 "SSL Session Encryption".
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
import { Line as AnyLine, type LineTarget } from '../line.ts';
import { LOGIN_REFUSED } from '../refused.ts';
import { UpstreamError } from './error.ts';
import { Relay } from './relay.ts';

export interface UpstreamTarget extends LineTarget {
  readonly user: string;
  readonly password: string | null;
  /** From dialling to the end of the login, in ms, without what an agent takes to answer. */
  readonly timeout_ms: number;
}

export const MAJOR_MIN = 15;
export const MAJOR_MAX = 18;

/** Longest message of a login, in bytes. */
const MESSAGE_BYTES_MAX = 1024 * 1024;

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
    await line.begin(target);
    const state: LoginState = { processId: 0, secretKey: '', parameters: new Map() };
    line.write(startupMessage([['user', target.user], ...parameters]));
    await login(line, state, patient ? relayedLogin(line, patient) : ownLogin(line, target));
    const serverVersion = supported(state.parameters);
    return new Connection(line, target, state, serverVersion);
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
    : new UpstreamError('08004', LOGIN_REFUSED, new Error(`${sqlstate}: ${words}`));
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

const unreachable = (why: string, cause?: unknown): UpstreamError => new UpstreamError('08001', why, cause);

/** The socket, from dialling to the hand-over. */
class Line extends AnyLine<FrameReader> {
  constructor() {
    super(new FrameReader('', MESSAGE_BYTES_MAX), unreachable);
  }

  /** Dials, and settles encryption: SSLRequest, one byte for an answer, TLS. */
  async begin(target: UpstreamTarget): Promise<void> {
    // A host that is a folder is a Unix socket, as in libpq.
    await this.open(target, target.host.startsWith('/') ? `${target.host}/.s.PGSQL.${target.port}` : null);
    if (target.tls.mode === 'disable') return;
    this.write(sslRequest());
    const answer = await this.next((reader) => (reader.unread > 0 ? reader.takeRest() : null));
    if (answer.length !== 1 || answer[0] !== 0x53)
      throw new UpstreamError('08001', 'the database server does not offer TLS, and the configuration demands it');
    await this.encrypt(target);
  }

  /** The next whole message of the login. */
  message(): Promise<Message> {
    return this.next((reader) => {
      const found = reader.next();
      if (found === BAD_LENGTH) throw broken(new Error(`a message of length ${reader.length}`));
      if (found === NEED_MORE) return null;
      const whole = reader.buffer.subarray(reader.start, reader.end);
      return { type: reader.type, body: whole.subarray(5), whole };
    });
  }
}

class Connection implements UpstreamLine {
  readonly processId: number;
  readonly serverVersion: number;
  parameters: ReadonlyMap<string, string>;
  readonly #line: Line;
  readonly #target: UpstreamTarget;
  readonly #secretKey: string;

  constructor(line: Line, target: UpstreamTarget, state: LoginState, serverVersion: number) {
    this.processId = state.processId;
    this.serverVersion = serverVersion;
    this.parameters = state.parameters;
    this.#line = line;
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
    return cancel(this.#target, this.processId, this.#secretKey);
  }

  end(): void {
    this.#line.end(TERMINATE);
  }

  destroy(): void {
    this.#line.destroy();
  }

  gone(): Promise<void> {
    return this.#line.gone();
  }
}

const NO_PARAMETERS: ReadonlyMap<string, string> = new Map();

/** A CancelRequest gets no answer: the server closes the connection when it has taken it. */
const cancel = async (target: UpstreamTarget, processId: number, secretKey: string): Promise<void> => {
  const line = new Line();
  const timer = setTimeout(() => line.destroy(), target.timeout_ms);
  try {
    await line.begin(target);
    line.write(cancelRequest(processId, Buffer.from(secretKey, 'latin1')));
    await line.message();
  } catch {
    // Nobody is waiting for the result; a cancel that came too late is no error.
  } finally {
    clearTimeout(timer);
    line.destroy();
  }
};
