// Signing in to the reviewers' page with the directory's password: a real OpenLDAP, which is stopped and hangs. Users.yaml says who may;
// a directory that does not answer is told as that, and keeps nobody out who has a password here.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeScrypt } from '../../src/identity/password.ts';
import { type SignInHouse, startSignIn } from './oidc.ts';
import { ownPort } from './ports.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd } from './slapd.ts';

describe.skipIf(!slapdHere())('with a directory', () => {
  let slapd: Slapd;
  let house: SignInHouse;
  beforeAll(async () => {
    slapd = await startSlapd();
    house = await startSignIn({
      port: await ownPort(),
      sign_in: ['local', 'ldap'],
      users: `users:
  - {id: ada, kind: human, roles: [reviewer]}
  - {id: jonas, kind: human, roles: [reviewer], password: "${await makeScrypt('a password of his own')}"}
  - {id: report-bot, kind: agent}
`,
      identity: {
        ldap: {
          servers: [slapd.ldaps],
          ca: slapd.authority.cert,
          bind: { dn: SERVICE.dn, password: '${LDAP_PASSWORD}' },
          users: { base: PEOPLE },
          groups: { base: GROUPS },
          connect_timeout_ms: 1_000,
          operation_timeout_ms: 1_000,
          timeout_ms: 3_000,
        },
      },
    });
  });
  afterAll(async () => {
    await house.stop();
    await slapd.remove();
  });

  const tell = async (user: string, password: string) => {
    const response = await fetch(`${house.url}/api/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ user, password }),
    });
    const { type = 'in' } = (await response.json()) as { type?: string };
    const clear: Readonly<Record<string, unknown>> = house.desk.records.at(-1)?.clear ?? {};
    const how = clear['by'] ?? clear['why'];
    return [response.status, type.replace('urn:holdpoint:problem:', ''), how];
  };
  const own = () => tell('jonas', 'a password of his own');

  test('its password is good for whom users.yaml knows as a person', async () => {
    expect(await tell('ada', passwordOf('ada'))).toEqual([200, 'in', ['ldap']]);
    expect(await own()).toEqual([200, 'in', ['local']]);
    const WRONG = [401, 'sign-in-refused', 'wrong'];
    expect(await tell('ada', 'wrong')).toEqual(WRONG);
    // Right there, and nobody here; an agent; names that would be more than a name.
    for (const user of ['grace', 'report-bot']) expect(await tell(user, passwordOf(user))).toEqual(WRONG);
    for (const user of ['*', 'a*', 'ada)(uid=*', 'ada\u0000'])
      expect(await tell(user, passwordOf('ada'))).toEqual(WRONG);
    expect(JSON.stringify(house.desk.records)).not.toContain(passwordOf('ada'));
  });

  test('one that hangs, or is down, is no wrong password', async () => {
    const DOWN = [503, 'directory-down', 'down'];
    await slapd.hang();
    try {
      expect(await tell('ada', passwordOf('ada'))).toEqual(DOWN);
      expect(await own()).toEqual([200, 'in', ['local']]);
    } finally {
      slapd.goOn();
    }
    await slapd.stop();
    expect(await tell('ada', passwordOf('ada'))).toEqual(DOWN);
    expect(await own()).toEqual([200, 'in', ['local']]);
    await slapd.start();
    // Nobody may try so often that the recovery could be seen by it: the operator is told.
    await expect.poll(() => house.lines.some((line) => line.includes('is back'))).toBe(true);
    expect(await tell('ada', passwordOf('ada'))).toEqual([200, 'in', ['ldap']]);
    expect(house.lines.some((line) => line.includes('is down'))).toBe(true);
  });
});
