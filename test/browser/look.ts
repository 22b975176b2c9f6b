// The page as it is built, looked at: by axe in both themes, and by a person, for whom screenshots go to a temporary folder that is printed.
// The build is made here, so that what is tested is what is in src/console.
import { mkdtemp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { beforeAll, expect } from 'vitest';
import { page } from './page.ts';

export let console_dir: string;
let shots: string;
let axe: string;

/** To be called before the hooks that start what serves it. */
export const openLook = (): void =>
  beforeAll(async () => {
    shots = await mkdtemp(join(tmpdir(), 'holdpoint-console-'));
    console_dir = join(shots, 'build');
    await build({
      root: join(import.meta.dirname, '../../src/console'),
      logLevel: 'error',
      build: { outDir: console_dir },
    });
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    process.stdout.write(`screenshots: ${shots}\n`);
  });

export async function shoot(name: string): Promise<void> {
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** No violation in either theme. */
export async function accessible(name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await shoot(`${name}-${colorScheme}-${page.viewportSize()?.width}`);
    // The page's policy forbids script elements; an evaluated string is not one.
    await page.evaluate(axe);
    const violations = await page.evaluate(async () => {
      const { axe: engine } = globalThis as unknown as {
        axe: {
          run(): Promise<{
            passes: unknown[];
            violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
          }>;
        };
      };
      const result = await engine.run();
      // A check that looked at nothing must not pass.
      if (result.passes.length < 10) throw new Error('axe looked at next to nothing');
      return result.violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.map((n) => `${n.html}\n${n.failureSummary}`),
      }));
    });
    expect(violations, `${name}, ${colorScheme}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Nothing sticks out to the side. */
export async function fits(): Promise<void> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide).toBe(0);
}
