// Dials a real server, secures the line and logs in with the gateway's own credential.
// Never falls back to less security than asked, never sends the password itself outside TLS or a Unix socket, and never tells it or the
// server's words about it to a client.
// Source: MySQL Server Doxygen, "Connection Phase"; MariaDB, "Connection".
import {
  CACHING_SHA2,
  CACHING_SHA2_STEP,
  cachingSha2Proof,
  encryptPassword,
  NATIVE,
  nativeProof,
} from '../../wire/mysql/auth.ts';
import { asked, type Capabilities, CLIENT, isMariadb, REQUIRED } from '../../wire/mysql/capabilities.ts';
import { NEED_MORE, PACKET, PacketReader, packets } from '../../wire/mysql/frame.ts';
import {
  type Greeting,
  handshakeResponse,
  NONCE_BYTES,
  readAuthSwitchRequest,
  readGreeting,
  sslRequest,
} from '../../wire/mysql/handshake.ts';
import { HEADER, readErr, readOkStatus } from '../../wire/mysql/messages.ts';
import type { MysqlServer } from '../../session/upstream.ts';
import { Line, type LineTarget } from '../line.ts';
import { LOGIN_REFUSED } from '../refused.ts';
import { broken, rejected, unreachable, unsupported, UpstreamError } from './error.ts';

export interface MysqlTarget extends LineTarget {
  readonly user: string;
  /** '' for none. */
  readonly password: string;
  /** Of a version that is none of VERSIONS: taken, all the same. */
  readonly allow_untested_version: boolean;
  /** From dialling to the end of the login, in ms. */
  readonly timeout_ms: number;
}

/** What a connection is for. */
export interface Wanted {
  /** In force with the client. */
  readonly capabilities: Capabilities;
  readonly collation: number;
  readonly packet_bytes_max: number;
  /** '' for none. */
  readonly database: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface LoggedIn {
  readonly line: MysqlLine;
  readonly server: MysqlServer;
  readonly threadId: number;
  readonly capabilities: Capabilities;
  readonly status: number;
}

/** Longest packet of a login, in bytes. */
const PACKET_BYTES_MAX = 64 * 1024;
/** Before 11, MariaDB puts a version in front that old replicas understand. */
const REPLICATION_PREFIX = /^5\.5\.5-/;
/** Versions whose statements Holdpoint reads as they do: from, to (without the patch). */
const VERSIONS = {
  mysql: { name: 'MySQL', from: 800, to: 999, text: '8.0 to 9.x' },
  mariadb: { name: 'MariaDB', from: 1006, to: 1108, text: '10.6 to 11.8' },
} as const;

/** For a person: MariaDB 10.11.19-MariaDB, without the version that old MariaDB puts in front. */
export const nameOf = ({ engine, version_text }: MysqlServer): string =>
  `${VERSIONS[engine].name} ${version_text.replace(REPLICATION_PREFIX, '')}`;

/** Null: Holdpoint is tested with servers of this version; else those that it is tested with. */
export const untested = ({ engine, version }: MysqlServer): string | null => {
  const { name, from, to, text } = VERSIONS[engine];
  const series = Math.trunc(version / 100);
  return series < from || series > to ? `${name} ${text}` : null;
};

/** Connects and logs in; a line that nobody listens to yet. Rejects UpstreamError. */
export const login = async (target: MysqlTarget, wanted: Wanted): Promise<LoggedIn> => {
  const line = new MysqlLine();
  const timer = setTimeout(
    () => line.fail(unreachable('the database server did not answer in time')),
    target.timeout_ms,
  );
  try {
    await line.open(target, target.host.startsWith('/') ? target.host : null);
    const greeting = await greeted(line);
    const server = serverOf(greeting);
    const beyond = untested(server);
    // Of no version at all: nobody knows which versioned comments it reads.
    if (beyond !== null && (!target.allow_untested_version || server.version === 0))
      throw unsupported(`the database server's version ${server.version_text} is not ${beyond}`);
    const tls = target.tls.mode !== 'disable';
    const capabilities = asked(wanted.capabilities, greeting.capabilities, tls);
    if ((greeting.capabilities.flags & REQUIRED) !== REQUIRED || capabilities === null)
      throw unsupported('the database server lacks what its clients were promised');
    if (tls) await encrypt(line, target, greeting, { ...wanted, capabilities });
    const status = await new Login(line, target).run(greeting, { ...wanted, capabilities });
    return { line, server, threadId: greeting.threadId, capabilities, status };
  } catch (error) {
    line.destroy();
    // What could not be read breaks the protocol; what it was is for the log.
    throw error instanceof UpstreamError ? error : broken(error);
  } finally {
    clearTimeout(timer);
  }
};

const greeted = async (line: MysqlLine): Promise<Greeting> => {
  const payload = await line.packet();
  if (payload[0] === HEADER.ERR) throw refused(payload);
  const greeting = readGreeting(payload);
  // The password is proved with it: one of another length would be no nonce of a server's.
  if (greeting.nonce.length !== NONCE_BYTES) throw broken(new Error('a nonce of another length'));
  return greeting;
};

const serverOf = ({ version: version_text, capabilities, collation }: Greeting): MysqlServer => {
  const engine = /mariadb/i.test(version_text) ? 'mariadb' : 'mysql';
  const plain = engine === 'mariadb' ? version_text.replace(REPLICATION_PREFIX, '') : version_text;
  const [major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)\.(\d+)/.exec(plain) ?? []).slice(1).map(Number);
  // Its packets would be read in the other's format.
  if ((engine === 'mariadb') !== isMariadb(capabilities) && engine === 'mysql')
    throw unsupported('the database server says that it is MySQL and has capabilities of MariaDB');
  return { engine, version: (major * 100 + minor) * 100 + patch, version_text, capabilities, collation };
};

const encrypt = async (line: MysqlLine, target: MysqlTarget, greeting: Greeting, wanted: Wanted): Promise<void> => {
  if ((greeting.capabilities.flags & CLIENT.SSL) === 0)
    throw unreachable('the database server does not offer TLS, and the configuration demands it');
  line.send(sslRequest(wanted));
  await line.encrypt(target);
};

/** One login, from the greeting to OK. What is asked out of turn is refused. */
class Login {
  readonly #line: MysqlLine;
  readonly #target: MysqlTarget;
  #plugin = '';
  #nonce: Buffer = Buffer.alloc(0);
  #step: 'proof' | 'key' | 'sent' = 'proof';
  #switched = false;

  constructor(line: MysqlLine, target: MysqlTarget) {
    this.#line = line;
    this.#target = target;
  }

  /** The status flags of the OK at its end. */
  async run(greeting: Greeting, wanted: Wanted): Promise<number> {
    this.#nonce = greeting.nonce;
    this.#plugin = Object.hasOwn(PROOFS, greeting.plugin) ? greeting.plugin : CACHING_SHA2;
    const { user } = this.#target;
    this.#line.send(handshakeResponse({ ...wanted, user, plugin: this.#plugin, proof: this.#proof() }));
    for (;;) {
      const payload = await this.#line.packet();
      switch (payload[0]) {
        case HEADER.OK:
          return readOkStatus(payload);
        case HEADER.ERR:
          throw refused(payload);
        case HEADER.EOF:
          this.#switch(payload);
          break;
        case HEADER.MORE_DATA:
          this.#more(payload.subarray(1));
          break;
        default:
          throw broken(new Error(`a packet 0x${payload[0]?.toString(16)} while logging in`));
      }
    }
  }

  #proof(): Buffer {
    return (PROOFS[this.#plugin] as (password: string, nonce: Buffer) => Buffer)(this.#target.password, this.#nonce);
  }

  #switch(payload: Buffer): void {
    if (this.#switched || this.#step !== 'proof') throw broken(new Error('another way to log in, out of turn'));
    this.#switched = true;
    const { plugin, nonce } = readAuthSwitchRequest(payload);
    if (!Object.hasOwn(PROOFS, plugin))
      throw rejected(`the database server asks for ${plugin.replace(/[^\w-]/g, '?')}, which Holdpoint does not do`);
    if (nonce.length !== NONCE_BYTES) throw broken(new Error('a nonce of another length'));
    this.#plugin = plugin;
    this.#nonce = nonce;
    this.#line.send(this.#proof());
  }

  /** caching_sha2_password goes on: the server knows the password's digest, or wants the password. */
  #more(data: Buffer): void {
    const { password } = this.#target;
    if (this.#plugin !== CACHING_SHA2 || this.#step === 'sent') throw broken(new Error('more data, out of turn'));
    if (this.#step === 'key') {
      this.#step = 'sent';
      this.#line.send(encryptPassword(password, this.#nonce, data.toString('latin1')));
      return;
    }
    const [step] = data;
    if (data.length !== 1 || (step !== CACHING_SHA2_STEP.FAST_SUCCESS && step !== CACHING_SHA2_STEP.FULL))
      throw broken(new Error('more data that is none of caching_sha2_password'));
    if (step === CACHING_SHA2_STEP.FAST_SUCCESS) this.#step = 'sent';
    else if (this.#line.secure || this.#target.host.startsWith('/')) {
      this.#step = 'sent';
      this.#line.send(Buffer.from(`${password}\0`));
    } else {
      this.#step = 'key';
      this.#line.send(Buffer.of(CACHING_SHA2_STEP.REQUEST_PUBLIC_KEY));
    }
  }
}

/** Ways to prove the password that do not give it away. */
const PROOFS: Readonly<Record<string, (password: string, nonce: Buffer) => Buffer>> = {
  [CACHING_SHA2]: cachingSha2Proof,
  [NATIVE]: nativeProof,
};

/** Errors that say something about the client's own request, or about the server's state; all others are the operator's business. */
const TELLABLE: ReadonlyMap<number, string | null> = new Map([
  // Its words name the gateway's login.
  [1044, 'the gateway has no access to this database'],
  [1040, null],
  [1049, null],
  [1053, null],
  [1203, 'the database server takes no more connections of the gateway'],
  [1226, 'the database server takes no more connections of the gateway'],
]);

const refused = (payload: Buffer): UpstreamError => {
  const { errno, sqlstate, message } = readErr(payload);
  const words = TELLABLE.get(errno);
  return words === undefined
    ? rejected(LOGIN_REFUSED, new Error(`${errno} (${sqlstate}): ${message}`))
    : new UpstreamError(errno, sqlstate || '08004', words ?? message);
};

/** A line that counts packets. */
export class MysqlLine extends Line<PacketReader> {
  #sequence = 0;

  constructor() {
    super(new PacketReader(PACKET_BYTES_MAX), unreachable);
  }

  /** The next packet's payload. */
  packet(): Promise<Buffer> {
    return this.next((reader) => {
      const found = reader.message();
      if (found === NEED_MORE) return null;
      if (found !== PACKET) throw broken(new Error('a packet out of step or out of bounds'));
      this.#sequence = reader.sequence + 1;
      const payload = reader.body.subarray(reader.from, reader.to);
      if (payload.length === 0) throw broken(new Error('an empty packet'));
      return payload;
    });
  }

  /** The next packet of this conversation. */
  send(payload: Buffer): void {
    this.write(packets(this.#sequence, payload));
    this.#sequence++;
    this.reader.expect(this.#sequence);
  }

  /** Begins a command: a new conversation. */
  command(payload: Buffer): void {
    this.#sequence = 0;
    this.send(payload);
  }
}
