// audit.ship: what is read, what is refused, and that no secret is told.
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
audit:
  ship:
`;
const env = { TOKEN: 'token-of-the-test', HOST: 'siem.example', BROKEN: 'broken-token-of-the-test\n' };

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-ship-'));
  writeFileSync(join(dir, 'token'), 'Splunk token-in-a-file\n');
  writeFileSync(join(dir, 'one.pem'), '-----BEGIN CERTIFICATE-----\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

const parse = (...all: string[]) =>
  parseConfig(`${MINIMAL}${all.map((one) => `    - {${one}}\n`).join('')}`, {
    file: join(dir, 'holdpoint.yaml'),
    shown: 'holdpoint.yaml',
    env,
  }).audit.ship;
const problems = (...all: string[]) => problemsOf(() => parse(...all));

describe('what is read', () => {
  it('HTTPS and syslog, with their defaults', () => {
    const common = {
      format: 'jsonl',
      from: 'beginning',
      block_after: null,
      batch: { records: 1000, bytes: 1024 * 1024, age: 1000 },
      allow_private: false,
      ca: null,
    };
    expect(
      parse('name: siem, url: "https://${HOST}:8088/raw?sourcetype=x"', 'name: soc, syslog: logs.example'),
    ).toEqual([
      {
        ...common,
        name: 'siem',
        url: 'https://siem.example:8088/raw?sourcetype=x',
        headers: {},
        content_type: 'application/x-ndjson',
        gzip: false,
      },
      { ...common, name: 'soc', syslog: { host: 'logs.example', port: 6514 }, client: null },
    ]);
  });

  it('all that can be set', () => {
    const headers = 'headers: {Authorization: "Bearer ${TOKEN}", X-Splunk: "file:token"}';
    const more =
      'format: ocsf, from: now, block_after: 10m, batch: {records: 10, bytes: 4096, age: 50ms}, gzip: true, ca: one.pem';
    expect(parse(`name: siem, url: "https://siem.example", ${headers}, ${more}`)).toMatchObject([
      {
        format: 'ocsf',
        from: 'now',
        block_after: 600_000,
        batch: { records: 10, bytes: 4096, age: 50 },
        headers: { Authorization: 'Bearer token-of-the-test', 'X-Splunk': 'Splunk token-in-a-file' },
        gzip: true,
        ca: '-----BEGIN CERTIFICATE-----\n',
      },
    ]);
    const client = 'client: {cert: one.pem, key: one.pem}';
    expect(parse(`name: soc, syslog: "[fd00::1]:7000", allow_private: true, ${client}`)).toMatchObject([
      { syslog: { host: 'fd00::1', port: 7000 }, client: { cert: '-----BEGIN CERTIFICATE-----\n' } },
    ]);
  });
});

describe('what is refused, by its line and key', () => {
  it.each([
    [
      'name: siem, url: "http://siem.example"',
      'audit.ship[0].url: needs https; http only to a private address, with allow_private: true',
    ],
    [
      'name: siem, url: "https://10.0.0.1"',
      'audit.ship[0].url: names a private address; set allow_private: true if that is meant',
    ],
    [
      'name: soc, syslog: "127.0.0.1:6514"',
      'audit.ship[0].syslog: names a loopback address; set allow_private: true if that is meant',
    ],
    [
      'name: soc, syslog: "169.254.169.254", allow_private: true',
      'audit.ship[0].syslog: names an address that nothing may be sent to',
    ],
    [
      'name: siem, url: "https://a.example", headers: {Content-Length: "1"}',
      'audit.ship[0].headers: names one that Holdpoint sets itself: content-type, content-length, content-encoding, transfer-encoding, connection, host',
    ],
    [
      'name: siem, url: "https://a.example", headers: {A: "${BROKEN}"}',
      'audit.ship[0].headers.A: is empty, or has what may not stand in a header',
    ],
    [
      'name: siem, url: "https://a.example", headers: {A: "${NO_SUCH}"}',
      'audit.ship[0].headers.A: refers to the environment variable NO_SUCH, which is not set',
    ],
    [
      'name: siem, url: "https://a.example", block_after: 1s',
      'audit.ship[0].block_after: is not between 10000 ms and 604800000 ms',
    ],
    ['name: siem, url: "https://a.example", fromat: ocsf', 'audit.ship[0].fromat: unknown key'],
    ['name: SIEM, syslog: a.example', 'audit.ship[0].name: needs a short lower-case name such as siem'],
  ])('%s', (text, problem) => {
    expect(problems(text)).toEqual([`holdpoint.yaml:9: ${problem}`]);
    expect(problems(text).join('')).not.toContain('broken-token-of-the-test');
  });

  it('two of one name', () => {
    expect(problems('name: a, syslog: a.example', 'name: a, syslog: b.example')).toEqual([
      'holdpoint.yaml:8: audit.ship: names one twice',
    ]);
  });
});
