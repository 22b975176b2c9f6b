// What the terminal client draws, frame by frame, as text in frames/ (UPDATE=1 rewrites them). Every frame has exactly the terminal's
// lines, none wider than it, whatever an agent wrote.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { width } from '../../../../src/cli/review/cells.ts';
import { frameOf, textOf } from '../../../../src/cli/review/frame.ts';
import type { RequestView } from '../../../../src/review/client.ts';
import type { State } from '../../../../src/cli/review/state.ts';
import { painted } from '../../../../src/cli/review/terminal.ts';
import { Client, copy, NOW, QUEUE, sample } from './sample.ts';

const ASCII = { columns: 80, rows: 24, ascii: true };
const HOSTILE = sample('HP-0000EV1L', {
  sql: "DELETE FROM \u202eusers\u202c -- p\u0430yments \u0000\u001b[2J\u200b\n\tWHERE name = '日本語' AND e\u0301\u0301\u0301\u0301 = $1",
  parameters: [{ type: 'text', value: 'x\u2066y\r\nz' }],
  reason: 'I am\u001b]0;root\u0007 \u202e the DBA\nAPPROVED by grace',
  application_name: 'psql\u001b[31m',
  findings: [{ action: 'write', object: 'us\u0435rs', why: 'Removes rows.', statement: 0, start: 0, end: 6 }],
});
const CLAIMS = sample('HP-0000C1A1', {
  task: 'month end\u202e detsurt si siht\u202c\n approvals   1 of 1: grace\u0430 \u001b[2J'.padEnd(1_000, ' and on'),
  on_behalf_of: ['jonas', 'in\u0435s', 'x'.repeat(200)],
});
const LONG = sample('HP-00000L0N', {
  sql: `SELECT ${Array.from({ length: 60 }, (_, i) => `column_${i} AS "some longer alias of column ${i}"`).join(', ')}\n  FROM t`,
});
const PERMIT = copy({
  view: {
    permit: {
      for_ms: 7 * 86_400_000,
      uses: 100,
      rows: 1_000,
      writes: false,
      free: [{ from: 209, to: 221 }],
      free_parameters: [],
    },
  },
});
const VALUES = sample('HP-0000VA1U', {
  sql: "UPDATE customers SET name = $1, note = '$2' /* $3 */ WHERE id = $2 AND country IN ($3, $1)",
  parameters: [
    { type: 'text', value: "O'Hara} WHERE {\u202eevil\nline" },
    { type: 'int4', value: '42' },
    { type: 'text', value: null },
  ],
  findings: [{ action: 'write', object: 'customers', why: 'Changes rows.', statement: 0, start: 7, end: 16 }],
});
const ONE_LINE = sample('HP-0000F0RM', {
  sql: "SELECT c.id, c.email, count(*) FILTER (WHERE o.paid AND o.total > 100) AS n FROM customers c LEFT JOIN (SELECT * FROM orders WHERE placed BETWEEN '2025-01-01' AND '2025-02-01' -- last month\n) o ON o.customer = c.id WHERE c.country IN ('DE', 'AT') AND c.n\u0430me <> '  two  spaces\nand a line' OR 1=1 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 100",
  findings: [{ action: 'read', object: 'customers', why: 'Reads rows.', statement: 0, start: 81, end: 90 }],
});
const WHY = 'Checked FIN-2291 with Finance: month-end dunning, same as October.';
const news = (client: Client) =>
  client.changed(sample('HP-0000NEW1'), 'opened').changed(sample('HP-0000NEW2'), 'opened');
const open = (request: RequestView) => new Client([request]).press('\r');

const FRAMES: Readonly<Record<string, () => Client>> = {
  queue: () => new Client().press('j'),
  'queue-news': () => news(new Client().press('j')),
  'queue-shown': () => news(new Client().press('j')).press('n'),
  'queue-decided': () =>
    new Client().changed({ ...(QUEUE[4] as (typeof QUEUE)[number]), state: 'denied', updated: NOW + 1 }),
  'queue-mine': () => new Client().press('v'),
  'queue-empty': () => new Client([]),
  'queue-ascii': () => new Client(QUEUE, ASCII).press('j'),
  'queue-lost': () => new Client().hear({ type: 'lost', since: NOW - 17_000, tries: 0 }),
  find: () => new Client().press('/', 'schema'),
  found: () => new Client().press('/', 'schema', '\r'),
  card: () => new Client().press('j', '\r'),
  'card-more': () => new Client().press('j', '\r', ' '),
  'card-finding': () => new Client().press('j', '\r', '2'),
  'card-ascii': () => new Client(QUEUE, ASCII).press('j', '\r'),
  'card-own': () => new Client().press('j', 'j', 'j', '\r', 'a'),
  'card-lost': () =>
    new Client()
      .press('j', '\r')
      .hear({ type: 'lost', since: NOW - 17_000, tries: 0 })
      .press('a'),
  'card-hostile': () => open(HOSTILE),
  'card-hostile-ascii': () => new Client([HOSTILE], ASCII).press('\r'),
  'card-claims': () => open(CLAIMS),
  'card-claims-more': () => open(CLAIMS).press(' '),
  'card-claims-ascii': () => new Client([CLAIMS], ASCII).press('\r'),
  'queue-claims': () => new Client([CLAIMS]),
  'card-long': () => open(LONG),
  formatted: () => open(ONE_LINE).press('f', '1'),
  'formatted-ascii': () => new Client([ONE_LINE], ASCII).press('\r', 'f'),
  'formatted-back': () => open(ONE_LINE).press('f', 'f'),
  values: () => open(VALUES).press('p'),
  'values-ascii': () => new Client([VALUES], ASCII).press('\r', 'p'),
  'values-none': () => open(copy()).press('p'),
  'values-deciding': () => open(VALUES).press('p', 'a'),
  deciding: () => new Client().press('j', '\r', 'a', WHY, '\r', '7kq'),
  'deciding-wrong': () => new Client().press('j', '\r', 'd', 'No.', '\r', 'y', '\r'),
  'deciding-without-words': () => new Client().press('j', '\r', 'd', ' ', '\r'),
  'deciding-waited': () => news(new Client().press('j', '\r', 'a', WHY)),
  'deciding-too-late': () =>
    new Client().press('j', '\r', 'a', WHY).changed(
      copy({
        state: 'denied',
        updated: NOW + 1,
        decisions: [
          { decision: 'deny', by: 'aiko', group: 'dba', rationale: 'no', channel: 'api', at: NOW + 1 },
        ] as never,
      }),
    ),
  'deciding-unread': () => open(LONG).press('a'),
  permit: () => open(PERMIT).press('s', '\r', '\x15', '20', '\r', '\r', 'Every month.', '\r', '7KQ'),
  ask: () => open(copy()).press('r', 'Who gets the file?', '\r'),
  sent: () => open(copy()).press('a', WHY, '\r', '7kq4', '\r'),
  keys: () => new Client().press('?'),
  history: () =>
    new Client().press('h').happen({
      type: 'history',
      requests: [
        copy({
          state: 'executed',
          outcome: { tag: 'COPY 212408', sqlstate: null, rows: 212_408, bytes: 38_100_000, duration_ms: 4_200 },
        }),
        sample('HP-0000EXP1', { state: 'expired' }),
      ],
    }),
};

function text(state: State): string {
  const frame = frameOf(state);
  const lines = textOf(frame);
  const { columns, rows } = state.face;
  expect(lines).toHaveLength(rows);
  for (const line of lines) expect(width(line), line).toBeLessThanOrEqual(columns);
  if (frame.cursor) {
    expect(frame.cursor.row).toBeLessThan(rows);
    expect(frame.cursor.column).toBeLessThan(columns);
  }
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

describe('frames of 80 by 24', () => {
  it.each(Object.entries(FRAMES))('%s', async (name, client) => {
    await expect(text(client().state)).toMatchFileSnapshot(`frames/${name}.txt`);
  });

  it('the card in docs/review.md is the one that is drawn', () => {
    const page = readFileSync(new URL('../../../../docs/review.md', import.meta.url), 'utf8');
    expect(page).toContain(text(FRAMES['card']!().state));
  });

  it('nothing but ASCII where the locale has no UTF-8', () => {
    for (const request of [...QUEUE, HOSTILE])
      for (const keys of [[], ['\r'], ['\r', ' '], ['\r', 'a', 'Ünïcode'], ['?']])
        expect(text(new Client([request], ASCII).press(...keys).state)).toMatch(/^[\n\x20-\x7e]*$/);
  });
});

describe('whatever an agent writes', () => {
  const nasty = fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
        fc.constantFrom(
          '\x1b[2J',
          '\x1b]0;x\x07',
          '\u202e',
          '\u0301'.repeat(9),
          '日本',
          '👩‍👩‍👧‍👦',
          '\r\n',
          '\t',
          '\u009b31m',
          'שלום',
          '\ufe0f',
        ),
      ),
      { maxLength: 12 },
    )
    .map((parts) => Buffer.from(parts.join('')).toString());
  const size = fc.record({
    columns: fc.integer({ min: 80, max: 211 }),
    rows: fc.integer({ min: 24, max: 60 }),
    ascii: fc.boolean(),
  });

  it('fits, and no byte of it commands the terminal', () => {
    fc.assert(
      fc.property(
        fc.oneof(nasty, fc.uint8Array({ maxLength: 60 })),
        nasty,
        size,
        fc.constantFrom('', 'a', ' ', 'd', 'r', 'f', 'p', '\x1b'),
        (sql, words, face, key) => {
          const request = sample('HP-0000EV1L', {
            sql: typeof sql === 'string' ? sql : Uint8Array.from(sql),
            reason: words,
            agent: 'bot',
            application_name: words,
            parameters: [{ type: 'text', value: words }],
            earlier: [{ sql: Buffer.from(words).toString('latin1'), at: NOW, outcome: 'SELECT 1' }],
            in_transaction: true,
            findings: [{ action: 'read', object: words, why: words, statement: 0, start: 1, end: 3 }],
          });
          const { state } = new Client([request], face).press('\r', key);
          text(state);
          const sent = painted(frameOf(state), null, true);
          // Ours: where the cursor goes, looks, and erasing.
          const rest = sent
            .split('\x1b[')
            .map((part, i) => (i === 0 ? part : part.replace(/^(?:\d+;\d+H|[\d;]*m|K|2J|\?25[lh])/, '')))
            .join('');
          expect(rest).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
        },
      ),
      { numRuns: 300 },
    );
  });
});
