// Which rule is for a name, and how many checks run at once.
import { describe, expect, test } from 'vitest';
import { inTurn } from '../../../src/listener/in-turn.ts';
import { loginRules } from '../../../src/listener/login-rules.ts';

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
    const turns = inTurn(2, 60_000);
    const works = [gate(), gate(), gate()];
    const begun: number[] = [];
    const results = works.map((work, n) =>
      turns.run(() => {
        begun.push(n);
        return work.promise;
      }, here),
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
    const turns = inTurn(1, 1);
    const work = gate();
    let ran = 0;
    const first = turns.run(() => work.promise, here);
    const second = turns.run(async () => ran++, here);
    expect(await Promise.all([first, second])).toEqual([null, null]);
    expect([turns.running, turns.waiting]).toEqual([1, 0]);
    const patient = inTurn(1, 60_000);
    const running = patient.run(() => work.promise, here);
    const gone = patient.run(
      async () => ran++,
      () => true,
    );
    work.resolve('late');
    expect(await running).toBe('late');
    expect(await gone).toBeNull();
    expect(ran).toBe(0);
    expect(turns.running).toBe(0);
  });
});
