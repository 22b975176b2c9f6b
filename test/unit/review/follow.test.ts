// A stream that is followed: cut, silent, refused; nothing twice, nothing lost, and never live when it is not.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Followed, Refused, reviewClient } from '../../../src/review/client.ts';

interface Fake {
  readonly url: string;
  /** Cursors that were asked for, '' for none. */
  readonly asked: string[];
}

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A server that does with each connection what the next of `plays` says, the last one again and again. */
async function fake(...plays: readonly ((socket: WebSocket) => void)[]): Promise<Fake> {
  const asked: string[] = [];
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    asked.push(new URL(request.url ?? '', 'http://x').searchParams.get('since') ?? '');
    plays[Math.min(asked.length, plays.length) - 1]?.(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const tell = (socket: WebSocket, ...messages: readonly object[]) => {
  for (const message of messages) socket.send(JSON.stringify(message));
};
const event = (cursor: number) => ({ type: 'request.opened', cursor, time: 0, request: { id: `HP-${cursor}` } });
const health = (cursor: number) => ({ type: 'health', cursor, time: 0, recording: true });
const snapshot = { type: 'snapshot', cursor: 4, time: 0, requests: [] };

async function until(url: string, enough: (heard: readonly Followed[]) => boolean): Promise<readonly Followed[]> {
  const over = new AbortController();
  ends.push(() => over.abort());
  const heard: Followed[] = [];
  for await (const message of reviewClient(url, 'token-of-a-reviewer').follow({ signal: over.signal })) {
    heard.push(message);
    if (enough(heard)) over.abort();
  }
  return heard;
}

it('comes back where it left off, by whatever told it last where that was', async () => {
  const { url, asked } = await fake(
    (socket) => {
      tell(socket, snapshot, event(7), health(9));
      setTimeout(() => socket.terminate(), 50);
    },
    (socket) => tell(socket, event(8)),
  );
  const heard = await until(url, (all) => all.length === 5);
  expect(heard.map(({ type }) => type)).toEqual(['snapshot', 'request.opened', 'health', 'lost', 'request.opened']);
  expect(asked).toEqual(['', '9']);
});

it('three seconds of silence on an open socket are a lost line', async () => {
  const { url, asked } = await fake(
    (socket) => tell(socket, snapshot),
    (socket) => tell(socket, health(4)),
  );
  const heard = await until(url, (all) => all.length === 3);
  expect(heard.map(({ type }) => type)).toEqual(['snapshot', 'lost', 'health']);
  expect(asked).toEqual(['', '4']);
});

it('whoever is signed out is told, and does not come back', async () => {
  const { url, asked } = await fake((socket) => {
    tell(socket, snapshot);
    socket.close(4401, 'signed out');
  });
  await expect(until(url, () => false)).rejects.toMatchObject({ why: 'not-signed-in' });
  expect(asked).toHaveLength(1);
});

it('a refused handshake says why; one that waiting mends is tried again', async () => {
  let tries = 0;
  const server = createServer();
  server.on('upgrade', (_, raw) => {
    tries += 1;
    const why = tries === 1 ? ['429 Too Many', 'too-many'] : ['403 Forbidden', 'no-role'];
    const body = JSON.stringify({ type: `urn:holdpoint:problem:${why[1]}`, title: 'No.', status: 403 });
    raw.end(`HTTP/1.1 ${why[0]}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  const heard: Followed[] = [];
  const follow = async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for await (const message of reviewClient(url, 'token-of-a-reviewer').follow()) heard.push(message);
  };
  await expect(follow()).rejects.toBeInstanceOf(Refused);
  expect(heard).toMatchObject([{ type: 'lost', tries: 0 }]);
});

it('a server that is not there is a lost line, again and again, until nobody wants it', async () => {
  const heard = await until('http://127.0.0.1:1', (all) => all.length === 3);
  expect(heard).toMatchObject([{ tries: 0 }, { tries: 1 }, { tries: 2 }]);
});
