// `logins:` and `tls.clients:`: what is read of them, and what is refused because nothing, or no TLS, stands behind it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeAuthority } from '../../real/certificates.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, parseConfig } from '../../../src/config/config.ts';
import { problemsOf } from './problems.ts';

let dir: string;
let pem: string;
let key: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-logins-'));
  ({ cert: pem, key } = await makeAuthority(dir, 'ca'));
  writeFileSync(join(dir, 'not.pem'), '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tls = () => ({ cert: pem, key });
const clients = (change: object = {}) => ({ ca: pem, names: ['spiffe://example.org/agent/{name}'], ...change });
const read = (listener: object): Config =>
  parseConfig(
    stringify({
      data: 'data',
      policy: 'policy.yaml',
      postgres: [{ name: 'app', listen: '127.0.0.1:6432', upstream: 'postgres://u@db:5432/app', ...listener }],
      review: { listen: '127.0.0.1:8080' },
      identity: { users: 'users.yaml' },
    }),
    { file: join(dir, 'holdpoint.yaml'), shown: 'holdpoint.yaml' },
  );
const problems = (listener: object): readonly string[] =>
  problemsOf(() => read(listener)).map((problem) => problem.replace(/^holdpoint\.yaml:\d+: postgres\[0\]\./, ''));

describe('logins', () => {
  test('are by verifier where nothing is said', () => {
    expect(read({}).postgres[0]?.logins).toEqual([{ user: '*', by: 'verifier' }]);
  });

  test('are read in their order; one checker is a list of one', () => {
    const logins = [{ user: 'svc-*', by: 'certificate' }, { user: 'x', by: ['local'] }, { by: 'local' }];
    expect(read({ tls: { ...tls(), clients: clients() }, logins }).postgres[0]?.logins).toEqual([
      { user: 'svc-*', by: 'certificate' },
      { user: 'x', by: ['local'] },
      { user: '*', by: ['local'] },
    ]);
  });

  test.each([
    [
      'a password in clear without TLS',
      { logins: [{ by: 'local' }] },
      'logins[0].by: needs tls: a password in clear is asked for inside TLS only',
    ],
    [
      'certificates of nobody',
      { logins: [{ by: 'certificate' }] },
      'logins[0].by: needs tls.clients: the authorities that sign certificates of agents',
    ],
    [
      'with relay',
      { auth: 'relay', logins: [{ user: 'a', by: 'verifier' }] },
      'logins[0].by: is for auth: terminate; with relay the server asks for the proof',
    ],
  ])('%s: refused', (_, listener, problem) => {
    expect(problems(listener)).toEqual([problem]);
  });

  test('a checker that is not configured: refused', () => {
    expect(problems({ tls: tls(), logins: [{ by: ['local', 'ldap'] }, { by: 'jwt' }] })).toEqual([
      'logins[0].by: names ldap, but there is no identity.ldap',
      'logins[1].by: names jwt, but there is no identity.jwt',
    ]);
  });

  test.each([
    [[]],
    [[{ by: [] }]],
    [[{ by: ['local', 'local'] }]],
    [[{ by: ['verifier'] }]],
    [[{ by: 'trust' }]],
    [[{ user: '', by: 'verifier' }]],
  ])('%j: refused', (logins) => {
    expect(problems({ tls: tls(), logins })).toHaveLength(1);
  });
});

describe('tls.clients', () => {
  const of = (change: object) => problems({ tls: { ...tls(), clients: clients(change) } });

  test('is read, with the place of its files', () => {
    const names = [
      'spiffe://example.org/agent/{name}',
      '{name}.agents.example.org',
      { san: 'a.example.org', user: 'ada' },
    ];
    expect(read({ tls: { ...tls(), clients: clients({ names }) } }).postgres[0]?.tls?.clients).toMatchObject({
      ca: { file: pem },
      crl: null,
      required: false,
      names: [
        { san: 'spiffe://example.org/agent/{name}', user: '{name}' },
        { san: '{name}.agents.example.org', user: '{name}' },
        { san: 'a.example.org', user: 'ada' },
      ],
    });
  });

  test.each([
    'spiffe://example.org/agent',
    'spiffe://Example.org/{name}',
    'spiffe://{name}/x',
    'spiffe://example.org/{name}/',
    'https://example.org/{name}',
    '{name}/{name}',
    '{name}.{name}.example.org',
    '*.example.org',
    '{NAME}.example.org',
    { san: 'a.example.org', user: '{name}' },
    { san: 'a.example.org' },
  ])('%j is no way to take a name', (name) => {
    expect(of({ names: [name] })).toHaveLength(1);
  });

  test('files that are not what they are named for', () => {
    expect(of({ crl: join(dir, 'not.pem') })).toEqual([
      `tls.clients.crl: names ${join(dir, 'not.pem')}, which is not a list of revoked certificates`,
    ]);
    expect(of({ ca: join(dir, 'not.pem') })).toEqual([
      `tls.clients.ca: names ${join(dir, 'not.pem')}, which is not a certificate`,
    ]);
    expect(of({ names: [] })).toHaveLength(1);
  });
});
