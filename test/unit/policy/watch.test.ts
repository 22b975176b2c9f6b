import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadPolicy } from '../../../src/policy/load.ts';
import type { PolicyError } from '../../../src/policy/types.ts';
import { type PolicyWatch, watchPolicy } from '../../../src/policy/watch.ts';

const file = (verdict: string) => `version: 1\ndefault: ${verdict}\n`;
type Event = { readonly loaded: string } | { readonly refused: readonly PolicyError[] };

let folder: string;
let path: string;
let watching: PolicyWatch;
let events: Event[];
let wake: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'policy-'));
  path = join(folder, 'policy.yaml');
  await writeFile(path, file('allow'));
  const first = await loadPolicy(path);
  if ('errors' in first) expect.fail('the first policy loads');
  events = [];
  wake = () => {};
  const tell = (event: Event) => {
    events.push(event);
    wake();
  };
  watching = watchPolicy(first.policy, {
    onLoaded: (policy) => tell({ loaded: policy.file.default }),
    onRefused: (refused) => tell({ refused }),
  });
});

afterEach(async () => {
  watching.close();
  await rm(folder, { recursive: true });
});

async function next(): Promise<Event> {
  while (events.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  return events.shift()!;
}

it('puts a good file in force, written in place or renamed over', async () => {
  await writeFile(path, file('hold'));
  expect(await next()).toEqual({ loaded: 'hold' });
  await writeFile(`${path}.swp`, file('deny'));
  await rename(`${path}.swp`, path);
  expect(await next()).toEqual({ loaded: 'deny' });
  expect(watching.current().file.default).toBe('deny');
});

it('keeps the old policy when the file is broken or gone, says so, and recovers', async () => {
  await writeFile(path, file('alow'));
  expect(await next()).toMatchObject({ refused: [{ line: 2, column: 10 }] });
  expect(watching.current().file.default).toBe('allow');
  expect(watching.errors()).toHaveLength(1);

  await rm(path);
  expect(await next()).toMatchObject({ refused: [{ message: expect.stringContaining('ENOENT') }] });
  expect(watching.current().file.default).toBe('allow');

  await writeFile(path, file('deny'));
  expect(await next()).toEqual({ loaded: 'deny' });
  expect(watching.errors()).toEqual([]);
});
