// What once went wrong in the wire layer, in its smallest form.
import { expect, test } from 'vitest';
import { FrameReader } from '../../../src/wire/postgres/frame.ts';
import { movePosition, readParameterTypes } from '../../../src/wire/postgres/messages.ts';
import { decodeParameters } from '../../../src/wire/postgres/parameters.ts';
import { readStartupPacket } from '../../../src/wire/postgres/startup.ts';

const binary = (oid: number, hex: string) =>
  decodeParameters({ formats: [1], values: [Buffer.from(hex, 'hex')] }, [oid])[0]?.value;

test.each(['7400000004', '740000000500'])('ParameterDescription %s without its count', (hex) => {
  const message = Buffer.from(hex, 'hex');
  expect(readParameterTypes(message, 0, message.length)).toEqual([]);
});

test('peek does not take the body of a streamed message for headers', () => {
  const reader = new FrameReader('d', 400);
  reader.append(Buffer.from('6400000100', 'hex'));
  reader.next();
  reader.append(Buffer.from('5800000004', 'hex'));
  let seen = 0;
  reader.peek(() => (seen += 1) > 0);
  expect(seen).toBe(0);
});

test.each([
  ['date of the year 10000', 1082, '002c95d4'],
  ['date before our era', 1082, 'fff49d7b'],
  ['text that is no UTF-8', 25, 'ff'],
  ['char that is no UTF-8', 18, 'ff'],
  ['jsonb that is no UTF-8', 3802, '01ff'],
])('a %s is shown as hex', (_, oid, hex) => {
  expect(binary(oid, hex)).toBe(`\\x${hex}`);
});

test('numbers as the server prints them', () => {
  expect(binary(700, '3dcccccd')).toBe('0.1');
  expect(binary(701, '8000000000000000')).toBe('-0');
});

test('moving an error position leaves every other byte as it was', () => {
  const message = Buffer.from('450000000b4dff0050390000', 'hex');
  expect(movePosition(message, 0, message.length, () => 10).toString('hex')).toBe('450000000c4dff005031300000');
});

test('a startup packet that is no UTF-8 is refused: two names must not become one', () => {
  const packet = Buffer.from('00000012000300007573657200ff000000', 'hex');
  packet.writeInt32BE(packet.length, 0);
  expect(readStartupPacket(packet, 999)?.packet.type).toBe('bad');
});
