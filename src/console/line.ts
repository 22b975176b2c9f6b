// The line to the server: one WebSocket, resumed by cursor. Three seconds without a sign of life and the page says so;
// it never pretends to be live, and coming back it says what it missed.
import { batch } from '@preact/signals';
import type { DownMessage, RequestView } from '../review/schemas.ts';
import { api } from './api.ts';
import {
  assertive,
  back,
  isOpen,
  line,
  loaded,
  me,
  now,
  polite,
  put,
  recording,
  requests,
  signedOut,
} from './state.ts';
import { clock } from './format.ts';

const STALE_MS = 3_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const ANNOUNCE_EVERY_MS = 10_000;
const BACK_SHOWN_MS = 20_000;
const SIGNED_OUT = 4401;
const ANEW_MS = 1_000;

let socket: WebSocket | null = null;
let cursor: number | null = null;
/** Server time minus ours. */
let offset = 0;
let heard = 0;
let tries = 0;
let missed = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let tick: ReturnType<typeof setInterval> | undefined;

export function connect(): void {
  disconnect();
  cursor = null;
  tries = 0;
  heard = Date.now();
  line.value = { state: 'connecting' };
  tick = setInterval(beat, 250);
  dial();
}

export function disconnect(): void {
  clearInterval(tick);
  clearTimeout(retry);
  const old = socket;
  socket = null;
  old?.close();
}

function dial(): void {
  const csrf = me.value?.csrf;
  if (!csrf) return;
  const url = new URL(`/api/stream${cursor === null ? '' : `?since=${cursor}`}`, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const opened = new WebSocket(url, ['holdpoint', `csrf.${csrf}`]);
  socket = opened;
  opened.addEventListener('message', ({ data }: MessageEvent<string>) => {
    if (socket === opened) hear(JSON.parse(data) as DownMessage);
  });
  opened.addEventListener('close', ({ code }) => {
    if (socket !== opened) return;
    socket = null;
    if (code === SIGNED_OUT) {
      // Or signed in anew, here or in another window: the cookie of that may be on its way.
      retry = setTimeout(() => void redial(), ANEW_MS);
      return;
    }
    tries += 1;
    retry = setTimeout(() => void redial(), RETRY_MS[Math.min(tries, RETRY_MS.length) - 1]);
  });
}

/** A refused handshake looks like a lost line, so ask who we are before trying again. */
async function redial(): Promise<void> {
  try {
    const answer = await api.me();
    if (answer.ok) me.value = answer.value;
    else if (answer.problem.status === 401) {
      leave('You were signed out.');
      return;
    }
  } catch {
    // Still unreachable; dialling will say so too.
  }
  dial();
}

function leave(why: string): void {
  disconnect();
  batch(() => {
    signedOut.value = why;
    me.value = null;
  });
}

function hear(message: DownMessage): void {
  heard = Date.now();
  batch(() => {
    if ('time' in message) offset = message.time - heard;
    revive();
    if (message.type === 'snapshot') {
      missing(message.requests);
      put(...message.requests);
      loaded.value = true;
    } else if (message.type === 'health') recording.value = message.recording;
    else if (message.type.startsWith('request.') && 'request' in message) changed(message.request);
    if ('cursor' in message) cursor = message.cursor;
    beat();
  });
}

function changed(request: RequestView): void {
  const known = requests.value.get(request.id);
  put(request);
  missed += 1;
  if (!known && isOpen(request)) announce(request);
}

/** What was open before and is not in a fresh snapshot has ended meanwhile: ask how. */
function missing(fresh: readonly RequestView[]): void {
  const ids = new Set(fresh.map((request) => request.id));
  for (const request of requests.value.values())
    if (isOpen(request) && !ids.has(request.id))
      void api.get(request.id).then(
        (answer) => answer.ok && put(answer.value),
        () => undefined,
      );
}

function revive(): void {
  const was = line.value;
  if (was.state === 'live') return;
  tries = 0;
  line.value = { state: 'live' };
  if (was.state !== 'lost') return;
  missed = 0;
  // What was missed follows at once; count it when it has come.
  setTimeout(() => {
    back.value = `Back. ${missed} ${missed === 1 ? 'change' : 'changes'} while away.`;
    assertive.value = back.value;
    setTimeout(() => {
      back.value = '';
    }, BACK_SHOWN_MS);
  }, 300);
}

function beat(): void {
  const silent = Date.now() - heard;
  if (silent < STALE_MS) {
    if (line.value.state === 'live') now.value = Math.floor((Date.now() + offset) / 1000) * 1000;
    return;
  }
  const was = line.value;
  if (was.state !== 'lost') {
    const since = heard + offset;
    line.value = { state: 'lost', since, tries };
    now.value = Math.floor(since / 1000) * 1000;
    assertive.value = `Not live since ${clock(since)} UTC. Deciding is off until the line is back.`;
    // A socket that is open and silent is dead.
    socket?.close();
  } else if (was.tries !== tries) line.value = { ...was, tries };
}

let announced = 0;
let unannounced = 0;
function announce(request: RequestView): void {
  if (Date.now() - announced < ANNOUNCE_EVERY_MS) {
    unannounced += 1;
    return;
  }
  announced = Date.now();
  const more = unannounced > 0 ? ` And ${unannounced} more.` : '';
  unannounced = 0;
  polite.value = `1 new request: ${request.level}, ${request.sentence}, ${request.who.id}.${more}`;
}
