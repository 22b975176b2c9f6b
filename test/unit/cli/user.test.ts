// `holdpoint user`: what it prints and what it does not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { userCommand } from '../../../src/cli/user.ts';
import { verifyScrypt } from '../../../src/identity/password.ts';
import { readUsers } from '../../../src/identity/edit.ts';

let dir = '';
let users = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-user-'));
  users = join(dir, 'users.yaml');
  writeFileSync(users, '# Ours.\nusers: []\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What the command wrote to standard output. */
async function run(...args: string[]): Promise<string> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk));
    return true;
  });
  try {
    await userCommand().parseAsync(args, { from: 'user' });
  } finally {
    spy.mockRestore();
  }
  return written.join('');
}

test('add, passwd and list', async () => {
  const added = await run(
    'add',
    'ada',
    '--kind',
    'human',
    '--role',
    'reviewer',
    '--role',
    'admin',
    '--group',
    'dba',
    '--generate',
    '--users',
    users,
  );
  const password = /^ada is in .*\.\nPassword, shown only now: ([\w-]{24})\n$/.exec(added)?.[1] ?? '';
  expect(readFileSync(users, 'utf8')).toMatch(/^# Ours\.\n/);
  expect(readFileSync(users, 'utf8')).not.toContain(password);
  expect(await verifyScrypt(password, (await readUsers(users)).get('ada')!.password)).toBe(true);

  await run('add', 'bot', '--kind', 'agent', '--sponsor', 'ada', '--generate', '--users', users);
  expect(await run('list', '--users', users)).toBe(
    [
      'ID   KIND   SPONSOR  ROLES           GROUPS  SIGNS IN TO',
      'ada  human           reviewer,admin  dba     database,console',
      'bot  agent  ada                              database',
      '',
    ].join('\n'),
  );
  const listed = await run('list', '--json', '--users', users);
  expect(JSON.parse(listed)).toMatchObject([
    { id: 'ada', roles: ['reviewer', 'admin'] },
    { id: 'bot', sponsor: 'ada' },
  ]);
  expect(listed).not.toMatch(/SCRAM|scrypt/);

  const again = await run('passwd', 'ada', '--generate', '--users', users);
  const next = /shown only now: ([\w-]{24})\n$/.exec(again)?.[1] ?? '';
  const form = (await readUsers(users)).get('ada')!.password;
  expect([await verifyScrypt(password, form), await verifyScrypt(next, form)]).toEqual([false, true]);
});

test('faults are told in a sentence', async () => {
  await expect(run('passwd', 'eve', '--generate', '--users', users)).rejects.toThrow('there is no user eve');
  await expect(run('add', 'x', '--kind', 'agent', '--sponsor', 'eve', '--generate', '--users', users)).rejects.toThrow(
    "no human 'eve' in this file",
  );
});

test('the configuration names the users file; the passwords in it need not be at hand', async () => {
  const config = join(dir, 'holdpoint.yaml');
  const upstream = '{name: app, listen: "127.0.0.1:1", upstream: "postgres://u:${NOT_SET}@h/d"}';
  writeFileSync(config, `data: d\npolicy: p\npostgres: [${upstream}]\nidentity: {users: users.yaml}\n`);
  expect(await run('list', '--config', config)).toBe(await run('list', '--users', users));
  writeFileSync(config, 'identity: {users: "${NOT_SET}.yaml"}\n');
  await expect(run('list', '--config', config)).rejects.toThrow(
    'identity.users: refers to the environment variable NOT_SET, which is not set',
  );
});
