// Ids of connections as greetings have them.
import { describe, expect, test } from 'vitest';
import { ConnectionIds } from '../../../src/listener/connection-ids.ts';

describe('connection ids', () => {
  test('are positive also where a client reads 32 bits with a sign, as MariaDB Connector/J does for its KILL QUERY', () => {
    const ids = new ConnectionIds();
    const first = ids.next();
    expect(first).toBeGreaterThan(2 ** 29);
    expect(first).toBeLessThan(2 ** 31);
    expect(first | 0).toBe(first);
  });

  test('find a session of the same user alone, by either id', () => {
    const ids = new ConnectionIds();
    const [id, other] = [ids.next(), ids.next()];
    const peer = { user: 'bot', threadId: 7 };
    ids.add(id, peer);
    expect([ids.find(id, 'bot'), ids.find(7, 'bot')]).toEqual([peer, peer]);
    expect([ids.find(id, 'eve'), ids.find(7, 'eve'), ids.find(other, 'bot')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    ids.delete(id);
    expect([ids.find(id, 'bot'), ids.find(7, 'bot')]).toEqual([undefined, undefined]);
  });
});
