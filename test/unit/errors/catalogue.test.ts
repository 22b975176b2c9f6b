// The words that agents get, to the letter, with each part's limit in bytes.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { errorsTable, type Row, texts, type WireText } from '../../../src/errors/catalogue.ts';
import {
  cutBytes,
  cutChars,
  DETAIL_BYTES_MAX,
  HINT_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  quoted,
  visible,
} from '../../../src/errors/text.ts';

const ID = 'HP-7KQ4';
const at = (time: string) => Date.parse(`2025-11-22T${time}Z`);

const golden: readonly (readonly [string, WireText, WireText])[] = [
  [
    'held',
    texts.held({
      id: ID,
      rule: 'exports',
      ruleMessage: 'Data leaves the database in bulk. Say who needs it and for how long.',
      found: 'export of public.customers, billing.invoices',
      needs: 'one of dba',
      console: 'https://holdpoint.example',
      waitUntil: at('14:05:30'),
      deadline: at('14:17:30'),
      ticket: true,
      connected: 2,
      noReason: false,
    }),
    {
      severity: 'NOTICE',
      sqlstate: '00000',
      message: 'held for approval, not failed: request HP-7KQ4',
      detail:
        'Rule "exports": Data leaves the database in bulk. Say who needs it and for how long. Found: export of public.customers, billing.invoices. Needs: one of dba. 2 reviewers who may decide are connected. Console: https://holdpoint.example/r/HP-7KQ4',
      hint: 'Keep this connection open and wait; do not retry, split or reword the statement. It runs here by itself once approved. This connection waits until 14:05:30 UTC, then you get error ZH001; the request stays open until 14:17:30 UTC.',
    },
  ],
  [
    'a question',
    texts.question({
      id: ID,
      by: 'Ines Carvalho',
      question: 'Who receives the file, and when is it deleted?',
      adds: 60,
    }),
    {
      severity: 'NOTICE',
      sqlstate: '00000',
      message: 'question on request HP-7KQ4 from Ines Carvalho: "Who receives the file, and when is it deleted?"',
      hint: "Answer in plain words from another connection of the same user: SELECT holdpoint.answer('HP-7KQ4', 'your answer'); Then keep waiting. An answer adds 60 s, once. A question is not a denial.",
    },
  ],
  [
    'still held',
    texts.stillHeld({ id: ID, approvals: 0, needed: 2, waitsMore: 165 }),
    {
      severity: 'NOTICE',
      sqlstate: '00000',
      message: 'still held: request HP-7KQ4, 0 of 2 approvals, waits 165 s more',
    },
  ],
  [
    'approved',
    texts.approved({
      id: ID,
      by: [
        { id: 'Ines Carvalho', group: 'dba', instead_of: null },
        { id: 'Jonas Weidmann', group: 'data-owner', instead_of: null },
      ],
    }),
    {
      severity: 'NOTICE',
      sqlstate: '00000',
      message: 'approved by Ines Carvalho (dba), Jonas Weidmann (data-owner): request HP-7KQ4 runs now, once',
    },
  ],
  [
    'denied',
    texts.denied({
      id: ID,
      by: 'Aiko Tanabe',
      rationale: 'Dunning needs totals and country, not e-mail and full name.',
      rule: 'exports',
      found: 'export of public.customers (email, full_name), billing.invoices',
      inTransaction: true,
    }),
    {
      severity: 'ERROR',
      sqlstate: '42501',
      message: 'denied by Aiko Tanabe: "Dunning needs totals and country, not e-mail and full name." (request HP-7KQ4)',
      detail:
        'Rule "exports". Refused: export of public.customers (email, full_name), billing.invoices. The statement did not run. The transaction is failed: ROLLBACK before you go on.',
      hint: "This is final for this statement. Do not send it again, reworded or in parts. If you need something else, ask first: SELECT holdpoint.request_approval('<sql>', '<reason>');",
    },
  ],
  [
    'denied by a rule',
    texts.deniedByPolicy({
      rule: 'server-files',
      allowsNo: 'access to server files or programs',
      found: 'COPY ... TO PROGRAM',
      position: 27,
      ruleMessage: 'Use COPY ... TO STDOUT and write the file on your side; that is held for approval.',
      inTransaction: false,
    }),
    {
      severity: 'ERROR',
      sqlstate: '42501',
      message: 'denied by policy: rule "server-files" allows no access to server files or programs',
      detail: 'Found: COPY ... TO PROGRAM at position 27. The statement did not run. No request was opened.',
      hint: 'No reviewer can approve this. Use COPY ... TO STDOUT and write the file on your side; that is held for approval.',
    },
  ],
  [
    'pending',
    texts.pending({
      id: ID,
      approvals: 1,
      needed: 2,
      waited: 240,
      deadline: at('14:17:30'),
      inTransaction: true,
    }),
    {
      severity: 'ERROR',
      sqlstate: 'ZH001',
      message: 'approval pending, not denied: request HP-7KQ4 has 1 of 2 approvals',
      detail:
        'The connection waited its 240 s. The statement did not run. The request stays open until 14:17:30 UTC. You were in a transaction: it is failed, ROLLBACK it.',
      hint: 'Do other work, then check with SHOW holdpoint.request."HP-7KQ4"; When its state is approved, send the identical statement again, as the same user, same database, inside a transaction as before; it then runs at once, one time. Do not change it: a changed statement is a new request.',
    },
  ],
  [
    'expired',
    texts.expired({ id: ID, deadline: at('14:17:30'), sponsor: 'Mara Lindqvist' }),
    {
      severity: 'ERROR',
      sqlstate: 'ZH002',
      message: 'nobody decided in time: request HP-7KQ4 ended at 14:17:30 UTC',
      hint: 'Nothing ran. You may send the statement again; that opens a new request. Tell your sponsor, Mara Lindqvist, first.',
    },
  ],
  [
    'withdrawn',
    texts.withdrawn({ id: ID, by: 'Mara Lindqvist' }),
    {
      severity: 'ERROR',
      sqlstate: 'ZH003',
      message: 'request HP-7KQ4 was withdrawn by Mara Lindqvist',
      hint: 'Nothing ran. Do not send it again unless your sponsor tells you to.',
    },
  ],
  [
    'no log',
    texts.noLog(),
    {
      severity: 'ERROR',
      sqlstate: 'ZH005',
      message: 'Holdpoint cannot write its log, so nothing is let through',
      hint: 'Not your fault and nothing ran. Wait and retry every 60 s; tell an operator.',
    },
  ],
  [
    'lapsed',
    texts.lapsed({ id: ID, why: 'table public.customers has changed since' }),
    {
      severity: 'ERROR',
      sqlstate: 'ZH006',
      message: 'request HP-7KQ4 was approved for other circumstances: table public.customers has changed since',
      hint: 'Nothing ran. Send the statement again to open a new request.',
    },
  ],
];

describe('to the letter', () => {
  it.each(golden)('%s', (_, built, wanted) => {
    expect(built).toEqual(wanted);
  });
});

/** Every row by its example; a list of all rows cannot say that each example fits its row. */
const examples = Object.entries(texts).map(
  ([name, row]) => [name, row as Row<unknown>, (row as Row<unknown>)(row.example)] as const,
);

describe('every row', () => {
  it.each(examples)('%s has a text that fits, in one line, that names only what exists', (_, row, text) => {
    expect(text).toMatchObject({ severity: row.severity, sqlstate: row.sqlstate });
    expect(text.sqlstate).toMatch(/^[0-9A-Z]{5}$/);
    expectFits(text);
    const all = [text.message, text.detail, text.hint].join(' ');
    expect(all).not.toMatch(/\.\.\.$|undefined|null|\n/);
    expect(text.message).not.toMatch(/\.$/);
  });

  it('of an error that leaves the session alive is of no class that pools take for a broken connection', () => {
    for (const [, , text] of examples) {
      const broken = /^(08|57P|JZ|40|53|55)/.test(text.sqlstate);
      if (text.severity !== 'FATAL') expect(broken).toBe(false);
    }
  });
});

describe('limits', () => {
  const wild = fc.string({ unit: 'binary', maxLength: 700 });

  test('hold in bytes whatever the values are, at whole characters, with the facts still there', () => {
    fc.assert(
      fc.property(wild, wild, wild, (one, two, three) => {
        const held = texts.held({
          id: ID,
          rule: 'exports',
          ruleMessage: one,
          found: two,
          needs: 'one of dba',
          console: 'https://holdpoint.example',
          waitUntil: 0,
          deadline: 0,
          ticket: true,
          connected: 0,
          noReason: true,
        });
        const denied = texts.denied({
          id: ID,
          by: 'aiko',
          rationale: one,
          rule: 'exports',
          found: two,
          inTransaction: true,
        });
        const policy = texts.deniedByPolicy({
          rule: 'r',
          allowsNo: three,
          found: two,
          position: 1,
          ruleMessage: one,
          inTransaction: true,
        });
        const approved = texts.approved({ id: ID, by: [{ id: one, group: two, instead_of: three }] });
        const question = texts.question({ id: ID, by: 'aiko', question: one, adds: 60 });
        const pending = texts.pending({
          ...texts.pending.example,
          commits: 99,
          question: { by: 'aiko', text: one },
        });
        for (const text of [held, denied, policy, approved, question, pending]) expectFits(text);
        expect(approved.message).toMatch(/: request HP-7KQ4 runs now, once$/);
        expect(question.message).toMatch(/^question on request HP-7KQ4 from aiko: ".*"$/);
        expect(pending.detail).toMatch(/99 earlier statements of that transaction\.$/);
        expect(held.detail).toMatch(
          /Needs: one of dba\. Nobody who may decide is connected now\. Console: https:\/\/holdpoint\.example\/r\/HP-7KQ4$/,
        );
        expect(denied.message).toMatch(/^denied by aiko.* \(request HP-7KQ4\)$/);
        expect(denied.detail).toMatch(/ROLLBACK before you go on\.$/);
        expect(policy.detail).toMatch(/ROLLBACK before you go on\.$/);
      }),
    );
  });

  test.each([
    ['ééé', 6, 'ééé'],
    ['éééé', 7, 'éé...'],
    ['éééé', 6, 'é...'],
    ['🙂🙂', 7, '🙂...'],
    ['🙂🙂', 6, '...'],
    ['abc', 2, ''],
  ])('%s in %i bytes is %s', (text, bytes, wanted) => {
    expect(cutBytes(text, bytes)).toBe(wanted);
  });

  test('a reviewer’s words are cut at 200 characters, whole ones', () => {
    expect(cutChars('🙂'.repeat(200), 200)).toBe('🙂'.repeat(200));
    expect(cutChars('🙂'.repeat(201), 200)).toBe(`${'🙂'.repeat(197)}...`);
    expect(quoted('x'.repeat(300), 1000)).toBe(`"${'x'.repeat(197)}..."`);
  });
});

test("a reviewer's words can neither close the quotation nor act on a terminal", () => {
  expect(quoted(' no" (request HP-1)\r\n\u001b[2Jmore\u202e\0 ', 200)).toBe(
    `"no' (request HP-1) <U+001B>[2Jmore<U+202E><U+0000>"`,
  );
  expect(visible('a\ud800b')).toBe('a<U+D800>b');
});

test('the printed table is up to date', async () => {
  await expect(errorsTable()).toMatchFileSnapshot('../../../docs/generated/errors.md');
});

function expectFits({ message, detail = '', hint = '' }: WireText): void {
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
  expect(Buffer.byteLength(detail)).toBeLessThanOrEqual(DETAIL_BYTES_MAX);
  expect(Buffer.byteLength(hint)).toBeLessThanOrEqual(HINT_BYTES_MAX);
  for (const text of [message, detail, hint]) {
    expect(text).not.toMatch(/[\p{Cc}\p{Cs}\u202a-\u202e]/u);
    expect(Buffer.from(text, 'utf8').toString('utf8')).toBe(text);
  }
}
