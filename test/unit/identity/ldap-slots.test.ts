// Turns at a directory: so many at once, the rest waits in bounds, decisions before logins.
import { describe, expect, it } from 'vitest';
import { createSlots, IN_FLIGHT_MAX, RESERVED, WAITING_MAX } from '../../../src/identity/ldap/slots.ts';

const LATER = Number.POSITIVE_INFINITY;

/** Work that goes on until it is told to end. */
const pending = () => {
  let end: () => void = () => {};
  const promise = new Promise<void>((resolve) => (end = resolve));
  return { end: () => end(), work: () => promise };
};

describe('turns', () => {
  it('go to so many at once, and to the next when one is done', async () => {
    const slots = createSlots();
    const works = Array.from({ length: IN_FLIGHT_MAX + 10 }, pending);
    const all = works.map(({ work }) => slots.run('read', LATER, work));
    expect([slots.in_flight, slots.waiting]).toEqual([IN_FLIGHT_MAX, 10]);
    works[0]?.end();
    await all[0];
    expect([slots.in_flight, slots.waiting]).toEqual([IN_FLIGHT_MAX, 9]);
    for (const { end } of works) end();
    await Promise.all(all);
    expect([slots.in_flight, slots.waiting]).toEqual([0, 0]);
  });

  it('are kept for decisions, which go before logins', async () => {
    const slots = createSlots();
    const works = Array.from({ length: IN_FLIGHT_MAX }, pending);
    const logins = works.map(({ work }) => slots.run('check', LATER, work));
    expect([slots.in_flight, slots.waiting]).toEqual([IN_FLIGHT_MAX - RESERVED, RESERVED]);
    const read = pending();
    const reading = slots.run('read', LATER, read.work);
    expect(slots.in_flight).toBe(IN_FLIGHT_MAX - RESERVED + 1);
    read.end();
    for (const { end } of works) end();
    await Promise.all([...logins, reading]);
  });

  it('are waited for in bounds of number and time, and come back when work fails', async () => {
    const slots = createSlots();
    const works = Array.from({ length: IN_FLIGHT_MAX + WAITING_MAX }, pending);
    const all = works.map(({ work }) => slots.run('read', LATER, work));
    await expect(slots.run('read', LATER, () => Promise.resolve())).rejects.toThrow(`more than ${WAITING_MAX} wait`);
    works[0]?.end();
    await all[0];
    await expect(slots.run('read', performance.now(), () => Promise.resolve())).rejects.toThrow('no turn within 0 ms');
    for (const { end } of works) end();
    await Promise.all(all);
    await expect(slots.run('read', LATER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect([slots.in_flight, slots.waiting]).toEqual([0, 0]);
  });
});
