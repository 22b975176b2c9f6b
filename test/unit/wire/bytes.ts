// Byte tables as a person writes them: one field a line, hex or "text", then `--` and the field's name in the manual.

/** `51 -- type` and `"SELECT 1" 00 -- query` a line: the bytes of all lines. Throws on anything else. */
export function bytes(table: string): Buffer {
  const parts: Buffer[] = [];
  for (const line of table.split('\n')) {
    const fields = (line.split(' -- ')[0] ?? '').trim();
    for (const [token] of fields.matchAll(/"[^"]*"|\S+/g)) {
      if (token.startsWith('"')) parts.push(Buffer.from(token.slice(1, -1)));
      else if (/^([0-9a-f]{2})+$/.test(token)) parts.push(Buffer.from(token, 'hex'));
      else throw new Error(`not hex: ${token}`);
    }
  }
  return Buffer.concat(parts);
}

/** A message with a true length. */
export function message(type: string, body: Uint8Array): Buffer {
  const whole = Buffer.alloc(5 + body.length);
  whole.write(type, 0, 'latin1');
  whole.writeInt32BE(4 + body.length, 1);
  whole.set(body, 5);
  return whole;
}

/** `bytes` alone, and followed by bytes that a reader kept to `bytes` can't tell: the answers must be the same. */
export function surroundings(alone: Buffer): Buffer[] {
  return [alone, ...[0x00, 0x01, 0x41, 0xff].map((fill) => Buffer.concat([alone, Buffer.alloc(600, fill)]))];
}
