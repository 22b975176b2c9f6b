// `holdpoint whoami --user ... --by jwt` as an operator runs it: the token comes on standard input alone, and what it maps to is explained; for one
// that is refused, no more is said of it than that, and nothing of it is printed.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainedText, explainPrincipal } from '../../src/cli/explain-principal.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openOwnTokens } from '../../src/identity/jwt/own.ts';
import { makeSigner, makeToken } from '../unit/identity/tokens.ts';
import { makeAuthority } from './certificates.ts';
import { type IssuerProcess, startIssuer } from './jwt-issuer.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const signer = makeSigner('ES256', 'one');
const stranger = makeSigner('ES256', 'one');

let dir: string;
let issuer: IssuerProcess;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-whoami-'));
  await mkdir(join(dir, 'data'));
  issuer = await startIssuer();
  await issuer.behave({ keys: [signer.jwk] }, { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` });
  const own = await (await makeAuthority(dir, 'own-ca')).issue('gateway', ['DNS:localhost']);
  await writeFile(
    join(dir, 'policy.yaml'),
    'version: 1\ndefault: allow\nrules: [{id: one, when: "true", then: hold}]\n',
  );
  await writeFile(
    join(dir, 'users.yaml'),
    'users:\n  - {id: ada, kind: human}\n  - {id: root-ada, kind: human, roles: [admin]}\n  - {id: local-bot, kind: agent, from: [local]}\n',
  );
  const map = [
    {
      from: 'jwt',
      group: 'jwt:agents',
      id: 'report-*',
      as: {
        kind: 'agent',
        sponsor: '{sponsor}',
        groups: ['reports'],
        upstream: { user: 'reports_rw', password: '${PASSWORD}' },
      },
    },
  ];
  const config = {
    data: 'data',
    policy: 'policy.yaml',
    postgres: [
      {
        name: 'app',
        listen: '127.0.0.1:0',
        upstream: 'postgres://u@127.0.0.1/db',
        tls: own,
        logins: [{ user: 'svc-*', by: 'verifier' }, { user: 'report-*', by: ['local', 'jwt'] }, { by: 'verifier' }],
      },
      { name: 'old', listen: '127.0.0.1:0', upstream: 'postgres://127.0.0.1/db', auth: 'relay' },
    ],
    mysql: [
      {
        name: 'shop',
        listen: '127.0.0.1:0',
        upstream: 'mysql://u@127.0.0.1/db',
        logins: [{ user: 'svc-*', by: 'verifier' }],
      },
    ],
    review: { listen: '127.0.0.1:0' },
    identity: {
      users: 'users.yaml',
      jwt: [{ issuer: issuer.url, algorithms: ['ES256'] }, { issuer: 'holdpoint' }],
      map,
    },
  };
  await writeFile(join(dir, 'holdpoint.yaml'), JSON.stringify(config));
});
afterAll(async () => {
  await issuer.stop();
  await rm(dir, { recursive: true });
});

const token = (by = signer, more: object = {}): string => {
  const at = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer.url,
    aud: 'holdpoint-db',
    sub: 'report-bot',
    iat: at,
    exp: at + 600,
    groups: ['agents'],
    sponsor: 'ada',
    on_behalf_of: 'grace',
    task: 'month end',
  };
  return makeToken(by, { ...claims, ...more }).toString();
};

/** What it prints, on both outputs, and its exit status. */
const whoami = async (args: readonly string[], input = ''): Promise<{ said: string; status: number | null }> => {
  const command = ['--import', 'tsx', MAIN, 'whoami', '--config', join(dir, 'holdpoint.yaml'), ...args];
  const child = spawn(process.execPath, command, { env: { ...process.env, PASSWORD: 'p', NO_COLOR: '1' } });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  // Whoever does not read it may close it.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { said: out + err, status };
};
const BY_TOKEN = ['--user', 'report-bot', '--by', 'jwt', '--password-stdin'];

describe('a token', () => {
  test('is explained: what its issuer says, which rule counts, and what follows', async () => {
    const given = token();
    const { said, status } = await whoami(BY_TOKEN, `${given}\n`);
    expect(status).toBe(0);
    expect(said).toMatch(/^report-bot\n +by jwt +knows it\n/);
    expect(said).toMatch(/ jwt says +id report-bot; groups: jwt:agents; other names: /);
    expect(said).toMatch(/ task +month end\n/);
    expect(said).toMatch(
      / here +report-bot, agent, by identity\.map\[0\] \(from jwt, group jwt:agents, id report-\*\)\n/,
    );
    expect(said).toMatch(/ groups +(reports, jwt:agents|jwt:agents, reports)\n/);
    expect(said).toMatch(/ answers for it +ada\n/);
    expect(said).toMatch(/ may not decide +.*\bgrace\b/);
    expect(said).toMatch(/ upstream +reports_rw\n/);
    expect(said).toMatch(/ until +\d{4}-\d\d-\d\dT/);
    expect(said).toMatch(/ at app +logins\[1\] \(user report-\*\): a password inside TLS, asked of local, then jwt\n/);
    expect(said).toMatch(/ at old +auth: relay: the server asks for the proof\n/);
    expect(said).toMatch(/ at shop +no entry of logins is for this name: it does not log in here\n/);
    expect(said).not.toContain(given.slice(0, 30));
  });

  /** As the command does, without a process of its own. */
  const explained = async (user: string, given: string): Promise<string> => {
    const config = await loadConfig(join(dir, 'holdpoint.yaml'), { env: { PASSWORD: 'p' } });
    return explainedText(await explainPrincipal(config, { user, by: 'jwt', password: Buffer.from(given) }));
  };
  const NOBODY = 'nobody: no source takes that password for that name\n';

  test.each<[string, () => string]>([
    ['of another key', () => token(stranger)],
    ['that is over', () => token(signer, { exp: Math.floor(Date.now() / 1000) - 300 })],
    ['of another audience', () => token(signer, { aud: 'somebody-else' })],
    ['of somebody else', () => token(signer, { sub: 'other-bot' })],
    ['that is none', () => 'not-a-token-at-all'],
    ['that is empty', () => ''],
  ])('%s is refused', async (_, make) => {
    const given = make();
    const said = await explained('report-bot', given);
    expect(said).toContain(NOBODY);
    if (given !== '') expect(said).not.toContain(given.slice(0, 30));
  });

  test('that is refused ends with status 1, and stays unsaid', async () => {
    const given = token(stranger);
    const { said, status } = await whoami(BY_TOKEN, given);
    expect(status).toBe(1);
    expect(said).toContain(NOBODY);
    expect(said).not.toContain(given.slice(0, 30));
  });

  test('whose agent no rule is about is nobody, and said to be so', async () => {
    expect(await explained('report-bot', token(signer, { groups: ['others'] }))).toContain(
      'nobody: users.yaml has no such id, and it is in no group that a rule of identity.map names\n',
    );
  });

  test("that may not vouch for an id is told by users.yaml's own rule", async () => {
    expect(await explained('local-bot', token(signer, { sub: 'local-bot' }))).toContain(
      "nobody: users.yaml has this id, and its 'from' does not name that source\n",
    );
  });

  test.each<[string, () => string, RegExp]>([
    ['of another key', () => token(stranger), /no key of http.* has signed it \(kid "one", alg "ES256"\)/],
    [
      'that is over',
      () => token(signer, { iat: 1_700_000_000, exp: 1_700_000_600 }),
      /its times: from \(iat\) 2023-11-14T22:13:20\.000Z to \(exp\) 2023-11-14T22:23:20\.000Z; it is \d{4}-/,
    ],
    [
      'that lasts too long',
      () => token(signer, { exp: Math.floor(Date.now() / 1000) + 9000 }),
      /at most 3600 s apart \(lifetime\)/,
    ],
    [
      'of another audience',
      () => token(signer, { aud: 'somebody-else' }),
      /its audience \(aud\) is "somebody-else", and must be holdpoint-db/,
    ],
    [
      'of another issuer',
      () => token(signer, { iss: 'https://elsewhere.example' }),
      /its issuer \(iss\) is "https:\/\/elsewhere\.example", and identity\.jwt has http/,
    ],
    [
      'of somebody else',
      () => token(signer, { sub: 'other-bot' }),
      /its sub is "other-bot", and the name that logs in is "report-bot"/,
    ],
    ['that is bound to a key', () => token(signer, { cnf: { jkt: 'x' } }), /it is bound to a key \(cnf\)/],
    ['with a group that is none', () => token(signer, { groups: [7] }), /its groups is of another type/],
    [
      'by another algorithm',
      () => makeToken(makeSigner('RS256', 'one'), { iss: issuer.url, sub: 'report-bot' }).toString(),
      /it is signed with "RS256", and algorithms of this issuer are ES256/,
    ],
    ['that is none', () => 'not-a-token-at-all', /it is no token: three parts/],
  ])('%s: the part that is wrong is told', async (_, make, told) => {
    const said = await explained('report-bot', make());
    expect(said).toMatch(told);
    expect(said).toContain(NOBODY);
  });

  test('that was revoked, by its id or all of its agent, is told to be', async () => {
    const own = await openOwnTokens(join(dir, 'data', 'tokens.json'), { mayIssue: () => true });
    const before = await readFile(join(dir, 'data', 'tokens.json'), 'utf8');
    expect(await explained('report-bot', token(signer, { jti: 'the-revoked-one' }))).toContain(' here ');
    await own.revokeOther(issuer.url, 'the-revoked-one', 'ada');
    expect(await explained('report-bot', token(signer, { jti: 'the-revoked-one' }))).toContain(
      'refuses it: it was revoked\n',
    );
    expect(await explained('report-bot', token(signer, { jti: 'another-one' }))).toMatch(/ here +report-bot, agent/);
    await own.revokeAll('report-bot', 'ada');
    expect(await explained('report-bot', token())).toContain('refuses it: it was revoked\n');
    await writeFile(join(dir, 'data', 'tokens.json'), before);
  });

  test("that is Holdpoint's own is looked up among those that were given out, and who got it looked at; nothing is written", async () => {
    const file = join(dir, 'data', 'tokens.json');
    const own = await openOwnTokens(file, { mayIssue: () => true });
    const wanted = { for: 'local-bot', sponsor: null, task: null, on_behalf_of: [], ttl_ms: 60_000 };
    const by = async (person: string): Promise<string> =>
      (await own.issue({ ...wanted, by: person }, () => Promise.resolve()))?.token ?? '';
    const [root, ada] = [await by('root-ada'), await by('ada')];
    const before = await readFile(file, 'utf8');
    expect(await explained('local-bot', root)).toContain("'from' does not name that source\n");
    expect(await explained('local-bot', ada)).toContain('refuses it: who got it may not get one any more\n');
    expect(await readFile(file, 'utf8')).toBe(before);
    await own.rotate(true);
    expect(await explained('local-bot', root)).toContain('no key of holdpoint has signed it');
  });

  test('whose sponsor nobody knows has nobody to answer for it', async () => {
    expect(await explained('report-bot', token(signer, { sponsor: 'nobody-at-all' }))).toMatch(
      / answers for it +nobody: nobody-at-all is no human whom users\.yaml or a source knows now\n/,
    );
  });

  test('of words that would move a cursor shows them as question marks', async () => {
    expect(await explained('report-bot', token(signer, { task: 'a\u001b[2Jb' }))).toMatch(/ task +a\?\[2Jb\n/);
  });

  test('alone names its agent by itself', async () => {
    const good = await whoami(['--token-stdin'], `${token()}\n`);
    expect([good.status, good.said]).toEqual([0, expect.stringMatching(/^report-bot\n +by jwt +knows it\n/)]);
    const given = token(signer, { aud: 'somebody-else' });
    const bad = await whoami(['--token-stdin'], given);
    expect([bad.status, bad.said]).toEqual([1, expect.stringContaining('its audience (aud) is "somebody-else"')]);
    expect(bad.said).not.toContain(given.slice(0, 30));
  });

  test('is never an argument, where others on the machine could read it', async () => {
    const { status, said } = await whoami(['--user', 'report-bot', '--token', token()]);
    expect(status).toBe(2);
    expect(said).toContain('unknown option');
  });

  test('of more than a token may have is not read on', async () => {
    const { said, status } = await whoami(BY_TOKEN, 'x'.repeat(17 * 1024));
    expect(status).toBe(1);
    expect(said).toContain('a password has at most 16384 bytes');
  });
});
