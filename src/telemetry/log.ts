// The operator's log: JSON lines, or short lines for a person at a terminal. Must never carry a secret, a parameter, a row value or a
// statement's own text: fields of those names are dropped here, whoever passes them; what may be shown of a statement is its shape.
import pino from 'pino';
import { red } from './colour.ts';

export type Log = pino.Logger;

/** Fields of the lines about one request. Other lines need only a message. */
export interface RequestLine {
  readonly event:
    | 'held'
    | 'approved'
    | 'denied'
    | 'ran'
    | 'failed'
    | 'expired'
    | 'withdrawn'
    | 'ticket'
    | 'returned'
    | 'changed';
  readonly request: string;
  readonly who?: string;
  readonly shape?: string;
  readonly rule?: string;
  readonly by?: string;
  /** Shown at the demo's terminal only; JSON lines drop it. */
  readonly rationale?: string;
  /** Command tag or SQLSTATE. */
  readonly tag?: string;
  readonly bytes?: number;
  readonly duration_ms?: number;
}

/** Fields of the lines about one permit. */
export interface PermitLine extends Pick<RequestLine, 'who' | 'rule' | 'by' | 'rationale'> {
  readonly event: 'permit_granted' | 'permit_used_up' | 'permit_revoked';
  readonly permit: string;
  /** Whose approval made it. */
  readonly request: string;
  readonly uses?: number;
  /** Of each use. */
  readonly rows?: number;
  /** ISO 8601 UTC. */
  readonly until?: string;
}

/** Of either. */
type Fields = Partial<Omit<RequestLine, 'event'> & Omit<PermitLine, 'event'>> & { readonly event?: string };

export interface LogOptions {
  /** short: for a person; json: for machines. */
  readonly format: 'json' | 'short';
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: standard output. */
  readonly write?: (line: string) => void;
}

const DROPPED = ['sql', 'parameters', 'password', 'token', 'authorization', 'cookie', 'url'];
const SHAPE_COLUMNS = 33;

export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stdout.write(line));
  const dropped = options.format === 'json' ? [...DROPPED, 'rationale'] : DROPPED;
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: dropped.flatMap((field) => [field, `*.${field}`]), remove: true },
    },
    { write: options.format === 'json' ? write : (line) => write(shortLine(line)) },
  );
}

/** `14:02:31  held      HP-7KQ4  demo  COPY customers TO STDOUT           rule exports` */
function shortLine(json: string): string {
  const line = JSON.parse(json) as Fields & {
    time: string;
    level: string;
    msg?: string;
    err?: { message?: string };
  };
  const word = line.event?.replace('permit_', '').replace('_', ' ') ?? (line.level === 'info' ? '' : line.level);
  const id = line.permit ?? line.request;
  const text = line.event === undefined || id === undefined ? '' : `${id}  ${details(line)}`;
  const rest = [text, line.msg ?? '', line.err?.message ?? ''].filter((part) => part !== '').join('  ');
  const short = `${localTime(line.time)}  ${word.padEnd(8)}  ${visible(rest)}`;
  return `${line.level === 'info' ? short : red(short)}\n`;
}

function details(line: Fields): string {
  const parts = [
    line.who === undefined ? '' : `${line.who}  `,
    line.shape === undefined ? '' : cut(line.shape.replace(/\s+/g, ' '), SHAPE_COLUMNS).padEnd(SHAPE_COLUMNS + 2),
    line.rule === undefined ? '' : `rule ${line.rule}  `,
    line.until === undefined ? '' : `until ${line.until}, ${line.uses} uses, ${line.rows} rows each  `,
    line.by === undefined ? '' : `by ${line.by}${line.rationale ? `: "${line.rationale}"` : ''}`,
    [line.tag, line.bytes === undefined ? undefined : bytesText(line.bytes), durationText(line.duration_ms)]
      .filter((part) => part !== undefined)
      .join(', '),
  ];
  return parts.join('').trimEnd();
}

function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function durationText(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}

/** What an agent or reviewer wrote must not steer the terminal: control, bidi and zero-width characters are drawn. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  );
}

function localTime(iso: string): string {
  return new Date(iso).toTimeString().slice(0, 8);
}
