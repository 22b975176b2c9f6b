// Many times to ring at, one timer: whatever is set, put off and cleared, each rings when a timer of its own would have.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Alarm, Alarms, NOWHERE } from '../../../src/approval/alarms.ts';
import { FakeClock } from './help.ts';

interface Bell extends Alarm {
  readonly name: number;
}
const bell = (name: number): Bell => ({ name, due: 0, place: NOWHERE });

test('property: each rings once, when it was last set to, in the order of these times', async () => {
  const step = fc.oneof(
    fc.record({ set: fc.nat(19), ms: fc.nat(50) }),
    fc.record({ clear: fc.nat(19) }),
    fc.record({ pass: fc.nat(20) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new FakeClock();
      const began = clock.now();
      const rang: (readonly [name: number, at: number])[] = [];
      const alarms = new Alarms<Bell>(clock, 1000, ({ name }) => rang.push([name, clock.now() - began]));
      const bells = Array.from({ length: 20 }, (_, name) => bell(name));
      const due = new Map<number, number>();
      const expected: (readonly [name: number, at: number])[] = [];
      const pass = async (ms: number): Promise<void> => {
        const until = clock.now() - began + ms;
        for (const [name, at] of [...due].toSorted((a, b) => a[1] - b[1])) {
          if (at > until) continue;
          expected.push([name, at]);
          due.delete(name);
        }
        await clock.advance(ms);
      };
      for (const one of steps) {
        if ('set' in one) {
          alarms.set(bells[one.set] as Bell, clock.now() + one.ms);
          due.set(one.set, clock.now() - began + one.ms);
        } else if ('clear' in one) {
          alarms.clear(bells[one.clear] as Bell);
          due.delete(one.clear);
        } else await pass(one.pass);
      }
      await pass(100);
      const byTime = (all: typeof rang) => all.toSorted((a, b) => a[1] - b[1] || a[0] - b[0]);
      expect(byTime(rang)).toEqual(byTime(expected));
      expect(rang.map(([, at]) => at)).toEqual(byTime(rang).map(([, at]) => at));
    }),
    { numRuns: 60 },
  );
});

test('one that is cleared, or put off, while others of its time ring does not ring with them', async () => {
  const clock = new FakeClock();
  const rang: number[] = [];
  const [a, b, c] = [bell(1), bell(2), bell(3)] as const;
  const alarms = new Alarms<Bell>(clock, 1000, ({ name }) => {
    rang.push(name);
    if (name !== 1) return;
    alarms.clear(b);
    alarms.set(c, clock.now() + 5);
  });
  alarms.set(a, clock.now() + 10);
  alarms.set(b, clock.now() + 10);
  alarms.set(c, clock.now() + 10);
  await clock.advance(12);
  expect(rang).toEqual([1]);
  await clock.advance(10);
  expect(rang).toEqual([1, 3]);
});

test('it is set to beyond the longest timer, and the clock is put back and on: it rings when the clock says so', async () => {
  const clock = new FakeClock();
  const rang: number[] = [];
  const alarms = new Alarms<Bell>(clock, 100, ({ name }) => rang.push(name));
  alarms.set(bell(1), clock.now() + 450);
  await clock.advance(440);
  expect(rang).toEqual([]);
  clock.time -= 1000;
  await clock.advance(1000);
  expect(rang).toEqual([]);
  clock.time += 50;
  alarms.set(bell(2), clock.now() + 1);
  await clock.advance(0);
  expect(rang).toEqual([1]);
  await clock.advance(1);
  expect(rang).toEqual([1, 2]);
  alarms.set(bell(3), clock.now() + 1);
  alarms.stop();
  await clock.advance(1000);
  expect(rang).toEqual([1, 2]);
});
