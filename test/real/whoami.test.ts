// `holdpoint whoami --user ... --by jwt` as an operator runs it: the token comes on standard input alone, and what it maps to is explained; for one
// that is refused, no more is said of it than that, and nothing of it is printed.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainedText, explainPrincipal } from '../../src/cli/explain-principal.ts';
import { loadConfig } from '../../src/config/config.ts';
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
  issuer = await startIssuer();
  await issuer.behave({ keys: [signer.jwk] }, { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` });
  const own = await (await makeAuthority(dir, 'own-ca')).issue('gateway', ['DNS:localhost']);
  await writeFile(
    join(dir, 'policy.yaml'),
    'version: 1\ndefault: allow\nrules: [{id: one, when: "true", then: hold}]\n',
  );
  await writeFile(
    join(dir, 'users.yaml'),
    'users:\n  - {id: ada, kind: human}\n  - {id: local-bot, kind: agent, from: [local]}\n',
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
    identity: { users: 'users.yaml', jwt: [{ issuer: issuer.url, algorithms: ['ES256'] }], map },
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
