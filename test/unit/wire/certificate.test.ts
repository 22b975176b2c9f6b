// Names in a certificate's text form, and the hash that a login is bound by.
import { describe, expect, test } from 'vitest';
import { alternativeNames, endPointHash } from '../../../src/wire/certificate.ts';

describe('alternative names', () => {
  test.each([
    ['DNS:a.example', [['DNS', 'a.example']]],
    [
      'DNS:a, URI:spiffe://x/y, IP Address:127.0.0.1',
      [
        ['DNS', 'a'],
        ['URI', 'spiffe://x/y'],
        ['IP Address', '127.0.0.1'],
      ],
    ],
    // A name that holds what looks like the next entry stands as JSON.
    [
      'DNS:"a, URI:spiffe://x/y", DNS:b',
      [
        ['DNS', 'a, URI:spiffe://x/y'],
        ['DNS', 'b'],
      ],
    ],
    ['URI:"a\\"b\\u0000c"', [['URI', 'a"b\0c']]],
    ['DNS:', [['DNS', '']]],
    [undefined, []],
    ['', []],
  ] as const)('%s', (text, names) => {
    expect(alternativeNames(text)?.map(({ kind, value }) => [kind, value])).toEqual(names);
  });

  test.each(['DNS', 'DNS:a, ', 'DNS:a,URI:b', 'DNS:a"b', 'DNS:"a', 'DNS:"\\q"', ':a', 'DNS:"a"b'])(
    'not read: %s',
    (text) => {
      expect(alternativeNames(text)).toBeNull();
    },
  );
});

describe('tls-server-end-point', () => {
  const der = (tag: number, ...parts: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.of(tag, body.length), body]);
  };
  const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
  const certificate = (...algorithm: readonly Buffer[]): Buffer =>
    der(0x30, der(0x30, der(0x02, Buffer.of(1))), der(0x30, ...algorithm), der(0x03));
  const PSS = oid('2a864886f70d01010a');

  test.each([
    ['md5WithRSA', '2a864886f70d010104', 'sha256'],
    ['sha1WithRSA', '2a864886f70d010105', 'sha256'],
    ['sha256WithRSA', '2a864886f70d01010b', 'sha256'],
    ['sha512WithRSA', '2a864886f70d01010d', 'sha512'],
    ['ecdsa-with-SHA1', '2a8648ce3d0401', 'sha256'],
    ['ecdsa-with-SHA384', '2a8648ce3d040303', 'sha384'],
    ['Ed25519', '2b6570', null],
    ['unknown', '2a03', null],
  ])('%s', (_, hex, hash) => {
    expect(endPointHash(certificate(oid(hex)))).toBe(hash);
  });

  test('RSASSA-PSS: the hash among its parameters; SHA-1 by default, which counts as SHA-256', () => {
    const sha512 = der(0x30, der(0xa0, der(0x30, oid('608648016503040203'))));
    expect(endPointHash(certificate(PSS, sha512))).toBe('sha512');
    expect(endPointHash(certificate(PSS, der(0x30)))).toBe('sha256');
    expect(endPointHash(certificate(PSS, der(0x30, der(0xa0, der(0x30, oid('2a03'))))))).toBeNull();
    expect(endPointHash(certificate(PSS))).toBeNull();
  });

  test('what is cut off, or no DER, has none', () => {
    const whole = certificate(oid('2a864886f70d01010b'));
    for (let length = 0; length < whole.length; length++) expect(endPointHash(whole.subarray(0, length))).toBeNull();
    expect(endPointHash(Buffer.from([0x30, 0x80, 0, 0]))).toBeNull();
    expect(endPointHash(Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))).toBeNull();
  });
});
