// The log: the demo's lines are those of the documentation, and no secret gets in however it is passed.
import { expect, it } from 'vitest';
import { createLog, type LogOptions, type PermitLine, type RequestLine } from '../../../src/telemetry/log.ts';

function lines(
  format: LogOptions['format'],
  ...entries: (RequestLine | PermitLine | Record<string, unknown>)[]
): string[] {
  const out: string[] = [];
  const log = createLog({ format, write: (line) => out.push(line) });
  for (const entry of entries) log.info(entry);
  return out;
}

it('writes the short lines of the demo', () => {
  const out = lines(
    'short',
    { event: 'held', request: 'HP-7KQ4', who: 'demo', shape: 'COPY customers TO STDOUT', rule: 'exports' },
    { event: 'approved', request: 'HP-7KQ4', by: 'grace', rationale: 'trying it' },
    { event: 'ran', request: 'HP-7KQ4', tag: 'COPY 500', bytes: 41_211, duration_ms: 6.2 },
    {
      event: 'held',
      request: 'HP-7KQ5',
      who: 'demo',
      shape: 'SELECT a, b, c, d, e\n  FROM some_longer_table',
      rule: 'r',
    },
    {
      event: 'permit_granted',
      permit: 'PM-7KQ4',
      request: 'HP-7KQ4',
      who: 'demo',
      rule: 'exports',
      by: 'grace',
      uses: 10,
      rows: 100,
      until: '2026-01-05T15:02:30.000Z',
    },
    { event: 'permit_used_up', permit: 'PM-7KQ4', request: 'HP-7KQ4', who: 'demo', rule: 'exports' },
    {
      event: 'permit_revoked',
      permit: 'PM-7KQ4',
      request: 'HP-7KQ4',
      who: 'demo',
      rule: 'exports',
      by: 'ada',
      rationale: 'enough',
    },
  );
  expect(out.map((line) => line.replace(/^\d\d:\d\d:\d\d/, '14:02:31'))).toEqual([
    '14:02:31  held      HP-7KQ4  demo  COPY customers TO STDOUT           rule exports\n',
    '14:02:31  approved  HP-7KQ4  by grace: "trying it"\n',
    '14:02:31  ran       HP-7KQ4  COPY 500, 41 kB, 6 ms\n',
    '14:02:31  held      HP-7KQ5  demo  SELECT a, b, c, d, e FROM some_l…  rule r\n',
    '14:02:31  granted   PM-7KQ4  demo  rule exports  until 2026-01-05T15:02:30.000Z, 10 uses, 100 rows each  by grace\n',
    '14:02:31  used up   PM-7KQ4  demo  rule exports\n',
    '14:02:31  revoked   PM-7KQ4  demo  rule exports  by ada: "enough"\n',
  ]);
});

it('draws characters that would steer the terminal', () => {
  const [line] = lines('short', { event: 'denied', request: 'HP-1', by: 'ada', rationale: 'a\u001b[2Jb\u202ec\nd' });
  expect(line).toContain('"a<U+001B>[2Jb<U+202E>c<U+000A>d"');
});

it('writes JSON with level and time, without secrets, texts and rationales', () => {
  const secrets = {
    password: 's3cret',
    token: 's3cret',
    sql: 's3cret',
    parameters: ['s3cret'],
    url: 'postgres://u:s3cret@h',
  };
  const [line = ''] = lines('json', {
    event: 'denied',
    request: 'HP-1',
    rationale: 's3cret',
    ...secrets,
    upstream: secrets,
  });
  expect(line).not.toContain('s3cret');
  expect(JSON.parse(line)).toMatchObject({ level: 'info', event: 'denied', request: 'HP-1', time: expect.any(String) });
});
