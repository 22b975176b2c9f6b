// The reviewers' stream: one WebSocket per open console, resumed by cursor. Decisions that come up it go through the same
// function as HTTP. A peer that does not read is dropped, not buffered for; a peer that talks nonsense is told so, then dropped.
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { parse as parseCookies } from 'hono/utils/cookie';
import { type WebSocket, WebSocketServer } from 'ws';
import { decide } from './decide.ts';
import type { RequestLike } from './ports.ts';
import { type Problem, problem } from './problems.ts';
import {
  BODY_BYTES_MAX,
  type Caller,
  cookieName,
  type Desk,
  identify,
  mayRead,
  recordReading,
  Refusal,
  visible,
} from './routes.ts';
import { type DownMessage, LIST_MAX, upMessage } from './schemas.ts';
import { isOwn, viewOf } from './view.ts';

const HEARTBEAT_MS = 1_000;
const PING_MS = 15_000;
const STREAMS_MAX = 1_000;
const STREAMS_PER_USER_MAX = 20;
/** Bytes waiting for one peer; beyond it the peer is gone or does not read. */
const BUFFERED_BYTES_MAX = 8 * 1024 * 1024;
/** Messages that are not what the API documents, in the life of one socket. */
const GARBAGE_MAX = 10;
const DECIDING_MAX = 32;

/** RFC 6455 7.4.1, and 4000-4999 for our own. */
const CLOSE = { policy: 1008, later: 1013, restart: 1012, signedOut: 4401 } as const;

const PROTOCOL = 'holdpoint';
const CSRF_PROTOCOL = 'csrf.';

interface Peer {
  readonly socket: WebSocket;
  readonly caller: Caller;
  /** Writes in order even where one waits for the audit log. */
  chain: Promise<void>;
  answered: boolean;
  garbage: number;
  deciding: number;
}

export interface Stream {
  /** Ends the sockets of a session that signed out. */
  ended(key: string): void;
  close(): void;
}

/** Takes over the server's upgrades. */
export function stream(server: Server, desk: Desk): Stream {
  const { ports } = desk;
  const peers = new Set<Peer>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: BODY_BYTES_MAX,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });

  server.on('upgrade', (request: IncomingMessage, raw: Duplex, head: Buffer) => {
    raw.on('error', () => raw.destroy());
    let caller: Caller;
    let since: number | null;
    try {
      caller = admit(desk, request);
      since = sinceOf(request);
      if (!mayRead(caller.viewer)) visible(ports, caller.viewer, 'all', 1);
      if (peers.size >= STREAMS_MAX || count(peers, caller) >= STREAMS_PER_USER_MAX) throw new Refusal('too-many');
    } catch (error) {
      refuse(raw, error instanceof Refusal ? error.problem : problem('internal'));
      return;
    }
    sockets.handleUpgrade(request, raw, head, (socket) => open(socket, caller, since));
  });

  const open = (socket: WebSocket, caller: Caller, since: number | null) => {
    const peer: Peer = { socket, caller, chain: Promise.resolve(), answered: true, garbage: 0, deciding: 0 };
    peers.add(peer);
    present();
    socket.on('pong', () => {
      peer.answered = true;
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      peers.delete(peer);
      present();
    });
    socket.on('message', (data, binary) => void hear(peer, data as Buffer, binary));
    // Everything from here to the end of this function is one tick: no event can fall between snapshot and subscription.
    const missed = since === null || since > desk.cursor() ? null : ports.since(since);
    if (missed) for (const event of missed) tell(peer, event.seq, event.type, event.request);
    else {
      if (since !== null) send(peer, { type: 'reset' });
      const cursor = desk.cursor();
      const requests = visible(ports, caller.viewer, 'open', LIST_MAX);
      show(peer, requests, () => ({
        type: 'snapshot',
        cursor,
        time: Date.now(),
        requests: requests.map((r) => view(peer, r)),
      }));
    }
    peer.chain = peer.chain.then(() => beat(peer));
  };

  const view = (peer: Peer, request: RequestLike) => viewOf(request, peer.caller.viewer, ports.requests);

  const tell = (peer: Peer, seq: number, type: string, request: RequestLike) => {
    if (!mayRead(peer.caller.viewer) && !isOwn(request, peer.caller.viewer)) return;
    show(peer, [request], () => ({
      type: `request.${type}`,
      cursor: seq,
      time: Date.now(),
      request: view(peer, request),
    }));
  };

  /** Sends texts, after the record that this viewer reads them where one is due. */
  const show = (peer: Peer, requests: readonly RequestLike[], message: () => DownMessage) => {
    peer.chain = peer.chain.then(async () => {
      try {
        await recordReading(ports, peer.caller.session, peer.caller.viewer, requests);
      } catch {
        peer.socket.close(CLOSE.later, 'the audit log cannot be written');
        return;
      }
      send(peer, message());
    });
  };

  const hear = async (peer: Peer, data: Buffer, binary: boolean) => {
    const parsed = binary ? null : upMessage.safeParse(json(data));
    if (!parsed?.success) {
      send(peer, { type: 'error', problem: problem('bad-request') as never });
      peer.garbage += 1;
      if (peer.garbage >= GARBAGE_MAX) peer.socket.close(CLOSE.policy, 'not the protocol of this stream');
      return;
    }
    const { id, type: _, request, ...body } = parsed.data;
    const refused = (why: Problem) => send(peer, { type: 'result', id, ok: false, problem: why as never });
    if (!fresh(peer)) return;
    if (peer.deciding >= DECIDING_MAX || !desk.decisions.take(peer.caller.viewer.id)) {
      refused(problem('too-many'));
      return;
    }
    peer.deciding += 1;
    try {
      const { session, viewer } = peer.caller;
      const result = await decide(ports, viewer, request, body, session.type === 'cookie' ? 'console' : 'api');
      if (result.ok) send(peer, { type: 'result', id, ok: true, request: result.request });
      else refused(result.problem);
    } catch {
      refused(problem('internal'));
    } finally {
      peer.deciding -= 1;
    }
  };

  /** Rights are read again; an ended session or a removed account ends its socket. */
  const fresh = (peer: Peer): boolean => {
    const viewer = desk.sessions.lives(peer.caller.session)
      ? ports.identity.reviewer(peer.caller.session.user)
      : undefined;
    if (!viewer) {
      peer.socket.close(CLOSE.signedOut, 'signed out');
      return false;
    }
    if (viewer !== peer.caller.viewer) Object.assign(peer, { caller: { session: peer.caller.session, viewer } });
    return true;
  };

  const beat = (peer: Peer) =>
    send(peer, { type: 'health', cursor: desk.cursor(), time: Date.now(), recording: ports.audit.failure === null });

  let presence = '';
  const present = () => {
    const here = [...peers]
      .map((peer) => peer.caller.viewer)
      .filter((v) => v.kind === 'human' && v.roles.includes('reviewer'));
    const ids = [...new Set(here.map((viewer) => viewer.id))].toSorted();
    if (ids.join('\n') === presence) return;
    presence = ids.join('\n');
    ports.present(ids);
  };

  const unsubscribe = ports.requests.subscribe((seq, type, request) => {
    for (const peer of peers) tell(peer, seq, type, request);
  });
  const heart = setInterval(() => {
    for (const peer of peers) if (fresh(peer)) beat(peer);
  }, HEARTBEAT_MS);
  const pings = setInterval(() => {
    for (const peer of peers) {
      if (!peer.answered) peer.socket.terminate();
      peer.answered = false;
      peer.socket.ping();
    }
  }, PING_MS);

  return {
    ended: (key) => {
      for (const peer of peers) if (peer.caller.session.key === key) peer.socket.close(CLOSE.signedOut, 'signed out');
    },
    close: () => {
      clearInterval(heart);
      clearInterval(pings);
      unsubscribe();
      for (const peer of peers) peer.socket.close(CLOSE.restart, 'Holdpoint stops');
      for (const peer of peers) setTimeout(() => peer.socket.terminate(), HEARTBEAT_MS).unref();
    },
  };
}

function admit(desk: Desk, request: IncomingMessage): Caller {
  const path = new URL(request.url ?? '/', 'http://stream').pathname;
  if (path !== '/api/stream') throw new Refusal('not-found');
  const { authorization, cookie, origin } = request.headers;
  if (origin !== undefined && !desk.origins().has(origin)) throw new Refusal('csrf');
  const found = identify(desk, authorization, parseCookies(cookie ?? '')[cookieName(desk.secure)]);
  if (found.session.type === 'bearer') return found;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (origin === undefined || !offered.includes(CSRF_PROTOCOL + found.session.csrf)) throw new Refusal('csrf');
  return found;
}

function sinceOf(request: IncomingMessage): number | null {
  const since = new URL(request.url ?? '/', 'http://stream').searchParams.get('since');
  if (since === null) return null;
  if (!/^\d{1,15}$/.test(since)) throw new Refusal('bad-request', 'since: a cursor is a number');
  return Number(since);
}

function refuse(raw: Duplex, why: Problem): void {
  const body = JSON.stringify(why);
  raw.end(
    `HTTP/1.1 ${why.status} Refused\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function count(peers: ReadonlySet<Peer>, caller: Caller): number {
  return [...peers].filter((peer) => peer.caller.viewer.id === caller.viewer.id).length;
}

function send(peer: Peer, message: DownMessage): void {
  if (peer.socket.readyState !== peer.socket.OPEN) return;
  if (peer.socket.bufferedAmount > BUFFERED_BYTES_MAX) {
    // A close frame would wait behind what is not read.
    peer.socket.close(CLOSE.later, 'too slow');
    setTimeout(() => peer.socket.terminate(), HEARTBEAT_MS).unref();
    return;
  }
  peer.socket.send(JSON.stringify(message));
}

function json(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return undefined;
  }
}
