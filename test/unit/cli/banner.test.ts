// What `npm start` prints, to the letter: documentation and people's scripts show it.
import { expect, it } from 'vitest';
import { banner, type BannerFacts } from '../../../src/cli/demo/banner.ts';

const FACTS: BannerFacts = {
  version: '0.1.0',
  database: { text: 'PostgreSQL 18, started here with sample data', note: 'ready in 3.1 s' },
  policy: { path: 'policies/starter.yaml', rules: 11, hash: '9f3c1a7b00112233' },
  log: './data/audit',
  agent: 'postgres://demo:9f2c@127.0.0.1:6432/app',
  mysql: null,
  grace: 'http://127.0.0.1:8080/in/Kd83-71mQ',
  ada: 'http://127.0.0.1:8080/in/Rw25-40xT',
  sample: true,
  observing: null,
  notes: [],
};

it('with the sample database', () => {
  expect(banner(FACTS)).toBe(`
  || ¦¦  Holdpoint 0.1.0    holds risky SQL until a person approves it

  database   PostgreSQL 18, started here with sample data   ready in 3.1 s
  policy     policies/starter.yaml, 11 rules                hash 9f3c1a7b
  log        ./data/audit

  Agent      postgres://demo:9f2c@127.0.0.1:6432/app
  Console    http://127.0.0.1:8080/in/Kd83-71mQ             one-time sign-in as grace (reviewer)
             http://127.0.0.1:8080/in/Rw25-40xT             as ada (the agent's sponsor: may not decide);
                                                            both good for 10 minutes
  Terminal   npx holdpoint login --link <sign-in>, then npx holdpoint review

  Try it: open the console, then in another terminal run

    psql "postgres://demo:9f2c@127.0.0.1:6432/app" -c "SELECT count(*) FROM customers"
      passes at once

    psql "postgres://demo:9f2c@127.0.0.1:6432/app" -c "COPY customers TO STDOUT"
      is held; decide it in the console and watch psql

  Guard your own database:  npm start -- --upstream postgres://user@host:5432/db
  MySQL or MariaDB, too:    npm start -- --mysql-upstream mysql://user@host:3306/db
  Ctrl-C stops it. Nothing listens outside 127.0.0.1.

`);
});

it('before a given server, with longer links and a port that was taken', () => {
  const text = banner({
    ...FACTS,
    sample: false,
    database: { text: 'postgres://u@db.example:5432/app, yours', note: '' },
    grace: `${FACTS.grace}-sMkF-2Pq8-Zx91-Lb3c`,
    notes: ['port 6432 is taken, 6433 it is'],
  });
  expect(text).toContain('  database   postgres://u@db.example:5432/app, yours\n');
  expect(text).toContain('  note       port 6432 is taken, 6433 it is\n');
  const columns = text
    .split('\n')
    .flatMap((line) => [...line.matchAll(/one-time sign-in|as ada|both good/g)].map(({ index }) => index));
  expect(new Set(columns).size).toBe(1);
  expect(text).not.toContain('customers');
});

it('beside it a MySQL or MariaDB server, with a client that is here', () => {
  const mysql = {
    text: 'mysql://gateway@db.example:3306/shop, yours',
    host: '127.0.0.1',
    port: 6033,
    password: '9f2c',
    database: 'shop',
    client: 'mariadb',
  } as const;
  const text = banner({ ...FACTS, mysql });
  expect(text).toContain(`
  database   PostgreSQL 18, started here with sample data   ready in 3.1 s
             mysql://gateway@db.example:3306/shop, yours
`);
  expect(text).toContain(`
  Agent      postgres://demo:9f2c@127.0.0.1:6432/app
             mysql://demo:9f2c@127.0.0.1:6033/shop
`);
  expect(text).toContain(`
    mariadb --skip-ssl -h 127.0.0.1 -P 6033 -u demo -p9f2c shop -e "SELECT 1"
      passes at once

    mariadb --skip-ssl -h 127.0.0.1 -P 6033 -u demo -p9f2c shop -e "CREATE TABLE holdpoint_demo (id INT)"
      is held for 20 s; decided later, send it again
`);
  expect(text).not.toContain('--mysql-upstream');
  const other = banner({ ...FACTS, mysql: { ...mysql, client: 'mysql', database: '' } });
  expect(other).toContain(
    'mysql --get-server-public-key -h 127.0.0.1 -P 6033 -u demo -p9f2c -e "CREATE DATABASE holdpoint_demo"',
  );
});

it('says before all else that nothing is held', () => {
  const text = banner({ ...FACTS, observing: 'mode: observe. Nothing is held' });
  expect(text.split('\n').slice(1, 5)).toEqual([
    '  || ¦¦  Holdpoint 0.1.0    holds risky SQL until a person approves it',
    '',
    '  mode: observe. Nothing is held',
    '',
  ]);
  expect(text).not.toContain('is held;');
  expect(text).toContain('passes, and is recorded as what would be held');
});
