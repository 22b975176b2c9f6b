// A directory as a source of identities, against a real OpenLDAP server: who is let in, as whom, in which groups, and what becomes of it when
// the directory changes, hangs, goes down or comes back. Faults that no real server shows are ldap-faults.test.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type LdapConfig, ldapSchema } from '../../src/config/ldap.ts';
import { type Ldap, openLdap, REFUSAL_MS } from '../../src/identity/ldap/ldap.ts';
import type { ServerState } from '../../src/identity/ldap/server.ts';
import { IN_FLIGHT_MAX } from '../../src/identity/ldap/slots.ts';
import { SourceDown } from '../../src/identity/types.ts';
import { makeAuthority } from './certificates.ts';
import { BASE, GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd, userDn } from './slapd.ts';

const schema = ldapSchema({
  sources: { env: { LDAP_PASSWORD: SERVICE.password }, dir: '/' },
  pem: z.string(),
  using: (read) => (value) => read(value),
});
type Input = z.input<typeof schema>;

const opened: Ldap[] = [];

describe.runIf(slapdHere())('a directory', () => {
  let slapd: Slapd;
  beforeAll(async () => {
    slapd = await startSlapd();
  });
  afterAll(() => slapd?.remove());
  afterEach(() => {
    for (const ldap of opened.splice(0)) ldap.close();
  });

  const config = (more: Partial<Input> = {}): LdapConfig =>
    schema.parse({
      servers: [slapd.ldaps],
      ca: slapd.authority.pem,
      bind: { dn: SERVICE.dn, password: '${LDAP_PASSWORD}' },
      users: { base: PEOPLE, filter: '(&(objectClass=inetOrgPerson)(|(uid={user})(mail={user})))' },
      groups: { base: GROUPS, filter: '(objectClass=groupOfNames)' },
      ...more,
    });
  const open = (more: Partial<Input> = {}, onState?: (state: ServerState) => void): Ldap => {
    const ldap = openLdap(config(more), { ...(onState && { onState }) });
    opened.push(ldap);
    return ldap;
  };
  const logIn = (ldap: Ldap, user: string, password = passwordOf(user)) =>
    ldap.checker.check(user, Buffer.from(password));

  describe('lets in', () => {
    it('whom it finds and whose password fits, as the directory spells it, with groups of groups', async () => {
      const entry = await logIn(open(), 'ADA', passwordOf('ada'));
      expect(entry).toEqual({
        source: 'ldap',
        id: 'ada',
        groups: ['ldap:dba', 'ldap:oncall', 'ldap:staff'],
        aliases: [userDn('ada'), 'ada@example.com'],
        sponsor: null,
        on_behalf_of: [],
        task: null,
        expires: null,
        token: null,
      });
    });

    it.each(['member', 'memberOf', 'both'] as const)('with the same groups by %s, through a loop', async (by) => {
      const ldap = open({ groups: { base: GROUPS, by } });
      expect((await logIn(ldap, 'ada'))?.groups).toEqual(['ldap:dba', 'ldap:oncall', 'ldap:staff']);
      expect((await logIn(ldap, 'grace'))?.groups).toEqual(['ldap:loop-a', 'ldap:loop-b', 'ldap:oncall', 'ldap:staff']);
    });

    it.each(['member', 'memberOf'] as const)('with its own groups only, where nested is off, by %s', async (by) => {
      const ldap = open({ groups: { base: GROUPS, by, nested: false } });
      expect((await logIn(ldap, 'grace'))?.groups).toEqual(['ldap:loop-a', 'ldap:oncall']);
    });

    it('by an address, as the id that it belongs to', async () => {
      expect((await logIn(open(), 'grace@example.com', passwordOf('grace')))?.id).toBe('grace');
    });

    it('over StartTLS', async () => {
      const ldap = open({ servers: [`ldap://localhost:${slapd.port}`] });
      expect((await logIn(ldap, 'ada'))?.id).toBe('ada');
      const [line] = await ldap.probe();
      expect(line?.text).toContain('TLSv1.3');
    });

    it('in clear on a loopback address, if that is configured', async () => {
      const ldap = open({ servers: [slapd.ldap], start_tls: false });
      expect((await logIn(ldap, 'ada'))?.id).toBe('ada');
    });

    it('binding directly, with the service account to read or with the user itself', async () => {
      const users = { base: PEOPLE, dn: `uid={user},${PEOPLE}` };
      const expected = { id: 'ada', groups: ['ldap:dba', 'ldap:oncall', 'ldap:staff'] };
      expect(await logIn(open({ users }), 'ada')).toMatchObject(expected);
      const alone = open({ users, bind: undefined });
      expect(await logIn(alone, 'ada')).toMatchObject(expected);
      expect(await logIn(alone, 'ada', 'wrong')).toBeNull();
      await expect(alone.lookup.read('ada')).rejects.toThrow('no account that could read');
    });
  });

  describe('refuses', () => {
    it('a wrong password and a name that nobody has, after the same time', async () => {
      const ldap = open();
      for (const name of ['ada', 'nobody']) {
        const began = performance.now();
        expect(await logIn(ldap, name, 'wrong')).toBeNull();
        // Timers may be a little early.
        expect(performance.now() - began).toBeGreaterThan(REFUSAL_MS - 5);
      }
    });

    it.each([
      '*',
      'ad*',
      'ada)(uid=*',
      '*)(uid=*))(|(uid=*',
      'ada)(&)',
      String.raw`\2a`,
      'ada\0',
      '\0',
      'uid=ada',
      'EXTERNAL',
      `ada,${PEOPLE}`,
      'odd*',
      'a'.repeat(257),
      '',
    ])('the name %j: it is a value, and nobody has it', async (name) => {
      const ldap = open();
      expect(await logIn(ldap, name, passwordOf('ada'))).toBeNull();
      const direct = open({ users: { base: PEOPLE, dn: `uid={user},${PEOPLE}` } });
      expect(await logIn(direct, name, passwordOf('ada'))).toBeNull();
    });

    it('names that the directory has, and that are none of ours', async () => {
      const ldap = open();
      for (const name of ['odd*(name)', 'not an id']) expect(await logIn(ldap, name)).toBeNull();
    });

    it('a name that two have', async () => {
      const ldap = open();
      expect(await logIn(ldap, 'twin@example.com', passwordOf('twin-a'))).toBeNull();
      expect((await logIn(ldap, 'twin-a'))?.id).toBe('twin-a');
    });

    it('passwords that are empty, too long, not text or a token, without asking anybody', async () => {
      const nowhere = open({ servers: ['ldaps://localhost:1'] });
      const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.';
      const passwords = ['', '\0', 'x\0', '\u00AD\u200B', token].map((text) => Buffer.from(text));
      for (const password of [...passwords, Buffer.alloc(10_000_000, 'x'), Buffer.from([0xff, 0xfe])])
        expect(await nowhere.checker.check('ada', password)).toBeNull();
      await expect(logIn(nowhere, 'ada')).rejects.toBeInstanceOf(SourceDown);
    });
  });

  describe('read afresh', () => {
    it('says what is so now: a group that was taken away, and somebody who was', async () => {
      const ldap = open();
      expect(await logIn(ldap, 'report-bot')).toMatchObject({ groups: ['ldap:agents', 'ldap:staff'] });
      const staff = `dn: cn=staff,${GROUPS}\nchangetype: modify\n`;
      await slapd.modify(`${staff}delete: member\nmember: ${userDn('report-bot')}\n`);
      try {
        expect(await ldap.lookup.read('report-bot')).toMatchObject({ id: 'report-bot', groups: ['ldap:agents'] });
      } finally {
        await slapd.modify(`${staff}add: member\nmember: ${userDn('report-bot')}\n`);
      }
      await slapd.modify(
        `dn: uid=leaver,${PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: leaver\ncn: l\nsn: l\nuserPassword: secret\n`,
      );
      expect(await ldap.lookup.read('leaver')).toMatchObject({ id: 'leaver', groups: [] });
      await slapd.modify(`dn: uid=leaver,${PEOPLE}\nchangetype: delete\n`);
      expect(await ldap.lookup.read('leaver')).toBeNull();
    });

    it('takes another spelling, and what is no id, for nobody', async () => {
      const ldap = open();
      for (const id of ['ADA', '*', 'ada)(uid=*', 'nobody', '']) expect(await ldap.lookup.read(id)).toBeNull();
      expect(await ldap.lookup.read('ada')).toMatchObject({ id: 'ada' });
    });

    it('after the server ended the connections that lay ready: bound again, not as nobody', async () => {
      const ldap = open();
      const before = await ldap.lookup.read('ada');
      await slapd.stop();
      await slapd.start();
      expect(await ldap.lookup.read('ada')).toEqual(before);
      expect(await logIn(ldap, 'ada')).toEqual(before);
    });

    it('a user whom the filter counts no more is nobody', async () => {
      const ldap = open({ users: { base: PEOPLE, filter: '(&(uid={user})(!(employeeType=gone)))' } });
      expect(await ldap.lookup.read('grace')).not.toBeNull();
      await slapd.modify(`dn: ${userDn('grace')}\nchangetype: modify\nadd: employeeType\nemployeeType: gone\n`);
      expect(await ldap.lookup.read('grace')).toBeNull();
      expect(await logIn(ldap, 'grace')).toBeNull();
      await slapd.modify(`dn: ${userDn('grace')}\nchangetype: modify\ndelete: employeeType\n`);
    });
  });

  it('is never searched as nobody, which would find nothing', async () => {
    const anonymous = open({ bind: undefined, anonymous: true });
    // The server lets nobody read: this is what an unbound connection would say.
    expect(await anonymous.lookup.read('ada').catch((error: unknown) => error)).not.toMatchObject({ id: 'ada' });
    const wrong = openLdap({ ...config(), bind: { dn: SERVICE.dn, password: 'wrong' } });
    opened.push(wrong);
    await expect(wrong.lookup.read('ada')).rejects.toThrow("refused the service account's name or password");
    await expect(logIn(wrong, 'ada')).rejects.toBeInstanceOf(SourceDown);
  });

  describe('TLS', () => {
    it('with a name that is not in the certificate is refused, before a password is sent', async () => {
      const ldap = open({ servers: [`ldaps://127.0.0.1:${slapd.tls_port}`] });
      await expect(logIn(ldap, 'ada')).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
      const start_tls = open({ servers: [slapd.ldap] });
      await expect(logIn(start_tls, 'ada')).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
    });

    it('with an authority that is not trusted is refused, whatever the environment says', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'holdpoint-ldap-ca-'));
      const { pem } = await makeAuthority(dir, 'other-ca');
      await rm(dir, { recursive: true });
      const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      try {
        for (const ca of [pem, null])
          await expect(logIn(open({ ca }), 'ada')).rejects.toThrow(/unable to|self.signed/i);
      } finally {
        if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      }
    });
  });

  describe('that is down', () => {
    it('is told at once while it is known, and used again when it is back', async () => {
      const states: ServerState[] = [];
      let back: () => void = () => {};
      const is_back = new Promise<void>((resolve) => (back = resolve));
      const ldap = open({}, (state) => {
        states.push(state);
        if (state.up) back();
      });
      expect(await logIn(ldap, 'ada')).not.toBeNull();
      await slapd.stop();
      await expect(logIn(ldap, 'ada')).rejects.toBeInstanceOf(SourceDown);
      await expect(ldap.lookup.read('ada')).rejects.toThrow(/is down: .*ECONNREFUSED/);
      expect(states).toMatchObject([{ up: false }]);
      await slapd.start();
      await is_back;
      expect(await logIn(ldap, 'ada')).not.toBeNull();
    });

    it('is passed over for the next one, and is the first again when it is back', async () => {
      const second = await startSlapd();
      let back: () => void = () => {};
      const is_back = new Promise<void>((resolve) => (back = resolve));
      const ldap = open({ servers: [slapd.ldap, second.ldap], start_tls: false }, ({ up }) => up && back());
      try {
        expect(await ldap.lookup.read('ada')).not.toBeNull();
        await slapd.stop();
        expect(await logIn(ldap, 'ada')).not.toBeNull();
        expect(ldap.states()).toMatchObject([{ up: false }, { up: true }]);
        await slapd.start();
        await is_back;
        await second.stop();
        expect(await logIn(ldap, 'ada')).not.toBeNull();
        expect(ldap.states()).toMatchObject([{ up: true }, { up: true }]);
      } finally {
        await slapd.start();
        await second.remove();
      }
    });

    it('hanging: every login of hundreds is told so within its time, and the next at once', async () => {
      const ldap = open({ connect_timeout_ms: 1000, operation_timeout_ms: 1000, timeout_ms: 5000 });
      expect(await logIn(ldap, 'ada')).not.toBeNull();
      await slapd.hang();
      try {
        const began = performance.now();
        const all = await Promise.all(
          Array.from({ length: 5 * IN_FLIGHT_MAX }, () => logIn(ldap, 'ada').catch((error: unknown) => error)),
        );
        expect(all.filter((one) => !(one instanceof SourceDown))).toEqual([]);
        expect(performance.now() - began).toBeLessThan(5000 + 10_000);
        await expect(logIn(ldap, 'ada')).rejects.toThrow('is down');
      } finally {
        slapd.goOn();
      }
    });
  });

  it('is asked by hundreds at once', async () => {
    const ldap = open();
    const all = await Promise.all(Array.from({ length: 300 }, () => logIn(ldap, 'ada')));
    expect(all.every((entry) => entry?.id === 'ada')).toBe(true);
  });

  it('is probed: what works and what does not', async () => {
    const lines = await open({ users: { base: PEOPLE }, groups: { base: `ou=none,${BASE}` } }).probe();
    expect(lines.map(({ ok, text }) => [ok, text.replace(/until .*/, 'until ...')])).toEqual([
      [true, `connected and bound as ${SERVICE.dn}, TLSv1.3, its certificate until ...`],
      [false, 'its certificate ends in 0 days'],
      [true, `users: ${PEOPLE} is there`],
      [false, `groups: ou=none,${BASE} is not there, or may not be read`],
      [true, 'refuses a wrong password'],
    ]);
  });
});
