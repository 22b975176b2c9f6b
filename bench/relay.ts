// The least that any proxy on this runtime does: bytes from one socket to the other, nothing read. The floor of the table.
import { connect, createServer } from 'node:net';

const [port = '0', upstream = '5432'] = process.argv.slice(2);
const shared = Buffer.allocUnsafe(64 * 1024);

createServer({ noDelay: true }, (client) => {
  const server = connect({
    host: '127.0.0.1',
    port: Number(upstream),
    noDelay: true,
    onread: {
      buffer: shared,
      callback: (bytes) => client.write(Buffer.from(shared.subarray(0, bytes))) || true,
    },
  });
  client.on('data', (chunk) => server.write(chunk));
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}).listen(Number(port), '127.0.0.1');
