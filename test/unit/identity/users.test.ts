// users.yaml: what is read, what is refused with file, line and key, and how it changes.
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { ConfigError } from '../../../src/config/config.ts';
import { addUser, describeUser, readUsers, setPassword } from '../../../src/identity/edit.ts';
import { createPeople } from '../../../src/identity/directory.ts';
import { verifyScrypt } from '../../../src/identity/password.ts';
import { makeScramVerifier } from '../../../src/identity/scram.ts';
import { openUsers, parseUsers, type Users, usersJsonSchema } from '../../../src/identity/users.ts';
import { problemsOf } from '../config/problems.ts';

const PASSWORD = 'correct horse battery staple';
let dir = '';
let verifier = '';

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-users-'));
  verifier = await makeScramVerifier('secret');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function parse(text: string, env: Record<string, string> = {}): Users {
  return parseUsers(text, { file: join(dir, 'users.yaml'), shown: 'users.yaml', env });
}

const problems = (text: string, env?: Record<string, string>) => problemsOf(() => parse(text, env));

describe('reading', () => {
  test('every key', () => {
    writeFileSync(join(dir, 'upstream-password'), 'p:@/\n');
    const users = parse(
      `users:
  - {id: report-bot, kind: agent, groups: [etl], sponsor: ada, aliases: ["slack:U1"], people: [bob], postgres: "${verifier}", upstream: {user: report_ro, password: "file:upstream-password"}}
  - {id: ada, kind: human, roles: [reviewer, admin], upstream: {user: ada, password: "\${ADA}"}}
  - {id: bob, kind: human}
`,
      { ADA: 'from-env' },
    );
    expect(users.get('report-bot')).toEqual({
      id: 'report-bot',
      kind: 'agent',
      groups: ['etl'],
      sponsor: 'ada',
      aliases: ['slack:U1'],
      people: ['bob'],
      roles: [],
      away: null,
      postgres: verifier,
      mysql: null,
      password: null,
      totp: null,
      recovery: [],
      oidc: null,
      upstream: { user: 'report_ro', password: { type: 'file', path: join(dir, 'upstream-password') } },
      from: null,
    });
    expect(users.get('ada')?.upstream?.password).toEqual({ type: 'value', value: 'from-env' });
    expect(users.get('Ada')).toBeUndefined();
    expect(users.get('__proto__')).toBeUndefined();
  });

  test('who is away is decided for until then, and no longer', () => {
    const users = parse(`users:
  - {id: ines, kind: human, roles: [reviewer], away: {instead: jonas, until: "2026-01-05T10:00:00+02:00"}}
  - {id: jonas, kind: human, roles: [reviewer]}
`);
    let now = Date.UTC(2026, 0, 5, 7, 59, 59);
    const { directory } = createPeople({
      known: () => ({ users, map: [] }),
      reviewers: () => ({}),
      now: () => now,
    });
    expect(directory.represents('jonas')).toEqual(['ines']);
    expect(directory.represents('ines')).toEqual([]);
    now += 1000;
    expect(directory.represents('jonas')).toEqual([]);
  });

  test('nothing is nobody', () => {
    expect(parse('').all).toEqual([]);
    expect(parse('users: []').all).toEqual([]);
  });

  test('its schema can be published', () => {
    expect(JSON.stringify(usersJsonSchema())).toContain('sponsor');
  });
});

describe('errors name file, line and key', () => {
  const ada = '  - {id: ada, kind: human}\n';
  it.each([
    [
      'a key that is not',
      `users:\n${ada}  - id: bot\n    kind: agent\n    sponser: ada\n`,
      [/^users\.yaml:5: users\[1\]\.sponser \(bot\): there is no such key$/],
    ],
    ['a kind that is not', 'users:\n  - id: bot\n    kind: robot\n', [/^users\.yaml:3: users\[0\]\.kind \(bot\): /]],
    [
      'a sponsor that is not',
      'users:\n  - id: bot\n    kind: agent\n    sponsor: adda\n',
      [/^users\.yaml:4: users\[0\]\.sponsor \(bot\): no human 'adda' in this file$/],
    ],
    [
      'an agent as sponsor',
      'users:\n  - {id: a, kind: agent}\n  - {id: b, kind: agent, sponsor: a}\n',
      [/^users\.yaml:3: users\[1\]\.sponsor \(b\): no human 'a'/],
    ],
    [
      'away, and decided for by nobody who could',
      'users:\n  - {id: a, kind: human, roles: [reviewer], away: {instead: b, until: "2026-01-05T10:00:00Z"}}\n  - {id: b, kind: human}\n',
      [/^users\.yaml:2: users\[0\]\.away\.instead \(a\): no other reviewer 'b' in this file$/],
    ],
    [
      'away, and decided for by oneself',
      'users:\n  - {id: a, kind: human, roles: [reviewer], away: {instead: a, until: "2026-01-05T10:00:00Z"}}\n',
      [/no other reviewer 'a' in this file/],
    ],
    [
      'away until a time without its zone',
      'users:\n  - {id: a, kind: human, roles: [reviewer], away: {instead: a, until: "2026-01-05"}}\n',
      [/needs a time with its zone/],
    ],
    [
      'oneself as sponsor',
      'users:\n  - {id: a, kind: human, sponsor: a}\n',
      [/users\[0\]\.sponsor \(a\): is the user itself/],
    ],
    [
      'people who are not',
      `users:\n${ada}  - {id: b, kind: agent, people: [ada, eve]}\n`,
      [/^users\.yaml:3: users\[1\]\.people\[1\] \(b\): no human 'eve'/],
    ],
    [
      'an id twice',
      `users:\n${ada}  - {id: ADA, kind: human}\n`,
      [/^users\.yaml:3: users\[1\]\.id \(ADA\): is taken by users\[0\]/],
    ],
    [
      'an agent with a role',
      'users:\n  - {id: a, kind: agent, roles: [reviewer]}\n',
      [/^users\.yaml:2: users\[0\]\.roles \(a\): an agent can have none/],
    ],
    [
      'an md5 verifier',
      'users:\n  - {id: a, kind: agent, postgres: md5abc}\n',
      [/^users\.yaml:2: users\[0\]\.postgres \(a\): is not a SCRAM-SHA-256 verifier/],
    ],
    [
      'a clear password for MySQL',
      'users:\n  - {id: a, kind: agent, mysql: hunter2hunter2}\n',
      [/^users\.yaml:2: users\[0\]\.mysql \(a\): is not a form of caching_sha2_password or mysql_native_password$/],
    ],
    [
      'a clear password',
      'users:\n  - {id: a, kind: human, password: hunter2hunter2}\n',
      [/^users\.yaml:2: users\[0\]\.password \(a\): is not a scrypt form/],
    ],
    [
      'a clear password upstream',
      'users:\n  - {id: a, kind: human, upstream: {user: x, password: hunter2}}\n',
      [/^users\.yaml:2: users\[0\]\.upstream\.password \(a\): needs file:path, \$\{VARIABLE\}, or/],
    ],
    [
      'a variable not set',
      'users:\n  - {id: a, kind: human, upstream: {user: x, password: "${NOPE}"}}\n',
      [/upstream\.password \(a\): refers to the environment variable NOPE, which is not set/],
    ],
    [
      'a file not there',
      'users:\n  - {id: a, kind: human, upstream: {user: x, password: "file:nope"}}\n',
      [/refers to file:.*nope, which cannot be read \(ENOENT\)/],
    ],
    ['no YAML', 'users: [', [/^users\.yaml:1: /]],
    ['a list at the top', '- {id: a}\n', [/^users\.yaml:1: /]],
    [
      'two at once',
      'users:\n  - {id: "a b", kind: human}\n  - {id: c}\n',
      [/^users\.yaml:2: users\[0\]\.id \(a b\): needs 1 to 63/, /^users\.yaml:3: users\[1\]\.kind \(c\): /],
    ],
  ])('%s', (_, text, wanted) => {
    const found = problems(text);
    expect(found).toHaveLength(wanted.length);
    wanted.forEach((pattern, i) => expect(found[i]).toMatch(pattern));
    expect(found.join()).not.toContain('hunter2');
  });
});

describe('links', () => {
  const users = parse(`users:
  - {id: bot, kind: agent, sponsor: mara}
  - {id: mara, kind: human}
  - {id: mara-admin, kind: human, roles: [reviewer], aliases: [Mara]}
  - {id: mara-chat, kind: human, roles: [reviewer], aliases: ["slack:U7"]}
  - {id: bridge, kind: human, aliases: [mara-admin, "slack:U7"]}
  - {id: grace, kind: human, roles: [reviewer], groups: [dba]}
  - {id: hal, kind: agent, groups: [dba]}
`);
  const { directory } = createPeople({
    known: () => ({ users, map: [] }),
    reviewers: () => ({ dba: ['dba', 'ldap:dba'], empty: [] }),
  });

  test('aliases join accounts in both directions and over steps', () => {
    const all = ['bridge', 'mara', 'mara-admin', 'mara-chat'];
    for (const id of all) {
      const linked = directory.requester(id)?.aliases ?? [];
      for (const other of all) if (other !== id) expect(linked).toContain(other);
    }
    expect(directory.reviewer('grace')?.aliases).toEqual([]);
  });

  test('groups go by the policy’s names, own properties only; agents are never eligible', () => {
    const grace = directory.reviewer('grace')!;
    expect(directory.member(grace, 'dba')).toBe(true);
    expect(directory.member(grace, 'empty')).toBe(false);
    expect(directory.member(grace, 'constructor')).toBe(false);
    expect(directory.eligible(['dba'])).toEqual(['grace']);
    expect(directory.eligible([])).toEqual(['mara-admin', 'mara-chat', 'grace']);
    expect(directory.eligible(['no-such-group'])).toEqual([]);
  });

  test('property: linked is the equivalence that aliases span', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom(...names), { maxLength: 2 }), { minLength: 7, maxLength: 7 }),
        (aliases) => {
          const list = parse(
            JSON.stringify({ users: names.slice(0, 5).map((id, i) => ({ id, kind: 'human', aliases: aliases[i] })) }),
          );
          const edges = names.slice(0, 5).flatMap((id, i) => (aliases[i] ?? []).map((other) => [id, other] as const));
          for (const id of names.slice(0, 5)) {
            let mine = new Set([id]);
            for (let round = 0; round < names.length; round += 1) {
              mine = new Set([...mine, ...edges.filter((edge) => edge.some((end) => mine.has(end))).flat()]);
            }
            expect([...list.linked(id), id].toSorted()).toEqual([...mine].toSorted());
          }
        },
      ),
    );
  });
});

describe('the file changes', () => {
  test('it is read again as a whole, or not at all', async () => {
    const path = join(dir, 'live.yaml');
    writeFileSync(path, 'users: [{id: ada, kind: human}]\n');
    const seen: (Users | Error)[] = [];
    let tell = () => {};
    const next = () =>
      new Promise<void>((resolve) => {
        tell = resolve;
      });
    const file = await openUsers(path, {
      poll_ms: 20,
      onReload: (users) => {
        seen.push(users);
        tell();
      },
      onError: (error) => {
        seen.push(error);
        tell();
      },
    });
    try {
      const bad = next();
      writeFileSync(path, 'users: [{id: ada, kind: human}, {id: bot, kind: agent, sponsor: nobody}]\n');
      await bad;
      expect(seen[0]).toBeInstanceOf(ConfigError);
      expect(file.current().all.map(({ id }) => id)).toEqual(['ada']);
      const good = next();
      writeFileSync(`${path}.new`, 'users: [{id: ada, kind: human}, {id: bot, kind: agent, sponsor: ada}]\n');
      renameSync(`${path}.new`, path);
      await good;
      expect(file.current().all.map(({ id }) => id)).toEqual(['ada', 'bot']);
    } finally {
      file.close();
    }
  });

  test('a first reading that fails says how to make one', async () => {
    await expect(openUsers(join(dir, 'none.yaml'))).rejects.toThrow("'holdpoint user add' makes one");
  });
});

describe('editing', () => {
  test('keeps comments and order, writes forms only, mode 0600', async () => {
    const path = join(dir, 'edit.yaml');
    writeFileSync(path, '# Ours.\nusers:\n  # the boss\n  - {id: ada, kind: human}\n');
    chmodSync(path, 0o644);
    await addUser(path, { id: 'grace', kind: 'human', roles: ['reviewer'], groups: ['dba'] }, PASSWORD);
    await addUser(path, { id: 'bot', kind: 'agent', sponsor: 'ada' }, PASSWORD);
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^# Ours\.\nusers:\n {2}# the boss\n {2}- \{ ?id: ada, kind: human ?\}\n {2}- id: grace\n/);
    expect(text).not.toContain('correct');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const users = await readUsers(path);
    expect(users.all.map((user) => describeUser(user).signs_in)).toEqual([[], ['database', 'console'], ['database']]);
    expect(await verifyScrypt(PASSWORD, users.get('grace')!.password)).toBe(true);

    const { postgres, mysql } = users.get('bot')!;
    expect(mysql).toMatch(/^\$A\$005\$/);
    await setPassword(path, 'bot', `${PASSWORD}!`);
    const after = await readUsers(path);
    expect(after.get('bot')!.postgres).not.toBe(postgres);
    expect(after.get('bot')!.mysql).not.toBe(mysql);
    expect(after.get('grace')).toEqual(users.get('grace'));
  });

  test('makes the file', async () => {
    const path = join(dir, 'made.yaml');
    await addUser(path, { id: 'ada', kind: 'human' }, PASSWORD);
    expect((await readUsers(path)).all).toHaveLength(1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['a user who is there', { id: 'ada', kind: 'human' }, PASSWORD, 'there is a user ada already'],
    ['a sponsor who is not', { id: 'bot', kind: 'agent', sponsor: 'eve' }, PASSWORD, "no human 'eve' in this file"],
    ['a short password', { id: 'bot', kind: 'agent' }, 'short', 'at least 15 characters'],
    ['a role that is not', { id: 'eve', kind: 'human', roles: ['root'] }, PASSWORD, 'users[1].roles[0] (eve)'],
  ] as const)('refuses %s and leaves the file', async (_, user, password, message) => {
    const path = join(dir, 'kept.yaml');
    const text = 'users: [{id: ada, kind: human}]\n';
    writeFileSync(path, text);
    await expect(addUser(path, user, password)).rejects.toThrow(message);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('refuses a password for nobody', async () => {
    const path = join(dir, 'kept.yaml');
    writeFileSync(path, 'users: []\n');
    await expect(setPassword(path, 'ada', PASSWORD)).rejects.toThrow('there is no user ada');
  });
});
