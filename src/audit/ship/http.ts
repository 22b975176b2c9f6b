// Batches of records posted over HTTPS, a line each. 2xx takes a batch, and nothing else does. Must never follow a redirect, use a proxy of
// the environment, trust a certificate that does not verify, or keep what the receiver answers.
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { inWords } from './tls.ts';
import type { Guard, HttpDestination, Message, Sent, ShipClock, Transport } from './types.ts';

/** Name resolution, TCP and TLS. */
const CONNECT_TIMEOUT_MS = 10_000;
/** From the first step to the answer's last byte. */
const WHOLE_TIMEOUT_MS = 60_000;
/** An idle connection is ours to close: many servers do so after 5 s. */
const IDLE_MS = 4_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const TOO_LARGE = 413;
/** Of 4xx, those that say nothing against the batch or us. */
const LATER = [408, 429];

const compressed = promisify(gzip);

export interface HttpOptions {
  readonly guard: Guard;
  readonly clock: Pick<ShipClock, 'now'>;
  /** Of the product. */
  readonly version: string;
}

export class HttpTransport implements Transport {
  readonly #to: HttpDestination;
  readonly #options: HttpOptions;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  readonly #stop = new AbortController();

  constructor(to: HttpDestination, options: HttpOptions) {
    this.#to = to;
    this.#options = options;
    this.#url = new URL(to.url);
    const pool = { keepAlive: true, maxSockets: 1, timeout: IDLE_MS };
    this.#agent = this.#url.protocol === 'https:' ? new HttpsAgent(pool) : new HttpAgent(pool);
  }

  async send(batch: readonly Message[]): Promise<Sent> {
    try {
      this.#options.guard.literal();
      const plain = Buffer.concat(batch.flatMap(({ bytes }) => [bytes, NEWLINE]));
      const body = this.#to.gzip ? await compressed(plain) : plain;
      return await this.#post(body).catch((error: unknown) => {
        // The receiver closed an idle connection in the moment in which we used it: a repetition costs nobody anything.
        if (error instanceof Reused) return this.#post(body);
        throw error;
      });
    } catch (error) {
      return { type: 'failed', why: inWords(error), retry_after_ms: 0 };
    }
  }

  close(): void {
    this.#stop.abort();
    this.#agent.destroy();
  }

  #post(body: Buffer): Promise<Sent> {
    const https = this.#url.protocol === 'https:';
    const { headers, content_type, gzip: zipped, ca } = this.#to;
    return new Promise((resolve, reject) => {
      const request = (https ? httpsRequest : httpRequest)(this.#url, {
        method: 'POST',
        agent: this.#agent,
        lookup: this.#options.guard.lookup,
        signal: this.#stop.signal,
        headers: {
          'content-type': content_type,
          'content-length': body.length,
          'user-agent': `Holdpoint/${this.#options.version}`,
          ...(zipped && { 'content-encoding': 'gzip' }),
          ...headers,
        },
        // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(ca !== null && { ca }),
      });
      const late = (what: string, ms: number) =>
        setTimeout(() => request.destroy(new Error(`${what} within ${ms / 1000} s`)), ms);
      const whole = late('no answer', WHOLE_TIMEOUT_MS);
      const connect = late('no connection', CONNECT_TIMEOUT_MS);
      request.once('socket', (socket) => {
        const connected = (): void => clearTimeout(connect);
        if (socket.connecting) socket.once(https ? 'secureConnect' : 'connect', connected);
        else connected();
      });
      let answer: Sent | null = null;
      let fault: Error = new Error('the connection was closed without an answer');
      request.once('response', (response) => {
        answer = judged(response, this.#options.clock.now());
        discard(response);
      });
      request.on('error', (error) => (fault = error));
      request.once('close', () => {
        clearTimeout(connect);
        clearTimeout(whole);
        const idle = request.reusedSocket && (fault as NodeJS.ErrnoException).code === 'ECONNRESET';
        // What it answered stands, however the rest of the answer ended.
        if (answer !== null) resolve(answer);
        else reject(idle ? new Reused() : fault);
      });
      request.end(body);
    });
  }
}

class Reused extends Error {}

const NEWLINE = Buffer.from('\n');

function judged({ statusCode = 0, headers }: IncomingMessage, now: number): Sent {
  if (statusCode >= 200 && statusCode < 300) return { type: 'taken' };
  const why = `it answers ${statusCode}`;
  if (statusCode === TOO_LARGE) return { type: 'too-large', why };
  if (statusCode >= 300 && statusCode < 400) return { type: 'refused', why: `${why}; redirects are not followed` };
  if (statusCode >= 400 && statusCode < 500 && !LATER.includes(statusCode)) return { type: 'refused', why };
  return { type: 'failed', why, retry_after_ms: retryAfter(headers['retry-after'], now) };
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfter(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) response.destroy();
  });
  response.on('error', () => {});
}
