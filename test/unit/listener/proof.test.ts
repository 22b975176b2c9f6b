// Which rule is for a name, how many checks run at once, and that one source's silence is no other's.
import { describe, expect, test, vi } from 'vitest';
import { createPasswordLogins, PATIENCE_MS } from '../../../src/identity/logins.ts';
import { createFailureLimiter } from '../../../src/identity/limiter.ts';
import type { PasswordChecker } from '../../../src/identity/types.ts';
import { inTurn } from '../../../src/listener/in-turn.ts';
import { type LoginRule, loginRules } from '../../../src/identity/login-rules.ts';
import { Proofs } from '../../../src/listener/proof.ts';

describe('the rule for a name', () => {
  const of = (...users: readonly string[]) => {
    const ruleOf = loginRules(users.map((user) => ({ user, by: 'verifier' as const })));
    return (name: string): string | undefined => ruleOf(name)?.user;
  };

  test('is the first that fits', () => {
    const rule = of('svc-*', 'svc-a', '*-bot', 'a*b*c', '**x', 'exact');
    expect(
      ['svc-', 'svc-a', 'a-bot', 'abc', 'aXbXc', 'ab', 'ac', 'x', 'yx', 'exact', 'Exact', 'exactly', 'SVC-a', ''].map(
        rule,
      ),
    ).toEqual([
      'svc-*',
      'svc-*',
      '*-bot',
      'a*b*c',
      'a*b*c',
      undefined,
      undefined,
      '**x',
      '**x',
      'exact',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('parts of a pattern do not share characters', () => {
    expect(['ab', 'aba', 'abba'].map(of('ab*ba'))).toEqual([undefined, undefined, 'ab*ba']);
  });

  test('characters that mean something elsewhere stand for themselves', () => {
    expect(['a.b', 'axb', 'a+', 'aa'].map(of('a.b', 'a+'))).toEqual(['a.b', undefined, 'a+', undefined]);
  });
});

describe('checks in turn', () => {
  const gate = () => {
    let resolve: (value: string) => void = () => {};
    let reject: (error: Error) => void = () => {};
    const promise = new Promise<string>((done, failed) => {
      [resolve, reject] = [done, failed];
    });
    return { promise, resolve, reject };
  };
  const here = (): boolean => false;

  test('so many at once, the others in their order', async () => {
    const turns = inTurn(2);
    const works = [gate(), gate(), gate()];
    const begun: number[] = [];
    const results = works.map((work, n) =>
      turns.run(
        () => {
          begun.push(n);
          return work.promise;
        },
        here,
        performance.now() + 60_000,
      ),
    );
    expect([begun, turns.running, turns.waiting]).toEqual([[0, 1], 2, 1]);
    works[1]?.resolve('b');
    expect(await results[1]).toBe('b');
    await Promise.resolve();
    expect([begun, turns.running, turns.waiting]).toEqual([[0, 1, 2], 2, 0]);
    works[0]?.reject(new Error('broken'));
    await expect(results[0]).rejects.toThrow('broken');
    works[2]?.resolve('c');
    expect(await results[2]).toBe('c');
  });

  test('whose time is over is answered; what runs keeps its place, who has gone takes none', async () => {
    const turns = inTurn(1);
    const soon = performance.now() + 5;
    const work = gate();
    let ran = 0;
    const first = turns.run(() => work.promise, here, soon);
    const second = turns.run(async () => ran++, here, soon);
    expect(await Promise.all([first, second])).toEqual([null, null]);
    expect([turns.running, turns.waiting]).toEqual([1, 0]);
    const patient = inTurn(1);
    const running = patient.run(() => work.promise, here, performance.now() + 60_000);
    const gone = patient.run(
      async () => ran++,
      () => true,
      performance.now() + 60_000,
    );
    work.resolve('late');
    expect(await running).toBe('late');
    expect(await gone).toBeNull();
    expect(ran).toBe(0);
    expect(turns.running).toBe(0);
  });

  test('so many wait and no more; who has gone makes room', async () => {
    const turns = inTurn(1, 2);
    const work = gate();
    const until = performance.now() + 60_000;
    let left = false;
    const running = turns.run(() => work.promise, here, until);
    const waiting = [
      turns.run(async () => 'first', here, until),
      turns.run(
        async () => 'second',
        () => left,
        until,
      ),
    ];
    expect(await turns.run(async () => 'third', here, until)).toBeNull();
    left = true;
    const fourth = turns.run(async () => 'fourth', here, until);
    expect(await waiting[1]).toBeNull();
    work.resolve('done');
    expect(await Promise.all([running, waiting[0], fourth])).toEqual(['done', 'first', 'fourth']);
  });
});

describe('a source that is silent', () => {
  const entry = (source: 'local' | 'ldap' | 'jwt', id: string) => ({
    source,
    id,
    groups: [],
    aliases: [],
    sponsor: null,
    on_behalf_of: [],
    task: null,
    expires: null,
    token: null,
  });
  /** Knows passwords that begin with its name; the others are silent. */
  const checker = (name: 'local' | 'ldap' | 'jwt', asks?: PasswordChecker['asks']): PasswordChecker => ({
    name,
    check: (user, password) =>
      password.toString() === name ? Promise.resolve(entry(name, user)) : new Promise(() => {}),
    ...(asks && { asks }),
  });
  const local: PasswordChecker = {
    name: 'local',
    check: async (user, password) => (password.toString() === 'local' ? entry('local', user) : null),
  };
  const doorOf = (checkers: readonly PasswordChecker[]) => {
    const passwordLogin = createPasswordLogins(
      new Map(checkers.map((one) => [one.name, one])),
      createFailureLimiter(),
      () => true,
    );
    const rules: readonly LoginRule[] = [
      ['local', 'ldap'],
      ['local', 'jwt'],
      ['local', 'ldap', 'jwt'],
      ['ldap', 'local'],
      ['jwt', 'ldap'],
      ['jwt'],
      ['ldap'],
    ].map((by) => ({ user: `${by.join('+')}.*`, by }));
    const proofs = new Proofs({
      identity: { passwordLogin, judgeLogin: () => true, principal: () => ({ kind: 'agent' }) },
      logins: rules,
      tls: null,
      limits: { login_checks_max: 8, login_check_timeout_ms: 60_000 },
    });
    let n = 0;
    let over = 0;
    const ask = (by: readonly string[], password: string) => {
      const rule = rules.find(({ user }) => user === `${by.join('+')}.*`) as LoginRule;
      const asked = { user: `${by.join('+')}.${n++}`, password: Buffer.from(password), address: '10.0.0.1' };
      const proof = proofs.byPassword(rule, asked, here);
      void proof.then(() => over++);
      return proof;
    };
    return { ask, answered: () => over };
  };
  const here = (): boolean => false;

  test('keeps nobody from another one, however many wait for it', async () => {
    const { ask, answered } = doorOf([local, checker('ldap'), checker('jwt')]);
    for (let n = 0; n < 500; n++) void ask(['local', 'ldap'], 'unknown');
    for (let n = 0; n < 500; n++) void ask(['local', 'jwt'], 'unknown');
    expect(await ask(['local', 'ldap', 'jwt'], 'local')).toMatchObject({ type: 'right' });
    expect(answered()).toBe(1);
  });

  test('keeps nobody from what is answered from here', async () => {
    const mine = checker('jwt', (_, password) => (password.toString() === 'jwt' ? null : 'jwt away'));
    const { ask, answered } = doorOf([
      checker('ldap', (_, password) => (password.toString() === 'jwt' ? null : 'ldap')),
      mine,
    ]);
    for (let n = 0; n < 500; n++) void ask(['jwt', 'ldap'], 'unknown');
    expect(await ask(['jwt'], 'jwt')).toMatchObject({ type: 'right', login: { authentication: 'jwt' } });
    expect(answered()).toBe(1);
  });

  test('that stands before local: local is asked meanwhile, and says no for itself alone', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let say: (entry: ReturnType<typeof entryOf> | null) => void = () => {};
      const entryOf = (id: string) => entry('ldap', id);
      const ldap: PasswordChecker = { name: 'ldap', check: () => new Promise((resolve) => (say = resolve)) };
      const { ask, answered } = doorOf([local, ldap]);
      const known = ask(['ldap', 'local'], 'local');
      await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
      expect(answered()).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(await known).toMatchObject({ type: 'right', login: { authentication: 'local' } });
      const other = ask(['ldap', 'local'], 'elsewhere');
      await vi.advanceTimersByTimeAsync(PATIENCE_MS);
      expect(answered()).toBe(1);
      say(entryOf('ldap+local.1'));
      expect(await other).toMatchObject({ type: 'right', login: { authentication: 'ldap' } });
      const nobody = ask(['ldap', 'local'], 'elsewhere');
      await vi.advanceTimersByTimeAsync(PATIENCE_MS);
      say(null);
      expect(await nobody).toMatchObject({ type: 'wrong' });
    } finally {
      vi.useRealTimers();
    }
  });

  test('and each is answered in time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { ask } = doorOf([local, checker('ldap')]);
      const answers = Array.from({ length: 1500 }, () => ask(['ldap'], 'unknown'));
      // 8 are asked and 1000 wait: the others are told at once.
      expect(await answers[1499]).toEqual({ type: 'unknown', why: 'could not be asked: ldap' });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(new Set((await Promise.all(answers)).map(({ type }) => type))).toEqual(new Set(['unknown']));
    } finally {
      vi.useRealTimers();
    }
  });
});
