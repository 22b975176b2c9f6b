// What `npm start` prints once all is up. Pure text: facts in, lines out.

export interface BannerFacts {
  readonly version: string;
  readonly database: { readonly text: string; readonly note: string };
  readonly policy: { readonly path: string; readonly rules: number; readonly hash: string };
  readonly log: string;
  /** The agent's connection string. */
  readonly agent: string;
  /** The server guarded beside it, and how the agent gets there; null: none. */
  readonly mysql: {
    readonly text: string;
    readonly host: string;
    readonly port: number;
    readonly password: string;
    /** '': none. */
    readonly database: string;
    /** The client to show. */
    readonly client: 'mysql' | 'mariadb';
  } | null;
  /** One-time sign-ins. */
  readonly grace: string;
  readonly ada: string;
  /** Statements to try; only the demo's own database has them. */
  readonly sample: boolean;
  /** In mode observe, what is said of it; null: the policy is enforced. */
  readonly observing: string | null;
  /** Ports that were taken, and the like. */
  readonly notes: readonly string[];
}

const COLUMN = 47;

export function banner(facts: BannerFacts): string {
  const column = Math.max(COLUMN, facts.grace.length + 2, facts.ada.length + 2);
  const { mysql, observing } = facts;
  const row = (name: string, text: string, note = ''): string =>
    `  ${name.padEnd(9)}  ${text.padEnd(column)}${note}`.trimEnd();
  return [
    '',
    `  || ¦¦  Holdpoint ${facts.version}    holds risky SQL until a person approves it`,
    '',
    ...(observing === null ? [] : [`  ${observing}`, '']),
    row('database', facts.database.text, facts.database.note),
    ...(mysql === null ? [] : [row('', mysql.text)]),
    row('policy', `${facts.policy.path}, ${facts.policy.rules} rules`, `hash ${facts.policy.hash.slice(0, 8)}`),
    row('log', facts.log),
    ...facts.notes.map((note) => row('note', note)),
    '',
    row('Agent', facts.agent),
    ...(mysql === null ? [] : [row('', mysqlAddress(mysql))]),
    row('Console', facts.grace, 'one-time sign-in as grace (reviewer)'),
    row('', facts.ada, "as ada (the agent's sponsor: may not decide);"),
    row('', '', 'both good for 10 minutes'),
    row('Terminal', 'npx holdpoint login --link <sign-in>, then npx holdpoint review'),
    '',
    '  Try it: open the console, then in another terminal run',
    '',
    ...(facts.sample ? trySample(facts) : tryOwn(facts)),
    ...(mysql === null ? [] : tryMysql(mysql, facts)),
    '',
    ...(facts.sample ? ['  Guard your own database:  npm start -- --upstream postgres://user@host:5432/db'] : []),
    ...(mysql === null ? ['  MySQL or MariaDB, too:    npm start -- --mysql-upstream mysql://user@host:3306/db'] : []),
    '  Ctrl-C stops it. Nothing listens outside 127.0.0.1.',
    '',
    '',
  ].join('\n');
}

const RECORDED = '      passes, and is recorded as what would be held';

function trySample({ agent, observing }: BannerFacts): string[] {
  return [
    `    psql "${agent}" -c "SELECT count(*) FROM customers"`,
    '      passes at once',
    '',
    `    psql "${agent}" -c "COPY customers TO STDOUT"`,
    observing === null ? '      is held; decide it in the console and watch psql' : RECORDED,
  ];
}

function tryOwn({ agent, observing }: BannerFacts): string[] {
  return [
    `    psql "${agent}" -c "SELECT 1"`,
    '      passes at once',
    '',
    `    psql "${agent}" -c "CREATE TABLE holdpoint_demo ()"`,
    observing === null ? '      is held; deny it in the console and watch psql' : RECORDED,
  ];
}

export type Mysql = NonNullable<BannerFacts['mysql']>;

export const mysqlAddress = ({ host, port, password, database }: Mysql): string =>
  `mysql://demo:${password}@${host}:${port}/${encodeURIComponent(database)}`;

/** The line is plain here, and each client takes that in its own words. */
const PLAIN = { mariadb: '--skip-ssl', mysql: '--get-server-public-key' };

export const mysqlCommand = ({ client, host, port, password, database }: Mysql): string =>
  `${client} ${PLAIN[client]} -h ${host} -P ${port} -u demo -p${password}${database === '' ? '' : ` ${database}`}`;

function tryMysql(mysql: Mysql, { observing }: BannerFacts): string[] {
  const to = mysqlCommand(mysql);
  return [
    '',
    `    ${to} -e "SELECT 1"`,
    '      passes at once',
    '',
    `    ${to} -e "CREATE ${mysql.database === '' ? 'DATABASE holdpoint_demo' : 'TABLE holdpoint_demo (id INT)'}"`,
    observing === null ? '      is held for 20 s; decided later, send it again' : RECORDED,
  ];
}
