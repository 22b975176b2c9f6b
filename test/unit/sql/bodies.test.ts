// Bodies by their hashes: another text, name or kind is another body, and what is called otherwise is told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyOf, otherBodies } from '../../../src/sql/bodies.ts';

describe('bodies', () => {
  it('are told apart by kind, name and each part of them', () => {
    const all = [
      bodyOf('view', 'public.v', 'SELECT 1'),
      bodyOf('view', 'public.v', 'SELECT 2'),
      bodyOf('view', 'public.w', 'SELECT 1'),
      bodyOf('function', 'public.v', 'SELECT 1'),
      bodyOf('view', 'public.v', 'SELECT', ' 1'),
      bodyOf('view', 'public.v', ['SELECT 1']),
      bodyOf('view', 'public.v', null),
      bodyOf('view', 'public.v', ''),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(bodyOf('view', 'public.v', 'SELECT 1')).toBe(all[0]);
    expect(all[0]).toMatch(/^[\w-]{43} view public\.v$/);
    expect(bodyOf('a default, check or index', '', '5')).toMatch(/^[\w-]{43} a default, check or index$/);
  });

  it('property: what differs is what one has and the other has not', () => {
    const names = ['view a', 'view b c', 'function f', 'trigger t on x'];
    const bodies = fc
      .uniqueArray(fc.tuple(fc.constantFrom('h1', 'h2', 'h3'), fc.constantFrom(...names)), { selector: String })
      .map((all) => all.map((one) => one.join(' ')));
    fc.assert(
      fc.property(bodies, bodies, (a, b) => {
        const others = otherBodies(a, b);
        expect(others).toEqual(otherBodies(b, a));
        for (const name of names) {
          const of = (all: readonly string[]) => all.filter((body) => body.slice(3) === name).toSorted();
          expect(others.includes(name)).toBe(String(of(a)) !== String(of(b)));
        }
      }),
    );
  });
});
