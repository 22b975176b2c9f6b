// What of a directory's bytes reaches the LDAP library.
import { expect, it } from 'vitest';
import { readMessage, wholeLength } from '../../../src/identity/ldap/wire.ts';

const tlv = (tag: number, ...content: readonly (Buffer | string)[]): Buffer => {
  const bytes = Buffer.concat(content.map((one) => Buffer.from(one as string)));
  return Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
};
const entry = (...attributes: readonly string[]): Buffer =>
  tlv(
    0x30,
    tlv(0x02, Buffer.from([7])),
    tlv(
      0x64,
      tlv(0x04, 'uid=ada'),
      tlv(0x30, ...attributes.map((name) => tlv(0x30, tlv(0x04, name), tlv(0x31, tlv(0x04, 'x'))))),
    ),
  );

it('an entry with attributes, and none that stands in the place of its own name', () => {
  expect(readMessage(entry('uid', 'memberOf'))?.id).toBe(7);
  expect(readMessage(entry('uid', 'dn'))).toBeNull();
  expect(readMessage(entry('__proto__'))).toBeNull();
});

it('every cut of a message is no message, and none leaves its own length', () => {
  const whole = entry('uid', 'cn');
  expect(wholeLength(whole)).toBe(whole.length);
  for (let end = 0; end < whole.length; end++) expect(readMessage(whole.subarray(0, end))).toBeNull();
  for (let at = 0; at < whole.length; at++)
    for (const byte of [0x00, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xff]) {
      const changed = Buffer.from(whole);
      changed[at] = byte;
      const read = readMessage(changed);
      if (read !== null) expect(read.operation.end).toBeLessThanOrEqual(changed.length);
    }
});
