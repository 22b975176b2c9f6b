// What became of each statement: rows and bytes that passed, releases that were given, and the one report that each of them gets.
// Must never report a release twice, nor forget one: what nobody can tell is reported as unknown.
import { performance } from 'node:perf_hooks';
import type { GateSession, Plan, Release, StatementOutcome } from '../gate.ts';
import { NOT_RUN } from '../hold.ts';
import type { Portal, Prepared } from './names.ts';
import { BIND, type Entry, EXECUTE, PARSE, QUERY } from './replies.ts';

/** The tag of rows that a client took with Execute, leaving others. */
const SUSPENDED_TAG = 'PortalSuspended';
/** The tag of a statement whose client or server went away before its end. */
const UNKNOWN_TAG = 'unknown';
/** performance.now() of the epoch, in ms; the getter is not free. */
const { timeOrigin } = performance;
const NOTHING_YET = { rows: 0, bytes: 0 };

/** A release that a Parse got, together with its Bind if one follows: exactly that one may pass with it. */
interface Grant {
  readonly prepared: Prepared;
  readonly bind: Buffer | null;
  readonly release: Release;
}

export class Accounts {
  gate!: GateSession;
  /** Of the statement whose rows are passing. */
  #rows = 0;
  #bytes = 0;
  /** Of COPY TO STDOUT: its lines, which count as rows where no tag tells how many there were. */
  #lines = 0;
  #query: Release | null = null;
  #grant: Grant | null = null;

  rows(count: number, bytes: number): void {
    this.#rows += count;
    this.#bytes += bytes;
  }

  /** Bytes of the result that is passing, so far. */
  get passing(): number {
    return this.#bytes;
  }

  lines(count: number, bytes: number): void {
    this.#lines += count;
    this.#bytes += bytes;
  }

  /** More of a row, or of COPY's data. */
  data(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The Query that is sent now, or the Execute of a cursor, runs under this release; null: it is allowed. */
  query(release: Release | null): void {
    this.#query = release;
  }

  /** A Parse is sent under this release, which is for its Bind too (null: none follows). */
  parse(prepared: Prepared, bind: Buffer | null, release: Release): void {
    this.#grant = { prepared, bind, release };
  }

  /** Some Parse has a release that its Bind may take. */
  get granted(): boolean {
    return this.#grant !== null;
  }

  /** The release that this Bind got together with its Parse; null: none. It is the Bind's from here on. */
  takeGrant(prepared: Prepared, bind: Buffer): Release | null {
    const grant = this.#grant;
    if (grant === null || grant.prepared !== prepared || !grant.bind?.equals(bind)) return null;
    this.#grant = null;
    return grant.release;
  }

  /** The Parse was done. Where no Bind follows, that was all. */
  parsed(): void {
    if (this.#grant?.bind === null) this.#endGrant({ ...NOT_RUN, tag: 'PARSE', sqlstate: null });
  }

  /** The release of a Parse does not reach its Bind any more. */
  dropGrant(): void {
    if (this.#grant !== null) this.#endGrant(NOT_RUN);
  }

  /** Accounts for a statement that ended; exactly one of tag and sqlstate is set. When it was sent, in ms since the epoch. */
  ended(head: Entry, plan: Plan, tag: string | null, sqlstate: string | null): number {
    const { op, portal } = head;
    const before = op === EXECUTE && portal?.release ? portal : NOTHING_YET;
    const rows = before.rows + (tag === null ? this.#rows + this.#lines : Math.max(this.#rows, rowsOf(tag)));
    const bytes = before.bytes + this.#bytes;
    this.#rows = this.#bytes = this.#lines = 0;
    const now = performance.now();
    // Parse and Bind carry no time of their own: nothing ran.
    const sent = head.sent || now;
    const started = timeOrigin + sent;
    const release = this.#releaseOf(head);
    if (release) release.finished({ tag, sqlstate, rows, bytes, duration_ms: now - sent });
    else this.gate.ran(plan, started, sqlstate ?? tag ?? '', rows, bytes, (now - sent) * 1000);
    return started;
  }

  /** Rows that a client took are on record even if it never takes the rest. */
  suspended(head: Entry): void {
    const { plan, portal } = head;
    if (portal?.release) {
      portal.rows += this.#rows;
      portal.bytes += this.#bytes;
      this.#rows = this.#bytes = 0;
    } else if (plan) this.#ran(head, plan, SUSPENDED_TAG);
  }

  /** The connection ends before this message's answer came. */
  abandoned(head: Entry): void {
    const { op, plan, undo } = head;
    if (undo?.map === 'portal' && undo.before) this.endPortal(undo.before);
    if (!plan || (op !== QUERY && op !== EXECUTE)) return;
    const release = this.#releaseOf(head);
    if (release) release.finished(null);
    else this.#ran(head, plan, UNKNOWN_TAG);
  }

  /** A portal that is no more: if it was let through and never ran to its end, that is its outcome. */
  endPortal(portal: Portal): void {
    const { release, rows, bytes } = portal;
    portal.release = null;
    release?.finished({ tag: rows > 0 ? SUSPENDED_TAG : 'BIND', sqlstate: null, rows, bytes, duration_ms: 0 });
  }

  #ran(head: Entry, plan: Plan, tag: string): void {
    const { sent } = head;
    const duration_us = (performance.now() - sent) * 1000;
    this.gate.ran(plan, timeOrigin + sent, tag, this.#rows, this.#bytes, duration_us);
    this.#rows = this.#bytes = 0;
  }

  #endGrant(outcome: StatementOutcome): void {
    const grant = this.#grant;
    this.#grant = null;
    grant?.release.finished(outcome);
  }

  /** Takes the release that this message ran under, if it did. */
  #releaseOf(head: Entry): Release | null {
    const { op, portal } = head;
    let release: Release | null = null;
    if (op === QUERY || (op === EXECUTE && portal === null)) {
      release = this.#query;
      this.#query = null;
    } else if (op === PARSE) {
      release = this.#grant?.release ?? null;
      this.#grant = null;
    } else if (portal && (op === EXECUTE || op === BIND)) {
      ({ release } = portal);
      portal.release = null;
    }
    return release;
  }
}

/** Rows that a command tag counts: its last word, if that is a number. */
const rowsOf = (tag: string): number => {
  let count = 0;
  let unit = 1;
  for (let at = tag.length - 1; at >= 0; at--) {
    const digit = tag.charCodeAt(at) - 0x30;
    if (digit === -16) return count;
    if (digit < 0 || digit > 9) return 0;
    count += digit * unit;
    unit *= 10;
  }
  return 0;
};
