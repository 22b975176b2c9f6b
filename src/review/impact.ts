// What a statement would touch, in words: the same on the card and in a terminal. Numbers are rounded, since they are estimates.
// Names come from the database, where an agent may have made them: they leave here spelled out.
import type { Impact, RowsImpact, TableImpact } from '../sql/impact.ts';
import type { RequestLike } from './ports.ts';
import type { ImpactView } from './schemas.ts';
import { spell } from './words.ts';

type Fact = ImpactView['facts'][number];

const UNSEEN = 'Not seen: temporary tables, uncommitted rows.';

export function impactOf(request: RequestLike): ImpactView | null {
  const { impact } = request;
  if (!impact) return null;
  const names = (list: readonly string[]): string[] => list.map(spell);
  const tables = impact.tables.map((table) => ({
    ...table,
    name: spell(table.name),
    by: names(table.by),
    users: names(table.users),
    triggers: names(table.triggers),
  }));
  const rows = impact.rows.map((row) => ({ ...row, object: spell(row.object) }));
  const exports = request.findings.some(({ action }) => action === 'export');
  return {
    amount: amountOf(impact),
    facts: [...rows.map((row) => rowsFact(row, tables, exports)), ...FACTS.flatMap((fact) => fact(tables))],
    notes: [...names(impact.notes), UNSEEN],
    rows,
    tables,
  };
}

function amountOf(impact: Impact): string {
  const most = Math.max(...impact.rows.map(({ rows }) => rows));
  return most >= 0 ? about(most) : '';
}

const TERMS: Readonly<Record<RowsImpact['does'], readonly [term: string, of: string]>> = {
  returns: ['Returns', ''],
  inserts: ['Adds', 'to'],
  updates: ['Updates', 'of'],
  deletes: ['Deletes', 'of'],
  merges: ['Merges', 'into'],
};
const COUNTED = 'when it was last analysed';

function rowsFact(
  { does, object, rows, bytes, from }: RowsImpact,
  tables: readonly TableImpact[],
  exports: boolean,
): Fact {
  const [term, of] = TERMS[does];
  const whole = of === 'of' && (tables.find(({ name }) => name === object)?.rows ?? Infinity) <= rows;
  const target = object === '' ? '' : whole ? `, all of ${object}` : ` ${of} ${object}`;
  const rest = [...(bytes === null ? [] : [size(bytes)]), ...(from === 'statistics' ? [COUNTED] : [])];
  return {
    term: does === 'returns' && exports ? 'Leaves' : term,
    lines: [{ main: about(rows), rest: [target, ...rest].join(', ') }],
  };
}

/** Nothing, where there is nothing to say. */
const fact = (term: string, lines: readonly { main: string; rest: string }[]): Fact[] =>
  lines.length === 0 ? [] : [{ term, lines: [...lines] }];

const FACTS: readonly ((tables: readonly TableImpact[]) => Fact[])[] = [
  (tables) =>
    fact(
      'Tables',
      tables.filter(({ rows, bytes, by }) => rows !== null || bytes !== null || by.length > 0).map(tableLine),
    ),
  (tables) => fact('Locks', lockLines(tables)),
  (tables) =>
    fact(
      'In use',
      tables
        .filter(({ sessions }) => sessions > 0)
        .map(({ name, sessions, users }) => ({
          main: '',
          rest: `${name} by ${sessions} other session${sessions === 1 ? '' : 's'}${users.length > 0 ? ` (${users.join(', ')})` : ''}`,
        })),
    ),
  (tables) =>
    fact(
      'Triggers',
      tables
        .filter(({ triggers }) => triggers.length > 0)
        .map(({ name, triggers }) => ({ main: '', rest: `${triggers.join(', ')} on ${name}` })),
    ),
];

function tableLine({ name, rows, bytes, by }: TableImpact): { main: string; rest: string } {
  // Which index is in `tables`: a card has one line for it.
  const how = [...new Set(by.map((index) => (index === '' ? ' whole' : ' by index')))].join(' and');
  // Where there is a plan, its own count says more than the table's.
  const count = rows === null || by.length > 0 ? [] : [about(rows)];
  return { main: '', rest: [`${name}${how}`, ...count, ...(bytes === null ? [] : [size(bytes)])].join(', ') };
}

/** Manual 13.3.1: what waits while the lock is held, which is until the transaction ends. Weaker ones stop no reader and no writer. */
const BLOCKS: Readonly<Record<string, string>> = {
  'SHARE UPDATE EXCLUSIVE': 'blocks no reader or writer, only maintenance',
  SHARE: 'blocks writers',
  'SHARE ROW EXCLUSIVE': 'blocks writers',
  EXCLUSIVE: 'blocks writers',
  'ACCESS EXCLUSIVE': 'blocks every reader and writer',
};

function lockLines(tables: readonly TableImpact[]): { main: string; rest: string }[] {
  const strong = tables.flatMap(({ name, lock }) => {
    const blocks = lock === null ? undefined : BLOCKS[lock];
    return blocks === undefined ? [] : [{ main: `${lock}`, rest: ` on ${name}: ${blocks}` }];
  });
  if (strong.length > 0) return strong;
  if (tables.some(({ lock }) => lock === 'ROW EXCLUSIVE'))
    return [{ main: '', rest: 'blocks no reader; writers of the same rows wait' }];
  return tables.some(({ lock }) => lock !== null) ? [{ main: '', rest: 'blocks no reader or writer' }] : [];
}

/** Four digits that count: more would be a lie. */
function about(rows: number): string {
  const rounded = Number(Math.max(0, rows).toPrecision(4));
  return `about ${rounded.toLocaleString('en-US')} row${rounded === 1 ? '' : 's'}`;
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** In steps of 1000. */
function size(bytes: number): string {
  const step = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value < 10 && step > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[step]}`;
}
