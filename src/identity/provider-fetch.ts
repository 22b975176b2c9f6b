// Talks to the sign-in provider: one request, one answer, within a time and a size. Must never follow a redirect, use a proxy of the
// environment, ask in clear but on this machine, take a certificate that does not verify, or read more than it may.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { CustomFetch } from 'openid-client';
import { isLoopback } from '../config/config.ts';

/** From name resolution to the last byte. */
export const PROVIDER_TIMEOUT_MS = 5_000;
/** Discovery documents have some 10 KB, key sets some 20 KB. */
export const PROVIDER_BYTES_MAX = 512 * 1024;
/** Fetch, 2.2.3: an answer of these has no body, and a Response that is given one throws. */
const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);

/** The provider gave no answer that could be read. */
export class ProviderDown extends Error {}

/** `ca`: PEM; null: the system's authorities. Rejects ProviderDown. */
export const providerFetch =
  (ca: string | null, timeout_ms: number = PROVIDER_TIMEOUT_MS): CustomFetch =>
  (url, { method, headers, body }) => {
    const { host, hostname, protocol } = new URL(url);
    // Wherever a document sends: a code or secret in clear would be anybody's on the way.
    if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname.replaceAll(/^\[|\]$/g, ''))))
      return Promise.reject(new ProviderDown(`${host} would be asked in clear`));
    return new Promise((resolve, reject) => {
      const down = (why: string, cause?: unknown): void => {
        clearTimeout(over);
        reject(new ProviderDown(`${host} ${why}`, { cause }));
        request.destroy();
      };
      const over = setTimeout(() => down(`did not answer within ${timeout_ms} ms`), timeout_ms);
      const request = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method,
        // A connection of its own: nothing of an earlier answer is left in it.
        agent: false,
        headers: { ...headers, 'accept-encoding': 'identity' },
        // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(ca !== null && { ca }),
      });
      request.on('error', (error) => down('cannot be reached', error));
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > PROVIDER_BYTES_MAX) down(`answers with more than ${PROVIDER_BYTES_MAX} bytes`);
          else chunks.push(chunk);
        });
        response.on('error', (error) => down('closed the connection before its answer was whole', error));
        response.on('end', () => {
          if (!response.complete) return down('closed the connection before its answer was whole');
          clearTimeout(over);
          const { statusCode: status = 500 } = response;
          if (status >= 500 || status < 200) return down(`answers ${status}`);
          const { 'content-type': type, date, location } = response.headers;
          resolve(
            new Response(EMPTY.has(status) ? null : Buffer.concat(chunks), {
              status,
              headers: { ...(type && { 'content-type': type }), ...(date && { date }), ...(location && { location }) },
            }),
          );
        });
      });
      // Forms are all that the library sends.
      request.end(body instanceof URLSearchParams ? body.toString() : undefined);
    });
  };
