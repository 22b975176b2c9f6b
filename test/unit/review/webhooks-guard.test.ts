// Which addresses of a public name are handed to a socket: exactly those that were looked at.
import type { LookupAddress } from 'node:dns';
import { expect, it } from 'vitest';
import { checkLiteral, pinned, type Resolve } from '../../../src/review/webhooks/guard.ts';

const target = (url: string, allow_private = false) => ({ url: new URL(url), allow_private });
const asked = (resolve: Resolve, all: boolean): Promise<unknown[]> =>
  new Promise((done) =>
    pinned(target('https://hooks.example/in'), resolve)('hooks.example', { all }, (...answer: unknown[]) =>
      done(answer),
    ),
  );
const PUBLIC: LookupAddress[] = [
  { address: '8.8.8.8', family: 4 },
  { address: '2a00:1450:4001::1', family: 6 },
];

it('a public name with public addresses: all of them, or the first, as the socket asks', async () => {
  expect(await asked(async () => PUBLIC, true)).toEqual([null, PUBLIC]);
  expect(await asked(async () => PUBLIC, false)).toEqual([null, '8.8.8.8', 4]);
});

it('a name server that answers otherwise the next time is asked and looked at anew, each time', async () => {
  const answers = [PUBLIC, [{ address: '127.0.0.1', family: 4 }], PUBLIC];
  const resolve: Resolve = async () => answers.shift() ?? [];
  const lookup = pinned(target('https://hooks.example/in'), resolve);
  const once = (): Promise<unknown> =>
    new Promise((done) => lookup('hooks.example', { all: true }, (error, found) => done(error ?? found)));
  expect(await once()).toEqual(PUBLIC);
  expect(String(await once())).toContain('hooks.example is 127.0.0.1, which is a loopback address');
  expect(await once()).toEqual(PUBLIC);
});

it('a name that nobody knows is told as that, and no address is given', async () => {
  const [error, ...rest] = await asked(() => Promise.reject(new Error('getaddrinfo ENOTFOUND hooks.example')), true);
  expect([String(error), rest]).toEqual(['Error: getaddrinfo ENOTFOUND hooks.example', ['', 0]]);
});

it('public addresses that are written out pass, over https only', () => {
  for (const host of ['8.8.8.8', '[2a00:1450:4001::1]'])
    expect(() => checkLiteral(target(`https://${host}/`))).not.toThrow();
  expect(() => checkLiteral(target('http://8.8.8.8/', true))).toThrow('use https');
  expect(() => checkLiteral(target('https://hooks.example/'))).not.toThrow();
});
