// What happens to requests, as it reaches reviewers: the desk's events under the stream's names, the last of them kept, and all of them read
// from the log at a start.
import type { ApprovalEvent, Desk } from '../approval/types.ts';
import type { AuditLog } from '../audit/types.ts';
import { fromRecord } from '../gate/journal.ts';
import type { ReviewPorts } from '../review/ports.ts';

/** Events kept for reviewers who come back with a cursor. */
const EVENTS_KEPT_MAX = 2000;

/** The desk as reviewers see it. */
export const requestsPort = (desk: Desk): ReviewPorts['requests'] => ({
  list: (filter) => desk.list(filter),
  get: (id) => desk.get(id),
  decide: (input) => desk.decide(input),
  may: (request, reviewer) => desk.may(request.id, reviewer) ?? { may: false, text: 'This request is gone.' },
  subscribe: (listener) => desk.subscribe((seq, event, request) => listener(seq, streamType(event), request)),
});

/** As the stream names it. */
const streamType = (event: ApprovalEvent): string =>
  event.type === 'finished' ? (event.outcome.sqlstate === null ? 'executed' : 'failed') : event.type;

/** The last events, for reviewers who come back with a cursor; rebuilt from the log at start. */
export class Events {
  readonly #desk: Desk;
  readonly #audit: AuditLog;
  #kept: { readonly seq: number; readonly type: string; readonly id: string }[] = [];
  /** Every event after this sequence number is kept. */
  #floor = 0;

  constructor(desk: Desk, audit: AuditLog) {
    this.#desk = desk;
    this.#audit = audit;
    desk.subscribe((seq, event, request) => this.#keep(seq, streamType(event), request.id));
  }

  async restore(): Promise<void> {
    const restored: { seq: number; event: ApprovalEvent }[] = [];
    for await (const record of this.#audit.read()) {
      const event = fromRecord(record);
      if (!event) continue;
      restored.push({ seq: record.seq, event });
      this.#keep(record.seq, streamType(event), event.type === 'opened' ? event.request.id : event.id);
    }
    await this.#desk.restore(restored);
  }

  since(cursor: number): ReturnType<ReviewPorts['since']> {
    if (cursor < this.#floor || cursor > this.#audit.seq) return null;
    return this.#kept.flatMap(({ seq, type, id }) => {
      const request = seq > cursor ? this.#desk.get(id) : undefined;
      return request ? [{ seq, type, request }] : [];
    });
  }

  #keep(seq: number, type: string, id: string): void {
    this.#kept.push({ seq, type, id });
    if (this.#kept.length <= EVENTS_KEPT_MAX) return;
    this.#kept = this.#kept.slice(EVENTS_KEPT_MAX / 2);
    this.#floor = (this.#kept[0]?.seq ?? 1) - 1;
  }
}
