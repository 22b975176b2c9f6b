// What OpenSSL makes of a certificate at a listener, asked without its key: a TLS 1.2 handshake in memory, up to the client's certificate, which goes in
// clear and is verified the moment it comes. For an operator's eyes. Must never verify anything itself, nor be taken for a proof of who somebody is.
import { randomBytes, type X509Certificate } from 'node:crypto';
import { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { type Peer, peerOf } from './peer.ts';

const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Of one record (RFC 5246, 6.2.1). */
const RECORD_BYTES_MAX = 16_384;

/** RFC 5246, 6.2.1 and 7.4. */
const RECORD = { ALERT: 21, HANDSHAKE: 22 } as const;
const MESSAGE = { CLIENT_HELLO: 1, CERTIFICATE: 11, SERVER_HELLO_DONE: 14 } as const;
/** A warning, user_canceled (RFC 5246, 7.2.2); as fatal it ends the handshake. */
const LEAVE = Buffer.from([2, 90]);

/** The certificate, then what stands above it. Rejects where OpenSSL did not come to look at it; the message is for the operator. */
export async function shownTo(context: SecureContext, chain: readonly X509Certificate[]): Promise<Peer> {
  const client = new Client(chain);
  const tls = new TLSSocket(client, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    rejectUnauthorized: false,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Peer>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the handshake took too long')), HANDSHAKE_TIMEOUT_MS);
      // By then the certificate was looked at, or something before it was wrong.
      tls.once('error', (error) => {
        const peer = peerOf(tls);
        if (peer.type === 'none') reject(new Error(`the handshake failed: ${error.message}`, { cause: error }));
        else resolve(peer);
      });
      tls.once('close', () => reject(new Error('the handshake ended early')));
      client.begin();
    });
  } finally {
    clearTimeout(timer);
    tls.on('error', () => {});
    tls.destroy();
    client.destroy();
  }
}

/** What the server writes comes to it; it says hello, shows the certificate when it is asked to, and leaves. */
class Client extends Duplex {
  readonly #chain: readonly X509Certificate[];
  #came = Buffer.alloc(0);
  #shown = false;

  constructor(chain: readonly X509Certificate[]) {
    super();
    this.#chain = chain;
  }

  begin(): void {
    this.push(record(RECORD.HANDSHAKE, clientHello()));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#came = Buffer.concat([this.#came, chunk]);
    if (!this.#shown && saidHello(this.#came)) {
      this.#shown = true;
      const shown = certificate(this.#chain);
      for (let at = 0; at < shown.length; at += RECORD_BYTES_MAX)
        this.push(record(RECORD.HANDSHAKE, shown.subarray(at, at + RECORD_BYTES_MAX)));
      this.push(record(RECORD.ALERT, LEAVE));
    }
    done();
  }
}

/** Is the server's hello complete? Its messages may be cut anywhere over its records. */
function saidHello(came: Buffer): boolean {
  let messages = Buffer.alloc(0);
  for (let at = 0; at + 5 <= came.length; at += 5 + came.readUInt16BE(at + 3))
    if (came[at] === RECORD.HANDSHAKE)
      messages = Buffer.concat([messages, came.subarray(at + 5, at + 5 + came.readUInt16BE(at + 3))]);
  for (let at = 0; at + 4 <= messages.length; at += 4 + messages.readUIntBE(at + 1, 3))
    if (messages[at] === MESSAGE.SERVER_HELLO_DONE) return true;
  return false;
}

/** RFC 5246, 7.4.1.2. Whatever key the listener has, one of these fits: ECDHE with ECDSA (also Ed25519) or RSA. */
function clientHello(): Buffer {
  const version = words(0x0303);
  const ciphers = words(0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8);
  const extensions = [
    // RFC 8422: groups, and points as they are.
    extension(10, vector(2, words(29, 23, 24, 25))),
    extension(11, vector(1, Buffer.from([0]))),
    // RFC 8446, 4.2.3: signatures.
    extension(
      13,
      vector(2, words(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)),
    ),
    // RFC 5746: nothing is negotiated anew.
    extension(0xff01, vector(1, Buffer.alloc(0))),
  ];
  const session = vector(1, Buffer.alloc(0));
  const compression = vector(1, Buffer.from([0]));
  const body = [
    version,
    randomBytes(32),
    session,
    vector(2, ciphers),
    compression,
    vector(2, Buffer.concat(extensions)),
  ];
  return message(MESSAGE.CLIENT_HELLO, Buffer.concat(body));
}

/** RFC 5246, 7.4.2. */
function certificate(chain: readonly X509Certificate[]): Buffer {
  return message(MESSAGE.CERTIFICATE, vector(3, Buffer.concat(chain.map(({ raw }) => vector(3, raw)))));
}

/** Its length in so many bytes, then itself. */
function vector(bytes: number, body: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(body.length, 0, bytes);
  return Buffer.concat([length, body]);
}

function words(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 0xff])));
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([words(type), vector(2, body)]);
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), vector(3, body)]);
}

function record(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3]), vector(2, body)]);
}
