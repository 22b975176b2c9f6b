// What `npm start` prints once all is up. Pure text: facts in, lines out.

export interface BannerFacts {
  readonly version: string;
  readonly database: { readonly text: string; readonly note: string };
  readonly policy: { readonly path: string; readonly rules: number; readonly hash: string };
  readonly log: string;
  /** The agent's connection string. */
  readonly agent: string;
  /** One-time sign-ins. */
  readonly grace: string;
  readonly ada: string;
  /** Statements to try; only the demo's own database has them. */
  readonly sample: boolean;
  /** Ports that were taken, and the like. */
  readonly notes: readonly string[];
}

const COLUMN = 47;

export function banner(facts: BannerFacts): string {
  const column = Math.max(COLUMN, facts.grace.length + 2, facts.ada.length + 2);
  const row = (name: string, text: string, note = ''): string =>
    `  ${name.padEnd(9)}  ${text.padEnd(column)}${note}`.trimEnd();
  return [
    '',
    `  || ¦¦  Holdpoint ${facts.version}    holds risky SQL until a person approves it`,
    '',
    row('database', facts.database.text, facts.database.note),
    row('policy', `${facts.policy.path}, ${facts.policy.rules} rules`, `hash ${facts.policy.hash.slice(0, 8)}`),
    row('log', facts.log),
    ...facts.notes.map((note) => row('note', note)),
    '',
    row('Agent', facts.agent),
    row('Console', facts.grace, 'one-time sign-in as grace (reviewer)'),
    row('', facts.ada, "as ada (the agent's sponsor: may not decide);"),
    row('', '', 'both good for 10 minutes'),
    row('Terminal', 'npx holdpoint login --link <sign-in>, then npx holdpoint requests'),
    '',
    '  Try it: open the console, then in another terminal run',
    '',
    ...(facts.sample ? trySample(facts.agent) : tryOwn(facts.agent)),
    '',
    ...(facts.sample ? ['  Guard your own database:  npm start -- --upstream postgres://user@host:5432/db'] : []),
    '  Ctrl-C stops it. Nothing listens outside 127.0.0.1.',
    '',
    '',
  ].join('\n');
}

function trySample(agent: string): string[] {
  return [
    `    psql "${agent}" -c "SELECT count(*) FROM customers"`,
    '      passes at once',
    '',
    `    psql "${agent}" -c "COPY customers TO STDOUT"`,
    '      is held; decide it in the console and watch psql',
  ];
}

function tryOwn(agent: string): string[] {
  return [
    `    psql "${agent}" -c "SELECT 1"`,
    '      passes at once',
    '',
    `    psql "${agent}" -c "CREATE TABLE holdpoint_demo ()"`,
    '      is held; deny it in the console and watch psql',
  ];
}
