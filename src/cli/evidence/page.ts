// The page of a folder: one file that needs no script, no font and no network, readable on screen and on paper. Every value goes through
// html.ts. Must never say something good first where something is wrong.

import { createHash } from 'node:crypto';
import { CONTROLS, FRAMEWORKS } from './controls.ts';
import { drawn, drawnBytes, html, type Html } from './html.ts';
import { count, type Fields, fields, list, text, texts } from './read.ts';
import { STYLE } from './style.ts';
import { TABLES, type TableName } from './tables.ts';

/** Rows of one table on one page. */
export const page_rows_max = 1000;
/** Of a list in one cell. */
const listed_max = 12;

interface Column {
  readonly head: string;
  readonly cell: (row: Fields) => Html;
  /** num: right-aligned. t: does not wrap. */
  readonly kind?: 'num' | 't';
}

const NOTHING: Html = { html: '' };

function word(value: unknown): Html {
  return typeof value === 'string' ? drawn(value) : typeof value === 'number' ? html`${figure(value)}` : NOTHING;
}

function figure(value: number): string {
  return value.toLocaleString('en-GB');
}

function mono(value: unknown): Html {
  return typeof value === 'string' && value !== '' ? html`<code>${value}</code>` : NOTHING;
}

function time(value: unknown): Html {
  const iso = text(value);
  return iso === null ? NOTHING : html`<span class="mono">${iso.slice(0, 10)} ${iso.slice(11, 19)}</span>`;
}

function small(value: Html): Html {
  return value.html === '' ? NOTHING : html`<small>${value}</small>`;
}

function names(value: unknown): Html {
  const all = texts(value);
  const shown = all.slice(0, listed_max).join(', ');
  return all.length === 0
    ? NOTHING
    : all.length > listed_max
      ? html`${shown} <span class="more">and ${all.length - listed_max} more</span>`
      : drawn(shown);
}

function yes(value: unknown, tone: 'ok' | 'critical' | 'high', words: string): Html {
  return value === true ? pill(words, tone) : NOTHING;
}

function pill(words: string, tone: 'ok' | 'critical' | 'high' | '' = ''): Html {
  return { html: `<span class="${`pill ${tone}`.trim()}">${drawn(words).html}</span>` };
}

/** A hash in two lines. */
function twoLines(value: unknown): Html {
  const hex = text(value);
  return hex === null || hex === '' ? NOTHING : html`<code>${hex.slice(0, 32)} ${hex.slice(32)}</code>`;
}

function duration(value: unknown): string {
  const ms = count(value);
  if (ms === null) return '';
  if (ms < 1000) return `${ms} ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes} min ${s % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const STATE_TONES: Readonly<Record<string, 'ok' | 'critical' | 'high'>> = {
  executed: 'ok',
  approved: 'ok',
  denied: 'critical',
  failed: 'high',
  outcome_unknown: 'high',
};

function state(value: unknown): Html {
  const words = text(value) ?? 'unknown';
  return pill(words.replaceAll('_', ' '), STATE_TONES[words] ?? '');
}

function place(row: Fields): Html {
  const where = [row['upstream'], row['database']].flatMap((one) => text(one) ?? []).join(' / ');
  return html`${mono(where)}${small(word(row['engine']))}`;
}

function what(row: Fields): Html {
  const objects = list(row['objects']);
  const shown = objects
    .slice(0, listed_max)
    .map(
      ({ action, object }) => html`<span class="obj">${text(action) ?? ''} <code>${text(object) ?? ''}</code></span>`,
    );
  const more =
    objects.length > listed_max ? html` <span class="more">and ${objects.length - listed_max} more</span>` : NOTHING;
  return html`<code class="shape">${text(row['shape']) ?? ''}</code>${small(objects.length > 0 ? html`${shown}${more}` : names(row['actions']))}${fullText(row['text'])}`;
}

function fullText(value: unknown): Html {
  if (value === 'deleted') return small(html`Text deleted: its key is not there.`);
  if (value === 'damaged') return small(pill('The text does not open', 'critical'));
  const { sql, sql_hex, parameters, reason } = fields(value);
  if (typeof sql !== 'string') return NOTHING;
  const exact = typeof sql_hex === 'string' ? drawnBytes(Buffer.from(sql_hex, 'hex').toString('latin1')) : drawn(sql);
  const given = list(parameters).map(
    ({ type, value: given_value }, index) =>
      html`<small>$${index + 1} ${text(type) ?? ''}: ${given_value === null ? html`<em>NULL</em>` : word(given_value)}</small>`,
  );
  const why =
    typeof reason === 'string' ? html`<small>The requester\u2019s words, not checked: ${reason}</small>` : NOTHING;
  return html`<pre>${exact}</pre>${given}${why}`;
}

function who(row: Fields): Html {
  const sponsor = text(row['sponsor']);
  return html`<b>${text(row['requester']) ?? 'unknown'}</b>${small(sponsor === null ? html`no sponsor` : html`for ${sponsor}`)}`;
}

function decisions(row: Fields): Html {
  const all = list(row['decisions']);
  const shown = all.slice(0, listed_max).map((one) => {
    const by = text(one['by']) ?? 'unknown';
    const signed_in = fields(one['signed_in']);
    const how = texts(signed_in['by']).join(', ');
    const via = [
      text(one['channel']),
      text(one['group']),
      text(one['instead_of']) === null ? null : `instead of ${text(one['instead_of']) ?? ''}`,
    ]
      .filter(Boolean)
      .join(', ');
    const signed =
      by === 'holdpoint'
        ? 'the clock'
        : how === ''
          ? 'sign-in not on record'
          : `signed in by ${how}${text(signed_in['acr']) === null ? '' : `, ${String(signed_in['acr'])}`}`;
    const words = text(one['rationale']);
    const tone = one['counts'] === false ? '' : one['decision'] === 'approve' ? 'ok' : 'critical';
    const verb = one['decision'] === 'approve' ? 'approved' : 'denied';
    return html`<div>${pill(one['counts'] === false ? `${verb}, void later` : verb, tone)} <b>${by}</b>${small(time(one['at']))}${small(html`${signed}${via === '' ? '' : ` (${via})`}`)}${words === null ? NOTHING : small(html`\u201c${words}\u201d`)}</div>`;
  });
  const more = all.length > listed_max ? html`<span class="more">and ${all.length - listed_max} more</span>` : NOTHING;
  const glass = yes(row['break_glass'], 'high', 'break-glass');
  return all.length === 0 ? html`${glass.html === '' ? 'nobody' : glass}` : html`${shown}${more}${glass}`;
}

function outcome(row: Fields): Html {
  const { tag, sqlstate, rows, duration_ms } = fields(row['outcome']);
  const told = [
    text(tag) ?? (text(sqlstate) === null ? null : `SQLSTATE ${String(sqlstate)}`),
    count(rows) === null ? null : `${figure(count(rows) ?? 0)} rows`,
    count(duration_ms) === null ? null : duration(duration_ms),
  ]
    .filter(Boolean)
    .join(', ');
  return html`${state(row['state'])}${small(drawn(told))}`;
}

function identity(row: Fields): Html {
  const id = text(row['id']) ?? '';
  const receipt = text(row['receipt']);
  const link =
    receipt === null
      ? NOTHING
      : html`<small>${{ html: `<a href="${/^[\w/.-]+$/.test(receipt) ? receipt : ''}">receipt</a>` }}</small>`;
  const anchor = /^[\w-]{1,40}$/.test(id) ? { html: `<span id="r-${id}" class="mono"><b>${id}</b></span>` } : mono(id);
  return html`${anchor}${link}${small(yes(row['carried_over'], 'high', 'opened before'))}`;
}

function facts(value: unknown): Html {
  const shown = Object.entries(fields(value)).map(
    ([key, one]) => `${key}: ${typeof one === 'string' ? one : JSON.stringify(one)}`,
  );
  return shown.length === 0 ? NOTHING : html`<span class="mono">${shown.join('; ')}</span>`;
}

const column = (head: string, cell: Column['cell'], kind?: Column['kind']): Column => ({
  head,
  cell,
  ...(kind && { kind }),
});
const plain = (head: string, name: string, kind?: Column['kind']): Column =>
  column(head, (row) => word(row[name]), kind);
const at = (head: string, name: string): Column => column(head, (row) => time(row[name]), 't');
const record = plain('Record', 'record', 'num');

/** What of each table the page shows, in which order. Controls have a section of their own. */
const COLUMNS: Readonly<Record<Exclude<TableName, 'controls'>, readonly Column[]>> = {
  requests: [
    column('Request', identity),
    column(
      'Opened',
      (row) => html`${time(row['opened'])}${small(html`waited ${duration(row['waited_ms']) || 'on'}`)}`,
      't',
    ),
    column(
      'Asked by',
      (row) => html`${who(row)}${small(html`${text(row['authentication']) ?? ''} ${text(row['address']) ?? ''}`)}`,
    ),
    column('Where', place),
    column('What, redacted', what),
    column(
      'Rule',
      (row) =>
        html`${mono(row['rule'])}${small(row['needs'] === null ? NOTHING : html`asks ${text(row['needs']) ?? ''}`)}`,
    ),
    column('Decided by', decisions),
    column('Outcome', outcome),
    column(
      'Records',
      (row) =>
        html`<span class="mono">${count(row['first_record']) ?? ''} to ${count(row['last_record']) ?? ''}</span>`,
    ),
  ],
  duty: [
    column('Request', (row) => mono(row['request'])),
    column(
      'Requester\u2019s side',
      (row) =>
        html`<b>${text(row['requester']) ?? 'unknown'}</b>${small(names([row['sponsor'], ...texts(row['linked'])].filter((one) => one !== null)))}`,
    ),
    column('Deciders, all accounts', (row) => names(row['deciders'])),
    plain('How', 'how'),
    column('Separate', (row) =>
      row['separate'] === true
        ? pill('separate', 'ok')
        : row['separate'] === false
          ? pill('NOT SEPARATE', 'critical')
          : html`no person decided`,
    ),
    column('On both sides', (row) => names(row['both_sides'])),
  ],
  refusals: [
    at('When', 'time'),
    plain('By', 'by'),
    column('Tried', (row) => html`${word(row['what'])} ${word(row['decision'])}`),
    column('Request', (row) => mono(row['request'])),
    column('Why not', (row) => html`${word(row['why'])} ${yes(row['own'], 'critical', 'own statement')}`),
    plain('Channel', 'channel'),
    record,
  ],
  reviewers: [
    plain('User', 'user'),
    column('Signed in by', (row) => names(row['by'])),
    plain('Sign-ins', 'sign_ins', 'num'),
    plain('Refused sign-ins', 'refused', 'num'),
    plain('Approved', 'approved', 'num'),
    plain('Denied', 'denied', 'num'),
    plain('Refused acts', 'refused_acts', 'num'),
    plain('Texts read', 'read_text', 'num'),
    at('First', 'first'),
    at('Last', 'last'),
  ],
  'sign-ins': [
    at('When', 'time'),
    plain('Side', 'side'),
    column('User', (row) =>
      row['user'] === null ? html`<span class="note">nobody\u2019s name</span>` : word(row['user']),
    ),
    column('Result', (row) =>
      row['result'] === 'in'
        ? pill('in', 'ok')
        : row['result'] === 'refused'
          ? pill('refused', 'critical')
          : pill('out'),
    ),
    plain('How', 'how'),
    column('By', (row) => html`${names(row['by'])}${small(word(row['acr']))}`),
    plain('Why', 'why'),
    column('From', (row) => mono(row['address'])),
    record,
  ],
  policies: [
    at('From', 'from'),
    column('To', (row) =>
      row['to'] === null ? html`${row['result'] === 'loaded' ? 'still in force' : ''}` : time(row['to']),
    ),
    column('Result', (row) =>
      row['result'] === 'loaded'
        ? pill(
            text(row['mode']) === 'observe' ? 'observed only' : 'enforced',
            row['mode'] === 'observe' ? 'critical' : 'ok',
          )
        : pill('refused: has faults', 'high'),
    ),
    column('Hash', (row) => twoLines(row['hash'])),
    column('File', (row) => mono(row['path'])),
    plain('Rules', 'rules', 'num'),
    plain('Loads', 'loads', 'num'),
    plain('Requests', 'requests', 'num'),
    record,
  ],
  permits: [
    column('Permit', (row) => html`${mono(row['id'])}${small(mono(row['request']))}`),
    column('For', who),
    column('Where', place),
    column('Shape', (row) => html`<code class="shape">${text(row['shape']) ?? ''}</code>`),
    column('Given by', (row) => names(row['by'])),
    at('Granted', 'granted'),
    at('Until', 'until'),
    column('Uses', (row) => html`${word(row['uses'])} of ${word(row['uses_max'])}`, 'num'),
    column('Rows', (row) => html`${word(row['rows'])}${small(html`at most ${word(row['rows_max'])} each`)}`, 'num'),
    column('Revoked', (row) => html`${time(row['revoked'])}${small(word(row['revoked_by']))}`),
  ],
  'break-glass': [
    column('Request', (row) => mono(row['request'])),
    plain('By', 'by'),
    at('When', 'at'),
    column('What, redacted', (row) => html`<code class="shape">${text(row['shape']) ?? ''}</code>`),
    column('Outcome', (row) => state(row['state'])),
    column('Reviewed by', (row) =>
      row['reviewed_by'] === null
        ? pill('nobody yet', 'critical')
        : html`<b>${text(row['reviewed_by']) ?? ''}</b>${small(time(row['reviewed']))}`,
    ),
    column('Somebody else', (row) =>
      row['separate'] === true ? pill('yes', 'ok') : row['separate'] === false ? pill('NO', 'critical') : NOTHING,
    ),
  ],
  statements: [
    at('When', 'time'),
    column('Kind', (row) =>
      pill(text(row['kind']) ?? '', row['kind'] === 'denied' || row['kind'] === 'refused' ? 'critical' : 'high'),
    ),
    column('Sent by', who),
    column('Where', place),
    column('What, redacted', what),
    column(
      'Rule',
      (row) =>
        html`${mono(row['rule'])}${small(html`${list(row['observed']).map((one) => html`${text(one['rule']) ?? ''} would ${text(one['verdict']) ?? ''} `)}`)}${small(mono(row['sqlstate']))}`,
    ),
    record,
  ],
  requesters: [
    column('Who', (row) => html`<b>${text(row['id']) ?? ''}</b>${small(word(row['kind']))}`),
    column('Sponsor', (row) => names(row['sponsors'])),
    column('Groups', (row) => names(row['groups'])),
    column('Proved by', (row) => names(row['authentication'])),
    plain('Sessions', 'sessions', 'num'),
    plain('Allowed', 'allowed', 'num'),
    plain('Stopped', 'stopped', 'num'),
    plain('Observed', 'observed', 'num'),
    plain('Requests', 'requests', 'num'),
    at('First', 'first'),
    at('Last', 'last'),
  ],
  guarded: [
    column('Server', (row) => mono(row['upstream'])),
    column('Database', (row) => mono(row['database'])),
    plain('Engine', 'engine'),
    column('Tags', (row) => facts(row['tags'])),
    plain('Sessions', 'sessions', 'num'),
    plain('Allowed', 'allowed', 'num'),
    plain('Stopped', 'stopped', 'num'),
    plain('Requests', 'requests', 'num'),
  ],
  administration: [
    at('When', 'time'),
    plain('By', 'by'),
    column('Act', (row) => mono(row['type'])),
    column('Facts', (row) => facts(row['facts'])),
    record,
  ],
  gaps: [
    column('Kind', (row) => pill(text(row['kind']) ?? '', GAP_TONES[text(row['kind']) ?? ''] ?? '')),
    column(
      'When',
      (row) => html`${time(row['time'])}${row['to'] === null ? NOTHING : html` to ${time(row['to'])}`}`,
      't',
    ),
    plain('What it means', 'says'),
    record,
  ],
};

const GAP_TONES: Readonly<Record<string, 'critical' | 'high'>> = {
  'not-verified': 'critical',
  overridden: 'critical',
  'observed-only': 'critical',
  unreadable: 'critical',
  'not-covered': 'high',
  'forwarding-stopped': 'high',
  removed: 'high',
  recovered: 'high',
  'clock-jumped': 'high',
  'clock-back': 'high',
  'text-deleted': 'high',
  'before-the-log': 'high',
};

/** One row as the page shows it. */
export function rowHtml(table: Exclude<TableName, 'controls'>, row: Fields): string {
  const cells = COLUMNS[table].map(
    ({ head, cell, kind }) => `<td${kind ? ` class="${kind}"` : ''} data-l="${head}">${cell(row).html}</td>`,
  );
  return `<tr>${cells.join('')}</tr>\n`;
}

function headHtml(table: Exclude<TableName, 'controls'>): string {
  const cells = COLUMNS[table].map(({ head, kind }) => `<th scope="col"${kind ? ` class="${kind}"` : ''}>${head}</th>`);
  return `<thead><tr>${cells.join('')}</tr></thead>`;
}

export function tableHtml(table: Exclude<TableName, 'controls'>, rows: string): string {
  return `<div class="wrap" tabindex="0" role="region" aria-label="${TABLES[table].title}"><table>${headHtml(table)}<tbody>\n${rows}</tbody></table></div>\n`;
}

/** What every page of a folder begins and ends with. */
export function shell(title: string, body: string): string {
  const sha256 = createHash('sha256').update(STYLE).digest('base64');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${sha256}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer"><title>${drawn(title).html}</title><style>${STYLE}</style></head>
<body>${body}</body></html>
`;
}

const LOGO =
  '<div class="brand"><svg viewBox="0 0 20 20" fill="none" aria-hidden="true"><path d="M3 2v16M7.5 2v16" stroke="currentColor" stroke-width="2.4"/><path d="M12.5 2v16M17 2v16" stroke="currentColor" stroke-width="2.4" stroke-dasharray="4 2"/></svg>Holdpoint</div>';

/** Rows of one table beyond those on the first page. */
export function morePage(table: Exclude<TableName, 'controls'>, number: number, period: string, rows: string): string {
  const { title } = TABLES[table];
  return shell(
    `${title}, page ${number}`,
    `<header class="top">${LOGO}<h1>${title}, page ${number}</h1><p class="lead">Holdpoint evidence, ${period}. <a href="../index.html#${table}">Back to the first page</a></p></header><main>${tableHtml(table, rows)}</main>`,
  );
}

export interface Shown {
  readonly count: number;
  /** Rows of the first page, as HTML. */
  readonly rows: string;
  /** Files with the others. */
  readonly more: readonly string[];
}

export interface PageFacts {
  readonly period: { readonly from: string; readonly to: string };
  readonly made: string;
  readonly version: string;
  readonly log: string;
  readonly alerts: readonly {
    readonly tone: 'critical' | 'high' | 'ok';
    readonly title: string;
    readonly lines: readonly string[];
  }[];
  readonly tiles: readonly (readonly [string, number])[];
  readonly verification: readonly (readonly [string, string])[];
  readonly text: string;
  readonly tables: Readonly<Record<Exclude<TableName, 'controls'>, Shown>>;
  readonly controls: readonly Fields[];
  readonly unproved: readonly string[];
}

const ORDER: readonly Exclude<TableName, 'controls'>[] = [
  'guarded',
  'requests',
  'duty',
  'refusals',
  'reviewers',
  'sign-ins',
  'policies',
  'permits',
  'break-glass',
  'statements',
  'requesters',
  'administration',
  'gaps',
];

/** Whole days by their first and last, else as it was given. */
export function periodText({ from, to }: PageFacts['period']): string {
  const whole = [from, to].every((one) => one.endsWith('T00:00:00.000Z'));
  if (!whole) return `${from} to ${to}`;
  const last = new Date(Date.parse(to) - 1).toISOString().slice(0, 10);
  return from.startsWith(last) ? last : `${from.slice(0, 10)} to ${last}`;
}

/** The page in pieces, so that it is never in memory as one more copy. */
export function* indexPage(facts_: PageFacts): Generator<string> {
  const { period, made, version, log, alerts, tiles, verification, tables, controls } = facts_;
  const [head = '', tail = ''] = shell(`Holdpoint evidence, ${periodText(period)}`, '\u0000').split('\u0000');
  yield head;
  yield html`<header class="top">${{ html: LOGO }}<h1>Evidence, ${periodText(period)}</h1>
<p class="lead">What was asked of the guarded databases, who decided, and what ran, out of the audit log ${log}. From ${period.from} up to, and not including, ${period.to}; times are UTC. Made ${made} by Holdpoint ${version}, which only read the log.</p>
${alerts.map(({ tone, title, lines }) => html`<div class="alert ${{ html: tone }}"><p><b>${title}</b></p>${lines.map((line) => html`<p>${line}</p>`)}</div>`)}
<nav aria-label="Contents"><ol>${[['summary', 'Summary'], ['verification', 'Verification'], ...ORDER.map((one) => [one, TABLES[one].title]), ['controls', TABLES.controls.title], ['files', 'Files and proofs']].map(([id = '', title = '']) => html`<li><a href="#${{ html: id }}">${title}</a></li>`)}</ol></nav></header><main>
<h2 id="summary">Summary</h2><dl class="tiles">${tiles.map(([title, value]) => html`<div><dt>${title}</dt><dd>${figure(value)}</dd></div>`)}</dl><p class="note">${facts_.text}</p>
<h2 id="verification">Verification</h2><dl class="facts">${verification.map(([title, value]) => html`<dt>${title}</dt><dd>${value.includes('\n') ? html`<pre>${value.trimEnd()}</pre>` : drawn(value)}</dd>`)}</dl>
<p class="note">What this proves, and what it does not, is in Files and proofs below.</p>
`.html;
  for (const name of ORDER) {
    const { title, what: says } = TABLES[name];
    const { count: rows, rows: shown, more } = tables[name];
    yield html`<h2 id="${{ html: name }}">${title}</h2><p class="lead">${says} <a href="${{ html: name }}.json">${name}.json</a></p>\n`
      .html;
    yield rows === 0 ? '<p class="none">None on record in this period.</p>\n' : tableHtml(name, shown);
    if (more.length > 0) {
      yield html`<p>${figure(rows)} rows; the first ${figure(page_rows_max)} are above, the others on ${more.length} more pages: `
        .html;
      yield more.map((file, index) => `<a href="${file}">${index + 2}</a>`).join(' ');
      yield '</p>\n';
    }
  }
  yield* controlsHtml(controls);
  yield filesHtml(facts_);
  yield `</main><footer><p>Made from the log alone. Names of SQL objects and people are as the log has them; nothing in a statement is interpreted.</p></footer>${tail}`;
}

function* controlsHtml(controls: readonly Fields[]): Generator<string> {
  yield html`<h2 id="controls">${TABLES.controls.title}</h2><p class="lead">${TABLES.controls.what} <a href="controls.json">controls.json</a></p>\n`
    .html;
  for (const framework of FRAMEWORKS) {
    yield html`<h3>${framework}</h3>`.html;
    const fedramp = framework.startsWith('NIST');
    if (fedramp)
      yield '<p class="note">FedRAMP Moderate and High are profiles of these controls: the column says which of the two has each. AC-3(2) is in neither.</p>';
    if (framework === 'SOC 2')
      yield '<p class="note">The criteria have no titles; the words beside their numbers are ours.</p>';
    yield `<div class="wrap" tabindex="0" role="region" aria-label="${framework}"><table><thead><tr><th scope="col">Control</th>${fedramp ? '<th scope="col">FedRAMP</th>' : ''}<th scope="col">What the records show</th><th scope="col">Records of the period</th><th scope="col">What Holdpoint does not show</th></tr></thead><tbody>`;
    for (const row of controls.filter((one) => one['framework'] === framework)) yield controlHtml(row, fedramp);
    yield '</tbody></table></div>\n';
  }
}

function controlHtml(row: Fields, fedramp: boolean): string {
  const evidence = list(row['evidence']).filter((one) => (count(one['count']) ?? 0) > 0);
  const shown = evidence.map((one) => {
    const [first, last] = [fields(one['first']), fields(one['last'])];
    const [from, to] = [figure(count(first['record']) ?? 0), figure(count(last['record']) ?? 0)];
    const [since, until] = [first, last].map((seen) => (text(seen['time']) ?? '').slice(0, 10));
    const range = `${from === to ? `record ${from}` : `records ${from} to ${to}`}, ${since === until ? since : `${since} to ${until}`}`;
    return html`<div>${figure(count(one['count']) ?? 0)} <span class="mono">${text(one['what']) ?? ''}</span><small>${range}</small></div>`;
  });
  const links = texts(row['tables']).map((name) => html`<a href="#${{ html: name }}">${name}</a> `);
  const known = CONTROLS.find(({ framework, id }) => framework === row['framework'] && id === row['id']);
  const none =
    (known?.records.length ?? 0) === 0 ? html`This folder itself.` : html`<b>No record of this period shows it.</b>`;
  const profile = fedramp ? html`<td data-l="FedRAMP">${texts(row['fedramp']).join(', ') || 'neither'}</td>` : NOTHING;
  return html`<tr><td data-l="Control"><b>${text(row['id']) ?? ''}</b><small>${text(row['title']) ?? ''}</small></td>${profile}<td data-l="What the records show">${text(row['shows']) ?? ''}<small>${links}</small></td><td data-l="Records of the period">${shown.length === 0 ? none : shown}</td><td data-l="What Holdpoint does not show">${text(row['not_shown']) ?? ''}</td></tr>\n`
    .html;
}

function filesHtml({ unproved }: PageFacts): string {
  return html`<h2 id="files">Files and proofs</h2>
<p>Every table is a JSON file of this folder, one row a line; <a href="README.txt">README.txt</a> says what each field means. <a href="records.jsonl">records.jsonl</a> has the records that the tables rest on, byte for byte, sealed texts still sealed; <code>proof.jsonl</code> leads all of them to the checkpoint, and <code>receipts/</code> has one file for each decided request where they are not too many. <a href="manifest.json">manifest.json</a> has the SHA-256 of each file.</p>
<pre>holdpoint audit verify . --key KEY          # this folder: its files, and its records against the signed checkpoint
holdpoint audit verify receipts/HP-....json --key KEY
python3 verify.py evidence . KEY            # the same with another program, from the documentation of Holdpoint</pre>
<p><b>Take KEY from whoever gave it to you before</b>, not from this folder. The proof shows that these records are in the log that the checkpoint signs, unchanged. It does not show that the log has no other ones, that the tables say what the records say (make them anew from a copy of the log to see that), that the machine\u2019s clock was right, or that nobody with the key and the machine wrote another history before its checkpoints went elsewhere.</p>
${unproved.map((line) => html`<p>${line}</p>`)}`.html;
}
