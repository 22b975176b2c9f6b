// docs/generated/mysql-commands.md is the table of the relay, printed. UPDATE=1 prints it again.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commandsPage, PAGE } from '../../../tools/print-commands.ts';

test('docs/generated/mysql-commands.md is what the table prints', () => {
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, commandsPage());
  expect(readFileSync(PAGE, 'utf8'), 'run: npx tsx tools/print-commands.ts').toBe(commandsPage());
});
