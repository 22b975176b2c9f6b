// The clock of requests and permits, on machine's clocks that the test sets.
import { expect, it } from 'vitest';
import { HouseClock } from '../../../src/compose/clock.ts';

const HOUR = 3_600_000;

class Machine {
  wall_ms = Date.UTC(2026, 0, 5, 14);
  mono_ms = 5000;
  up_ms = 90_000;
  readonly clock = new HouseClock({ wall: () => this.wall_ms, mono: () => this.mono_ms, up: () => this.up_ms });
  pass(ms: number): void {
    this.wall_ms += ms;
    this.mono_ms += ms;
    this.up_ms += ms;
  }
  sleep(ms: number): void {
    this.wall_ms += ms;
    this.up_ms += ms;
  }
}

it('is the machine’s, as long as nobody sets that', () => {
  const m = new Machine();
  for (let n = 0; n < 1000; n++) {
    m.pass(n);
    expect(m.clock.now()).toBe(m.wall_ms);
    expect(m.clock.wall()).toBe(m.wall_ms);
  }
});

it.each([2 * HOUR, -2 * HOUR, 9000 * HOUR, -9000 * HOUR])(
  'set by %i ms: goes on by the time that passes, and catches up slowly',
  (jump) => {
    const m = new Machine();
    m.pass(1000);
    const before = m.clock.now();
    m.wall_ms += jump;
    expect(m.clock.now()).toBe(before);
    m.pass(HOUR);
    const gone = m.clock.now() - before;
    expect(gone).toBeGreaterThanOrEqual(HOUR * 0.949);
    expect(gone).toBeLessThanOrEqual(HOUR * 1.051);
    for (let n = 0; n < 60; n++) {
      m.pass(HOUR);
      m.clock.now();
    }
    if (Math.abs(jump) === 2 * HOUR) expect(m.clock.now()).toBe(m.wall_ms);
  },
);

it('never runs backwards, whatever is done to the machine’s clock', () => {
  const m = new Machine();
  let last = m.clock.now();
  for (const jump of [-5000, 3, -1, HOUR, -HOUR, -30 * HOUR, 0, 7]) {
    m.wall_ms += jump;
    m.pass(1);
    expect(m.clock.now()).toBeGreaterThanOrEqual(last);
    last = m.clock.now();
  }
});

it('counts the time that the machine slept', () => {
  const m = new Machine();
  m.pass(1000);
  m.clock.now();
  m.sleep(8 * HOUR);
  m.pass(200);
  expect(m.clock.now()).toBe(m.wall_ms);
});

it('two clocks that are read one after the other are no sleep', () => {
  const m = new Machine();
  const before = m.clock.now();
  m.pass(500);
  m.up_ms += 30;
  expect(m.clock.now()).toBe(before + 500);
});
