// Agents of a gateway under measurement, many at a time.
import { AGENT_PASSWORD } from '../test/real/gateway.ts';
import { Raw } from '../test/real/raw.ts';
import type { Peer } from './peers.ts';

const AT_ONCE = 64;

export const logIn = async ({ port }: Peer, count: number): Promise<Raw[]> => {
  const sessions: Raw[] = [];
  await each(Array.from({ length: count }), async () => {
    const session = await Raw.connect(port);
    const messages = await session.login('bot', AGENT_PASSWORD, { database: 'postgres', application_name: 'bench' });
    if (messages.at(-1)?.type !== 'Z') throw new Error(`a login failed: ${messages.at(-1)?.fields.get('M')}`);
    sessions.push(session);
  });
  return sessions;
};

/** For each item, some at a time. */
export const each = async <T>(
  items: readonly T[],
  use: (item: T, number: number) => Promise<unknown>,
): Promise<void> => {
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [number, item] of left) await use(item, number);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
};
