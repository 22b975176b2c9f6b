// Permits in a log after any crash, worked out anew from the records: none goes farther than what was agreed, and what a gateway says of
// them after its start is what the log says. Uses nothing of the code under test but the events' shape.
import { expect } from 'vitest';
import type { Outcome, Permit, PermitEvent, Request } from '../../src/approval/types.ts';
import type { PermitView } from '../../src/review/client.ts';

/** What the reviewer of the load gives: few uses, so that they come to their end. */
export const TERMS = { for: '1h', uses: 4, rows: 10 };
const FOR_MS = 3_600_000;

export interface PermitLife {
  readonly permit: Permit;
  /** By their numbers; undefined: its end is on no record. */
  readonly used: Map<number, Outcome | null | undefined>;
  revoked: Extract<PermitEvent, { type: 'permit_revoked' }> | null;
}

export class PermitLives {
  readonly all = new Map<string, PermitLife>();

  /** The next record of the log. Throws on one that must not be there. `request`: as the log has it by now. */
  add(event: PermitEvent, request: (id: string) => Request | undefined): void {
    if (event.type === 'permit_granted') {
      const { permit } = event;
      const { by, uses, rows, for_ms, until, granted } = permit;
      const of = request(permit.request);
      if (of?.state !== 'approved' || this.all.has(permit.id))
        expect.fail(`${permit.id} was granted, and not approved`);
      const all = of.decisions.filter(({ decision, counts }) => counts && decision === 'approve');
      expect([by, permit.sql, all.every(({ permit: terms }) => terms !== null)]).toEqual([
        all.map((one) => one.by),
        of.sql,
        true,
      ]);
      expect([uses, rows, for_ms, until]).toEqual([TERMS.uses, TERMS.rows, FOR_MS, granted + FOR_MS]);
      expect([...this.all.values()].filter((other) => other.permit.request === permit.request)).toEqual([]);
      this.all.set(permit.id, { permit, used: new Map(), revoked: null });
      return;
    }
    const life = this.all.get(event.id);
    if (life === undefined) expect.fail(`${event.type} of ${event.id}, which was never granted`);
    const { permit, used, revoked } = life;
    if (event.type === 'permit_used') {
      expect(event.use, `${permit.id}: uses count from one`).toBe(used.size + 1);
      expect(event.use, `${permit.id}: more uses than agreed`).toBeLessThanOrEqual(permit.uses);
      expect(event.at, `${permit.id} was over`).toBeLessThan(permit.until);
      expect(event.sql, `${permit.id}: nothing of it is free`).toBe(permit.sql);
      if (revoked !== null) expect.fail(`${permit.id} was used after it was revoked`);
      used.set(event.use, undefined);
    } else if (event.type === 'permit_use_ended') {
      if (!used.has(event.use) || used.get(event.use))
        expect.fail(`use ${event.use} of ${permit.id} ended twice, or never began`);
      used.set(event.use, event.outcome);
    } else {
      if (revoked !== null) expect.fail(`${permit.id} was revoked twice`);
      life.revoked = event;
    }
  }

  /** `shown`: by the API of a gateway that has just started. */
  checkRestored(shown: readonly PermitView[]): void {
    for (const view of shown) {
      const life = this.all.get(view.id);
      if (life === undefined) expect.fail(`${view.id} is in no log`);
      expect(view.used.map(({ use, outcome }) => [use, outcome])).toEqual(
        [...life.used].map(([use, outcome]) => [use, outcome ?? null]),
      );
      const { by, reason, at } = life.revoked ?? {};
      expect(view.revoked).toEqual(life.revoked && { by, reason, at });
      expect(view.state === 'in-force', view.id).toBe(this.#inForce(life));
    }
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, life] of this.all) if (this.#inForce(life) && !ids.has(id)) expect.fail(`${id}, in force, is gone`);
  }

  #inForce({ permit, used, revoked }: PermitLife): boolean {
    return revoked === null && used.size < permit.uses && Date.now() < permit.until;
  }
}
