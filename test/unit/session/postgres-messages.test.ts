// docs/generated/postgres-messages.md is the table of the relay, printed; the table names every message a client may send. UPDATE=1
// prints it again.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLIENT_MESSAGES, HANDLING, type ReadingPhase } from '../../../src/session/postgres/table.ts';
import { FRONTEND } from '../../../src/wire/postgres/messages.ts';
import { messagesPage, PAGE } from '../../../tools/print-messages.ts';

test('docs/generated/postgres-messages.md is what the table prints', () => {
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, messagesPage());
  expect(readFileSync(PAGE, 'utf8'), 'run: npx tsx tools/print-messages.ts').toBe(messagesPage());
});

test('every message but that of a login is in it, in every phase, and no other byte is', () => {
  const codes = Object.entries(FRONTEND).filter(([name]) => name !== 'Password');
  expect(codes.map(([name]) => name).toSorted()).toEqual(Object.keys(CLIENT_MESSAGES).toSorted());
  for (const phase of ['open', 'copying', 'discarding'] satisfies ReadingPhase[]) {
    const handled = HANDLING[phase].flatMap((handling, code) => (handling === undefined ? [] : [code]));
    expect(handled).toEqual(codes.map(([, code]) => code).toSorted((a, b) => a - b));
    for (const [name, code] of codes)
      expect(HANDLING[phase][code]).toBe(CLIENT_MESSAGES[name as keyof typeof CLIENT_MESSAGES][phase]);
  }
});
