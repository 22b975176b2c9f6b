// Signatures as Standard Webhooks has them (its specification 1.0.0, "Signature scheme" and "Webhook headers"): HMAC-SHA256 over
// id, time and the body's exact bytes. Must never put a key or a secret anywhere else.
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';

/** The three headers. `secrets`: each signs, so that a receiver may know either; `at` in milliseconds. */
export function signedHeaders(
  secrets: readonly string[],
  { id, at, body }: { readonly id: string; readonly at: number; readonly body: string },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000));
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** `whsec_` and base64, or a text whose bytes are the key. */
function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
}
