// What the server still owes: one entry for each message sent to it that will be answered, in order. A reply that does
// not fit the entry at the head means that the two sides disagree, and the session must end.
// A ring of entries that all sessions share: nothing is allocated for a message on the allowed path, and a session that idles
// holds none.
import type { WireText } from '../../errors/catalogue.ts';
import type { Meter, Plan } from '../gate.ts';
import type { Portal, Prepared, Undo } from './names.ts';

export const QUERY = 1;
export const PARSE = 2;
export const BIND = 3;
export const DESCRIBE = 4;
export const EXECUTE = 5;
export const CLOSE = 6;
export const SYNC = 7;
/** Messages of our own, whose replies the client never sees. */
export const OWN_PARSE = 8;
export const OWN_BIND = 9;
export const OWN_EXECUTE = 10;
export const OWN_CLOSE = 11;
export const OWN_SYNC = 12;
export type Op = number;

const endsSkip = (op: Op): boolean => op === SYNC || op === OWN_SYNC;
const key = ({ map, name }: Undo): string => `${map} ${name}`;
const endsPipeline = (op: Op): boolean => op === SYNC || op === QUERY || op === OWN_SYNC;
export const isOwn = (op: Op): boolean => op >= OWN_PARSE;

/** What belongs to an entry. Fields that an op does not use are null. */
export interface Entry {
  op: Op;
  plan: Plan | null;
  portal: Portal | null;
  /** Of a Describe: the statement whose parameter types the answer tells. */
  prepared: Prepared | null;
  /** What to take back if the server never does it. */
  undo: Undo | null;
  /** Our text in place of the server's error: a refusal that the server had to share. */
  refusal: WireText | null;
  /** Of a limited statement: what may pass of its result. */
  meter: Meter | null;
  /** performance.now() when it was sent. */
  sent: number;
}

/** `sent` is a fraction: a field that held whole numbers first would get another shape with the first time. */
const blank = (): Entry => ({
  op: 0,
  plan: null,
  portal: null,
  prepared: null,
  undo: null,
  refusal: null,
  meter: null,
  sent: 0.5,
});
const NONE = blank();
/** Entries that nobody uses. As many as were ever under way at once, but no more than this. */
const spare: Entry[] = [];
const SPARE_MAX = 4096;
/** Slots of a ring; one that grew beyond it shrinks when it is empty. */
const SLOTS = 32;
/** Of a session that has not asked anything yet, or waits for a person. */
const SLOTS_RESTING = 4;
const slotsOf = (slots: number): Entry[] => Array.from({ length: slots }, () => NONE);
/** Longer rings that nobody uses, by their slots: a client that sends long pipelines needs one each time. */
const spareRings = new Map<number, Entry[][]>();
const SPARE_RINGS_MAX = 16;

export class Replies {
  #ring: Entry[] = slotsOf(SLOTS);
  #head = 0;
  length = 0;
  /** Counts Syncs and Queries sent. What is sent now stands or falls together up to the next one. */
  pipeline = 0;
  /** Counts those answered: of every pipeline before this one it is known what became of it. */
  answered = 0;
  /** Counts entries that are gone. */
  taken = 0;

  /** The oldest unanswered message; its op is 0 when there is none. The object is reused: do not keep it. */
  get head(): Entry {
    return this.#ring[this.#head] as Entry;
  }

  get last(): Op {
    return this.length === 0 ? 0 : this.#at(this.length - 1).op;
  }

  /** The end of the newest pipeline was sent: the server answers all of it. */
  get synced(): boolean {
    return endsPipeline(this.last);
  }

  /** Nothing was sent behind the end of the oldest pipeline. */
  get onePipeline(): boolean {
    const open = this.pipeline - this.answered;
    return open === 0 || (open === 1 && this.synced);
  }

  /** The entry of the statement that this meter counts; null: it is not under way. */
  counted(meter: Meter): Entry | null {
    for (let index = 0; index < this.length; index++) if (this.#at(index).meter === meter) return this.#at(index);
    return null;
  }

  push(op: Op, plan: Plan | null, portal: Portal | null, undo: Undo | null, sent: number): Entry {
    if (this.length === this.#ring.length) this.#resize(this.length * 2);
    const entry = spare.pop() ?? blank();
    this.#ring[(this.#head + this.length) & (this.#ring.length - 1)] = entry;
    entry.op = op;
    entry.plan = plan;
    entry.portal = portal;
    entry.prepared = null;
    entry.undo = undo;
    entry.refusal = null;
    entry.meter = null;
    entry.sent = sent;
    this.length++;
    if (endsPipeline(op)) this.pipeline++;
    return entry;
  }

  /** Forgets the head: it has been answered. */
  pop(): void {
    const entry = this.#ring[this.#head] as Entry;
    if (endsPipeline(entry.op)) this.answered++;
    entry.op = 0;
    entry.plan = null;
    entry.portal = null;
    entry.prepared = null;
    entry.undo = null;
    entry.refusal = null;
    entry.meter = null;
    this.taken++;
    this.#ring[this.#head] = NONE;
    if (spare.length < SPARE_MAX) spare.push(entry);
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.length--;
    if (this.length === 0 && this.#ring.length > SLOTS) this.#resize(SLOTS);
  }

  /** Nothing is sent for a while: thousands of sessions may idle or wait at once. */
  rest(): void {
    if (this.length === 0 && this.#ring.length > SLOTS_RESTING) this.#resize(SLOTS_RESTING);
  }

  /** May what was sent in that pipeline be relied on by what is sent now? Either both happen or it has happened. */
  settled(pipeline: number): boolean {
    return pipeline === this.pipeline || pipeline < this.answered;
  }

  /**
   * After an error in the extended protocol the server skips to the next Sync. Takes everything before it out, newest
   * first where it has to be undone; `newer` is the next change of the same name behind that Sync. False: no Sync has
   * been sent yet.
   */
  skipToSync(undo: (undo: Undo, newer: Undo | undefined) => void): boolean {
    let count = 0;
    while (count < this.length && !endsSkip(this.#at(count).op)) count++;
    const found = count < this.length;
    let newer: Map<string, Undo> | null = null;
    for (let index = count - 1; index >= 0; index--) {
      const taken = this.#at(index).undo;
      if (!taken) continue;
      newer ??= this.#changesFrom(count);
      undo(taken, newer.get(key(taken)));
    }
    for (; count > 0; count--) this.pop();
    return found;
  }

  /** The first change of each name from this entry on. */
  #changesFrom(index: number): Map<string, Undo> {
    const changes = new Map<string, Undo>();
    for (; index < this.length; index++) {
      const { undo } = this.#at(index);
      if (undo && !changes.has(key(undo))) changes.set(key(undo), undo);
    }
    return changes;
  }

  #at(index: number): Entry {
    return this.#ring[(this.#head + index) & (this.#ring.length - 1)] as Entry;
  }

  #resize(slots: number): void {
    const old = this.#ring;
    const ring = spareRings.get(slots)?.pop() ?? slotsOf(slots);
    for (let index = 0; index < this.length; index++) ring[index] = this.#at(index);
    this.#ring = ring;
    this.#head = 0;
    const spares = spareRings.get(old.length) ?? [];
    if (spares.length === 0) spareRings.set(old.length, spares);
    if (spares.length < SPARE_RINGS_MAX) spares.push(old.fill(NONE));
  }
}
