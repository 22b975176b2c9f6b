import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { DEFAULT_ASK } from '../../../src/policy/judge.ts';
import type { SessionView } from '../../../src/policy/types.ts';
import { ACTIONS, type Analysis, type Effect } from '../../../src/sql/findings.ts';
import { analysis, type Circumstances, type FindingLike, finding, policy, question, unparsed } from './made.ts';

const HEAD = 'version: 1\ndefault: allow\n';
const exportOf = (object: string): FindingLike => ({ action: 'export', object });

const rules = (...thens: string[]) =>
  thens.map((then, i) => `  - {id: r${i}, when: stmt.does("export"), then: ${then}}`).join('\n');

describe('the strictest verdict wins', () => {
  test.each([
    ['allow', [], 'allow', 'default'],
    ['hold', [], 'hold', 'default'],
    ['deny', [], 'deny', 'default'],
    ['deny', ['allow'], 'allow', 'r0'],
    ['hold', ['allow', 'hold'], 'hold', 'r1'],
    ['allow', ['hold', 'deny', 'hold'], 'deny', 'r1'],
    ['allow', ['allow', 'hold', 'hold'], 'hold', 'r1'],
    ['hold', ['deny', 'allow', 'deny'], 'deny', 'r0'],
  ])('default %s, rules %j: %s by %s', async (otherwise, thens, verdict, rule) => {
    const made = await policy(`version: 1\ndefault: ${otherwise}\nrules:\n${rules(...thens) || '  []'}\n`);
    expect(made.judge(question(analysis([exportOf('public.users')])))).toMatchObject({ verdict, rule });
  });

  it('names the findings that the rule rests on, and asks whom the rule says', async () => {
    const made = await policy(`${HEAD}reviewers: {dba: {groups: ["ldap:dba", local]}}
rules:
  - {id: e, when: stmt.does("export"), then: hold, ask: {of: [dba], deadline: 2h, wait: 0s, reason: required}, message: Why?}
`);
    const verdict = made.judge(question(analysis([{ action: 'read', object: 'a.b' }, exportOf('a.b')])));
    expect(verdict).toMatchObject({
      verdict: 'hold',
      rule: 'e',
      message: 'Why?',
      findings: [1],
      observed: [],
      cacheable: true,
    });
    expect(verdict.ask).toEqual({
      ...DEFAULT_ASK,
      of: ['dba'],
      deadline_ms: 7_200_000,
      wait_ms: 0,
      reason: 'required',
    });
    expect(made.reviewers).toEqual({ dba: ['ldap:dba', 'local'] });
    expect(made.judge(question(analysis([]))).ask).toBeNull();
  });
});

describe('the fixed keys', () => {
  const cases: [string, ReturnType<typeof analysis>, string, string][] = [
    ['a text that does not parse', unparsed(), 'deny', 'unparsed'],
    ['unknown', analysis([{ action: 'unknown' }]), 'hold', 'unknown'],
    [
      'an unresolved name',
      analysis([{ action: 'read' }, { action: 'code', object: 'f', unresolved: true }]),
      'hold',
      'unresolved',
    ],
    ['an unresolved unknown', analysis([{ action: 'unknown', unresolved: true }]), 'hold', 'unresolved'],
    ['code', analysis([{ action: 'code' }]), 'hold', 'code'],
  ];
  test.each(cases)('%s is stopped whatever default and allow rules say', async (_, analysed, verdict, rule) => {
    const made = await policy(`${HEAD}rules: [{id: all, when: "true", then: allow}]`);
    const got = made.judge(question(analysed));
    expect(got).toMatchObject({ verdict, rule });
    expect(got.ask).toEqual(verdict === 'hold' ? DEFAULT_ASK : null);
  });

  it('can be made stricter, not weaker', async () => {
    const made = await policy(`${HEAD}code: deny\n`);
    expect(made.judge(question(analysis([{ action: 'code' }])))).toMatchObject({
      verdict: 'deny',
      rule: 'code',
      findings: [0],
    });
  });

  it('give way to a written rule of the same verdict, not to a weaker one', async () => {
    const made = await policy(
      `${HEAD}unknown: deny\nrules: [{id: mine, when: 'stmt.does("code") || stmt.does("unknown")', then: hold}]`,
    );
    expect(made.judge(question(analysis([{ action: 'code' }]))).rule).toBe('mine');
    expect(made.judge(question(analysis([{ action: 'unknown' }])))).toMatchObject({ verdict: 'deny', rule: 'unknown' });
  });
});

describe('a batch', () => {
  it('is judged statement by statement: an allow rule covers only its own', async () => {
    const made = await policy(
      `version: 1\ndefault: deny\nrules: [{id: reads, when: 'stmt.does_only(["read"])', then: allow}]`,
    );
    const batch = analysis([
      { action: 'read', object: 'a.b' },
      { action: 'ddl', object: 'a.b', statement: 1 },
    ]);
    expect(made.judge(question(batch))).toMatchObject({ verdict: 'deny', rule: 'default' });
    expect(made.judge(question(analysis([{ action: 'read' }, { action: 'read', statement: 1 }]))).verdict).toBe(
      'allow',
    );
  });

  it('joins the findings of a rule that several statements match', async () => {
    const made = await policy(`${HEAD}rules: [{id: e, when: stmt.does("export"), then: hold}]`);
    const batch = analysis([exportOf('a'), { action: 'read', statement: 1 }, { ...exportOf('b'), statement: 2 }]);
    expect(made.judge(question(batch))).toMatchObject({ rule: 'e', findings: [0, 2] });
  });

  it("keeps one statement's `unless` from excusing another", async () => {
    const made = await policy(
      `${HEAD}rules: [{id: d, when: stmt.does("ddl"), unless: stmt.writes("tmp.*"), then: hold}]`,
    );
    const excused = [
      { action: 'ddl', object: 'tmp.x' },
      { action: 'write', object: 'tmp.x' },
    ] as const;
    expect(made.judge(question(analysis(excused))).verdict).toBe('allow');
    expect(made.judge(question(analysis([...excused, { action: 'ddl', object: 'a.b', statement: 1 }]))).verdict).toBe(
      'hold',
    );
  });

  it('counts a finding beyond the statements listed', async () => {
    const made = await policy(`${HEAD}rules: [{id: e, when: stmt.does("export"), then: deny}]`);
    const odd = analysis([], { findings: [finding({ action: 'export', statement: 3 })] });
    expect(made.judge(question(odd)).verdict).toBe('deny');
  });
});

describe('an expression that throws', () => {
  const tag = 'where.tags.env == "prod"';
  test.each([
    ['a hold rule matches', `{id: r, when: '${tag}', then: hold}`, 'allow', 'hold'],
    ['a deny rule matches', `{id: r, when: '${tag}', then: deny}`, 'allow', 'deny'],
    ['an allow rule does not', `{id: r, when: '${tag}', then: allow}`, 'hold', 'hold'],
    ['an unless does not', `{id: r, when: "true", unless: '${tag}', then: hold}`, 'allow', 'hold'],
  ])('%s', async (_, rule, otherwise, verdict) => {
    const made = await policy(`version: 1\ndefault: ${otherwise}\nrules: [${rule}]`);
    const got = made.explain(question(analysis([])));
    expect(got.verdict).toBe(verdict);
    expect(got.failed).toEqual(['r']);
  });
  it('is not thrown where the tag is there, or asked for with has', async () => {
    const made = await policy(`${HEAD}rules: [{id: r, when: 'has(where.tags.env) && ${tag}', then: hold}]`);
    expect(made.judge(question(analysis([]))).verdict).toBe('allow');
    expect(made.judge(question(analysis([]), { where: { tags: { env: 'prod' } } })).verdict).toBe('hold');
  });
});

describe('observe', () => {
  it('records what it would have done and changes nothing', async () => {
    const made = await policy(`${HEAD}rules:
  - {id: o, when: stmt.writes_all_rows, then: deny, mode: observe}
  - {id: h, when: stmt.does("write"), then: hold}
`);
    const got = made.judge(question(analysis([{ action: 'write', object: 'a.b' }], {}, { writes_all_rows: true })));
    expect(got).toMatchObject({ verdict: 'hold', rule: 'h', observed: [{ rule: 'o', verdict: 'deny' }] });
  });
});

describe('facts', () => {
  const night = '2025-01-05T23:30:00Z';
  const cases: [string, FindingLike[], Circumstances, boolean][] = [
    ['stmt.does("settings", "row_security")', [{ action: 'settings', object: 'row_security' }], {}, true],
    ['stmt.does("settings", "row_security")', [{ action: 'settings', object: 'jit' }], {}, false],
    [
      'stmt.does("ddl", "a.*")',
      [
        { action: 'ddl', object: 'b.x' },
        { action: 'read', object: 'a.x' },
      ],
      {},
      false,
    ],
    ['stmt.reads("public.users")', [{ action: 'read', object: 'public.users' }], {}, true],
    ['stmt.reads("public.users")', [{ action: 'read', object: 'public.users2' }], {}, false],
    ['stmt.reads("sensitive")', [{ action: 'read', object: 'billing.invoices' }], {}, true],
    ['stmt.reads("sensitive")', [{ action: 'read', object: 'public.people' }], {}, true],
    ['stmt.reads("sensitive")', [{ action: 'read', object: 'billingx.y' }], {}, false],
    ['stmt.writes("sensitive")', [{ action: 'read', object: 'billing.invoices' }], {}, false],
    ['stmt.touches("sensitive")', [{ action: 'ddl', object: 'billing.invoices' }], {}, true],
    ['stmt.touches("*.secret*")', [{ action: 'grant', object: 'hr.secrets' }], {}, true],
    ['stmt.touches("a*b.c*c")', [{ action: 'read', object: 'axb.c' }], {}, false],
    ['stmt.touches("a*b.c*c")', [{ action: 'read', object: 'axb.cc' }], {}, true],
    ['stmt.does_only(["read", "transaction"])', [{ action: 'read' }], {}, true],
    ['stmt.does_only(["read", "transaction"])', [{ action: 'read' }, { action: 'write' }], {}, false],
    ['stmt.does_only([])', [], {}, true],
    ['stmt.actions == ["ddl", "read"]', [{ action: 'read' }, { action: 'ddl' }], {}, true],
    ['stmt.statements > 1', [{ action: 'read', statement: 1 }], {}, true],
    ['stmt.kind == "SELECT"', [], {}, true],
    ['stmt.kind.matches_re2("^(CREATE|SEL)")', [], {}, true],
    ['stmt.kind.matches_re2("^ECT")', [], {}, false],
    ['stmt.reads.all(r, r.startsWith("public."))', [{ action: 'read', object: 'hr.x' }], {}, false],
    [
      'stmt.writes.size() > 1',
      [
        { action: 'write', object: 'a.b' },
        { action: 'write', object: 'a.c' },
      ],
      {},
      true,
    ],
    ['who.in("ldap:dba")', [], { who: { groups: ['ldap:dba'] } }, true],
    ['who.in("ldap:dba")', [], { who: { groups: ['dba'] } }, false],
    ['"x.in(" == who.id || who.in ("g")', [], { who: { groups: ['g'] } }, true],
    ['who.sponsor == ""', [], { who: { sponsor: null } }, true],
    ['who.kind == "human" && who.address.startsWith("10.")', [], { who: { kind: 'human' } }, true],
    ['where.engine == "postgres" && where.upstream == "app" && where.database == "app"', [], {}, true],
    ['"constructor" in where.tags', [], {}, false],
    ['session.in_transaction && session.role == "bot"', [], { session: { in_transaction: true } }, true],
    ['time.hour("Europe/Berlin") == 0', [], { now: night }, true],
    ['time.hour("UTC") == 23', [], { now: night }, true],
    ['time.weekday("Europe/Berlin") == "monday"', [], { now: night }, true],
    ['time.weekday("UTC") in ["saturday", "sunday"]', [], { now: night }, true],
  ];
  test.each(cases)('%s on %j %j: %s', async (when, findings, about, expected) => {
    const made = await policy(
      `${HEAD}lists: {sensitive: [public.people, billing.*]}\nrules: [{id: r, when: ${JSON.stringify(when)}, then: deny}]`,
    );
    const got = made.explain(question(analysis(findings), about));
    expect(got.failed).toEqual([]);
    expect(got.verdict === 'deny').toBe(expected);
  });

  describe('session.role in a batch', () => {
    const set = (name: string, statement = 0) => ({ type: 'set', name, value: 'x', local: false, statement }) as const;
    const ended = (op: 'commit' | 'rollback' | 'rollback-to' | 'prepare-transaction' | 'savepoint' | 'begin') =>
      ({ type: 'transaction', op, statement: 0 }) as const;
    const code = { type: 'unknown', statement: 0 } as const;
    const after: readonly [what: string, effects: readonly Effect[], role_is_local: boolean, lost: boolean][] = [
      ['nothing', [], true, false],
      ['SET ROLE', [set('role')], false, true],
      ['SET SESSION AUTHORIZATION', [set('session_authorization')], false, true],
      ['another setting', [set('search_path')], true, false],
      ['RESET ALL', [{ type: 'reset-all', statement: 0 }], true, false],
      ['code', [code], false, true],
      ['COMMIT', [ended('commit')], false, false],
      ['COMMIT of a SET LOCAL', [ended('commit')], true, true],
      ['ROLLBACK of a SET', [ended('rollback')], true, true],
      ['ROLLBACK TO behind a SET', [ended('rollback-to')], true, true],
      ['PREPARE TRANSACTION behind a SET', [ended('prepare-transaction')], true, true],
      ['SAVEPOINT behind a SET', [ended('savepoint')], true, false],
      ['BEGIN', [ended('begin')], true, false],
    ];
    const asked = (effects: readonly Effect[], session: Partial<SessionView>) => {
      const findings = [
        { action: 'settings', statement: 0 },
        { action: 'write', object: 'public.t', statement: 1 },
      ] as const;
      return question(analysis(findings, { effects }), { session });
    };
    const WRITES = `session.role == "owner" && stmt.writes("public.t")`;

    it.each(after)('behind %s', async (_, effects, role_is_local, lost) => {
      const verdict = async (rule: string, fallback = 'allow') =>
        (await policy(`${HEAD.replace('allow', fallback)}rules: [{id: r, ${rule}}]`)).judge(
          asked(effects, { role_is_local }),
        ).verdict;
      // The role that the message met is `bot`.
      expect(await verdict(`when: '${WRITES}', then: deny`)).toBe(lost ? 'deny' : 'allow');
      expect(await verdict(`when: '${WRITES}', then: hold`)).toBe(lost ? 'hold' : 'allow');
      expect(await verdict(`when: 'session.role == "bot"', then: allow`, 'hold')).toBe(lost ? 'hold' : 'allow');
      const excepted = `when: stmt.does("write"), unless: 'session.role == "bot"', then: hold`;
      expect(await verdict(excepted)).toBe(lost ? 'hold' : 'allow');
    });

    it.each([
      ['nothing', [], 'allow', 'deny'],
      ['BEGIN', [ended('begin')], 'deny', 'deny'],
      ['COMMIT', [ended('commit')], 'allow', 'allow'],
      ['COMMIT AND CHAIN', [ended('commit'), ended('begin')], 'deny', 'deny'],
      ['ROLLBACK', [ended('rollback')], 'allow', 'allow'],
      ['PREPARE TRANSACTION', [ended('prepare-transaction')], 'allow', 'allow'],
      ['ROLLBACK TO', [ended('rollback-to')], 'allow', 'deny'],
      ['BEGIN, behind it', [{ ...ended('begin'), statement: 1 }], 'allow', 'deny'],
    ] as const)('session.in_transaction behind %s', async (_, effects, outside, inside) => {
      const made = await policy(
        `${HEAD}rules: [{id: r, when: 'stmt.writes("public.t") && session.in_transaction', then: deny}]`,
      );
      for (const in_transaction of [false, true])
        expect(made.judge(asked(effects, { in_transaction })).verdict).toBe(in_transaction ? inside : outside);
    });

    it('is that of the session up to there', async () => {
      const made = await policy(
        `${HEAD}rules: [{id: r, when: 'session.role != "bot" && stmt.does("settings")', then: deny}]`,
      );
      expect(made.judge(asked([set('role')], {})).verdict).toBe('allow');
      // A DO block that changes it and goes on.
      expect(made.judge(asked([set('role'), code], {})).verdict).toBe('deny');
    });

    it('is asked of a statement without findings, too', async () => {
      const made = await policy(`${HEAD}rules: [{id: r, when: 'session.role == "owner"', then: deny}]`);
      const three = analysis(
        [
          { action: 'settings', statement: 1 },
          { action: 'read', statement: 3 },
        ],
        {
          effects: [set('role', 1)],
        },
      );
      expect(made.judge(question({ ...three, findings: [] })).verdict).toBe('deny');
    });

    it('is unknown throughout where the session does not know it', async () => {
      const made = await policy(`${HEAD}rules: [{id: r, when: '${WRITES}', then: deny}]`);
      expect(made.judge(asked([], { role: null })).verdict).toBe('deny');
      expect(made.judge(asked([], {})).verdict).toBe('allow');
    });
  });

  it('names functions, through a list and by pattern', async () => {
    const made = await policy(
      `${HEAD}lists: {slow: [pg_catalog.pg_sleep*]}\nrules: [{id: r, when: 'stmt.calls("slow")', then: hold}]`,
    );
    const calling = (name: string) => made.judge(question(analysis([], { functions: [name] }))).verdict;
    expect(calling('pg_catalog.pg_sleep_for')).toBe('hold');
    expect(calling('pg_catalog.now')).toBe('allow');
  });

  it('rests on what `when` found, not on what `unless` looked at', async () => {
    const made = await policy(
      `${HEAD}rules: [{id: r, when: stmt.does("export"), unless: 'stmt.reads("a.b") && who.id == "x"', then: hold}]`,
    );
    const asked = question(analysis([{ action: 'read', object: 'a.b' }, { action: 'export' }]));
    expect(made.judge(asked).findings).toEqual([1]);
  });

  it('stays quick on a message of a hundred thousand statements', async () => {
    const made = await policy(await readFile('policies/starter.yaml', 'utf8'));
    const many = Array.from(
      { length: 10_000 },
      (_, i): FindingLike => ({ action: 'write', object: 'a.b', statement: 10 * i }),
    );
    const asked = question(analysis(many));
    const begin = performance.now();
    expect(made.judge(asked).verdict).toBe('allow');
    // Ten thousand judgements; quadratic work would take minutes.
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('remembers a verdict only when no clock was asked', async () => {
    const made = await policy(
      `${HEAD}rules: [{id: r, when: 'stmt.does("export") && time.hour("UTC") < 5', then: hold}]`,
    );
    expect(made.judge(question(analysis([{ action: 'read' }]))).cacheable).toBe(true);
    expect(made.judge(question(analysis([{ action: 'export' }]))).cacheable).toBe(false);
  });
});

describe('properties', () => {
  const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 2 ** 31);
  const action = fc.constantFrom(...ACTIONS);
  const someFinding = fc.record(
    {
      action,
      object: fc.constantFrom('public.a', 'public.b', 'x.y'),
      statement: fc.nat(2),
      unresolved: fc.constant(true),
    },
    { requiredKeys: ['action', 'object', 'statement'] },
  );
  const condition = fc.oneof(
    action.map((name) => `stmt.does("${name}")`),
    fc.constantFrom(
      'stmt.reads("public.*")',
      'stmt.touches("x.y")',
      'where.tags.none == "x"',
      'true',
      'stmt.statements > 1',
      'time.hour("UTC") < 13',
    ),
  );
  const someRule = fc.record({
    when: fc.tuple(condition, fc.constantFrom('&&', '||'), condition).map((parts) => parts.join(' ')),
    unless: fc.option(condition, { nil: undefined }),
    verdict: fc.constantFrom('allow', 'hold', 'deny'),
  });
  type SomeRule = { when: string; unless: string | undefined; verdict: string };
  const quoted = JSON.stringify;
  const written = (some: readonly SomeRule[], otherwise: string) =>
    `version: 1\ndefault: ${otherwise}\nrules:${some.length === 0 ? ' []' : ''}\n${some
      .map(({ when, unless, verdict }, i) => {
        const except = unless === undefined ? '' : `unless: ${quoted(unless)}, `;
        return `  - {id: r${i}, when: ${quoted(when)}, ${except}then: ${verdict}}`;
      })
      .join('\n')}\n`;
  const weight = { allow: 0, hold: 1, deny: 2 };

  it(`adding a hold or deny rule never makes a verdict weaker, seed ${seed}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(someRule, { maxLength: 4 }),
        someRule,
        fc.nat(4),
        fc.constantFrom('hold', 'deny'),
        fc.constantFrom('allow', 'hold', 'deny'),
        fc.array(someFinding, { maxLength: 5 }),
        async (some, added, place, verdict, otherwise, findings) => {
          const more = some.toSpliced(place, 0, { ...added, verdict });
          const asked = question(analysis(findings));
          const [before, after] = [await policy(written(some, otherwise)), await policy(written(more, otherwise))];
          const [was, is] = [before.judge(asked), after.judge(asked)];
          // A hold rule takes the place of `default: deny` on purpose: that is how such a policy lets people decide.
          if (was.rule === 'default' && otherwise === 'deny' && verdict === 'hold') return;
          expect(weight[is.verdict]).toBeGreaterThanOrEqual(weight[was.verdict]);
        },
      ),
      { seed, numRuns: 150 },
    );
  });

  it(`a rule that is passed over would not have mattered, seed ${seed}`, async () => {
    const fact = fc.constantFrom(
      ...ACTIONS.map((name) => `stmt.does("${name}")`),
      'stmt.does("write", "public.*")',
      'stmt.writes_all_rows',
      'stmt.hidden_writes',
      'stmt.folds_rows',
      'stmt.reads_data',
      'stmt.writes_all_rows == false',
      '!stmt.reads_data',
      'stmt.kind == "FETCH"',
      'session.role == "owner"',
      'where.tags.none == "x"',
      'time.hour("UTC") < 13',
    );
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 3 },
        fact,
        fc
          .tuple(tie('expression'), fc.constantFrom('&&', '||'), tie('expression'))
          .map((parts) => `(${parts.join(' ')})`),
      ),
    }));
    const anyRule = fc.record({
      when: expression,
      unless: fc.option(expression, { nil: undefined }),
      verdict: fc.constantFrom('allow', 'hold', 'deny', 'hold, mode: observe'),
    });
    const facts = fc.record({
      kind: fc.constantFrom('SELECT', 'FETCH'),
      writes_all_rows: fc.boolean(),
      hidden_writes: fc.boolean(),
      folds_rows: fc.boolean(),
    });
    // `|| false` changes no answer and no failure, and leaves nothing that an expression is known to need.
    const evaluated = (when: string) => `${when} || false`;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRule, { maxLength: 4 }),
        fc.constantFrom('allow', 'hold'),
        fc.array(someFinding, { maxLength: 4 }),
        facts,
        fc.constantFrom<Partial<Analysis>>({}, { reads: [] }, { statements: [] }),
        async (some, otherwise, findings, statement, odd) => {
          const every = some.map(({ when, unless, verdict }) => ({
            when: evaluated(when),
            unless: unless && evaluated(unless),
            verdict,
          }));
          const asked = question(analysis(findings, odd, statement));
          const { cacheable, ...got } = (await policy(written(some, otherwise))).explain(asked);
          const { cacheable: cacheable_too, ...expected } = (await policy(written(every, otherwise))).explain(asked);
          expect(got).toEqual(expected);
          // What passes over a rule asks the clock less often, never more.
          expect(cacheable || !cacheable_too).toBe(true);
        },
      ),
      { seed, numRuns: 400 },
    );
  });

  it(`nothing unknown, unresolved or coded is ever allowed, seed ${seed}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(someRule, { maxLength: 4 }),
        fc.array(someFinding, { minLength: 1, maxLength: 5 }),
        async (some, findings) => {
          const made = await policy(written(some, 'allow'));
          const fatal = findings.some((one) => one.unresolved || one.action === 'unknown' || one.action === 'code');
          if (fatal) expect(made.judge(question(analysis(findings))).verdict).not.toBe('allow');
        },
      ),
      { seed, numRuns: 100 },
    );
  });
});
