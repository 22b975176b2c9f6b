// Agents as tests have them, what became of their statements, and waiting until something is so. Must never signal a process it did not start.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { AGENT_PASSWORD } from './gateway.ts';

/** Connected; the end of its connection is no fault of the test's. */
export const open = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  return client;
};

/** A statement's outcome, whenever it comes: a rejection before anybody looks is no unhandled one. */
export const outcome = (result: Promise<pg.QueryResult>): Promise<pg.QueryResult | pg.DatabaseError> =>
  result.catch((error: pg.DatabaseError) => error);

/** Asks again until it is so; the test's own limit ends it. */
export const until = async (so: () => Promise<boolean>): Promise<void> => {
  while (!(await so())) await new Promise((resolve) => setTimeout(resolve, 20));
};

/** Resolves when a process of ours takes connections there. Rejects when it has ended, and after about 20 s. */
export const listening = async (port: number, child: ChildProcess): Promise<void> => {
  for (let tries = 0; tries < 1000 && child.exitCode === null && child.signalCode === null; tries++) {
    const socket = connect(port, '127.0.0.1');
    const there = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing listens on ${port}`);
};

export interface PsqlResult {
  readonly out: string;
  readonly err: string;
  readonly exit: number | null;
}

/** psql with a URL or a connection string; resolves when it has ended. */
export const psql = (
  connection: string,
  args: readonly string[],
  { password = AGENT_PASSWORD, input = '' } = {},
): Promise<PsqlResult> & { readonly child: ChildProcess } => {
  const child = spawn('psql', [connection, '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose', ...args], {
    env: { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '10', LC_ALL: 'C' },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end(input);
  return Object.assign(
    once(child, 'close').then(() => ({ out, err, exit: child.exitCode })),
    { child },
  );
};
