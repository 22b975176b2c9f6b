// What a relayed login lets through: two conversations and no other, whatever a server says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UpstreamError } from '../../../src/upstream/postgres/error.ts';
import { Relay } from '../../../src/upstream/postgres/relay.ts';
import { authenticationSasl } from '../../../src/wire/postgres/messages.ts';

const SEED = 20261122;
const ANSWER = Buffer.from('p\0\0\0\u0004');

const authentication = (method: number, data = ''): Buffer => {
  if (method === 10) return authenticationSasl('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256');
  const message = Buffer.alloc(9 + data.length);
  message.write('R');
  message.writeInt32BE(8 + data.length, 1);
  message.writeInt32BE(method, 5);
  message.write(data, 9);
  return message;
};

/** What the agent heard, what the server heard, and how it ended. */
const play = async (methods: readonly number[]) => {
  const told: Buffer[] = [];
  let answers = 0;
  const relay = new Relay({ tell: (message) => void told.push(message), answer: async () => ANSWER });
  let end = 'open';
  for (const method of methods) {
    try {
      const result = await relay.take(authentication(method, 'data'));
      if (result === ANSWER) answers++;
      if (result === 'accepted') end = 'accepted';
    } catch (error) {
      expect(error).toBeInstanceOf(UpstreamError);
      end = (error as UpstreamError).message;
    }
    if (end !== 'open') break;
  }
  return { told, answers, end };
};

describe('Relay', () => {
  test('SCRAM: four messages of the server, two answers; channel binding is not offered', async () => {
    const { told, answers, end } = await play([10, 11, 12, 0]);
    expect([answers, end]).toEqual([2, 'accepted']);
    expect(told).toEqual([authenticationSasl('SCRAM-SHA-256'), authentication(11, 'data'), authentication(12, 'data')]);
  });

  test('MD5', async () => {
    const { told, answers, end } = await play([5, 0]);
    expect([told, answers, end]).toEqual([[authentication(5, 'data')], 1, 'accepted']);
  });

  test.each([
    ['no question at all', 0, /asks for no password/],
    ['a clear password', 3, /asks for the password itself/],
    ['Kerberos', 2, /method 2,/],
    ['GSSAPI', 7, /method 7,/],
    ['SSPI', 9, /method 9,/],
    ['something new', 13, /method 13,/],
  ])('%s: nothing is passed on', async (_, method, words) => {
    const { told, answers, end } = await play([method]);
    expect([told, answers, end]).toEqual([[], 0, expect.stringMatching(words)]);
  });

  test('a server that offers nothing but channel binding', async () => {
    const relay = new Relay({ tell: () => {}, answer: async () => ANSWER });
    await expect(relay.take(authenticationSasl('SCRAM-SHA-256-PLUS'))).rejects.toThrow('offers no SCRAM-SHA-256');
  });

  test('nobody is let in but by one of the two', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(0, 3, 5, 10, 11, 12), { maxLength: 6 }), async (methods) => {
        const { end } = await play(methods);
        if (end !== 'accepted') return;
        accepted++;
        expect(methods.join()).toMatch(/^(5,0|10,11,12,0)/);
      }),
      { seed: SEED, numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(10);
  });
});
