// holdpoint.yaml: what is read, what is refused, and that each refusal names file, line and key.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configJsonSchema, DEFAULT_LIMITS, limitsTable, loadConfig, parseConfig } from '../../../src/config/config.ts';
import { problemsOf } from './problems.ts';

const MINIMAL = `data: ./data
policy: policies/starter.yaml
postgres:
  - {name: app, listen: 127.0.0.1:6432, upstream: "postgres://gateway:\${PGPASSWORD}@db:5432/app"}
review: {listen: 127.0.0.1:8080}
identity: {users: users.yaml}
`;

function parse(text: string, env: Record<string, string> = { PGPASSWORD: 'p' }) {
  return parseConfig(text, { file: '/etc/holdpoint/holdpoint.yaml', shown: 'holdpoint.yaml', env });
}

function upstreamOf(url: string) {
  return parse(
    MINIMAL.replace(/postgres:\/\/[^"]*/, () => url),
    { P: '%41@/:' },
  ).postgres[0]!.upstream;
}

const problems = (text: string, env?: Record<string, string>) => problemsOf(() => parse(text, env));

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-config-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

describe('what is read', () => {
  it('fills in every default and resolves paths against the file', () => {
    const config = parse(MINIMAL);
    expect(config).toEqual({
      path: '/etc/holdpoint/holdpoint.yaml',
      data: '/etc/holdpoint/data',
      policy: '/etc/holdpoint/policies/starter.yaml',
      postgres: [
        {
          name: 'app',
          listen: { host: '127.0.0.1', port: 6432 },
          upstream: { host: 'db', port: 5432, user: 'gateway', password: 'p', database: 'app' },
          auth: 'terminate',
          tls: null,
          logins: [{ user: '*', by: 'verifier' }],
          upstream_tls: { mode: 'verify-full', ca: null },
          tags: {},
        },
      ],
      mysql: [],
      review: { listen: { host: '127.0.0.1', port: 8080 }, url: null, tls: null, sign_in: ['local'] },
      identity: {
        users: '/etc/holdpoint/users.yaml',
        unsponsored: 'refuse',
        second_factor: 'optional',
        jwt: [],
        map: [],
      },
      audit: {
        allowed: 'async',
        master_key: null,
        checkpoint: 1000,
        checkpoint_records: 10_000,
        anchors: [],
        ship: [],
        keep: { age: null, size: null },
      },
      chat: { webhooks: [] },
      store: 'memory',
      mode: 'enforce',
      limits: DEFAULT_LIMITS,
    });
  });

  it('is frozen to the last leaf', () => {
    const config = parse(MINIMAL);
    expect(() => Object.assign(config.postgres[0]!.upstream, { host: 'evil' })).toThrow(TypeError);
    expect(() => Object.assign(config.limits, { held_bytes_max: 1 })).toThrow(TypeError);
  });

  it('verifies the server by default except on loopback', () => {
    const modes = ['db', '10.0.0.1', 'localhost', '127.0.0.1', '[::1]'].map(
      (host) => parse(MINIMAL.replace('@db', `@${host}`)).postgres[0]!.upstream_tls.mode,
    );
    expect(modes).toEqual(['verify-full', 'verify-full', 'disable', 'disable', 'disable']);
  });

  it('takes any password from a variable as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (password) => {
        expect(parse(MINIMAL, { PGPASSWORD: password }).postgres[0]!.upstream.password).toBe(password);
      }),
    );
  });

  it('decodes what is written out, but not what a reference brings', () => {
    expect(upstreamOf('postgres://a%40b:x%2Fy@h/db').user).toBe('a@b');
    expect(upstreamOf('postgres://a:x%2Fy@h/db').password).toBe('x/y');
    expect(upstreamOf('postgres://a:p@ss/w@h/db')).toEqual({
      host: 'h',
      port: 5432,
      user: 'a',
      password: 'p@ss/w',
      database: 'db',
    });
    expect(upstreamOf('postgresql://a:%41${P}@h:1/').password).toBe('A%41@/:');
    expect(upstreamOf('postgres://a@[fe80::1]:7')).toEqual({
      host: 'fe80::1',
      port: 7,
      user: 'a',
      password: null,
      database: 'a',
    });
  });

  it('reads a secret and certificates from files beside it', async () => {
    writeFileSync(join(dir, 'secret'), 'pass word\n');
    writeFileSync(join(dir, 'cert.pem'), '-----BEGIN CERTIFICATE-----\n');
    writeFileSync(join(dir, 'key.pem'), '-----BEGIN PRIVATE KEY-----\n');
    const path = join(dir, 'holdpoint.yaml');
    writeFileSync(
      path,
      MINIMAL.replace('${PGPASSWORD}', 'file:secret').replace('/app"}', '/app", tls: {cert: cert.pem, key: key.pem}}'),
    );
    const { upstream, tls } = (await loadConfig(path, { env: {} })).postgres[0]!;
    expect(upstream.password).toBe('pass word');
    expect(tls).toMatchObject({ cert: '-----BEGIN CERTIFICATE-----\n', key: '-----BEGIN PRIVATE KEY-----\n' });
  });
});

describe('what is refused, and where', () => {
  it.each([
    ['an unknown key', `${MINIMAL}polcy: x\n`, ['holdpoint.yaml:7: polcy: unknown key']],
    [
      'an unknown nested key',
      MINIMAL.replace('6432,', '6432, lisen: x,'),
      ['holdpoint.yaml:4: postgres[0].lisen: unknown key'],
    ],
    ['a missing key', MINIMAL.replace(/^data.*\n/, ''), ['holdpoint.yaml:1: data: is required']],
    [
      'a missing nested key',
      MINIMAL.replace('users: users.yaml', ''),
      ['holdpoint.yaml:6: identity.users: is required'],
    ],
    [
      'no server',
      MINIMAL.replace(/- \{.*\}/, '[]'),
      ['holdpoint.yaml:3: postgres: needs at least one server to guard'],
    ],
    ['broken YAML', `${MINIMAL}a: [\n`, [expect.stringMatching(/^holdpoint\.yaml:\d+: /)]],
    ['the same key twice', `${MINIMAL}data: other\n`, ['holdpoint.yaml:7: Map keys must be unique']],
    [
      'an unset variable',
      MINIMAL.replace('PGPASSWORD', 'NOPE'),
      ['holdpoint.yaml:4: postgres[0].upstream: refers to the environment variable NOPE, which is not set'],
    ],
    [
      'options in the URL',
      MINIMAL.replace('/app"', '/app?sslmode=require"'),
      [expect.stringContaining('holdpoint.yaml:4: postgres[0].upstream: has options')],
    ],
    [
      'another scheme',
      MINIMAL.replace('postgres://', 'mysql://'),
      ['holdpoint.yaml:4: postgres[0].upstream: is not postgres://user:password@host:port/database'],
    ],
    [
      'no user',
      MINIMAL.replace('gateway:${PGPASSWORD}@', ''),
      ['holdpoint.yaml:4: postgres[0].upstream: names no user for the gateway to log in as'],
    ],
    [
      'a listen address without port',
      MINIMAL.replace(':8080', ''),
      ['holdpoint.yaml:5: review.listen: needs an address as host:port, such as 127.0.0.1:6432'],
    ],
    [
      'a limit out of range',
      `${MINIMAL}limits:\n  held_bytes_max: 1\n`,
      [expect.stringMatching(/^holdpoint\.yaml:8: limits\.held_bytes_max: too small/)],
    ],
    ['an unknown limit', `${MINIMAL}limits: {held_max: 1}\n`, ['holdpoint.yaml:7: limits.held_max: unknown key']],
    [
      'one address twice',
      MINIMAL.replace('8080', '6432'),
      ['holdpoint.yaml:5: review.listen: 127.0.0.1:6432 is also postgres[0].listen'],
    ],
    [
      'a certificate that is not there',
      MINIMAL.replace('/app"}', '/app", tls: {cert: nope.pem, key: nope.pem}}'),
      [
        'holdpoint.yaml:4: postgres[0].tls.cert: names /etc/holdpoint/nope.pem, which cannot be read (ENOENT)',
        'holdpoint.yaml:4: postgres[0].tls.key: names /etc/holdpoint/nope.pem, which cannot be read (ENOENT)',
      ],
    ],
    [
      'a CA that is not looked at',
      MINIMAL.replace('/app"}', `/app", upstream_tls: {mode: require, ca: ${join(import.meta.dirname, 'ca.pem')}}}`),
      ['holdpoint.yaml:4: postgres[0].upstream_tls.ca: is not looked at in mode require; use verify-ca or verify-full'],
    ],
    ['an empty file', '', ['holdpoint.yaml:1: invalid input: expected object, received null']],
  ])('%s', (_, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it.each([
    ['chat: {slack: {}}', 'chat.slack: this key'],
    ['metrics: {listen: 127.0.0.1:9090}', 'metrics: this key'],
    ['store: postgres://u@h/d', "store: 'postgres'"],
  ])('%s is not in this release', (line, what) => {
    expect(problems(`${MINIMAL}${line}\n`)).toEqual([`holdpoint.yaml:7: ${what} is not in this release`]);
  });

  it('how much of the log is kept', () => {
    const keep = (text: string) => `${MINIMAL}audit: {keep: ${text}}\n`;
    expect(parse(keep('{}')).audit.keep).toEqual({ age: null, size: null });
    expect(parse(keep('{age: 400d, size: 50GB}')).audit.keep).toEqual({ age: 400 * 24 * 3_600_000, size: 50e9 });
    expect(parse(keep('{size: 128MB}')).audit.keep).toEqual({ age: null, size: 128e6 });
    const wrong: readonly (readonly [string, string])[] = [
      ['{age: 13 months}', 'audit.keep.age: an age is a whole number of days: 400d'],
      ['{age: 0d}', 'audit.keep.age: an age is a whole number of days: 400d'],
      ['{size: 50GiB}', 'audit.keep.size: a size is a whole number and a unit: 500MB, 50GB, 2TB'],
      ['{size: 127MB}', 'audit.keep.size: is less than 128MB'],
    ];
    for (const [text, what] of wrong) expect(problems(keep(text))).toEqual([`holdpoint.yaml:7: ${what}`]);
  });

  it('checkpoints and anchors', () => {
    const audit = (text: string) => `${MINIMAL}audit: {${text}}\n`;
    const secret = 'x'.repeat(32);
    expect(
      parse(
        audit(
          `checkpoint: 500ms, checkpoint_records: 9, anchors: [{name: disk, folder: far}, {name: vault, every: 5m, url: "https://v.example/in", secret: ${secret}}]`,
        ),
      ).audit,
    ).toEqual({
      allowed: 'async',
      master_key: null,
      checkpoint: 500,
      checkpoint_records: 9,
      anchors: [
        { name: 'disk', every: 60_000, folder: '/etc/holdpoint/far', layout: 'files' },
        {
          name: 'vault',
          every: 300_000,
          url: 'https://v.example/in',
          secret: [secret],
          allow_private: false,
          ca: null,
        },
      ],
      ship: [],
      keep: { age: null, size: null },
    });
    const wrong: readonly (readonly [string, string])[] = [
      ['checkpoint: 10ms', 'audit.checkpoint: is not between 100 ms and 24 h'],
      ['checkpoint: soon', 'audit.checkpoint: a duration is a whole number and a unit: 500ms, 1s, 5m, 1h'],
      ['anchors: [{name: a, folder: x}, {name: a, folder: y}]', 'audit.anchors: names one twice'],
    ];
    for (const [text, what] of wrong) expect(problems(audit(text))).toEqual([`holdpoint.yaml:7: ${what}`]);
    for (const url of ['http://v.example/', 'https://127.0.0.1/', 'https://169.254.169.254/'])
      expect(problems(audit(`anchors: [{name: v, url: "${url}", secret: ${secret}}]`)).length).toBe(1);
  });

  it('is enforced unless it says otherwise', () => {
    expect(parse(MINIMAL).mode).toBe('enforce');
    expect(parse(`${MINIMAL}mode: observe\n`).mode).toBe('observe');
    expect(problems(`${MINIMAL}mode: watch\n`)).toEqual([expect.stringMatching(/^holdpoint.yaml:7: mode: /)]);
  });

  it('relay needs no user, and TLS on one side at most', () => {
    const relay = MINIMAL.replace('6432,', '6432, auth: relay,').replace('gateway:${PGPASSWORD}@', '');
    expect(parse(relay).postgres[0]).toMatchObject({ auth: 'relay', upstream: { user: '', password: null } });
    const pem = join(dir, 'any.pem');
    writeFileSync(pem, '-----BEGIN CERTIFICATE-----\n');
    const tls = (text: string) => text.replace('/app"}', `/app", tls: {cert: ${pem}, key: ${pem}}}`);
    const both = [
      "holdpoint.yaml:4: postgres[0].auth: relay fails with TLS on both sides (SCRAM's channel binding); use terminate, or upstream_tls: {mode: disable}",
    ];
    // The default on another machine is TLS.
    expect(problems(tls(relay))).toEqual(both);
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(problems(tls(relay).replace('tls: {', `upstream_tls: {mode: ${mode}}, tls: {`))).toEqual(both);
    expect(problems(tls(relay).replace('tls: {', 'upstream_tls: {mode: disable}, tls: {'))).toEqual([]);
    expect(problems(tls(relay).replace('db:5432', '127.0.0.1:5432'))).toEqual([]);
    expect(problems(tls(MINIMAL))).toEqual([]);
  });

  it('tells all problems at once and no secret', () => {
    const found = problems(`${MINIMAL.replace('@db', '@d b')}x: 1\ny: 2\n`, { PGPASSWORD: 'hunter2' });
    expect(found).toHaveLength(3);
    expect(found.join('\n')).not.toContain('hunter2');
  });

  it('names a file that is not there', async () => {
    await expect(loadConfig(join(dir, 'nope.yaml'))).rejects.toThrow(
      /nope\.yaml: cannot be read \(ENOENT\); 'holdpoint init' writes one/,
    );
  });
});

describe('what is published', () => {
  it('JSON Schema', async () => {
    await expect(`${JSON.stringify(configJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
      '../../../docs/generated/holdpoint.schema.json',
    );
  });
  it('limits', async () => {
    await expect(limitsTable()).toMatchFileSnapshot('../../../docs/generated/limits.md');
  });
});
