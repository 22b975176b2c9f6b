// Ports for servers that tests start and that must be told theirs. Each goes to one process at a time: the name of a Unix socket that Linux
// keeps in memory stands for it until the process ends. They lie below those that the system gives to connections, so that none of these has
// one between the look and the start. Must never be asked for the port of what can listen on port 0.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ListenOptions } from 'node:net';

const LOWEST = 10_240;
/** Where the system's own begin, if it does not tell. */
const USUAL_END = 32_768;
const TRIES_MAX = 1000;

/** One of 127.0.0.1 that nobody listens on, and no other test has until this process ends. Rejects after many that were taken. */
export const ownPort = async (): Promise<number> => {
  const end = systemsFirst();
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(LOWEST, end);
    if ((await reserved(port)) && (await listens({ port, host: '127.0.0.1' }, 'close'))) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${end}`);
};

/** False: another process has it. */
const reserved = async (port: number): Promise<boolean> =>
  process.platform !== 'linux' || listens({ path: `\0holdpoint-test-port-${port}` }, 'keep');

/** False: somebody listens there. */
const listens = async (where: ListenOptions, then: 'keep' | 'close'): Promise<boolean> => {
  const server = createServer().unref();
  server.listen(where);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  if (then === 'close') await once(server.close(), 'close');
  return true;
};

const systemsFirst = (): number => {
  try {
    const first = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
    return first > LOWEST + TRIES_MAX ? first : USUAL_END;
  } catch {
    return USUAL_END;
  }
};
