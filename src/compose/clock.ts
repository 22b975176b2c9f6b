// The clock of requests and permits: time that has passed, sleep of the machine included, so that setting the machine's clock by hours ends
// nothing and revives nothing. It catches up with the machine's by running a little faster or slower. Must never run backwards.
import { performance } from 'node:perf_hooks';
import { uptime } from 'node:os';
import type { Clock } from '../approval/types.ts';

/** Of the time that passes, at most, it gains or loses where the machine's clock shows another time. */
const CATCH_UP = 0.05;
/** Between two looks at how long the machine has been up; that costs more than the other clocks. */
const LOOK_MS = 100;
/** Of two clocks that are read one after the other: less is no sleep. */
const SLEPT_MS_MIN = 1000;

export interface Clocks {
  /** The machine's, in milliseconds since the epoch. */
  readonly wall: () => number;
  /** Milliseconds that never run backwards; may stand still while the machine sleeps. */
  readonly mono: () => number;
  /** Milliseconds since the machine was started, sleep included. */
  readonly up: () => number;
}

const SYSTEM: Clocks = { wall: () => Date.now(), mono: () => performance.now(), up: () => uptime() * 1000 };

export class HouseClock implements Clock {
  readonly #clocks: Clocks;
  #house: number;
  #mono: number;
  /** At the last look. */
  #looked: { readonly mono: number; readonly up: number };

  constructor(clocks: Clocks = SYSTEM) {
    this.#clocks = clocks;
    this.#house = clocks.wall();
    this.#mono = clocks.mono();
    this.#looked = { mono: this.#mono, up: clocks.up() };
  }

  now(): number {
    const mono = this.#clocks.mono();
    const passed = Math.max(0, mono - this.#mono) + this.#slept(mono);
    this.#mono = mono;
    this.#house += passed;
    const most = passed * CATCH_UP;
    this.#house += Math.min(most, Math.max(-most, this.#clocks.wall() - this.#house));
    return Math.floor(this.#house);
  }

  wall(): number {
    return this.#clocks.wall();
  }

  after(ms: number, callback: () => void): () => void {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  }

  #slept(mono: number): number {
    if (mono - this.#looked.mono < LOOK_MS) return 0;
    const up = this.#clocks.up();
    const slept = up - this.#looked.up - (mono - this.#looked.mono);
    this.#looked = { mono, up };
    return slept >= SLEPT_MS_MIN ? slept : 0;
  }
}
