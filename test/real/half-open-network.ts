// Run by half-open.test.ts in a network namespace of its own. The server is 127.0.0.2 and one agent 127.0.0.3; a blackhole route makes
// either vanish while its sockets stay open. Prints what became of the sessions, as JSON.
import { execFileSync } from 'node:child_process';
import { query } from '../../src/wire/postgres/messages.ts';
import { until } from './clients.ts';
import { AGENT_PASSWORD, startGateway } from './gateway.ts';
import { keyOf, Raw, sqlstate } from './raw.ts';
import { startServer } from './servers.ts';

const KEEPALIVE_MS = 1000;
const SERVER = '127.0.0.2';
const AGENT = '127.0.0.3';

const route = (what: 'add' | 'del', address: string): void => {
  execFileSync('ip', ['route', what, 'blackhole', address, 'table', 'local']);
};

execFileSync('ip', ['link', 'set', 'lo', 'up']);

const server = await startServer(18, { listen_addresses: `127.0.0.1,${SERVER}` });
const admin = await server.admin();
const config = { limits: { keepalive_ms: KEEPALIVE_MS } };
/** One whose server vanishes, and one whose agent does. */
const gateway = await startGateway({ upstream: server.url.replace('127.0.0.1', SERVER), config });
const other = await startGateway({ upstream: server.url, config });
const login = async ({ port }: { readonly port: number }, localAddress = '127.0.0.1') => {
  const raw = await Raw.connect(port, { localAddress });
  return { raw, messages: await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' }) };
};
const backend = async (pid: number): Promise<boolean> =>
  (await admin.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 1;

const idle = await login(gateway);
const held = await login(gateway);
held.raw.send(query('CREATE TABLE never (id int)'));
const { id } = await gateway.opened();
const lost = keyOf((await login(other, AGENT)).messages).processId;
const before = await backend(lost);
const begun = performance.now();
route('add', AGENT);
route('add', SERVER);
const [toIdle, toHeld] = await Promise.all([idle.raw.until('E'), held.raw.until('E')]);
await until(async () => (await gateway.grace.get(id)).holds === 'ticket');
await until(async () => !(await backend(lost)));
const took_ms = performance.now() - begun;
route('del', SERVER);
const afterwards = await login(gateway);

console.log(
  JSON.stringify({
    server: { idle: sqlstate(toIdle), held: sqlstate(toHeld), afterwards: sqlstate(afterwards.messages) ?? 'let in' },
    agent: { before, after: await backend(lost) },
    took_ms,
  }),
);
await Promise.all([gateway.stop(), other.stop()]);
await server.stop();
process.exit();
