// What `holdpoint check` says of the systems that the log is shipped to: can they be reached, and do they prove who they are? Sends nothing:
// what they get they keep.
import { createConnection } from 'node:net';
import { readCursor } from '../audit/ship/cursor.ts';
import { connectTls, inWords } from '../audit/ship/tls.ts';
import type { Guard } from '../audit/ship/types.ts';
import type { Config, ShipConfig } from '../config/config.ts';
import { shipUrl } from '../config/ship.ts';
import { guarded } from '../review/webhooks/guard.ts';
import type { Finding } from './check.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export async function checkShip({ audit, data }: Config): Promise<Finding[]> {
  return Promise.all(audit.ship.map((to) => look(to, data)));
}

async function look(to: ShipConfig, data: string): Promise<Finding> {
  const url = shipUrl(to);
  const place = 'url' in to ? url.origin : `syslog ${url.host}`;
  const stops =
    to.block_after === null ? '' : `; nothing is forwarded when it is behind by more than ${to.block_after / 1000} s`;
  try {
    const cursor = await readCursor(`${data}/ship/${to.name}.json`);
    await reach(to, url, guarded({ url, allow_private: to.allow_private }));
    const far =
      cursor === null
        ? `begins with ${to.from === 'now' ? 'what happens from then on' : 'the first record'}`
        : `has the log up to record ${cursor.seq}`;
    return {
      level: 'ok',
      about: 'ship',
      text: `${to.name}, ${place}, can be reached and ${far}; nothing was sent${stops}`,
    };
  } catch (error) {
    const level = to.block_after === null ? 'warn' : 'fail';
    return { level, about: 'ship', text: `${to.name}, ${place}: ${inWords(error)}${stops}` };
  }
}

async function reach(to: ShipConfig, url: URL, guard: Guard): Promise<void> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  if (url.protocol === 'https:') {
    const socket = await connectTls({ host, port, ca: to.ca, client: 'syslog' in to ? to.client : null }, guard);
    socket.destroy();
    return;
  }
  guard.literal();
  await new Promise<void>((resolve, reject) => {
    const socket = createConnection({ host, port, lookup: guard.lookup, timeout: CONNECT_TIMEOUT_MS });
    socket.once('connect', () => resolve(void socket.destroy()));
    socket.once('timeout', () => socket.destroy(new Error(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`)));
    socket.once('error', reject);
  });
}
