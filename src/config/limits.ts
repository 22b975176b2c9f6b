// Every limit of the product, one row each: name with its unit, default, and what reaching it does.
// Configuration, documentation (docs/generated/limits.md) and tests read this table. A limit that is not here does not exist.

export interface LimitRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What it bounds and what happens at it. */
  readonly text: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  connections_max: {
    default: 2000,
    min: 1,
    max: 65_000,
    text: 'Client connections open at once on one listener; the next one gets 53300 and is closed.',
  },
  startup_bytes_max: {
    default: 10_000,
    min: 512,
    max: 10_000,
    text: 'Startup packet; PostgreSQL itself refuses more than 10000 (MAX_STARTUP_PACKET_LENGTH).',
  },
  startup_timeout_ms: {
    default: 30_000,
    min: 100,
    max: 600_000,
    text: 'From accept to a finished login; then the connection is closed.',
  },
  login_checks_max: {
    default: 64,
    min: 1,
    max: 10_000,
    text: 'Passwords in clear of one listener that are being checked at once (`logins: by: [ldap]` and the like), of each source by itself: `local`, the directory, each issuer of tokens. The next one waits for its turn.',
  },
  login_check_timeout_ms: {
    default: 10_000,
    min: 100,
    max: 600_000,
    text: 'From a password in clear to an answer about it, waiting for its turn included; then the client gets ZH005. Keep it below `startup_timeout_ms`.',
  },
  upstream_connect_timeout_ms: {
    default: 10_000,
    min: 100,
    max: 600_000,
    text: 'Dialling the upstream, TLS and login together; then the client gets 08001. As long again for its first answer; then 08006.',
  },
  keepalive_ms: {
    default: 60_000,
    min: 1000,
    max: 7_200_000,
    text: 'Silence of a client or the upstream before TCP asks whether it is still there; after ten questions without an answer, a second apart, the connection is closed.',
  },
  statement_bytes_max: {
    default: MIB,
    min: KIB,
    max: MIB,
    text: 'Text of one Query or Parse message; more gets 54000 and nothing runs.',
  },
  bind_bytes_max: {
    default: 16 * MIB,
    min: KIB,
    max: 256 * MIB,
    text: 'One Bind message with its parameters; more gets 54000 and nothing runs.',
  },
  prepared_statements_max: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    text: 'Prepared statements and portals that one session remembers; more gets 54000.',
  },
  prepared_bytes_max: {
    default: 64 * MIB,
    min: KIB,
    max: 1024 * MIB,
    text: 'Texts of the prepared statements that one session remembers; more gets 54000.',
  },
  held_bytes_max: {
    default: 64 * KIB,
    min: KIB,
    max: 16 * MIB,
    text: 'What a client may send while its statement is held; more gets 54000 and the hold ends.',
  },
  backlog_bytes_max: {
    default: MIB,
    min: 16 * KIB,
    max: 64 * MIB,
    text: 'Bytes waiting to be written to one side of a session before the other side is no longer read.',
  },
  analysis_timeout_ms: {
    default: 2000,
    min: 10,
    max: 60_000,
    text: 'Analysis of one statement; one that takes longer gets 54001 and nothing runs.',
  },
  analysis_ms_per_s_max: {
    default: 250,
    min: 1,
    max: 1000,
    text: "CPU time that one session's new statements may cost in a second; over it they wait, other sessions' do not.",
  },
  analysis_cache_bytes_max: {
    default: 4 * MIB,
    min: 64 * KIB,
    max: 1024 * MIB,
    text: 'Statement texts whose analysis is remembered, for each database, role and search_path; the least recently used go first.',
  },
  heartbeat_ms: {
    default: 15_000,
    min: 10,
    max: 3_600_000,
    text: 'Between two notices to a client whose statement is held.',
  },
  requests_open_per_principal_max: {
    default: 20,
    min: 1,
    max: 10_000,
    text: 'Approval requests one principal may have open; the next held statement gets 54000.',
  },
  decisions_per_minute_max: {
    default: 120,
    min: 1,
    max: 1_000_000,
    text: 'Decisions of one reviewer over all their sessions; the next is refused until the minute is over.',
  },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof LIMITS;
export type Limits = Readonly<Record<LimitName, number>>;

const names = Object.keys(LIMITS) as LimitName[];

export const DEFAULT_LIMITS: Limits = Object.freeze(
  Object.fromEntries(names.map((name) => [name, LIMITS[name].default])) as Record<LimitName, number>,
);

/** The table as Markdown, for docs/generated/limits.md. */
export function limitsTable(): string {
  const rows = names.map((name) => {
    const row = LIMITS[name];
    return `| \`${name}\` | ${row.default} | ${row.min} to ${row.max} | ${row.text} |`;
  });
  return [
    '# Limits',
    '',
    'Printed from src/config/limits.ts. Set them under `limits:` in holdpoint.yaml; the unit is the last part of a name',
    'but `_max`, and a name without one counts.',
    '',
    '| name | default | range | what it bounds, and what happens at it |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
