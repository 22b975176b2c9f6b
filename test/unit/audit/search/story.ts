// A log of several small segments, written by the log itself, with what searches look for; and an oracle that knows nothing of indexes.
import { openAuditLog } from '../../../../src/audit/log.ts';
import type { Line } from '../../../../src/audit/record.ts';
import { linesOf } from '../tampering.ts';

export const SEALED = 'unmistakable-sealed-sentinel';

const person = (id: string) => ({
  id,
  kind: 'agent',
  groups: [],
  sponsor: 'ada',
  authentication: 'trust',
  address: '10.0.0.1',
});
const where = { engine: 'postgres', upstream: 'app', database: 'shop', tags: {} };
const finding = (action: string, object: string) => ({ action, object, why: '', statement: 0, start: 0, end: 0 });

export const AGENTS = ['report-bot', 'Ünal-bot', 'crawler', 'bot-4'] as const;
export const TABLES = ['customers', 'orders', 'order', 'Kunden Straße', 'a.b'] as const;
export const START_MS = Date.UTC(2026, 10, 20, 12);

/** `below(n)`: an integer below n. Each record is a minute after the one before. */
export async function writeStory(dir: string, records: number, below: (most: number) => number): Promise<void> {
  let now = START_MS;
  const clock = { now: () => (now += 60_000), mono: () => now * 1000 };
  const log = await openAuditLog({ dir, node: 'n1', segment_bytes_max: 16 * 1024, clock });
  for (let n = 0; n < records; n++) {
    const who = person(AGENTS[below(AGENTS.length)] ?? '');
    const table = TABLES[below(TABLES.length)] ?? '';
    const session = `s-${below(20)}`;
    const id = `HP-${String(below(40)).padStart(8, '0')}`;
    const held = {
      session,
      who,
      where,
      shape: `DELETE FROM "${table}"`,
      rule: `rule-${below(3)}`,
      policy: `${below(3)}a`.repeat(32),
      findings: [finding('write', `public.${table}`)],
    };
    const sealed = { sql: `DELETE FROM "${table}" WHERE name = '${SEALED}'` };
    switch (below(6)) {
      case 0:
        await log.append({ type: 'session.opened', clear: { session, who, where } });
        break;
      case 1:
        await log.append({ type: 'request.opened', clear: { request: { id, ...held } }, sealed: { request: sealed } });
        break;
      case 2:
        await log.append({ type: 'statement.denied', clear: held, sealed });
        break;
      case 3: {
        const decision = below(2) === 0 ? 'approve' : 'deny';
        await log.append({
          type: 'request.decided',
          clear: { id, decision: { decision, by: 'grace', accounts: ['grace', 'Grace@Corp'] } },
          sealed: { rationale: SEALED },
        });
        break;
      }
      case 4:
        await log.append({ type: 'reviewer.signed_in', clear: { user: 'grace', how: 'password', by: ['local'] } });
        break;
      default: {
        const block = log.session({ session, who: who.id, where: 'app', database: 'shop' });
        block.allowed(now, `SELECT * FROM "${table}" WHERE id = $1`, 'reads', 'SELECT 1', 1, 10, 5);
        block.allowed(now, 'SELECT 1', 'default', 'SELECT 1', 1, 10, 5);
        block.allowed(now, `select c.id from Public . CUSTOMERS c`, 'reads', '42P01', 0, 0, 5);
        await block.flush();
      }
    }
  }
  await log.close();
}

/** Numbers of the records that `meant` takes, and all of them parsed. */
export function asked(dir: string, meant: (line: Line) => boolean): number[] {
  return linesOf(dir)
    .map((line) => JSON.parse(line) as Line)
    .filter(meant)
    .map(({ seq }) => seq);
}
