// chat.webhooks: what is read, what is refused, and that no secret is told.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { problemsOf } from './problems.ts';

const MINIMAL = `data: ./data
policy: policy.yaml
postgres:
  - {name: app, listen: 127.0.0.1:6432, upstream: "postgres://gateway:p@db:5432/app"}
review: {listen: 127.0.0.1:8080}
identity: {users: users.yaml}
chat:
  webhooks:
`;
const TEXT = 'a text of 24 characters.';
const BASE64 = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const env = { SECRET: BASE64, SHORT: 'hunter2', HOST: 'hooks.example' };

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-webhooks-'));
  writeFileSync(join(dir, 'secret'), `${TEXT}\n`);
  writeFileSync(join(dir, 'ca.pem'), '-----BEGIN CERTIFICATE-----\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

const parse = (...hooks: string[]) =>
  parseConfig(`${MINIMAL}${hooks.map((hook) => `    - {${hook}}\n`).join('')}`, {
    file: join(dir, 'holdpoint.yaml'),
    shown: 'holdpoint.yaml',
    env,
  }).chat.webhooks;
const problems = (...hooks: string[]) => problemsOf(() => parse(...hooks));

const hook = (url: string, more = '') => `name: pager, url: "${url}", secret: "\${SECRET}"${more}`;

describe('what is read', () => {
  it('defaults', () => {
    expect(parse(hook('https://${HOST}/in?a=b#c'))).toEqual([
      {
        name: 'pager',
        url: 'https://hooks.example/in?a=b',
        secret: [BASE64],
        events: ['*'],
        allow_private: false,
        ca: null,
        text: false,
        words: false,
      },
    ]);
  });

  it('two secrets, from a file and written out; events; an authority', () => {
    const more = `url: "https://x", secret: ["file:secret", "${BASE64}"], events: [request.*, permit.revoked], ca: ca.pem`;
    expect(parse(`name: pager, ${more}`)).toMatchObject([
      { secret: [TEXT, BASE64], events: ['request.*', 'permit.revoked'], ca: '-----BEGIN CERTIFICATE-----\n' },
    ]);
  });

  it('private receivers, where they are allowed', () => {
    const urls = [
      'http://127.0.0.1:9000',
      'http://[::1]/',
      'http://10.0.0.1',
      'https://192.168.0.1',
      'http://localhost',
      'http://intranet',
    ];
    for (const url of urls) expect(parse(hook(url, ', allow_private: true'))).toHaveLength(1);
  });

  it('none', () => {
    expect(parseConfig(MINIMAL.replace(/chat:[^]*/, 'chat: {}\n'), { file: '/holdpoint.yaml', env }).chat).toEqual({
      webhooks: [],
    });
  });
});

describe('what is refused, and where', () => {
  it.each([
    [
      'http',
      [hook('http://hooks.example')],
      'url: needs https; http only to a private address, with allow_private: true',
    ],
    ['http to the world', [hook('http://8.8.8.8', ', allow_private: true')], 'url: needs https: the address is public'],
    ['another scheme', [hook('ftp://x')], 'url: is neither https nor http'],
    ['no URL', [hook('x')], 'url: is not an address such as https://hooks.example/holdpoint'],
    ['a user', [hook('https://u:p@x')], 'url: has a user or a password in it; the signature says who sends'],
    [
      'loopback',
      [hook('https://2130706433')],
      'url: names a loopback address; set allow_private: true if that is meant',
    ],
    [
      'localhost',
      [hook('https://localhost')],
      'url: names a loopback address; set allow_private: true if that is meant',
    ],
    ['private', [hook('https://[fd00::1]')], 'url: names a private address; set allow_private: true if that is meant'],
    [
      'metadata',
      [hook('http://169.254.169.254', ', allow_private: true')],
      'url: names an address that nothing may be sent to',
    ],
    ['an event', [hook('https://x', ', events: [request.foo]')], 'events[0]: is no event; see docs/webhooks.md'],
    ['no events', [hook('https://x', ', events: []')], expect.stringContaining('events: too small')],
    ['a name', [hook('https://x').replace('pager', '../x')], 'name: needs a short lower-case name such as pager'],
    [
      'a short secret',
      ['name: a, url: "https://x", secret: "${SHORT}"'],
      'secret: is too short: 24 characters at least',
    ],
    [
      '23 bytes',
      [`name: a, url: "https://x", secret: "whsec_${Buffer.alloc(23).toString('base64')}"`],
      'secret: is too short: 24 bytes at least',
    ],
    [
      '65 bytes',
      [`name: a, url: "https://x", secret: "whsec_${Buffer.alloc(65).toString('base64')}"`],
      'secret: is too long: the standard has 64 bytes at most',
    ],
    [
      'no base64',
      ['name: a, url: "https://x", secret: "whsec_not base64 at all, but long enough"'],
      'secret: begins with whsec_ and goes on with what is not base64',
    ],
    ['three secrets', ['name: a, url: "https://x", secret: [a, b, c]'], expect.stringContaining('secret: ')],
    [
      'no file',
      ['name: a, url: "https://x", secret: "file:nope"'],
      expect.stringMatching(/secret: refers to file:.*nope, which cannot be read \(ENOENT\)/),
    ],
    [
      'an unset variable',
      ['name: a, url: "https://x", secret: "${NOPE}"'],
      'secret: refers to the environment variable NOPE, which is not set',
    ],
    ['an unknown key', [hook('https://x', ', secrets: 1')], 'secrets: unknown key'],
  ])('%s', (_, hooks, what) => {
    const [found = '', ...more] = problems(...hooks);
    expect(more).toEqual([]);
    expect(found).toMatch(/^holdpoint\.yaml:9: chat\.webhooks\[0\]\./);
    expect(found.replace(/^holdpoint\.yaml:9: chat\.webhooks\[0\]\./, '')).toEqual(what);
    expect(found).not.toContain('hunter2');
  });

  it('one name twice', () => {
    expect(problems(hook('https://x'), hook('https://y'))).toEqual([
      "holdpoint.yaml:10: chat.webhooks[1].name: 'pager' is also webhooks[0].name",
    ]);
  });

  it.each(['slack', 'teams'])('chat.%s is not in this release', (key) => {
    expect(
      problemsOf(() => parseConfig(`${MINIMAL.replace('webhooks', key)}    {}\n`, { file: '/x', shown: 'x', env })),
    ).toEqual([`x:8: chat.${key}: this key is not in this release`]);
  });
});
