// What a fuzzed client says: any messages in any order, with few names, so that they meet.
import { SAY } from '../transcripts/client.ts';

export interface Said {
  readonly type: string;
  readonly bytes: Buffer;
  readonly text: string;
}

/** Conversations differ in what they are about, so that what belongs together meets. */
const ABOUT = ['anything', 'anything', 'names', 'settings', 'settings', 'portals', 'copy'] as const;

type Chance = () => number;

/** 'plain': what is allowed only. */
export const generate = (chance: Chance, kind: 'plain' | 'all'): (Said | 'wait')[] => {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T;
  let unique = 0;
  const about = pick(kind === 'all' ? ABOUT : ABOUT.filter((one) => one !== 'names' && one !== 'portals'));
  const statement = (nested = false): string => {
    const n = ++unique;
    const name = pick(['s', 't', 'u']);
    const simple = [`SELECT ${n}`, `WRITE ${n}`, 'READ 1', `READ ${n}`, `MANY ${n}`];
    const controls = ['BEGIN', 'COMMIT', 'ROLLBACK'];
    const settings = ['SET evil', 'SET public', 'SETL evil', 'SETL public', `FLIP ${n}`];
    const failing = [`ERR ${n}`, `PERR ${n}`];
    const risky = [`HOLD ${n}`, 'HOLD 1', `HARD ${n}`, `DENY ${n}`];
    const names = nested ? [] : [`PREP ${name} ${statement(true)}`, `DEAL ${name}`, `EXEC ${name}`, `EXEC ${name}`];
    if (nested) return pick(simple);
    if (about === 'names') return pick([...simple, ...risky, ...risky, ...failing, `EXEC ${name}`]);
    if (about === 'portals')
      return pick([`MANY ${n}`, `READ ${n}`, `READ ${n}`, 'SETL public', `HARD ${n}`, 'BEGIN', 'ROLLBACK']);
    if (about === 'settings') return pick([`READ ${n}`, `READ ${n}`, ...controls, ...settings, failing[0] as string]);
    if (about === 'copy') return pick([...simple, `COPYIN ${n}`, `COPYIN ${n}`, failing[0] as string]);
    return pick([
      ...simple,
      ...simple,
      ...controls,
      ...failing,
      ...(chance() < 0.5 ? settings : []),
      ...(kind === 'all' ? [...risky, ...risky, 'garbage'] : []),
      ...(chance() < 0.5 && kind === 'all' ? names : []),
      ...(chance() < 0.2 ? [`COPYIN ${n}`] : []),
      ...(chance() < 0.2 && kind === 'all' ? [`OWN w${n}`] : []),
    ]);
  };
  const said = (type: string, text: string, bytes: Buffer): Said => ({ type, text, bytes });
  const query = (): Said => {
    const count = chance() < 0.7 ? 1 : 1 + Math.floor(chance() * 3);
    const text = [...new Set(Array.from({ length: count }, () => statement()))].join('; ');
    return said('Q', `Query ${text}`, SAY.Query(text));
  };
  const name = (): string => pick(['', '', 's', 't']);
  const portal = (): string => pick(about === 'portals' ? ['p', 'q'] : ['', '', 'p']);
  const one = (): Said[] => {
    const s = name();
    const p = portal();
    const text = statement();
    const parse = said('P', `Parse ${s} ${text}`, SAY.Parse(s, text));
    const bind = said('B', `Bind ${p} ${s}`, SAY.Bind(p, s));
    const execute = said('E', `Execute ${p}`, SAY.Execute(p));
    const describe = said('D', `Describe S ${s}`, SAY.Describe('S', s));
    const close = said('C', `Close S ${s}`, SAY.Close('S', s));
    const sync = said('S', 'Sync', SAY.Sync());
    const closePortal = said('C', `Close P ${p}`, SAY.Close('P', p));
    if (about === 'names')
      return pick<Said[]>([
        [parse],
        [parse],
        [close, parse],
        // A name that is made anew behind an error still means what it meant before.
        [said('P', 'Parse u PERR', SAY.Parse('u', 'PERR')), close, parse, sync, bind, execute],
        [bind, execute],
        [bind, execute],
        [bind],
      ]);
    // A portal or statement lives on and is met by settings that came later.
    if (about === 'portals') {
      const set = pick(['SETL evil', 'SETL public']);
      const change = [
        said('P', `Parse  ${set}`, SAY.Parse('', set)),
        said('B', 'Bind  ', SAY.Bind('', '')),
        said('E', 'Execute ', SAY.Execute('')),
      ];
      const made = [close, parse, closePortal, bind];
      return pick<Said[]>([[...made, ...change, execute], [close, parse, ...change, describe], made, [execute]]);
    }
    if (about === 'settings') return [parse, bind, execute];
    const copy = [said('d', 'CopyData', SAY.CopyData('1')), said('c', 'CopyDone', SAY.CopyDone())];
    return pick<Said[]>([
      [parse, bind, execute],
      [parse, bind, execute],
      [parse, describe, bind, execute],
      [parse],
      [parse, describe],
      [bind],
      [bind, execute],
      [execute],
      [describe],
      [said('D', `Describe P ${p}`, SAY.Describe('P', p))],
      [close],
      [closePortal],
      [said('H', 'Flush', SAY.Flush())],
      copy,
      ...(about === 'copy' ? [copy, copy, copy, copy, copy, copy] : []),
      [said('f', 'CopyFail', SAY.CopyFail('no'))],
    ]);
  };
  const script: (Said | 'wait')[] = about === 'portals' ? [said('Q', 'Query BEGIN', SAY.Query('BEGIN'))] : [];
  const units = 2 + Math.floor(chance() * 10);
  for (let unit = 0; unit < units; unit++) {
    if (chance() < 0.4) script.push(query());
    else {
      for (let left = 1 + Math.floor(chance() * 4); left > 0; left--) script.push(...one());
      if (chance() < 0.9) script.push(said('S', 'Sync', SAY.Sync()));
    }
    if (chance() < 0.3) script.push('wait');
  }
  script.push(said('S', 'Sync', SAY.Sync()));
  return script;
};
