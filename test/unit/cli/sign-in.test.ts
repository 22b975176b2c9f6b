// What the command line does about signing in: `user totp`, and what `check` says of second factors.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkSignIn } from '../../../src/cli/check-sign-in.ts';
import { userCommand } from '../../../src/cli/user.ts';
import type { Config } from '../../../src/config/config.ts';
import { FACTORS_KEY } from '../../../src/identity/factors.ts';
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
