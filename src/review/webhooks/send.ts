// One event posted once, to an address that was checked, within its time. Must never follow a redirect, use a proxy of the environment,
// keep what the receiver answers, or trust a certificate that does not verify.
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { checkLiteral, pinned, type Resolve } from './guard.ts';
import type { HookConfig } from './ports.ts';
import { signedHeaders } from './sign.ts';

/** Name resolution, TCP and TLS. */
const CONNECT_TIMEOUT_MS = 5_000;
/** From the first step to the answer's last byte. */
const WHOLE_TIMEOUT_MS = 10_000;
/** An idle connection is ours to close: node's servers, and many others, do so after 5 s. */
const IDLE_MS = 4_000;
/** Of an answer; what follows is not read, and the connection is closed. */
const ANSWER_BYTES_MAX = 64 * 1024;
const WHY_CHARS_MAX = 200;

export type Sent =
  | { readonly type: 'delivered' }
  /** 410: it wants no more. */
  | { readonly type: 'gone' }
  /** `retry_after_ms`: what the receiver asks for; null: nothing. */
  | { readonly type: 'failed'; readonly why: string; readonly retry_after_ms: number | null };

export interface SenderOptions {
  readonly resolve: Resolve;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Of the product. */
  readonly version: string;
}

export class Sender {
  readonly #hook: HookConfig;
  readonly #options: SenderOptions;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  #running: ClientRequest | null = null;
  #closed = false;

  constructor(hook: HookConfig, options: SenderOptions) {
    this.#hook = hook;
    this.#options = options;
    this.#url = new URL(hook.url);
    const pool = { keepAlive: true, maxSockets: 1, timeout: IDLE_MS };
    this.#agent = this.#url.protocol === 'https:' ? new HttpsAgent(pool) : new HttpAgent(pool);
  }

  /** Rejects never. `id` stays the same however often it is tried. */
  async send(id: string, body: string): Promise<Sent> {
    try {
      checkLiteral({ url: this.#url, allow_private: this.#hook.allow_private });
      return await this.#once(id, body);
    } catch (error) {
      // The receiver closed an idle connection in the moment in which we used it.
      const idle =
        !this.#closed && this.#running?.reusedSocket === true && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      return idle ? this.#once(id, body).catch(failed) : failed(error);
    }
  }

  close(): void {
    this.#closed = true;
    this.#running?.destroy();
    this.#agent.destroy();
  }

  #once(id: string, body: string): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const { secret, ca } = this.#hook;
      const request = (this.#url.protocol === 'https:' ? httpsRequest : httpRequest)(this.#url, {
        method: 'POST',
        agent: this.#agent,
        lookup: pinned({ url: this.#url, allow_private: this.#hook.allow_private }, this.#options.resolve),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': `Holdpoint/${this.#options.version}`,
          ...signedHeaders(secret, { id, at: this.#options.now(), body }),
        },
        // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(ca !== null && { ca }),
      });
      this.#running = request;
      const stop = (what: string) => () => void request.destroy(new Error(what));
      const connect = setTimeout(stop(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS);
      const whole = setTimeout(stop(`no answer within ${WHOLE_TIMEOUT_MS / 1000} s`), WHOLE_TIMEOUT_MS);
      const connected = (): void => clearTimeout(connect);
      request.once('socket', (socket) => {
        if (!socket.connecting) connected();
        else socket.once(this.#url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
      });
      let answer: Sent | null = null;
      let fault = new Error('the connection was closed without an answer');
      request.once('response', (response) => {
        answer = judged(response, this.#options.now());
        discard(response);
      });
      request.on('error', (error) => (fault = error));
      request.once('close', () => {
        clearTimeout(connect);
        clearTimeout(whole);
        // What it answered stands, however the rest of the answer ended.
        if (answer === null) reject(fault);
        else resolve(answer);
      });
      request.end(body);
    });
  }
}

function judged({ statusCode = 0, headers }: IncomingMessage, now: number): Sent {
  if (statusCode >= 200 && statusCode < 300) return { type: 'delivered' };
  if (statusCode === 410) return { type: 'gone' };
  const redirect = statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : '';
  const asks = statusCode === 429 || statusCode === 503;
  return {
    type: 'failed',
    why: `it answers ${statusCode}${redirect}`,
    retry_after_ms: asks ? retryAfter(headers['retry-after'], now) : null,
  };
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) response.destroy();
  });
  response.on('error', () => {});
}

function failed(error: unknown): Sent {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = code === undefined || message.includes(code) ? message : `${code}: ${message}`;
  return { type: 'failed', why: why.slice(0, WHY_CHARS_MAX), retry_after_ms: null };
}
