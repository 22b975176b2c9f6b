// Random conversations as fast-check arbitraries: a list of units, each a few protocol messages that belong together or that do not.
// What a failure shrinks to is such a list; `steps` says what it is on the wire.
import fc from 'fast-check';
import { COPY_DATA, SET_TRANSACTION, SORTS, type Sort, type Text } from './language.ts';

export type Step =
  | { readonly say: 'Query'; readonly texts: readonly Text[] }
  | { readonly say: 'Parse'; readonly name: string; readonly text: Text }
  | {
      readonly say: 'Bind';
      readonly portal: string;
      readonly name: string;
      readonly values: readonly (string | null)[];
      readonly binary: boolean;
    }
  | { readonly say: 'Describe' | 'Close'; readonly kind: 'S' | 'P'; readonly name: string }
  | { readonly say: 'Execute'; readonly portal: string; readonly rows: number }
  | { readonly say: 'CopyData'; readonly data: string }
  | { readonly say: 'CopyDone' | 'CopyFail' | 'Flush' | 'FunctionCall' }
  /** `inCopy`: behind the Execute of a COPY FROM STDIN, as libpq sends it: ignored if the COPY has begun. */
  | { readonly say: 'Sync'; readonly inCopy?: boolean }
  /** The client reads until it is owed nothing. */
  | { readonly say: 'wait' };

type Unit = readonly Step[];

/** Sorts of statements that fit a Query of their own, a part of a batch, or a Parse. */
const WEIGHTS = {
  single: {
    discard: 1,
    read: 3,
    write: 5,
    fail: 2,
    unparsed: 1,
    control: 9,
    settings: 3,
    dynamic: 3,
    cursor: 3,
    copyOut: 1,
    execute: 2,
    refused: 6,
  },
  batch: {
    discard: 0,
    read: 2,
    write: 4,
    fail: 1,
    unparsed: 1,
    control: 5,
    settings: 1,
    dynamic: 2,
    cursor: 1,
    copyOut: 1,
    execute: 0,
    refused: 2,
  },
  extended: {
    discard: 0,
    read: 5,
    write: 5,
    fail: 2,
    unparsed: 1,
    control: 4,
    settings: 2,
    dynamic: 5,
    cursor: 1,
    copyOut: 1,
    execute: 1,
    refused: 5,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<Sort, number>>>>;

const text = (weights: Readonly<Record<Sort, number>>): fc.Arbitrary<Text> =>
  fc.oneof(
    ...(Object.keys(SORTS) as Sort[])
      .filter((sort) => weights[sort] > 0)
      .map((sort) => ({
        weight: weights[sort],
        arbitrary: fc.constantFrom<Text>(...SORTS[sort]),
      })),
  );

const NAMES = ['', '', 's1', 's2'];
const name = fc.constantFrom(...NAMES);
const PORTALS = ['', '', 'p1'];
const portal = fc.constantFrom(...PORTALS);
const rows = fc.constantFrom(0, 0, 1, 2);
const sync: Step = { say: 'Sync' };
const wait: Step = { say: 'wait' };
const flush: Step = { say: 'Flush' };

const parse = (of: string, what: Text): Step => ({ say: 'Parse', name: of, text: what });
const execute = (of: string, limit: number): Step => ({ say: 'Execute', portal: of, rows: limit });
const bindOf = (to: fc.Arbitrary<string>, of: fc.Arbitrary<string>): fc.Arbitrary<Step> =>
  fc.record({
    say: fc.constant('Bind' as const),
    portal: to,
    name: of,
    values: fc.constantFrom<readonly (string | null)[]>([], [], ['1'], ['1'], ['x'], [null]),
    binary: fc.boolean(),
  });
const fitting = (to: string, of: string, { sql }: Text): Step => ({
  say: 'Bind',
  portal: to,
  name: of,
  values: sql.includes('$1') ? ['1'] : [],
  binary: false,
});

const single: fc.Arbitrary<Unit> = text(WEIGHTS.single).map((one) => [{ say: 'Query', texts: [one] }]);
const batch: fc.Arbitrary<Unit> = fc
  .array(text(WEIGHTS.batch), { minLength: 2, maxLength: 4 })
  .map((many) => [{ say: 'Query', texts: many }]);
const whole: fc.Arbitrary<Unit> = fc
  .tuple(name, portal, text(WEIGHTS.extended), rows, fc.constantFrom('none', 'statement', 'portal'))
  .map(([s, p, what, limit, describe]) => [
    // A name that is taken fails; a driver closes it first.
    ...(s === '' ? [] : [{ say: 'Close', kind: 'S', name: s } as const]),
    parse(s, what),
    ...(describe === 'statement' ? [{ say: 'Describe', kind: 'S', name: s } as const] : []),
    fitting(p, s, what),
    ...(describe === 'portal' ? [{ say: 'Describe', kind: 'P', name: p } as const] : []),
    execute(p, limit),
  ]);
const again: fc.Arbitrary<Unit> = fc
  .tuple(bindOf(portal, name), rows)
  .map(([bound, limit]) => [bound, execute((bound as { portal: string }).portal, limit)]);
const piece: fc.Arbitrary<Unit> = fc
  .oneof(
    fc.tuple(name, text(WEIGHTS.extended)).map(([s, what]) => parse(s, what)),
    bindOf(portal, name),
    fc.tuple(portal, rows).map(([p, limit]) => execute(p, limit)),
    fc.record({
      say: fc.constantFrom('Describe' as const, 'Close' as const),
      kind: fc.constant('S' as const),
      name,
    }),
    fc.record({
      say: fc.constantFrom('Describe' as const, 'Close' as const),
      kind: fc.constant('P' as const),
      name: portal,
    }),
    fc.constantFrom<Step>({ say: 'CopyData', data: '9\tnobody asked\n' }, { say: 'CopyDone' }, { say: 'CopyFail' }),
  )
  .map((step) => [step]);
const copyData: fc.Arbitrary<Unit> = fc
  .tuple(
    fc.array(fc.constantFrom(...COPY_DATA), { maxLength: 3 }),
    fc.constantFrom<Step>({ say: 'CopyDone' }, { say: 'CopyDone' }, { say: 'CopyFail' }),
  )
  .map(([data, end]) => [...data.map((line) => ({ say: 'CopyData', data: line }) as const), end]);
const COPY_IN: Text = { sql: 'COPY public.a FROM STDIN', refused: false, parses: true };
const copyQuery: fc.Arbitrary<Unit> = fc
  .tuple(
    fc.array(text(WEIGHTS.batch), { maxLength: 1 }),
    fc.array(text(WEIGHTS.batch), { maxLength: 1 }),
    fc.boolean(),
    copyData,
  )
  .map(([before, after, waits, data]) => [
    { say: 'Query', texts: [...before, COPY_IN, ...after] },
    ...(waits ? [wait] : []),
    ...data,
  ]);
const copyExtended: fc.Arbitrary<Unit> = fc
  .tuple(fc.constantFrom<Unit>([], [flush, wait], [{ say: 'Sync', inCopy: true }]), copyData)
  // Under a name of its own: bound again, it would take whatever comes next for data.
  .map(([behind, data]) => [
    { say: 'Close', kind: 'S', name: 'copy' },
    parse('copy', COPY_IN),
    fitting('', 'copy', COPY_IN),
    execute('', 0),
    ...behind,
    ...data,
    sync,
  ]);

const begun: fc.Arbitrary<Unit> = fc.constantFrom('BEGIN', 'BEGIN READ ONLY').map((sql) => [
  sync,
  ...[sql, SET_TRANSACTION].flatMap((one): Unit => {
    const what = { sql: one, refused: false, parses: true };
    return [{ say: 'Parse', name: '', text: what }, fitting('', '', what), execute('', 0)];
  }),
]);

const unit: fc.Arbitrary<Unit> = fc.oneof(
  { weight: 10, arbitrary: single },
  { weight: 3, arbitrary: batch },
  { weight: 9, arbitrary: whole },
  { weight: 4, arbitrary: again },
  { weight: 5, arbitrary: piece },
  { weight: 5, arbitrary: fc.constantFrom<Unit>([sync], [sync], [sync, wait], [flush], [flush, wait]) },
  { weight: 1, arbitrary: begun },
  { weight: 1, arbitrary: copyQuery },
  { weight: 1, arbitrary: copyExtended },
  { weight: 1, arbitrary: fc.constant<Unit>([{ say: 'FunctionCall' }]) },
);

/**
 * `queryBehindUnsynced`: a Query may follow messages that no Sync has ended. Not on PostgreSQL 18, where the Query leaves the implicit block
 * open and the Sync then leaves the server in a state in which the next Query fails (XX000, "unexpected state STARTED").
 */
export const sequence = ({
  queryBehindUnsynced,
}: {
  readonly queryBehindUnsynced: boolean;
}): fc.Arbitrary<readonly Step[]> =>
  fc.array(unit, { minLength: 2, maxLength: 20, size: 'max' }).map((units) => {
    const steps: Step[] = [];
    let unsynced = false;
    let queried = false;
    let moved = false;
    let unnamed = true;
    for (const given of units.flat()) {
      const step =
        unnamed || !onUnnamedPortal(given)
          ? given
          : { ...given, ...(given.say === 'Execute' ? { portal: 'p1' } : { name: 'p1' }) };
      const simple = step.say === 'Query' || step.say === 'FunctionCall';
      if (
        unsynced &&
        ((simple && (!queryBehindUnsynced || says(step, 'BEGIN'))) || (says(step, 'ISOLATION LEVEL') && !begins(steps)))
      )
        steps.push({ ...sync });
      // The server analyses anew what it describes under another path; Holdpoint lets it tell columns, of evil.d too.
      moved ||= says(step, 'search_path');
      if (moved && step.say === 'Describe' && step.kind === 'S' && steps.at(-1)?.say !== 'Parse') continue;
      if (simple || step.say === 'Sync') unsynced = false;
      else if (!step.say.startsWith('Copy') && step.say !== 'wait' && step.say !== 'Flush') unsynced = true;
      if (step.say === 'Query') queried = true;
      if (queried && (step.say === 'Query' || step.say === 'Sync')) unnamed = false;
      if (step.say === 'Bind' && step.portal === '') unnamed = true;
      // Each an object of its own: what becomes of one is nothing to the other.
      steps.push({ ...step });
    }
    return [...steps, sync, wait];
  });

/** What was said last is a BEGIN of the same pipeline, right behind a Sync. */
const begins = (steps: readonly Step[]): boolean => {
  const [before, parsed] = steps.slice(-4);
  return before?.say === 'Sync' && parsed?.say === 'Parse' && says(parsed, 'BEGIN');
};
/**
 * A Query that fails in a block leaves an unnamed portal behind, whose memory is freed: executing it reads that (it ends PostgreSQL 18 with
 * a segmentation fault). Only one that was bound since is asked for.
 */
const onUnnamedPortal = (step: Step): boolean =>
  step.say === 'Execute' ? step.portal === '' : step.say === 'Describe' && step.kind === 'P' && step.name === '';

const says = (step: Step, what: string): boolean =>
  (step.say === 'Query' ? step.texts : step.say === 'Parse' ? [step.text] : []).some(({ sql }) => sql.includes(what));
export const usesExecute = (steps: readonly Step[]): boolean => steps.some((step) => says(step, 'EXECUTE'));

export const printStep = (step: Step): string => {
  switch (step.say) {
    case 'Query':
      return `Query ${JSON.stringify(step.texts.map(({ sql }) => sql).join('; '))}`;
    case 'Parse':
      return `Parse ${JSON.stringify(step.name)} ${JSON.stringify(step.text.sql)}`;
    case 'Bind':
      return `Bind ${JSON.stringify(step.portal)} ${JSON.stringify(step.name)} ${JSON.stringify(step.values)}${step.binary ? ' [1]' : ''}`;
    case 'Execute':
      return `Execute ${JSON.stringify(step.portal)} ${step.rows}`;
    case 'Describe':
    case 'Close':
      return `${step.say} ${step.kind} ${JSON.stringify(step.name)}`;
    case 'CopyData':
      return `CopyData ${JSON.stringify(step.data)}`;
    default:
      return step.say;
  }
};
