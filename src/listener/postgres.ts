// One PostgreSQL listener: accepts, secures the line, finds out who it is, dials the server, and starts a session.
// Nobody who has not proved who it is costs an upstream connection (but with `auth: relay`, where the server asks for the proof), and no
// refusal says which part was wrong.
//
//   accept --> [SSLRequest, TLS] --> StartupMessage --> proof (proof.ts) --> upstream login --> facts --> session
//          |                                         \--> relay: upstream login --> an agent? --/
//          \-> CancelRequest: to the session that owns the key (cancel-keys.ts); no reply
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { LoginRule } from '../identity/login-rules.ts';
import { NO_PEER, type Trust } from '../identity/peer.ts';
import type { Login } from '../identity/types.ts';
import type { Gate } from '../session/gate.ts';
import { PostgresSession, type SessionLimits } from '../session/postgres/session.ts';
import type { RelayedLogin, UpstreamLine } from '../session/upstream.ts';
import {
  authenticationCleartextPassword,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  cstring,
  errorResponse,
  IDLE,
  negotiateProtocolVersion,
  parameterStatus,
  PROTOCOL_3_2,
  readyForQuery,
} from '../wire/postgres/messages.ts';
import { MECHANISM, MECHANISM_PLUS, ScramServer, type Verifier } from '../wire/postgres/scram.ts';
import { readOptions, type StartupPacket } from '../wire/postgres/startup.ts';
import { CancelKeys, type Place } from './cancel-keys.ts';
import { Door, type DoorOptions, type Line } from './door.ts';
import { leave } from './leave.ts';
import { CLEAR_PASSWORD_BYTES_MAX, ClientGone, Packets } from './packets.ts';
import { type Proof, type ProofIdentity, type ProofOptions, Proofs } from './proof.ts';
import { endPointOf, type ListenerTls } from './tls.ts';

/** Startup parameters that are not settings. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication']);
/** Settings that Holdpoint chooses itself; what a client asks for is overridden, not refused. */
const FORCED: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
]);
/** TLS record type of a ClientHello: direct TLS, without SSLRequest. */
const TLS_HANDSHAKE = 0x16;
const ALPN = 'postgresql';

export interface LoginIdentity extends ProofIdentity {
  scramUser(name: string): { readonly verifier: Verifier; readonly known: boolean };
}

export interface ListenerLimits extends SessionLimits {
  readonly login_checks_max: number;
  readonly login_check_timeout_ms: number;
  readonly connections_max: number;
  readonly startup_bytes_max: number;
  readonly startup_timeout_ms: number;
  readonly upstream_connect_timeout_ms: number;
  readonly keepalive_ms: number;
}

export interface PostgresListenerOptions {
  readonly name: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Where its sessions live, for their cancel keys. */
  readonly place: Place;
  /** Set: every client must use TLS. */
  readonly tls: ListenerTls | null;
  readonly logins: ProofOptions['logins'];
  /** Who asks for the proof: Holdpoint, or the server through it. */
  readonly auth: 'terminate' | 'relay';
  readonly identity: LoginIdentity;
  readonly gate: Gate;
  /**
   * Logs in upstream for this login, or lets `agent` do it; rejects with an error that has `sqlstate` and a message that may be told.
   */
  readonly connect: (
    login: Login,
    parameters: ReadonlyMap<string, string>,
    agent: RelayedLogin | null,
  ) => Promise<UpstreamLine>;
  readonly limits: ListenerLimits;
  /** A login that was not let in; resolves when it is on record. */
  readonly refused: (what: {
    readonly user: string;
    readonly address: string;
    readonly sqlstate: string;
    /** Which part was wrong, '' where it is no proof's. */
    readonly why: string;
  }) => Promise<void>;
  readonly fault: (what: string, error?: unknown) => void;
  readonly proved?: DoorOptions['proved'];
}

export interface PostgresListener {
  readonly address: { readonly host: string; readonly port: number };
  readonly sessions: number;
  /** As Door.trust. */
  trust(trust: Trust): void;
  /** Takes nobody new, tells everybody, and waits for the connections to end. */
  close(): Promise<void>;
}

/** Ends the connection with words for the client. */
class Refusal extends Error {
  readonly text: WireText;
  readonly user: string;
  /** For the record, never for the client. */
  readonly why: string;
  constructor(text: WireText, user = '', why = '') {
    super(text.message);
    this.text = text;
    this.user = user;
    this.why = why;
  }
}

export const listenPostgres = async (options: PostgresListenerOptions): Promise<PostgresListener> => {
  const listener = new Listener(options);
  await listener.open();
  return listener;
};

class Listener extends Door<Line> implements PostgresListener {
  readonly #options: PostgresListenerOptions;
  readonly #keys: CancelKeys<PostgresSession>;
  readonly #live = new Map<PostgresSession, UpstreamLine>();
  readonly #proofs: Proofs;
  /** Null: SCRAM can't be bound to the connection. */
  readonly #endPoint: Buffer | null;

  constructor(options: PostgresListenerOptions) {
    super(options);
    this.#options = options;
    this.#proofs = new Proofs(options);
    this.#endPoint = options.tls && endPointOf(options.tls);
    this.#keys = new CancelKeys(options.place);
  }

  get sessions(): number {
    return this.#live.size;
  }

  protected lineOf(socket: Socket): Line {
    return { stream: socket };
  }

  protected turnAway({ stream }: Line): void {
    const { connections_max } = this.#options.limits;
    const text = this.closing
      ? texts.starting({ what: 'shutting down' })
      : texts.tooManyConnections({ limit: connections_max });
    leave(stream, errorResponse(text));
  }

  protected endSessions(): readonly UpstreamLine[] {
    const upstreams = [...this.#live.values()];
    for (const session of this.#live.keys()) session.close(texts.shutdown({ id: null }));
    return upstreams;
  }

  protected async refuse({ stream }: Line, address: string, error: unknown): Promise<void> {
    if (error instanceof ClientGone) {
      stream.destroy();
      return;
    }
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal({ severity: 'FATAL', sqlstate: 'XX000', message: 'Holdpoint failed to start this session' });
    if (!(error instanceof Refusal)) this.#options.fault('a session could not be started', error);
    if (refusal.user !== '')
      await this.#options
        .refused({ user: refusal.user, address, sqlstate: refusal.text.sqlstate, why: refusal.why })
        .catch((failure: unknown) => this.#options.fault('a refused login could not be recorded', failure));
    leave(stream, errorResponse(refusal.text));
  }

  protected async greet(socket: Socket, line: Line, address: string): Promise<void> {
    const packet = await this.#encryption(socket, line);
    if (packet === null) return;
    const { stream } = line;
    const packets = new Packets(stream);
    const { parameters } = packet;
    const user = parameters.get('user') ?? '';
    if (user === '')
      throw new Refusal(texts.notAuthorized({ why: 'no PostgreSQL user name specified in startup packet', hint: '' }));
    if (this.context && stream === socket)
      throw new Refusal(
        texts.notAuthorized({ why: 'this address takes TLS connections only', hint: 'Add sslmode=require.' }),
        user,
      );
    const version = Math.min((3 << 16) + packet.minor, PROTOCOL_3_2);
    if (packet.minor > (PROTOCOL_3_2 & 0xffff) || packet.unrecognised.length > 0)
      stream.write(negotiateProtocolVersion(version, packet.unrecognised));
    const away = this.#proofs.turnedAway(line.peer ?? NO_PEER);
    if (away !== null) throw new Refusal(texts.certificateRefused({ user }), user, away);
    const relay = this.#options.auth === 'relay';
    const login: Login = relay
      ? { user, authentication: 'relay', address, entry: null }
      : await this.#authenticate(line, packets, user, address);
    if (!relay) this.proved(line, login.user);
    const database = parameters.get('database') || user;
    const settings = settingsOf(parameters, user);
    const application_name = settings.get('application_name') ?? '';
    const opening = { login, application_name, database, listener: this.#options.name };
    const judged = [...settings].filter(([name]) => name !== 'application_name' && !FORCED.has(name));
    const wanted = new Map([...settings, ...FORCED, ['database', database]]);
    const refused =
      relay && !this.#isAgent(login)
        ? texts.wrongPassword({ user })
        : await this.#options.gate.startup(opening, judged);
    const no = refused && new Refusal({ ...refused, severity: 'FATAL' }, user);
    if (no && !relay) throw no;
    const upstream = relay
      ? await this.#relay(stream, packets, login, no ? new Map([['database', database]]) : wanted)
      : await this.#dial(login, wanted, null);
    const { parameters: reported } = upstream;
    try {
      // With relay nobody hears of a refusal before they have proved who they are.
      if (no) throw no;
      const session = new PostgresSession(stream, upstream, this.#options.limits, {
        fault: this.#options.fault,
        closed: () => this.#closed(session, upstream, stream),
      });
      await this.#ready(session, upstream, user);
      const gate = await this.#options.gate
        .open(
          {
            // One by one: a copy of an object would have a shape of its own, which is bigger than it.
            login,
            application_name,
            database,
            listener: opening.listener,
            upstream_user: upstream.user,
            engine: 'postgres',
            server_version: upstream.serverVersion,
            server_pid: upstream.processId,
            end: (text) => session.close(text),
          },
          session.facts,
        )
        .catch((error: unknown) => {
          this.#options.fault('a session could not be recorded', error);
          throw new Refusal({ ...texts.noLog(), severity: 'FATAL' }, user);
        });
      if (packets.gone || this.closing) {
        gate.close('client left');
        throw new ClientGone('the client left');
      }
      this.#live.set(session, upstream);
      const secret = this.#keys.add(upstream.processId, packet.minor, session);
      stream.write(
        Buffer.concat([
          ...[...reported].map(([name, value]) => parameterStatus(name, value)),
          backendKeyData(upstream.processId, secret),
          readyForQuery(IDLE),
        ]),
      );
      session.start(gate, packets.release());
    } catch (error) {
      upstream.destroy();
      throw error;
    }
  }

  /** The server has taken the login; that does not mean that it answers. */
  async #ready(session: PostgresSession, upstream: UpstreamLine, user: string): Promise<void> {
    const timer = setTimeout(() => upstream.destroy(), this.#options.limits.upstream_connect_timeout_ms);
    await session
      .ready()
      .catch((error: unknown) => {
        this.#options.fault(`upstream ${this.#options.name}: no answer after the login`, error);
        throw new Refusal(texts.upstreamLost({ upstream: this.#options.name, running: false }), user);
      })
      .finally(() => clearTimeout(timer));
  }

  /** Settles encryption; the startup message that follows, or null when the connection was for a cancel. */
  async #encryption(socket: Socket, line: Line): Promise<Extract<StartupPacket, { type: 'startup' }> | null> {
    let packets = new Packets(socket);
    const { startup_bytes_max } = this.#options.limits;
    if (this.context && (await packets.first()) === TLS_HANDSHAKE) {
      const tls = await this.secure(line, socket, this.context, packets.release(), [ALPN]);
      if (tls.alpnProtocol !== ALPN) throw new Refusal(texts.protocolViolation({ what: 'direct TLS without ALPN' }));
      packets = new Packets(tls);
    }
    for (let asked = 0; ; asked++) {
      const packet = await packets.startup(startup_bytes_max);
      if (packet.type === 'startup') {
        const early = packets.release();
        if (early.length > 0) line.stream.unshift(early);
        return packet;
      }
      if (packet.type === 'cancel') {
        packets.release();
        this.#keys.find(packet.processId, packet.secretKey)?.cancel();
        leave(line.stream);
        return null;
      }
      // The SQLSTATE is the server's.
      if (packet.type === 'unsupported')
        throw new Refusal({ severity: 'FATAL', sqlstate: '0A000', message: packet.why });
      if (packet.type === 'bad') throw new Refusal(texts.protocolViolation({ what: packet.why }));
      // One question for each kind of encryption, and none inside TLS.
      if (asked >= 2 || line.stream !== socket)
        throw new Refusal(texts.protocolViolation({ what: 'a second encryption request' }));
      if (packet.type === 'gssenc' || !this.context) {
        socket.write('N');
        continue;
      }
      if (packets.early > 0)
        throw new Refusal(texts.protocolViolation({ what: 'unencrypted data after the SSL request' }));
      packets.release();
      socket.write('S');
      await this.secure(line, socket, this.context, Buffer.alloc(0));
      packets = new Packets(line.stream);
    }
  }

  /** How it is asked is settled by the name alone. Rejects Refusal. */
  async #authenticate(line: Line, packets: Packets, user: string, address: string): Promise<Login> {
    const rule = this.#proofs.ruleOf(user);
    if (rule?.by === 'certificate') {
      const proof = this.#proofs.byCertificate(user, address, line.peer ?? NO_PEER);
      return this.#proved(line, proof, texts.certificateRefused({ user }), user);
    }
    // Who has no rule goes the way of who has no verifier.
    if (rule === null || rule.by === 'verifier') return this.#scram(line, packets, user, address, rule !== null);
    return this.#proved(
      line,
      await this.#password(line, packets, rule, user, address),
      texts.wrongPassword({ user }),
      user,
    );
  }

  #proved({ stream }: Line, proof: Proof, wrong: WireText, user: string): Login {
    if (proof.type === 'unknown') {
      this.#options.fault(`${this.#options.name}: a login could not be checked: ${proof.why}`);
      throw new Refusal(texts.loginUnchecked(), user, proof.why);
    }
    if (proof.type === 'wrong') throw new Refusal(wrong, user, proof.why);
    stream.write(authenticationOk());
    return proof.login;
  }

  /** The password itself, inside TLS. */
  async #password(line: Line, packets: Packets, rule: LoginRule, user: string, address: string): Promise<Proof> {
    const { stream } = line;
    if (!(stream instanceof TLSSocket)) throw new Error('a password in clear, outside TLS');
    stream.write(authenticationCleartextPassword());
    const body = await packets.password(CLEAR_PASSWORD_BYTES_MAX);
    if (!body) throw new Refusal(texts.protocolViolation({ what: 'expected a password' }), user);
    if (body.length === 0 || body.indexOf(0) !== body.length - 1)
      throw new Refusal(texts.protocolViolation({ what: 'invalid password packet size' }), user);
    const asked = { user, password: body.subarray(0, -1), address };
    const proof = await this.#proofs.byPassword(rule, asked, () => packets.gone);
    if (packets.gone) throw new ClientGone('the client left');
    return proof;
  }

  async #scram(line: Line, packets: Packets, user: string, address: string, may: boolean): Promise<Login> {
    const { stream } = line;
    const wrong = (): Refusal => {
      this.#options.identity.judgeLogin(user, address, false);
      return new Refusal(texts.wrongPassword({ user }), user, 'wrong');
    };
    const { verifier, known } = this.#options.identity.scramUser(user);
    const endPoint = stream instanceof TLSSocket ? this.#endPoint : null;
    const offered = endPoint ? [MECHANISM_PLUS, MECHANISM] : [MECHANISM];
    const scram = new ScramServer(verifier, endPoint);
    stream.write(authenticationSasl(...offered));
    const initial = readInitialResponse(await packets.password(), offered);
    if (initial === null) throw new Refusal(texts.protocolViolation({ what: 'expected a SASL response' }), user);
    const challenge = scram.first(initial.data, initial.mechanism);
    if (scram.misbound) throw new Refusal(texts.misbound(), user, 'channel binding');
    if (challenge === null) throw wrong();
    stream.write(authenticationSaslContinue(challenge));
    const final = await packets.password();
    if (!final) throw new Refusal(texts.protocolViolation({ what: 'expected a SASL response' }), user);
    const proof = scram.final(final.toString('utf8'));
    if (scram.misbound) throw new Refusal(texts.misbound(), user, 'channel binding');
    if (!this.#options.identity.judgeLogin(user, address, proof !== null && known && may) || proof === null)
      throw new Refusal(texts.wrongPassword({ user }), user, 'wrong');
    stream.write(Buffer.concat([authenticationSaslFinal(proof), authenticationOk()]));
    return { user, authentication: 'scram-sha-256', address, entry: null };
  }

  /** The server asks for the proof, through us. Who is no agent here hears after it that the password was wrong. */
  async #relay(
    stream: Duplex,
    packets: Packets,
    login: Login,
    parameters: ReadonlyMap<string, string>,
  ): Promise<UpstreamLine> {
    const { identity } = this.#options;
    const { user, address } = login;
    let upstream: UpstreamLine;
    try {
      upstream = await this.#dial(login, parameters, {
        tell: (message) => void stream.write(message),
        async answer() {
          const answer = await packets.answer();
          if (answer === null) throw new Refusal(texts.protocolViolation({ what: 'expected a password' }), user);
          return answer;
        },
      });
    } catch (error) {
      if (error instanceof Refusal && error.text.sqlstate.startsWith('28')) identity.judgeLogin(user, address, false);
      throw error;
    }
    if (!identity.judgeLogin(user, address, this.#isAgent(login))) {
      upstream.destroy();
      throw new Refusal(texts.wrongPassword({ user }), user);
    }
    stream.write(authenticationOk());
    return upstream;
  }

  #isAgent(login: Login): boolean {
    return this.#options.identity.principal(login)?.kind === 'agent';
  }

  async #dial(
    login: Login,
    parameters: ReadonlyMap<string, string>,
    agent: RelayedLogin | null,
  ): Promise<UpstreamLine> {
    try {
      return await this.#options.connect(login, parameters, agent);
    } catch (error) {
      const sqlstate = (error as { sqlstate?: unknown }).sqlstate;
      if (typeof sqlstate !== 'string' || !(error instanceof Error)) throw error;
      this.#options.fault(`upstream ${this.#options.name}: ${error.message}`, error.cause);
      throw new Refusal({ severity: 'FATAL', sqlstate, message: error.message }, login.user);
    }
  }

  #closed(session: PostgresSession, upstream: UpstreamLine, stream: Duplex): void {
    leave(stream);
    this.#live.delete(session);
    this.#keys.delete(upstream.processId, session);
  }
}

/** A SASLInitialResponse for a mechanism that was offered, or null. */
const readInitialResponse = (
  body: Buffer | null,
  offered: readonly string[],
): { readonly mechanism: string; readonly data: string } | null => {
  const mechanism = body && cstring(body, 0, body.length);
  if (!body || !mechanism || !offered.includes(mechanism.text) || body.length < mechanism.next + 4) return null;
  const at = mechanism.next + 4;
  if (body.readInt32BE(mechanism.next) !== body.length - at) return null;
  return { mechanism: mechanism.text, data: body.toString('utf8', at) };
};

/** Startup parameters and options as settings, by lower-case name; an explicit parameter wins over `options`. */
const settingsOf = (parameters: ReadonlyMap<string, string>, user: string): Map<string, string> => {
  const replication = (parameters.get('replication') ?? 'false').toLowerCase();
  if (!['false', 'off', 'no', '0'].includes(replication))
    throw new Refusal(
      texts.notAuthorized({ why: 'replication connections are a bulk export', hint: 'Connect without replication.' }),
      user,
    );
  const options = readOptions(parameters.get('options') ?? '');
  if ('refused' in options)
    throw new Refusal(
      texts.notAuthorized({
        why: `Holdpoint does not pass the option "${options.refused}" on`,
        hint: 'Only -c name=value and --name=value are.',
      }),
      user,
    );
  const settings = new Map<string, string>();
  const own = [...parameters].filter(([name]) => !NOT_SETTINGS.has(name));
  for (const [written, value] of [...options.settings, ...own]) {
    const name = written.toLowerCase();
    // They all become startup parameters upstream: there, `user` or `options` from here would be the gateway's own.
    if (NOT_SETTINGS.has(name) || name.startsWith('_pq_.'))
      throw new Refusal(
        texts.notAuthorized({ why: `"${written}" is not a setting`, hint: `Leave it out of the connection string.` }),
        user,
      );
    settings.set(name, value);
  }
  return settings;
};
