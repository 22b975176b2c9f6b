// The reviewers' stream: one WebSocket per open console, resumed by cursor. What comes up it goes through the same function as HTTP.
// A peer has a place in the one list of events and no queue of its own: whoever does not read costs what its socket may hold, falls behind
// the list, and is dropped. A peer that talks nonsense is told so, then dropped.
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { parse as parseCookies } from 'hono/utils/cookie';
import { type WebSocket, WebSocketServer } from 'ws';
import { act, mayRead } from './act.ts';
import { LIST_MAX, upMessage } from './bodies.ts';
import {
  type Caller,
  cookieName,
  type Desk,
  identify,
  recordPermits,
  recordReading,
  recordSeen,
  Refusal,
  unread,
  unreadPermits,
  viewerOf,
  visible,
} from './callers.ts';
import type { RequestLike, StreamEvent } from './ports.ts';
import { type Problem, problem } from './problems.ts';
import { BODY_BYTES_MAX } from './routes.ts';
import type { DownMessage } from './schemas.ts';
import { proofOf } from './step-up.ts';
import { permitViewOf, sessionViewOf } from './standing.ts';
import { commonOf, isOwn, personal, viewOf } from './view.ts';

const HEARTBEAT_MS = 1_000;
const PING_MS = 15_000;
/** Events gather for so long: one write for all of them costs about what one for each does, and a release comes first. */
const GATHER_MS = 10;
const STREAMS_MAX = 1_000;
const STREAMS_PER_USER_MAX = 20;
/** Bytes that wait for one peer; with so many it is sent nothing more, but one message, before it has read. */
export const BUFFERED_BYTES_MAX = 1024 * 1024;
/** A peer that is dropped gets so long to read why. */
const DROP_GRACE_MS = 5_000;
/** Messages that are not what the API documents, in the life of one socket. */
const GARBAGE_MAX = 10;
const ACTING_MAX = 32;

/** RFC 6455 7.4.1, and 4000-4999 for our own. */
const CLOSE = { policy: 1008, later: 1013, restart: 1012, signedOut: 4401 } as const;

const PROTOCOL = 'holdpoint';
const CSRF_PROTOCOL = 'csrf.';

interface Peer {
  readonly socket: WebSocket;
  /** Under it. */
  readonly raw: Duplex;
  caller: Caller;
  /** It wants to hear of connections, too. */
  readonly sessions: boolean;
  /** Of the last event that it was sent, or need not be. */
  cursor: number;
  /** It is being sent what it has not got yet. */
  busy: boolean;
  answered: boolean;
  garbage: number;
  acting: number;
}

export interface Stream {
  /** Ends the sockets of a session that signed out. */
  ended(key: string): void;
  close(): void;
}

/** Takes over the server's upgrades. */
export function stream(server: Server, desk: Desk): Stream {
  const { ports } = desk;
  const { events, now = Date.now } = ports;
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
    let asked: ReturnType<typeof askedFor>;
    try {
      caller = admit(desk, request);
      asked = askedFor(request);
      if (!mayRead(caller.viewer)) {
        if (asked.sessions) throw new Refusal('no-role');
        visible(ports, caller.viewer, 'all');
      }
      if (peers.size >= STREAMS_MAX || count(peers, caller) >= STREAMS_PER_USER_MAX) throw new Refusal('too-many');
    } catch (error) {
      refuse(raw, error instanceof Refusal ? error.problem : problem('internal'));
      return;
    }
    sockets.handleUpgrade(request, raw, head, (socket) => open(socket, raw, caller, asked));
  });

  const open = (socket: WebSocket, raw: Duplex, caller: Caller, { since, sessions }: ReturnType<typeof askedFor>) => {
    const goesOn = since !== null && events.after(since, sessions) !== null;
    const cursor = goesOn ? since : events.cursor;
    const peer: Peer = { socket, raw, caller, sessions, cursor, busy: true, answered: true, garbage: 0, acting: 0 };
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
    if (since !== null && !goesOn) void send(peer, { type: 'reset' });
    // Taken in this turn, as the cursor was: whatever comes later stands behind it in the list.
    void begin(peer, goesOn ? null : visible(ports, caller.viewer, 'open'));
  };

  const begin = async (peer: Peer, shown: readonly RequestLike[] | null) => {
    try {
      if (shown !== null) {
        const { viewer } = peer.caller;
        const newest = shown.slice(0, LIST_MAX);
        await recordReading(peer.caller, ports, newest);
        const requests = newest.map((request) => viewOf(request, viewer, ports));
        void send(peer, { type: 'snapshot', cursor: peer.cursor, time: now(), requests, open: shown.length });
      }
      beat(peer);
    } catch {
      drop(peer, 'the audit log cannot be written');
    }
    peer.busy = false;
    void catchUp(peer);
  };

  /** Sends what the peer has not got yet, as fast as it reads, and lets others have their turn in between. */
  const catchUp = async (peer: Peer) => {
    if (peer.busy) return;
    peer.busy = true;
    try {
      while (isOpen(peer)) {
        const next = events.after(peer.cursor, peer.sessions);
        if (next === null) return drop(peer, 'too slow');
        if (next.length === 0) return;
        await (tellAll(peer, next) ?? new Promise(setImmediate));
      }
    } catch {
      drop(peer, 'the audit log cannot be written');
    } finally {
      peer.busy = false;
    }
  };

  /** Up to the first that has to wait; null: none has. Those who are shown the same are sent the same bytes. */
  const tellAll = (peer: Peer, next: readonly StreamEvent[]): Promise<void> | null => {
    let messages: string[] = [];
    let chars = 0;
    const flush = (): Promise<void> | null => {
      const all = messages;
      messages = [];
      return all.length === 0 ? null : writeFrames(peer, together(all));
    };
    for (const event of next) {
      const message = messageOf(peer, event);
      if (message instanceof Promise) {
        void flush();
        return message.then(async (text) => {
          await writeFrames(peer, framesOf([text]));
          peer.cursor = event.seq;
        });
      }
      peer.cursor = event.seq;
      if (message === null) continue;
      messages.push(message);
      chars += message.length;
      if (chars >= BUFFERED_BYTES_MAX / 4) return flush();
    }
    return flush();
  };

  /** What this peer is told of it; null: nothing. */
  const messageOf = (peer: Peer, event: StreamEvent): Promise<string> | string | null => {
    const { caller } = peer;
    const { seq: cursor } = event;
    if (!('request' in event)) {
      const time = now();
      if (!mayRead(caller.viewer)) return null;
      if ('permit' in event) {
        const { permit, type } = event;
        const shown = () => JSON.stringify({ type, cursor, time, permit: permitViewOf(permit, ports.permits) });
        if (unreadPermits(caller, [permit]).length === 0) return shown();
        return recordPermits(caller, ports, [permit]).then(shown);
      }
      const message: unknown =
        'session' in event
          ? { type: event.type, cursor, time, session: sessionViewOf(event.session) }
          : { type: event.type, cursor, time, policy: event.policy };
      return JSON.stringify(message);
    }
    const { request, type } = event;
    if (!mayRead(caller.viewer) && !isOwn(request, caller.viewer, ports.requests)) return null;
    const show = () => {
      const own = JSON.stringify(personal(request, caller.viewer, ports));
      return message(cursor, type, request, own);
    };
    // Whoever needs no record waits for none: it is sent in this turn.
    if (unread(caller, ports, [request]).length === 0) return show();
    return recordReading(caller, ports, [request]).then(show);
  };

  /** What all peers are shown of one event is made once, and so is the message to all who are shown the same; forgotten in the next turn. */
  const shared = new Map<number, { request: RequestLike; common: string; messages: Map<string, string> }>();
  const message = (cursor: number, type: string, request: RequestLike, own: string): string => {
    let known = shared.get(cursor);
    if (known?.request !== request) {
      if (shared.size === 0) setImmediate(() => shared.clear());
      known = { request, common: JSON.stringify(commonOf(request, ports)), messages: new Map() };
      shared.set(cursor, known);
    }
    const made = known.messages.get(own);
    if (made !== undefined) return made;
    const head = JSON.stringify({ type, cursor, time: now() });
    // {type, cursor, time, request: {what all see, and what is this viewer's}}
    const text = `${head.slice(0, -1)},"request":${known.common.slice(0, -1)},${own.slice(1)}}`;
    known.messages.set(own, text);
    return text;
  };

  /** By their first message: who is told the same from there on gets the same bytes. Forgotten in the next turn. */
  const joined = new Map<string, { readonly messages: readonly string[]; readonly bytes: Buffer }>();
  const together = (messages: readonly string[]): Buffer => {
    const first = messages[0] ?? '';
    const known = joined.get(first);
    if (known?.messages.length === messages.length && known.messages.every((text, n) => text === messages[n]))
      return known.bytes;
    if (joined.size === 0) setImmediate(() => joined.clear());
    const bytes = framesOf(messages);
    joined.set(first, { messages, bytes });
    return bytes;
  };

  const hear = async (peer: Peer, data: Buffer, binary: boolean) => {
    const parsed = binary ? null : upMessage.safeParse(json(data));
    if (!parsed?.success) {
      answer(peer, { type: 'error', problem: problem('bad-request') as never });
      peer.garbage += 1;
      if (peer.garbage >= GARBAGE_MAX) peer.socket.close(CLOSE.policy, 'not the protocol of this stream');
      return;
    }
    const { id, type: what, request, ...body } = parsed.data;
    const refused = (why: Problem) => answer(peer, { type: 'result', id, ok: false, problem: why as never });
    if (!fresh(peer)) return;
    if (peer.acting >= ACTING_MAX || !desk.acts.take(peer.caller.viewer.id)) {
      refused(problem('too-many'));
      return;
    }
    peer.acting += 1;
    try {
      const { session, viewer } = peer.caller;
      await recordSeen(peer.caller, ports, request);
      const channel = session.type === 'cookie' ? 'console' : 'api';
      const result = await act(ports, viewer, what, request, body as never, { channel, proof: proofOf(session) });
      if (result.ok) answer(peer, { type: 'result', id, ok: true, request: result.request });
      else refused(result.problem);
    } catch (error) {
      refused(error instanceof Refusal ? error.problem : problem('internal'));
    } finally {
      peer.acting -= 1;
    }
  };

  /** Rights are read again; an ended session or a removed account ends its socket. */
  const fresh = (peer: Peer): boolean => {
    const { session } = peer.caller;
    const viewer = viewerOf(desk, session);
    if (!viewer || (peer.sessions && !mayRead(viewer))) {
      peer.socket.close(CLOSE.signedOut, 'signed out');
      return false;
    }
    if (viewer !== peer.caller.viewer) peer.caller = { session, viewer };
    return true;
  };

  /** The cursor is what this peer has got: to come back with it loses nothing. */
  const beat = (peer: Peer) => {
    if (peer.socket.bufferedAmount >= BUFFERED_BYTES_MAX) return;
    const recording = ports.audit.failure === null;
    void send(peer, { type: 'health', cursor: peer.cursor, time: now(), recording });
  };

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

  let gathering: NodeJS.Timeout | null = null;
  const unsubscribe = events.subscribe(() => {
    gathering ??= setTimeout(() => {
      gathering = null;
      for (const peer of peers) void catchUp(peer);
    }, GATHER_MS);
  });
  const heart = setInterval(() => {
    for (const peer of peers) {
      if (!isOpen(peer) || !fresh(peer)) continue;
      if (events.after(peer.cursor, peer.sessions) === null) drop(peer, 'too slow');
      else beat(peer);
    }
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
      if (gathering) clearTimeout(gathering);
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
  if (found.session.type !== 'cookie') return found;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (origin === undefined || !offered.includes(CSRF_PROTOCOL + found.session.csrf)) throw new Refusal('csrf');
  return found;
}

function askedFor(request: IncomingMessage): { readonly since: number | null; readonly sessions: boolean } {
  const query = new URL(request.url ?? '/', 'http://stream').searchParams;
  const since = query.get('since');
  const sessions = query.get('sessions') ?? 'false';
  if (since !== null && !/^\d{1,15}$/.test(since)) throw new Refusal('bad-request', 'since: a cursor is a number');
  if (sessions !== 'true' && sessions !== 'false') throw new Refusal('bad-request', 'sessions: true or false');
  return { since: since === null ? null : Number(since), sessions: sessions === 'true' };
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

function isOpen({ socket }: Peer): boolean {
  return socket.readyState === socket.OPEN;
}

function send(peer: Peer, message: DownMessage): Promise<void> | null {
  return writeFrames(peer, framesOf([JSON.stringify(message)]));
}

/** Of the longest head of a frame that is not masked (RFC 6455 5.2). */
const HEAD_BYTES_MAX = 10;

/**
 * Messages of text that are not masked nor cut (RFC 6455 5.2), written into one piece. Made here, and not for each socket by its own, since the
 * same ones go to many; that is sound as long as nothing is compressed: then ws, too, writes a message whole, and at once.
 */
function framesOf(messages: readonly string[]): Buffer {
  const sizes = messages.map((text) => Buffer.byteLength(text));
  const frames = Buffer.allocUnsafe(sizes.reduce((sum, bytes) => sum + HEAD_BYTES_MAX + bytes, 0));
  let at = 0;
  for (const [n, text] of messages.entries()) {
    const bytes = sizes[n] ?? 0;
    frames[at] = 0x81;
    if (bytes < 126) {
      frames[at + 1] = bytes;
      at += 2;
    } else if (bytes < 2 ** 16) {
      frames[at + 1] = 126;
      at = frames.writeUInt16BE(bytes, at + 2);
    } else {
      frames[at + 1] = 127;
      at = frames.writeBigUInt64BE(BigInt(bytes), at + 2);
    }
    at += frames.write(text, at);
  }
  return frames.subarray(0, at);
}

/** Null: there is room for more. Else resolves when the peer has read, or is gone. */
function writeFrames({ socket, raw }: Peer, frames: Buffer): Promise<void> | null {
  if (socket.readyState !== socket.OPEN) return null;
  if (socket.bufferedAmount < BUFFERED_BYTES_MAX) {
    raw.write(frames);
    return null;
  }
  return new Promise((resolve) => raw.write(frames, () => resolve()));
}

/** To what the peer sent: it does not wait its turn, so a peer that asks and never reads is dropped here. */
function answer(peer: Peer, message: DownMessage): void {
  if (peer.socket.bufferedAmount < 2 * BUFFERED_BYTES_MAX) void send(peer, message);
  else drop(peer, 'too slow');
}

function drop({ socket }: Peer, why: string): void {
  // A close frame waits behind what is not read.
  socket.close(CLOSE.later, why);
  setTimeout(() => socket.terminate(), DROP_GRACE_MS).unref();
}

function json(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return undefined;
  }
}
