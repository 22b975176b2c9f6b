// The whole gateway with a directory behind it: a reviewer signs in to the console's API with the password that the directory has, and is told
// what is so when nobody can tell.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn } from '../../src/review/client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { startServer, type TestServer } from './servers.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd } from './slapd.ts';

describe.runIf(slapdHere())('a gateway with a directory', () => {
  let server: TestServer;
  let slapd: Slapd;
  let gateway: TestGateway;
  let dir: string;
  beforeAll(async () => {
    [server, slapd] = await Promise.all([startServer(18), startSlapd()]);
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-ldap-'));
    await writeFile(join(dir, 'ca.pem'), slapd.authority.pem);
    await writeFile(join(dir, 'password'), `${SERVICE.password}\n`, { mode: 0o600 });
    const ldap = {
      servers: [slapd.ldaps],
      ca: join(dir, 'ca.pem'),
      bind: { dn: SERVICE.dn, password: `file:${join(dir, 'password')}` },
      users: { base: PEOPLE },
      groups: { base: GROUPS },
      operation_timeout_ms: 500,
      timeout_ms: 2000,
    };
    gateway = await startGateway({ upstream: server.url, config: { identity: { users: 'users.yaml', ldap } } });
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([server.stop(), slapd.remove(), rm(dir, { recursive: true })]);
  });

  it('signs a reviewer in with the password of the directory, and nobody else', async () => {
    const signed = await signIn(gateway.reviewUrl, { user: 'grace', password: passwordOf('grace') });
    expect(signed.token).not.toBe('');
    // In the directory, not in users.yaml; in both, with another password.
    for (const tried of [
      { user: 'star', password: passwordOf('star') },
      { user: 'grace', password: 'wrong' },
      { user: 'gr*', password: passwordOf('grace') },
    ])
      await expect(signIn(gateway.reviewUrl, tried)).rejects.toThrow();
  });

  it('goes on while the directory hangs, and says that nobody can tell', async () => {
    slapd.hang();
    try {
      const tried = signIn(gateway.reviewUrl, { user: 'ada', password: passwordOf('ada') });
      await expect(tried).rejects.toThrow('The directory does not answer');
      // Whoever is signed in stays so.
      expect(await gateway.grace.me()).toMatchObject({ id: 'grace' });
    } finally {
      slapd.goOn();
    }
  });
});
