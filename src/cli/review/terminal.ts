// The one file that talks to the terminal and to the server: bytes in, lines out, timers and signals. It decides nothing (update.ts
// does). Must leave the terminal as it found it, however it ends.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadStream, WriteStream } from 'node:tty';
import { Refused, type ReviewClient, Unreachable } from '../../review/client.ts';
import { saidOf } from '../reviewer.ts';
import type { Face, Line, Look } from './cells.ts';
import { frameOf, type Frame } from './frame.ts';
import { keysOf } from './input.ts';
import { type Effect, initial } from './state.ts';
import { type Event, update } from './update.ts';

/** Between an Escape and what would make it the begin of a sequence; a paste may pause longer. */
const ESCAPE_MS = 50;
const PASTE_MS = 2_000;
const TICK_MS = 250;
const CHECK_MS = 2_000;
const HISTORY_MAX = 200;

/**
 * xterm's private modes: alternate screen 1049, cursor 25, wrapping at the margin 7, marked pastes 2004; and mode 8 of the
 * terminals that reorder right-to-left text by themselves, off: what is drawn stands in the order in which it is sent.
 */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[8l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[8h\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l';

/** ECMA-48 8.3.117; looks without a colour are no colour (no-color.org). */
const LOOKS: Readonly<Record<Look, { readonly plain: string; readonly colour: string }>> = {
  plain: { plain: '', colour: '' },
  bold: { plain: '1', colour: '1' },
  dim: { plain: '', colour: '2' },
  inverse: { plain: '7', colour: '7' },
  underline: { plain: '4', colour: '4' },
  critical: { plain: '1', colour: '1;31' },
  high: { plain: '1', colour: '33' },
  medium: { plain: '', colour: '36' },
  good: { plain: '', colour: '32' },
};

export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly ascii: boolean;
  readonly colour: boolean;
}

/** Runs until the reviewer leaves. Rejects, with the terminal as it was, where the server will not have them any more. */
export async function runReview(terminal: Terminal, client: ReviewClient): Promise<void> {
  const { output } = terminal;
  const me = await client.me();
  const over = new AbortController();
  let state = initial(me, faceOf(terminal), Date.now());
  let drawn: Frame | null = null;
  let failure: unknown;

  const draw = () => {
    // Nobody reads: what is current then is drawn when there is room again.
    if (output.writableNeedDrain) return;
    const frame = frameOf(state);
    output.write(painted(frame, drawn, terminal.colour));
    drawn = frame;
  };
  const happen = (event: Event) => {
    if (over.signal.aborted) return;
    const { state: next, effects } = update(state, event);
    const changed = next !== state;
    state = next;
    for (const effect of effects) perform(effect);
    if (changed && !over.signal.aborted) draw();
  };
  const fail = (error: unknown) => {
    failure ??= error;
    over.abort();
  };
  const perform = (effect: Effect) => {
    if (effect.type === 'quit') over.abort();
    else if (effect.type === 'redraw') {
      drawn = null;
      draw();
    } else void call(client, effect, over.signal).then((event) => event && happen(event), fail);
  };

  const keys = keyReader((key) => happen({ type: 'key', key }));
  const resized = () => {
    drawn = state.prompt ? drawn : null;
    happen({ type: 'size', columns: output.columns, rows: output.rows });
  };
  const undo = takeOver(terminal, keys, resized, draw, over);
  const tick = setInterval(() => happen({ type: 'tick', at: Date.now() }), TICK_MS);
  draw();
  try {
    const followed = (async () => {
      for await (const message of client.follow({ signal: over.signal }))
        happen({ type: 'followed', message, at: Date.now() });
    })();
    followed.catch(fail);
    await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    clearInterval(tick);
    undo();
  }
  if (failure !== undefined) throw failure;
}

function faceOf({ output, ascii }: Terminal): Face {
  return { columns: output.columns, rows: output.rows, ascii };
}

/** What the server said to a call, as an event. Rejects where the reviewer is signed out. */
async function call(
  client: ReviewClient,
  effect: Exclude<Effect, { type: 'quit' | 'redraw' }>,
  signal: AbortSignal,
): Promise<Event | null> {
  try {
    switch (effect.type) {
      case 'decide':
        return {
          type: 'answered',
          id: effect.id,
          request: await client.decide(effect.id, effect.body),
          refused: null,
        };
      case 'ask':
        return {
          type: 'answered',
          id: effect.id,
          request: await client.ask(effect.id, effect.text),
          refused: null,
        };
      case 'history': {
        const { requests } = await client.list({ state: 'decided', limit: HISTORY_MAX });
        return { type: 'history', requests: requests };
      }
      case 'read':
        if (effect.checks > 0) await sleep(CHECK_MS, undefined, { signal });
        return { type: 'read', request: await client.get(effect.id), checks: effect.checks };
    }
  } catch (error) {
    if (signal.aborted) return null;
    if (error instanceof Refused && error.why === 'not-signed-in') throw error;
    if (error instanceof Refused && 'id' in effect && effect.type !== 'read') {
      const { request } = error.problem;
      return { type: 'answered', id: effect.id, request: request ? request : null, refused: saidOf(error) };
    }
    if (!(error instanceof Unreachable || error instanceof Refused)) throw error;
    if (effect.type === 'decide' || effect.type === 'ask') return { type: 'unknown', id: effect.id };
    // Read again when there is a line again.
    if (effect.type === 'history' || effect.checks === 0) return null;
    await sleep(CHECK_MS, undefined, { signal }).catch(() => undefined);
    return signal.aborted ? null : call(client, effect, signal);
  }
}

/** Raw keys, the other screen, and every way out leads back. */
function takeOver(
  { input, output }: Terminal,
  keys: (chunk: Buffer) => void,
  resized: () => void,
  drain: () => void,
  over: AbortController,
): () => void {
  const end = () => over.abort();
  const leave = () => {
    if (output.writable) output.write(LEAVE);
    if (input.isTTY) input.setRawMode(false);
  };
  const crash = (error: unknown) => {
    leave();
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  };
  input.setRawMode(true);
  output.write(ENTER);
  input.on('data', keys);
  input.on('end', end).on('error', end);
  output.on('resize', resized).on('drain', drain).on('error', end);
  for (const signal of SIGNALS) process.on(signal, end);
  process.on('uncaughtException', crash);
  return () => {
    input.off('data', keys).off('end', end).off('error', end);
    output.off('resize', resized).off('drain', drain).off('error', end);
    for (const signal of SIGNALS) process.off(signal, end);
    process.off('uncaughtException', crash);
    leave();
    input.pause();
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Keys of what comes; an Escape that nothing follows is one. */
function keyReader(press: (key: ReturnType<typeof keysOf>['keys'][number]) => void): (chunk: Buffer) => void {
  const decoder = new TextDecoder();
  let rest = '';
  let timer: NodeJS.Timeout | undefined;
  const read = (text: string, final: boolean) => {
    const found = keysOf(text, final);
    rest = found.rest;
    for (const key of found.keys) press(key);
    if (rest !== '') timer = setTimeout(() => read(rest, true), rest.length > 8 ? PASTE_MS : ESCAPE_MS);
  };
  return (chunk) => {
    clearTimeout(timer);
    read(rest + decoder.decode(chunk, { stream: true }), false);
  };
}

/** What brings the screen from one frame to the next: changed lines only, each from its first column. */
export function painted(next: Frame, last: Frame | null, colour: boolean): string {
  let out = '\x1b[?25l';
  if (last?.lines.length !== next.lines.length) out += '\x1b[0m\x1b[2J';
  const before = last?.lines.length === next.lines.length ? last.lines : [];
  for (const [row, line] of next.lines.entries()) {
    const text = lineText(line, colour);
    const old = before[row];
    if (old && lineText(old, colour) === text) continue;
    // Erased first: after the last column the cursor stands on it.
    out += `\x1b[${row + 1};1H\x1b[0m\x1b[K${text}\x1b[0m`;
  }
  if (next.cursor) out += `\x1b[${next.cursor.row + 1};${next.cursor.column + 1}H\x1b[?25h`;
  return out;
}

function lineText(line: Line, colour: boolean): string {
  return line
    .map(({ text, look }) => {
      const code = LOOKS[look][colour ? 'colour' : 'plain'];
      return code === '' ? text : `\x1b[${code}m${text}\x1b[0m`;
    })
    .join('');
}
