// Fuzzes what stands between a statement and its release: the desk over the real log on a disk that refuses, half-writes, dies and loses
// its power. Whoever is told to run, or that a decision counted, is told so only when the disk has it, synced; nobody is told to run twice,
// over all lives of the log; no acknowledged decision is lost.
import { expect, test } from 'vitest';
import { createPermits } from '../../src/approval/permits.ts';
import { createDesk } from '../../src/approval/desk.ts';
import type { ApprovalEvent, Desk, HoldEnd, State } from '../../src/approval/types.ts';
import { openAuditLog } from '../../src/audit/log.ts';
import type { AuditLog } from '../../src/audit/types.ts';
import { auditJournal, fromRecord } from '../../src/gate/journal.ts';
import { decision, DIRECTORY, DONE, FakeClock, heldOf } from '../unit/approval/help.ts';
import { type Fault, MemoryDisk } from '../unit/audit/disk.ts';
import { figure, pick, PROVE, random, type Random, SEED } from './random.ts';

const STEPS = PROVE ? 300_000 : 4000;
const LIVES_MAX = 5;
const STEPS_PER_LIFE_MAX = 40;
const DIGESTS = ['d1', 'd2', 'd3', 'd4'] as const;
/** Small, so that segments are begun under fire, too. */
const SEGMENT_BYTES_MAX = 8000;

interface Seen {
  steps: number;
  lives: number;
  released: number;
  returned: number;
  decided: number;
  refused: number;
  unknown: number;
}

/** One log through several lives; what was said to anybody in any of them stays said. */
class Story {
  readonly #below: Random;
  readonly #seen: Seen;
  readonly #clock = new FakeClock();
  #disk = new MemoryDisk();
  readonly #told = new Map<string, 'approve' | 'deny'>();
  readonly #ran = new Set<string>();
  /** Of these, those of which nothing was sent. */
  readonly #givenBack = new Set<string>();
  /** Outcomes that were acknowledged. */
  readonly #finished = new Map<string, State>();
  /** Newest first. */
  #ids: string[] = [];
  #sessions = 0;

  constructor(below: Random, seen: Seen) {
    this.#below = below;
    this.#seen = seen;
  }

  async tell(): Promise<void> {
    for (let left = 1 + this.#below(LIVES_MAX); left > 0; left--) {
      this.#seen.lives++;
      await this.#live();
    }
  }

  async #live(): Promise<void> {
    const disk = this.#disk;
    const dies = this.#below(3) === 0 ? this.#below(40) : Infinity;
    disk.fault = (index) => (index >= dies ? 'dead' : undefined);
    const audit = await this.#open(disk);
    if (audit === null) return this.#end(disk);
    const journal = auditJournal(audit);
    const desk = createDesk({
      journal,
      clock: this.#clock,
      directory: DIRECTORY,
      permits: createPermits({ journal, clock: this.#clock, directory: DIRECTORY }),
      tag: (digest) => `tag-${digest}`,
      requests_open_per_principal_max: 1000,
      unsponsored: 'refuse',
      random: this.#below,
    });
    try {
      await desk.restore(await this.#events(audit));
      this.#afterRestart(desk);
    } catch (error) {
      // Only a disk that dies may stop a restart.
      if (!disk.isDead) throw error;
      await desk.close().catch(() => {});
      return this.#end(disk);
    }
    await this.#work(desk, disk, dies);
    const orderly = this.#below(3) === 0;
    if (orderly) disk.fault = (index) => (index >= dies ? 'dead' : undefined);
    if (orderly) await desk.close().catch(() => {});
    if (orderly) await audit.close().catch(() => {});
    if (!orderly) disk.fault = () => 'dead';
    this.#end(disk);
    await desk.close().catch(() => {});
    await audit.close().catch(() => {});
  }

  async #open(disk: MemoryDisk): Promise<AuditLog | null> {
    try {
      return await openAuditLog({
        dir: '/log',
        node: 'n1',
        fs: disk,
        segment_bytes_max: SEGMENT_BYTES_MAX,
        retry_ms: 0,
      });
    } catch (error) {
      if (disk.isDead) return null;
      throw error;
    }
  }

  #end(disk: MemoryDisk): void {
    this.#disk = this.#below(2) === 0 ? disk.afterKill() : disk.afterPowerCut(this.#below);
  }

  async #events(audit: AuditLog): Promise<{ seq: number; event: ApprovalEvent }[]> {
    const events: { seq: number; event: ApprovalEvent }[] = [];
    for await (const record of audit.read()) {
      const event = fromRecord(record);
      if (event) events.push({ seq: record.seq, event });
    }
    return events;
  }

  #afterRestart(desk: Desk): void {
    for (const [id, said] of this.#told) expect(desk.get(id)?.decisions.at(-1)?.decision, `${id} ${SEED}`).toBe(said);
    for (const [id, state] of this.#finished) expect(desk.get(id)?.state, `${id} ${SEED}`).toBe(state);
    for (const id of this.#ran)
      expect(['executed', 'failed', 'outcome_unknown'], `${id} ${SEED}`).toContain(desk.get(id)?.state);
    for (const request of desk.list()) {
      expect(request.state === 'released' || (request.state === 'open' && request.holds === 'held')).toBe(false);
      if (request.state === 'outcome_unknown') this.#seen.unknown++;
    }
  }

  async #work(desk: Desk, disk: MemoryDisk, dies: number): Promise<void> {
    const under_way: Promise<unknown>[] = [];
    const holds: { end(): Promise<void> }[] = [];
    for (let left = this.#below(STEPS_PER_LIFE_MAX); left > 0; left--) {
      this.#seen.steps++;
      if (this.#below(8) === 0) {
        const fault = pick<Fault | undefined>(this.#below, ['before', 'half', 'after', undefined, undefined]);
        const until = disk.operations.length + this.#below(6);
        disk.fault = (index) => (index >= dies ? 'dead' : index <= until ? fault : undefined);
      }
      const step = this.#step(desk, holds).catch(() => {
        this.#seen.refused++;
      });
      under_way.push(step);
      if (this.#below(3) > 0) await step;
      if (disk.isDead) break;
    }
    if (this.#below(2) === 0) await Promise.all(under_way);
    else void Promise.all(under_way);
  }

  async #step(desk: Desk, holds: { end(): Promise<void> }[]): Promise<void> {
    const id = this.#ids[this.#below(Math.min(4, this.#ids.length))] ?? '';
    switch (this.#below(10)) {
      case 0:
      case 1:
      case 2:
        return this.#hold(desk, holds);
      case 3:
      case 4:
      case 5:
        return this.#decide(desk, id);
      case 6:
        return holds[this.#below(holds.length)]?.end();
      case 7:
        return this.#below(2) === 0 ? this.#giveBack(desk, [...this.#ran].at(-1) ?? '') : this.#finish(desk, id);
      case 8:
        if (this.#below(4) === 0) return void (await desk.lapse(id, 'a table has changed'));
        return void (await desk.withdraw(id, 'mara', 'no'));
      default:
        return this.#clock.advance(pick(this.#below, [500, 1000, 90_000]));
    }
  }

  async #hold(desk: Desk, holds: { end(): Promise<void> }[]): Promise<void> {
    const session = `s${++this.#sessions}`;
    const digest = pick(this.#below, DIGESTS);
    const ask = { ticket: this.#below(4) > 0, deadline_ms: 200_000, use_within_ms: 200_000 };
    const result = await desk.hold(heldOf({ digest, session }, ask), pick(this.#below, [0, 1000, 60_000]));
    if (result.type === 'refused' || result.type === 'permitted') throw new Error(result.type);
    const { id } = result.request;
    if (!this.#ids.includes(id)) this.#ids.unshift(id);
    this.#durable(id, ['request.opened']);
    if (result.type === 'run') this.#run(id);
    if (result.type !== 'waiting') return;
    const { hold } = result;
    holds.unshift({ end: () => hold.end('disconnected') });
    void hold.ended.then(async (end: HoldEnd) => {
      if (end.type === 'approved') this.#durable(id, ['request.opened', 'request.decided']);
      if (end.type === 'approved' && (await desk.release(id, session).catch(() => false))) this.#run(id);
    });
  }

  async #decide(desk: Desk, id: string): Promise<void> {
    const choice = this.#below(4) === 0 ? 'deny' : 'approve';
    const result = await desk.decide(decision(id, { decision: choice, digest: desk.get(id)?.digest_tag ?? '' }));
    if (result.type !== 'counted') return;
    this.#seen.decided++;
    this.#told.set(id, choice);
    this.#durable(id, ['request.opened', 'request.decided']);
  }

  async #finish(desk: Desk, id: string): Promise<void> {
    const known = this.#below(3) > 0;
    await desk.finish(id, known ? DONE : null);
    const state = desk.get(id)?.state;
    if (state === 'executed' || state === 'outcome_unknown') this.#finished.set(id, state);
  }

  /** A session that was told to run it has sent nothing: it may be told so once more. */
  async #giveBack(desk: Desk, id: string): Promise<void> {
    if (!this.#ran.has(id)) return;
    // Whatever becomes of the record, nothing ran: but only with it anybody may be told to again.
    this.#ran.delete(id);
    this.#givenBack.add(id);
    await desk.giveBack(id, 'gone');
    this.#seen.returned++;
    this.#durable(id, ['request.released', 'request.returned']);
  }

  /** Somebody was told to run it. */
  #run(id: string): void {
    this.#seen.released++;
    if (this.#ran.has(id)) this.#wrong(`${id} was released twice`);
    if (this.#givenBack.delete(id)) this.#durable(id, ['request.released', 'request.returned', 'request.released']);
    this.#ran.add(id);
    this.#durable(id, ['request.opened', 'request.decided', 'request.released']);
  }

  /** The disk has these records of the request, in this order, synced. */
  #durable(id: string, types: readonly string[]): void {
    const text = [...this.#disk.syncedNames]
      .filter(([path]) => path.endsWith('.jsonl'))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { synced }]) => synced.toString())
      .join('');
    const own = text.split('\n').filter((line) => line.includes(`"id":"${id}"`));
    let at = -1;
    for (const type of types) {
      at = own.findIndex((line, index) => index > at && line.includes(`"type":"${type}"`));
      if (at < 0) this.#wrong(`${id}: somebody was told of it before ${type} was durable`);
    }
  }

  #wrong(what: string): void {
    wrong.push(`${what} (HOLDPOINT_SEED=${SEED}, step ${this.#seen.steps})`);
  }
}

const wrong: string[] = [];

test(`who is told to run has an earlier durable record, through every fault (HOLDPOINT_SEED=${SEED})`, async () => {
  const began = performance.now();
  const below = random();
  const seen: Seen = { steps: 0, lives: 0, released: 0, returned: 0, decided: 0, refused: 0, unknown: 0 };
  while (seen.steps < STEPS && wrong.length === 0) await new Story(below, seen).tell();
  figure(
    `release (${seen.lives} lives, ${seen.decided} decisions, ${seen.released} releases, ${seen.returned} of them returned, ${seen.unknown} unknown outcomes)`,
    seen.steps,
    began,
  );
  expect(wrong).toEqual([]);
  for (const count of [seen.released, seen.decided, seen.refused, seen.unknown])
    expect(count).toBeGreaterThan(STEPS / 500);
  expect(seen.returned).toBeGreaterThan(STEPS / 2000);
});
