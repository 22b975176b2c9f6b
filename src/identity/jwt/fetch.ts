// Gets a small text from an issuer's own host, within its time. Must never follow a redirect, use a proxy of the environment, take a
// certificate that does not verify, or read more than it may.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

const FETCH_BYTES_MAX = 512 * 1024;

/** `ca`: PEM; null: the system's authorities. `timeout_ms`: from name resolution to the last byte. Rejects with a message for the operator. */
export function fetchText(url: string, ca: string | null, timeout_ms: number): Promise<string> {
  const { protocol, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      // A connection of its own: nothing of an earlier answer is left in it.
      agent: false,
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(ca !== null && { ca }),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let whole = false;
    let refused: Error | null = null;
    const refuse = (why: string): void => {
      refused ??= new Error(why);
      request.destroy(refused);
    };
    let fault = new Error(`${host} closed the connection before its answer was whole`);
    const over = setTimeout(() => refuse(`${host} did not answer within ${timeout_ms} ms`), timeout_ms);
    request.on('response', (response) => {
      const { statusCode = 0 } = response;
      if (statusCode !== 200) {
        const redirect = statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : '';
        refuse(`${host} answers ${statusCode}${redirect}`);
      }
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > FETCH_BYTES_MAX) refuse(`${host} answers with more than ${FETCH_BYTES_MAX} bytes`);
        else chunks.push(chunk);
      });
      response.on('end', () => (whole = response.complete));
      response.on('error', (error) => (fault = error));
    });
    request.on('error', (error) => (fault = error));
    request.on('close', () => {
      clearTimeout(over);
      // A short answer may be here whole although it was refused.
      if (whole && refused === null) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(refused ?? fault);
    });
    request.end();
  });
}
