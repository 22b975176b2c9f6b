// A whole policy in mode observe: nothing is held or denied, and what would have been is told with its rule.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../../src/sql/findings.ts';
import { observing } from '../../../src/policy/observe.ts';
import { analysis, policy, question, unparsed } from './made.ts';

const POLICY = `version: 1
default: allow
rules:
  - {id: no-ddl, when: stmt.does("ddl"), then: deny}
  - {id: exports, when: stmt.does("export"), then: hold}
  - {id: watched, when: stmt.writes_all_rows, then: deny, mode: observe}
  - {id: few, when: stmt.does("read"), limit: {rows: 3, then: deny}}
`;
const of = async (text = POLICY) => observing(await policy(text));

describe('observing', () => {
  it('lets through what would be denied or held, and names the rule that would', async () => {
    const made = await of();
    expect(made.judge(question(analysis([{ action: 'ddl' }])))).toMatchObject({
      verdict: 'allow',
      rule: 'no-ddl',
      ask: null,
      observed: [{ rule: 'no-ddl', verdict: 'deny' }],
    });
    expect(made.judge(question(analysis([{ action: 'export' }], {}, { writes_all_rows: true })))).toMatchObject({
      verdict: 'allow',
      ask: null,
      observed: [
        { rule: 'watched', verdict: 'deny' },
        { rule: 'exports', verdict: 'hold' },
      ],
    });
  });

  it('observes limits', async () => {
    const got = (await of()).judge(question(analysis([{ action: 'read' }])));
    expect(got).toMatchObject({ verdict: 'allow', observed: [], limits: [{ rule: 'few', observe: true }] });
  });

  it('leaves nothing of a limit on what would be held', async () => {
    const got = (await of()).judge(question(analysis([{ action: 'export' }, { action: 'read' }])));
    expect(got).toMatchObject({ verdict: 'allow', limits: [], observed: [{ rule: 'exports', verdict: 'hold' }] });
  });

  it.each([
    ['unknown', analysis([{ action: 'unknown' }]), 'hold'],
    ['unresolved', analysis([{ action: 'read', unresolved: true }]), 'hold'],
    ['code', analysis([{ action: 'code' }]), 'hold'],
    ['unparsed', unparsed(), 'deny'],
  ] as const)('observes what no rule is about: %s', async (rule, analysed, verdict) => {
    const got = (await of()).judge(question(analysed));
    expect(got).toMatchObject({ verdict: 'allow', rule, observed: [{ rule, verdict }] });
  });

  it('observes the default', async () => {
    const got = (await of('version: 1\ndefault: deny\n')).judge(question(analysis([{ action: 'read' }])));
    expect(got).toMatchObject({ verdict: 'allow', observed: [{ rule: 'default', verdict: 'deny' }] });
  });

  it('changes nothing of what is allowed, nor of what the file says', async () => {
    const enforced = await policy(POLICY);
    const made = observing(enforced);
    const asked = question(analysis([{ action: 'settings' }]));
    expect(made.judge(asked)).toEqual(enforced.judge(asked));
    expect(made).toMatchObject({ hash: enforced.hash, rules: 4, reviewers: {}, file: enforced.file });
  });

  it('stops nothing, and tells the very verdict that it would have been', async () => {
    const enforced = await policy(POLICY);
    const made = observing(enforced);
    const analyses = fc
      .record({ actions: fc.subarray([...ACTIONS]), unresolved: fc.boolean(), all: fc.boolean(), hidden: fc.boolean() })
      .map(({ actions, unresolved, all, hidden }) =>
        analysis(
          actions.map((action, i) => ({ action, ...(unresolved && i === 0 ? { unresolved } : {}) })),
          {},
          { writes_all_rows: all, hidden_writes: hidden },
        ),
      );
    fc.assert(
      fc.property(analyses, (analysed) => {
        const asked = question(analysed);
        const [would, does] = [enforced.judge(asked), made.judge(asked)];
        expect(does).toMatchObject({ verdict: 'allow', ask: null, rule: would.rule });
        expect(does.limits.every(({ observe }) => observe)).toBe(true);
        const { rule, verdict } = would;
        expect(does.observed).toEqual(verdict === 'allow' ? would.observed : [...would.observed, { rule, verdict }]);
      }),
    );
  });
});
