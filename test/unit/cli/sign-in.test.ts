// What the command line does about signing in: `user totp`, and what `check` says of second factors.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkSignIn } from '../../../src/cli/check-sign-in.ts';
import { userCommand } from '../../../src/cli/user.ts';
import type { Config } from '../../../src/config/config.ts';
import { followLost } from '../../../src/compose/lost-factors.ts';
import { FACTORS_FILE, FACTORS_KEY, openFactors } from '../../../src/identity/factors.ts';
import { LOST_FILE } from '../../../src/identity/lost-factors.ts';
import { makeScrypt } from '../../../src/identity/password.ts';
import { base32, hashRecoveryCode, openTotp } from '../../../src/identity/totp.ts';
import { readUsers } from '../../../src/identity/edit.ts';

let dir = '';
let users = '';
let config = '';
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-totp-'));
  [users, config] = [join(dir, 'users.yaml'), join(dir, 'holdpoint.yaml')];
  const form = await makeScrypt('a password');
  writeFileSync(
    users,
    `# Ours.
users:
  - {id: grace, kind: human, roles: [reviewer], password: "${form}"}
  - {id: ada, kind: human, roles: [reviewer], password: "${form}"}
  - {id: bot, kind: agent, sponsor: ada}
`,
  );
  writeFileSync(config, 'data: data\nidentity: {users: users.yaml}\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function run(...args: string[]): Promise<string> {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk));
    return true;
  });
  try {
    await userCommand().parseAsync([...args, '--config', config], { from: 'user' });
  } finally {
    spy.mockRestore();
  }
  return written.join('');
}
const told = async (second_factor: 'required' | 'optional' = 'optional') =>
  (await checkSignIn({ data: join(dir, 'data'), identity: { users, second_factor } } as Config)).map(
    ({ level, text }) => `${level} ${text}`,
  );

test('user totp shows a secret and ten codes once, and keeps neither in clear', async () => {
  expect(await told()).toEqual([expect.stringMatching(/^warn a password alone signs in grace, ada: /)]);
  const shown = await run('totp', 'grace');
  const secret = /secret=([A-Z2-7]{32})&/.exec(shown)?.[1] ?? '';
  const codes = shown.match(/^ {2}([A-Z2-7]{4}-){3}[A-Z2-7]{4}$/gm)?.map((line) => line.trim()) ?? [];
  expect(codes).toHaveLength(10);
  const kept = readFileSync(users, 'utf8');
  expect(kept).toMatch(/^# Ours\.\n/);
  for (const text of [secret, ...codes]) expect(kept).not.toContain(text);
  const key = readFileSync(join(dir, 'data', FACTORS_KEY));
  expect(statSync(join(dir, 'data', FACTORS_KEY)).mode & 0o777).toBe(0o600);
  const grace = (await readUsers(users)).get('grace');
  expect(base32(openTotp(grace?.totp ?? '', 'grace', key) ?? Buffer.alloc(0))).toBe(secret);
  expect(grace?.recovery).toEqual(codes.map(hashRecoveryCode));
  expect(JSON.parse(await run('list', '--json', '--users', users))[0]).toMatchObject({
    id: 'grace',
    second_factor: ['totp'],
  });
  expect(await told()).toEqual([expect.stringMatching(/^warn a password alone signs in ada: /)]);
  expect(await told('required')).toEqual([expect.stringMatching(/^warn no second factor, .*: ada; /)]);
});

test('a key that does not open the codes is a failure', async () => {
  const file = join(dir, 'data', FACTORS_KEY);
  const key = readFileSync(file);
  writeFileSync(file, Buffer.alloc(32, 1));
  expect((await told())[0]).toMatch(/^fail factors\.key in .* does not open the codes of grace: /);
  writeFileSync(file, key);
});

test('agents have none, and it can be taken away', async () => {
  await expect(run('totp', 'bot')).rejects.toThrow('bot is an agent: it does not sign in');
  await expect(run('totp', 'nobody')).rejects.toThrow('there is no user nobody');
  await run('totp', 'grace', '--remove');
  expect((await readUsers(users)).get('grace')).toMatchObject({ totp: null, recovery: [] });
});

const KEY_OF = { public_key: '', counter: 0, transports: [], used: null };
const follow = async (append: (entry: object) => Promise<never>, lines: string[] = []) => {
  const known = await readUsers(users);
  const factors = await openFactors({
    file: join(dir, 'data', FACTORS_FILE),
    users: () => known,
    key: Buffer.alloc(32),
  });
  const log = { info: (line: string) => lines.push(line), error: (_: object, line: string) => lines.push(line) };
  const stop = await followLost({ data: join(dir, 'data'), factors, audit: { append }, log: log as never });
  stop();
  return factors;
};

test('security keys that were lost are taken no more, by the gateway, on record first; later ones stay', async () => {
  await expect(run('keys', 'ada', '--remove')).rejects.toThrow('ada has no security keys');
  expect(await run('keys', 'ada')).toBe('ada has no security keys.\n');
  const known = await readUsers(users);
  const file = join(dir, 'data', FACTORS_FILE);
  const factors = await openFactors({ file, users: () => known, key: Buffer.alloc(32) });
  for (const id of ['blue', 'red']) await factors.addKey('ada', { ...KEY_OF, id, name: `the ${id} one`, added: 1_000 });
  await factors.addKey('grace', { ...KEY_OF, id: 'hers', name: 'hers', added: 1_000 });
  expect(await run('keys', 'ada')).toBe(
    'the blue one, since 1970-01-01T00:00:01.000Z, never used\nthe red one, since 1970-01-01T00:00:01.000Z, never used\n',
  );
  expect(await run('keys', 'ada', '--remove')).toContain("'holdpoint user totp ada'");
  // Nothing is done by the command itself: the gateway would write over it.
  expect(JSON.parse(await run('keys', 'ada', '--json'))).toHaveLength(2);
  await factors.addKey('ada', { ...KEY_OF, id: 'new', name: 'new', added: Date.now() + 60_000 });

  // Not on record: not done, and not forgotten.
  const lines: string[] = [];
  const kept = await follow(() => Promise.reject(new Error('the disk is full')), lines);
  expect(kept.keys('ada')).toHaveLength(3);
  expect(lines).toEqual(['what an operator said of lost second factors cannot be done now']);

  const records: object[] = [];
  const gateway = await follow(async (entry) => records.push(entry) as never);
  expect(gateway.keys('ada').map(({ id }) => id)).toEqual(['new']);
  expect(gateway.keys('grace')).toHaveLength(1);
  expect(records).toEqual([
    { type: 'reviewer.codes_removed', clear: { by: 'operator', user: 'grace' } },
    ...['blue', 'red'].map((key) => ({ type: 'reviewer.key_removed', clear: { by: 'operator', user: 'ada', key } })),
  ]);
  // Done once.
  await follow(async (entry) => records.push(entry) as never);
  expect(records).toHaveLength(3);
});

test('what can not be read of it is told, and touches nothing', async () => {
  const lost = join(dir, 'data', LOST_FILE);
  writeFileSync(lost, '[{"user": 1}]');
  await expect(run('totp', 'grace', '--remove')).rejects.toThrow('can not be put on record');
  const lines: string[] = [];
  const gateway = await follow(() => Promise.reject(new Error('nothing is to be recorded')), lines);
  expect(lines).toEqual(['what an operator said of lost second factors cannot be done now']);
  expect(gateway.keys('grace')).toHaveLength(1);
});
