// A verifier of ours, pasted into a real server, lets the same password in; and the server's own is one that we can read.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeScramVerifier, parseScramVerifier } from '../../src/identity/scram.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

/** What SASLprep maps, keeps, refuses (then the bytes count as they are), or must not touch in plain ASCII. */
const PASSWORDS = [
  ['plain', 'correct horse battery staple'],
  ['composed', 'é'],
  ['decomposed', 'e\u0301'],
  ['no-break space', 'a\u00a0b'],
  ['soft hyphen', 'a\u00adb'],
  ['full-width', 'ａｂｃ'],
  ['control character', 'a\u0007b'],
  ['private use', 'a\ue000b'],
  ['both directions', 'a\u05d0b'],
  ['unassigned in Unicode 3.2', 'a🦄b'],
  ['long', 'x'.repeat(900)],
] as const;

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let admin: pg.Client;

  beforeAll(async () => {
    server = await startServer(major);
    admin = await server.admin('CREATE ROLE agent LOGIN');
  });
  afterAll(async () => {
    await server?.stop();
  });

  test.each(PASSWORDS)('%s', async (_, password) => {
    await admin.query(`ALTER ROLE agent PASSWORD '${await makeScramVerifier(password)}'`);
    expect(await loginAs(password)).toBe('agent');
    await expect(loginAs(`${password}.`)).rejects.toMatchObject({ code: '28P01' });
  });

  test('the server makes the same of a password and a salt', async () => {
    for (const [name, password] of PASSWORDS) {
      await admin.query(`ALTER ROLE agent PASSWORD ${admin.escapeLiteral(password)}`);
      const { rows } = await admin.query<{ rolpassword: string }>(
        "SELECT rolpassword FROM pg_authid WHERE rolname = 'agent'",
      );
      const theirs = rows[0]?.rolpassword ?? '';
      const parsed = parseScramVerifier(theirs);
      expect(parsed, name).not.toBeNull();
      expect(await makeScramVerifier(password, { salt: parsed!.salt, iterations: parsed!.iterations }), name).toBe(
        theirs,
      );
    }
  });

  async function loginAs(password: string): Promise<unknown> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'agent',
      password,
      database: 'postgres',
    });
    await client.connect();
    try {
      return (await client.query('SELECT current_user AS name')).rows[0]?.name;
    } finally {
      await client.end();
    }
  }
});
