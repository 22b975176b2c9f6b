// Prints docs/generated/statements.md from the tables that the analysis runs on: statement kinds, classes of built-in functions,
// settings. `tsx tools/print-tables.ts`; a test compares the file with what this prints.
import { writeFileSync } from 'node:fs';
import { statementsPage } from '../src/sql/postgres/page.ts';

writeFileSync(new URL('../docs/generated/statements.md', import.meta.url), statementsPage());
