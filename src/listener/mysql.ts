// One MySQL listener: accepts, greets as the server behind would, secures the line, finds out who it is, dials the server, and begins a
// session. The twin of postgres.ts: nobody who has not proved who it is costs an upstream connection, and no refusal says which part was wrong.
//
//   accept --> greeting --> [SSLRequest, TLS] --> HandshakeResponse41 --> proof (proof.ts) --> upstream login --> session --> OK
//                                        ^                            \-> AuthSwitchRequest: the user's own plugin -/
//   COM_CHANGE_USER: the session ends ---/
import { generateKeyPair, randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import type { LoginRule } from '../identity/login-rules.ts';
import { NO_PEER, type Trust } from '../identity/peer.ts';
import type { Login } from '../identity/types.ts';
import type { MysqlServer, MysqlUpstream, MysqlUpstreamLine } from '../session/upstream.ts';
import { CACHING_SHA2, CACHING_SHA2_STEP, decryptPassword, NATIVE, withoutNul } from '../wire/mysql/auth.ts';
import { Malformed } from '../wire/mysql/bytes.ts';
import { type Capabilities, negotiated, offered } from '../wire/mysql/capabilities.ts';
import { charsetOf, isReadable, narrowCollation } from '../wire/mysql/charsets.ts';
import {
  authMoreData,
  authSwitchRequest,
  greeting,
  type HandshakeResponse,
  NONCE_BYTES,
  readChangeUser,
  readClientHello,
} from '../wire/mysql/handshake.ts';
import { type ErrorPacket, errPacket, okPacket } from '../wire/mysql/messages.ts';
import { packets } from '../wire/mysql/frame.ts';
import { STATUS_FLAGS } from '../wire/mysql/replies.ts';
import { ConnectionIds, type Peer } from './connection-ids.ts';
import { Door, type DoorLimits, type DoorOptions, type Line as AnyLine } from './door.ts';
import { leave } from './leave.ts';
import { BadPacket, MysqlPackets } from './mysql-packets.ts';
import { refusals } from './mysql-refusals.ts';
import { CLEAR_PASSWORD_BYTES_MAX, ClientGone } from './packets.ts';
import { type Proof, type ProofIdentity, type ProofOptions, Proofs } from './proof.ts';

const RSA_BITS = 2048;
/** How long a server that could not be asked what it is counts as unknown, before it is dialled again. */
const IDENTIFY_AGAIN_MS = 1000;

export interface MysqlLoginIdentity extends ProofIdentity {
  mysqlUser(
    name: string,
    address: string,
  ): {
    readonly plugin: typeof CACHING_SHA2 | typeof NATIVE;
    proof(proof: Buffer, nonce: Buffer): boolean;
    password(password: Buffer): Promise<boolean>;
  };
}

/** A client that was let in, and its connection to the server. */
export interface MysqlClient {
  readonly stream: Duplex;
  readonly upstream: MysqlUpstream;
  readonly login: Login;
  /** The id that the client was told. */
  readonly id: number;
  /** In force on both sides. */
  readonly capabilities: Capabilities;
  /** Longest packet that the client takes, in bytes. */
  readonly packet_bytes_max: number;
  /** Of the next packet that it is sent, which ends its login. */
  readonly sequence: number;
  /** The one it asked for, '' for none. */
  readonly database: string;
  /** Of its collation; undefined: the server has no such one and takes its default. */
  readonly charset: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  /** This user's own session of an id that KILL names, ours or the server's; undefined: somebody else's, or nobody's. */
  peer(id: number): MysqlSession | undefined;
  /** The session ended: the connection is closed. Once. */
  closed(): void;
  /**
   * The session ended with COM_CHANGE_USER, this payload, and its connection to the server is gone: whoever the client says it is now logs in
   * anew. `early`: what it sent since. Instead of `closed`.
   */
  changeUser(request: Buffer, early: Buffer): void;
}

/** What a listener sees of a session. */
export interface MysqlSession {
  /** The client has been told OK; `early` is what it sent since. */
  start(early: Buffer): void;
  /** KILL QUERY, or KILL. */
  kill(whole: boolean): void;
  /** Holdpoint ends: the client is told, and the session ends. */
  close(): void;
}

export interface MysqlListenerLimits extends DoorLimits {
  readonly login_checks_max: number;
  readonly login_check_timeout_ms: number;
  readonly startup_bytes_max: number;
  readonly upstream_connect_timeout_ms: number;
}

/** Of the connection to the server. */
export interface Wanted {
  readonly capabilities: Capabilities;
  readonly collation: number;
  readonly packet_bytes_max: number;
  readonly database: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface MysqlListenerOptions extends DoorOptions {
  readonly name: string;
  readonly identity: MysqlLoginIdentity;
  readonly logins: ProofOptions['logins'];
  /** Asks the server what it is. Rejects as `connect` does. */
  readonly identify: () => Promise<MysqlServer>;
  /** Logs in upstream for this login. Rejects with an error that has `errno`, `sqlstate` and a message that may be told. */
  readonly connect: (login: Login, wanted: Wanted) => Promise<MysqlUpstreamLine>;
  /** Makes a session, and resolves when it could begin. Rejects as `connect` does. */
  readonly begin: (client: MysqlClient) => Promise<MysqlSession>;
  readonly limits: MysqlListenerLimits;
  /** A login that was not let in; resolves when it is on record. */
  readonly refused: (what: {
    readonly user: string;
    readonly address: string;
    readonly sqlstate: string;
    /** Which part was wrong, '' where it is no proof's. */
    readonly why: string;
  }) => Promise<void>;
}

export interface MysqlListener {
  readonly address: { readonly host: string; readonly port: number };
  readonly sessions: number;
  /** As Door.trust. */
  trust(trust: Trust): void;
  /** Takes nobody new, tells everybody, and waits for the connections to end. */
  close(): Promise<void>;
}

/** Ends the connection with words for the client. */
class Refusal extends Error {
  readonly error: ErrorPacket;
  readonly user: string;
  /** For the record, never for the client. */
  readonly why: string;
  constructor(error: ErrorPacket, user = '', why = '') {
    super(error.message);
    this.error = error;
    this.user = user;
    this.why = why;
  }
}

interface Line extends AnyLine {
  /** Null: not greeted yet. */
  packets: MysqlPackets | null;
}

/** A connection, and what was settled with its client for good. */
interface Seat {
  readonly line: Line;
  /** Without port. */
  readonly address: string;
  /** The id that the client was told. */
  readonly id: number;
  /** As the client was greeted. */
  readonly server: MysqlServer;
  readonly capabilities: Capabilities;
  readonly packet_bytes_max: number;
}

/** Who the client says it is. */
interface Claim extends Pick<HandshakeResponse, 'user' | 'proof' | 'plugin' | 'database' | 'collation' | 'attributes'> {
  /** What its proof is made with; null: it has to make another one. */
  readonly nonce: Buffer | null;
}

interface Live extends Peer {
  readonly session: MysqlSession;
  readonly upstream: MysqlUpstreamLine;
}

export const listenMysql = async (options: MysqlListenerOptions): Promise<MysqlListener> => {
  const listener = new Listener(options);
  await listener.open();
  return listener;
};

class Listener extends Door<Line> implements MysqlListener {
  readonly #options: MysqlListenerOptions;
  readonly #ids = new ConnectionIds<Live>();
  readonly #live = new Map<number, Live>();
  readonly #keys = createKeys();
  readonly #proofs: Proofs;
  #upstream: Promise<MysqlServer> | null = null;

  constructor(options: MysqlListenerOptions) {
    super(options);
    this.#options = options;
    this.#proofs = new Proofs(options);
  }

  get sessions(): number {
    return this.#live.size;
  }

  protected lineOf(socket: Socket): Line {
    return { stream: socket, packets: null };
  }

  protected turnAway(line: Line): void {
    const { connections_max } = this.#options.limits;
    const error = this.closing ? refusals.shuttingDown() : refusals.tooManyConnections({ limit: connections_max });
    this.#tell(line, error);
  }

  protected endSessions(): readonly MysqlUpstreamLine[] {
    const live = [...this.#live.values()];
    for (const { session } of live) session.close();
    return live.map(({ upstream }) => upstream);
  }

  /** Last words. Before the greeting an error has no SQLSTATE, as at the servers. */
  #tell({ stream, packets: conversation }: Line, error: ErrorPacket): void {
    const last = conversation?.packet(errPacket(error)) ?? packets(0, errPacket({ ...error, sqlstate: '' }));
    conversation?.release();
    leave(stream, last);
  }

  protected async refuse(line: Line, address: string, error: unknown): Promise<void> {
    if (error instanceof ClientGone) {
      line.stream.destroy();
      return;
    }
    const refusal = error instanceof Refusal ? error : new Refusal(this.#wordsFor(error));
    if (refusal.user !== '')
      await this.#options
        .refused({ user: refusal.user, address, sqlstate: refusal.error.sqlstate, why: refusal.why })
        .catch((failure: unknown) => this.#options.fault('a refused login could not be recorded', failure));
    this.#tell(line, refusal.error);
  }

  #wordsFor(error: unknown): ErrorPacket {
    if (error instanceof BadPacket) return error.outOfOrder ? refusals.outOfOrder() : refusals.badHandshake();
    if (error instanceof Malformed) return refusals.badHandshake();
    this.#options.fault('a session could not be started', error);
    return refusals.failed();
  }

  protected async greet(socket: Socket, line: Line, address: string): Promise<void> {
    const server = await this.#identified();
    const id = this.#ids.next();
    const nonce = makeNonce();
    const [response, capabilities] = await this.#hello(socket, line, server, id, nonce);
    const { packet_bytes_max } = response;
    await this.#letIn({ line, address, id, server, capabilities, packet_bytes_max }, { ...response, nonce });
  }

  /** From who the client says it is to a session that runs. */
  async #letIn(seat: Seat, claim: Claim): Promise<void> {
    const { line, id, server, capabilities, packet_bytes_max } = seat;
    const { user, database, collation, attributes } = claim;
    const conversation = line.packets as MysqlPackets;
    const login = await this.#authenticate(seat, claim, conversation);
    this.proved(line, login.user);
    const charset = charsetOf(collation, server.engine);
    if (charset !== undefined && !isReadable(charset)) throw new Refusal(refusals.charset({ charset }), user);
    const wanted = { capabilities, collation: narrowCollation(collation, server.engine), packet_bytes_max, database };
    const upstream = await this.#dial(login, { ...wanted, attributes }, server);
    try {
      if (conversation.gone) throw new ClientGone('the client left');
      const { stream } = line;
      let over = false;
      const session = await this.#begin(user, {
        stream,
        upstream,
        login,
        id,
        capabilities,
        packet_bytes_max,
        sequence: conversation.sequence,
        database,
        charset,
        attributes,
        peer: (other) => this.#ids.find(other, login.user)?.session,
        closed: () => {
          over = true;
          this.#forget(id);
          leave(stream);
        },
        changeUser: (request, early) => this.#changeUser(seat, claim, request, early),
      });
      // It has ended, and said why.
      if (over) return upstream.destroy();
      if (conversation.gone || this.closing) {
        session.close();
        throw new ClientGone('the client left');
      }
      const live: Live = { user: login.user, threadId: upstream.threadId, session, upstream };
      this.#live.set(id, live);
      this.#ids.add(id, live);
      conversation.write(okPacket(upstream.status, capabilities));
      session.start(conversation.release());
    } catch (error) {
      upstream.destroy();
      throw error;
    }
  }

  /** Another login on the same line: nothing of the session before is left, at the server neither. */
  #changeUser(seat: Seat, before: Claim, request: Buffer, early: Buffer): void {
    const { line, address, id, capabilities } = seat;
    const { startup_bytes_max, startup_timeout_ms } = this.#options.limits;
    this.#forget(id);
    line.packets = new MysqlPackets(line.stream, startup_bytes_max, 1, early);
    const timer = setTimeout(() => line.stream.destroy(), startup_timeout_ms);
    const again = async (): Promise<void> => {
      if (request.length > startup_bytes_max) throw new Refusal(refusals.badHandshake());
      const { collation, ...claim } = readChangeUser(request, capabilities);
      await this.#letIn(seat, { ...claim, collation: collation ?? before.collation, nonce: null });
    };
    again()
      .catch((error: unknown) => this.refuse(line, address, error))
      .finally(() => clearTimeout(timer));
  }

  /** What the server is; asked once, and again after it could not be. */
  async #identified(): Promise<MysqlServer> {
    const asked = (this.#upstream ??= this.#options.identify());
    try {
      return await asked;
    } catch (error) {
      setTimeout(() => {
        if (this.#upstream === asked) this.#upstream = null;
      }, IDENTIFY_AGAIN_MS).unref();
      throw this.#upstreamRefusal(error, '');
    }
  }

  /** Greets, settles encryption, and reads who the client says it is. */
  async #hello(
    socket: Socket,
    line: Line,
    server: MysqlServer,
    id: number,
    nonce: Buffer,
  ): Promise<readonly [HandshakeResponse, Capabilities]> {
    const { startup_bytes_max } = this.#options.limits;
    const offer = offered(server.capabilities, this.context !== null);
    let conversation = (line.packets = new MysqlPackets(socket, startup_bytes_max, 0));
    const { version_text: version, collation } = server;
    const plugin = CACHING_SHA2;
    conversation.write(
      greeting({
        version,
        threadId: id,
        nonce,
        capabilities: offer,
        collation,
        status: STATUS_FLAGS.AUTOCOMMIT,
        plugin,
      }),
    );
    let hello = readClientHello(await conversation.read(), offer);
    if (hello.type === 'ssl') {
      // What came behind it is the beginning of TLS: the client waits for no answer.
      const early = conversation.release();
      // A client that asks for what was not offered breaks the protocol.
      if (!this.context) throw new Refusal(refusals.badHandshake());
      await this.secure(line, socket, this.context, early);
      conversation = line.packets = new MysqlPackets(line.stream, startup_bytes_max, conversation.sequence);
      hello = readClientHello(await conversation.read(), offer);
      if (hello.type === 'ssl') throw new Refusal(refusals.badHandshake());
    }
    if (hello.type === 'old') throw new Refusal(refusals.oldProtocol());
    if (this.context && line.stream === socket) throw new Refusal(refusals.insecure(), hello.user);
    return [hello, negotiated(hello.capabilities, offer)];
  }

  /** How it is asked is settled by the name alone. Rejects Refusal. */
  async #authenticate(seat: Seat, claim: Claim, conversation: MysqlPackets): Promise<Login> {
    const { line, address } = seat;
    const { user } = claim;
    const peer = line.peer ?? NO_PEER;
    const away = this.#proofs.turnedAway(peer);
    if (away !== null) throw new Refusal(refusals.accessDenied({ user, address }), user, away);
    const rule = this.#proofs.ruleOf(user);
    // Who has no rule goes the way of who has no verifier.
    if (rule === null || rule.by === 'verifier') return this.#byVerifier(seat, claim, conversation, rule !== null);
    const proof =
      rule.by === 'certificate'
        ? this.#proofs.byCertificate(user, address, peer)
        : await this.#byPassword(seat, claim, conversation, rule);
    if (proof.type === 'unknown') {
      this.#options.fault(`${this.#options.name}: a login could not be checked: ${proof.why}`);
      throw new Refusal(refusals.unchecked(), user, proof.why);
    }
    if (proof.type === 'wrong') throw new Refusal(refusals.accessDenied({ user, address }), user, proof.why);
    // A client that was given a password, too, waits for an answer to its proof.
    if (rule.by === 'certificate' && claim.plugin === CACHING_SHA2 && claim.proof.length > 0)
      conversation.write(authMoreData(Buffer.of(CACHING_SHA2_STEP.FAST_SUCCESS)));
    return proof.login;
  }

  /** The password itself, inside TLS, by the full authentication of caching_sha2_password: every client has that, and no digest of it is kept. */
  async #byPassword(
    { line, address }: Seat,
    { user, proof: first, plugin, nonce }: Claim,
    conversation: MysqlPackets,
    rule: LoginRule,
  ): Promise<Proof> {
    if (!(line.stream instanceof TLSSocket)) throw new Error('a password in clear, outside TLS');
    let proof = first;
    if (nonce === null || plugin !== CACHING_SHA2) {
      conversation.write(authSwitchRequest(CACHING_SHA2, makeNonce()));
      proof = await conversation.read();
    }
    // Such a client has no password, and is not waiting for a question about it.
    if (isEmpty(proof)) return { type: 'wrong', why: 'no password' };
    conversation.write(authMoreData(Buffer.of(CACHING_SHA2_STEP.FULL)));
    conversation.allow(CLEAR_PASSWORD_BYTES_MAX);
    const password = withoutNul(await conversation.read());
    if (password === null) return { type: 'wrong', why: 'no password' };
    const result = await this.#proofs.byPassword(rule, { user, password, address }, () => conversation.gone);
    if (conversation.gone) throw new ClientGone('the client left');
    return result;
  }

  /** By the protocol's own exchange, with what is stored of the user's password. */
  async #byVerifier(
    { line, address }: Seat,
    { user, proof: first, plugin, nonce: known }: Claim,
    conversation: MysqlPackets,
    may: boolean,
  ): Promise<Login> {
    const { identity } = this.#options;
    const check = identity.mysqlUser(user, address);
    let nonce = known;
    let proof = first;
    if (nonce === null || plugin !== check.plugin) {
      nonce = makeNonce();
      conversation.write(authSwitchRequest(check.plugin, nonce));
      proof = await conversation.read();
    }
    let right = may && proof.length > 0 && check.proof(proof, nonce);
    if (check.plugin === CACHING_SHA2 && proof.length > 0) {
      if (right) conversation.write(authMoreData(Buffer.of(CACHING_SHA2_STEP.FAST_SUCCESS)));
      else {
        const password = await this.#askPassword(conversation, nonce, line.stream instanceof TLSSocket);
        right = password !== null && (await check.password(password));
      }
    }
    if (!identity.judgeLogin(user, address, right && may))
      throw new Refusal(refusals.accessDenied({ user, address }), user, 'wrong');
    return { user, authentication: check.plugin, address, entry: null };
  }

  /** The password itself: inside TLS as it is, else encrypted with our key. Null: the client sent something else. */
  async #askPassword(conversation: MysqlPackets, nonce: Buffer, secure: boolean): Promise<Buffer | null> {
    conversation.write(authMoreData(Buffer.of(CACHING_SHA2_STEP.FULL)));
    let answer = await conversation.read();
    if (secure) return withoutNul(answer);
    const { publicKey, privateKey } = await this.#keys();
    if (answer.length === 1 && answer[0] === CACHING_SHA2_STEP.REQUEST_PUBLIC_KEY) {
      conversation.write(authMoreData(Buffer.from(publicKey)));
      answer = await conversation.read();
    }
    return decryptPassword(answer, nonce, privateKey);
  }

  async #dial(login: Login, wanted: Wanted, greeted: MysqlServer): Promise<MysqlUpstreamLine> {
    const { user } = login;
    const upstream = await this.#options.connect(login, wanted).catch((error: unknown) => {
      // It may be another one than it was: the next client is not greeted as by the one before.
      this.#upstream = null;
      throw this.#upstreamRefusal(error, user);
    });
    const { server } = upstream;
    this.#upstream = Promise.resolve(server);
    // The client speaks with what it was greeted as.
    if (server.engine !== greeted.engine || server.version !== greeted.version) {
      upstream.end();
      throw new Refusal(refusals.serverChanged(), user);
    }
    return upstream;
  }

  async #begin(user: string, client: MysqlClient): Promise<MysqlSession> {
    const { upstream_connect_timeout_ms } = this.#options.limits;
    // The server has taken the login; that does not mean that it answers.
    const timer = setTimeout(() => client.upstream.destroy(), upstream_connect_timeout_ms);
    return this.#options
      .begin(client)
      .catch((error: unknown) => {
        throw this.#upstreamRefusal(error, user);
      })
      .finally(() => clearTimeout(timer));
  }

  /** An error that may be told as a refusal; any other as it is. */
  #upstreamRefusal(error: unknown, user: string): unknown {
    const { errno, sqlstate } = error as { errno?: unknown; sqlstate?: unknown };
    if (!(error instanceof Error) || typeof errno !== 'number' || typeof sqlstate !== 'string') return error;
    this.#options.fault(`upstream ${this.#options.name}: ${error.message}`, error.cause);
    return new Refusal({ errno, sqlstate, message: error.message }, user);
  }

  #forget(id: number): void {
    this.#live.delete(id);
    this.#ids.delete(id);
  }
}

/** A client without a password sends nothing, or a NUL alone. */
const isEmpty = (proof: Buffer): boolean => proof.length === 0 || (proof.length === 1 && proof[0] === 0);

/** None of its bytes is 0, which would end it early, or '$', as at the servers. */
const makeNonce = (): Buffer =>
  Buffer.from(
    Array.from({ length: NONCE_BYTES }, () => {
      const byte = randomInt(1, 127);
      return byte === 0x24 ? 127 : byte;
    }),
  );

/** The key pair of this process, made when it is first needed. */
const createKeys = (): (() => Promise<{ readonly publicKey: string; readonly privateKey: string }>) => {
  let made: Promise<{ publicKey: string; privateKey: string }> | null = null;
  return () =>
    (made ??= promisify(generateKeyPair)('rsa', {
      modulusLength: RSA_BITS,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    }));
};
