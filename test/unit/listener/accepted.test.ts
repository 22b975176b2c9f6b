// What is read into the one buffer: each connection gets its own bytes, all of them and in order, however it is paused; and its end.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readingShared } from '../../../src/listener/accepted.ts';

let server: Server;
let opened: Socket[];
beforeEach(async () => {
  opened = [];
  server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of opened) socket.destroy();
  server.close();
});

/** Both ends of a connection. */
const pair = async (): Promise<{ client: Socket; served: Socket }> => {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  const [socket] = await accepted;
  const served = readingShared(socket);
  opened.push(client, served);
  // Taken over, and not as Node accepted it.
  expect(served).not.toBe(socket);
  return { client, served };
};

const gathered = (socket: Socket, bytes: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let left = bytes;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      left -= chunk.length;
      if (left <= 0) resolve(Buffer.concat(chunks));
    });
    socket.on('close', () => reject(new Error(`closed with ${left} bytes to come`)));
  });

test('many at once: each its own bytes, whole and in order, through pauses', async () => {
  const pairs: Awaited<ReturnType<typeof pair>>[] = [];
  for (let n = 0; n < 6; n++) pairs.push(await pair());
  const sizes = [1, 100, 65_535, 65_536, 65_537, 3_000_000];
  await Promise.all(
    pairs.map(async ({ client, served }, n) => {
      const sent = randomBytes(sizes[n] ?? 0);
      const got = gathered(served, sent.length);
      served.on('data', () => {
        served.pause();
        setImmediate(() => served.resume());
      });
      served.resume();
      for (let at = 0; at < sent.length; ) {
        const end = at + 1 + (at % 40_000) + n;
        client.write(sent.subarray(at, end));
        at = end;
        await new Promise(setImmediate);
      }
      expect((await got).equals(sent)).toBe(true);
    }),
  );
});

test('what comes before anybody listens is kept, in bounds, behind what was put back', async () => {
  const { client, served } = await pair();
  const sent = randomBytes(1_000_000);
  client.write(sent);
  while (served.readableLength === 0) await new Promise(setImmediate);
  const back = Buffer.from('put back');
  served.unshift(back);
  const got = gathered(served, back.length + sent.length);
  served.resume();
  expect((await got).equals(Buffer.concat([back, sent]))).toBe(true);
  // A megabyte was never waiting here.
  expect(served.readableHighWaterMark).toBeLessThan(100_000);
});

test('a client that is paused for long is not read', async () => {
  const { client, served } = await pair();
  served.on('data', () => served.pause());
  client.write('first');
  await once(served, 'data');
  client.write(Buffer.alloc(20_000_000));
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  // The client's side feels it: what it writes is not taken.
  expect(served.bytesRead).toBeLessThan(200_000);
  expect(client.writableLength).toBeGreaterThan(0);
});

test('the end is told, in both directions, and a connection that broke', async () => {
  const one = await pair();
  const end = once(one.served, 'end');
  one.served.resume();
  one.client.end('good-bye');
  await end;
  await once(one.served, 'close');
  const other = await pair();
  other.client.on('error', () => undefined);
  other.served.on('error', () => undefined);
  const closed = new Promise((resolve) => other.served.on('close', resolve));
  other.served.resume();
  other.client.resetAndDestroy();
  await closed;
  const third = await pair();
  const gone = once(third.client, 'end');
  third.client.resume();
  third.served.end();
  await gone;
});

test('what is already gone stays as it was', async () => {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  opened.push(client);
  const [socket] = await accepted;
  socket.destroy();
  expect(readingShared(socket)).toBe(socket);
});
