// Rules that ask for more people than there are.
import { expect, test } from 'vitest';
import { tooFew } from '../../../src/cli/enough.ts';
import { parseUsers } from '../../../src/identity/users.ts';
import { policy } from '../policy/made.ts';

const users = (extra = '') =>
  parseUsers(
    `users:
  - {id: bot, kind: agent, sponsor: ada}
  - {id: ada, kind: human, roles: [reviewer], groups: [dba]}
  - {id: grace, kind: human, roles: [reviewer], groups: [dba], aliases: [grace-2]}
  - {id: grace-2, kind: human, roles: [reviewer], groups: [owners]}
  - {id: alan, kind: human, groups: [dba, owners]}
${extra}`,
    { file: '/users.yaml' },
  );
const EDSGER = '  - {id: edsger, kind: human, roles: [reviewer], groups: [owners]}\n';
const asking = (...asks: string[]) =>
  policy(`version: 1
default: allow
reviewers: {dba: {groups: [dba]}, owners: {groups: [owners]}, leads: {groups: [leads]}}
rules:
${asks.map((ask, i) => `  - {id: r${i}, when: "true", then: hold, ask: ${ask}}\n`).join('')}`);

test.each([
  ['{}', '', []],
  ['{of: [dba]}', '', []],
  // A sponsor does not decide, an auditor without the role neither, and two accounts are one person.
  ['{count: 2}', '', ['rule r0 needs two reviewers, and only grace may decide what bot sends']],
  ['{count: 3}', '', ['rule r0 needs three reviewers, and only ada, grace may decide']],
  ['{count: 2}', EDSGER, []],
  ['{of: [leads]}', EDSGER, ['rule r0 needs one of leads, and nobody may decide']],
  ['{of: [leads], escalate: {after: 5m, to: [owners]}}', EDSGER, []],
  [
    '{of_each: [dba, owners]}',
    '',
    ['rule r0 needs one of dba and one of owners, and only grace may decide what bot sends'],
  ],
  ['{of_each: [dba, owners]}', EDSGER, []],
  [
    '{of_each: [dba, owners], count: 2}',
    EDSGER,
    ['rule r0 needs two of dba and two of owners, and only ada, grace, edsger may decide'],
  ],
  // Each of the two groups has its person, and it is the same one.
  [
    '{of_each: [leads, owners], escalate: {after: 5m, to: [dba]}}',
    '',
    ['rule r0 needs one of leads and one of owners, and only grace may decide what bot sends'],
  ],
])('%s %s', async (ask, extra, expected) => {
  expect(tooFew(await asking(ask), users(extra))).toEqual(expected);
});

test('rules that ask the same are told together', async () => {
  expect(tooFew(await asking('{count: 2}', '{}', '{count: 2, wait: 0s}'), users())).toEqual([
    'rule r0, r2 needs two reviewers, and only grace may decide what bot sends',
  ]);
});
