// The page of an evidence folder as a file in a real browser: both themes, wide, narrow and 320 px; nothing in it runs, and nothing is fetched.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeEvidence } from '../../src/cli/evidence/make.ts';
import { everything, writeLog } from '../unit/cli/evidence/sample.ts';
import { accessible, fits, openLook, shoot } from './look.ts';
import { context, NARROW, openPages, page, WIDE } from './page.ts';

const root = mkdtempSync(join(tmpdir(), 'holdpoint-evidence-page-'));
const url = pathToFileURL(join(root, 'out', 'index.html')).href;

openLook();
beforeAll(async () => {
  const { dir } = await writeLog(join(root, 'log'), everything, '2025-12-31T23:50:00.000Z');
  await makeEvidence({
    dir,
    out: join(root, 'out'),
    period: { from: '2026-01-01T00:00:00.000Z', to: '2026-04-01T00:00:00.000Z' },
    with_text: true,
    master_key: null,
    // So that what is said first is the worst.
    verified: { impossible: 'nobody gave a key' },
    now: Date.parse('2026-05-01T00:00:00Z'),
    progress: () => undefined,
  });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
openPages();

test('reads the same to everybody: axe in both themes, nothing sticks out', async () => {
  for (const size of [WIDE, NARROW, { width: 320, height: 800 }]) {
    await page.setViewportSize(size);
    await page.goto(url);
    await fits();
    await accessible('evidence');
  }
});

test('what an agent wrote is text: nothing runs, nothing is fetched', async () => {
  const asked: string[] = [];
  context.on('request', (request) => asked.push(request.url()));
  const ran: string[] = [];
  page.on('dialog', (dialog) => {
    ran.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(url);
  expect(asked).toEqual([url]);
  expect(ran).toEqual([]);
  expect(await page.locator('script, img, iframe, object, form').count()).toBe(0);
  expect(await page.getByText("SELECT '<script>alert(1)</script>'").count()).toBeGreaterThan(0);
  expect(await page.locator('.ctl', { hasText: 'RLO' }).count()).toBeGreaterThan(2);
});

test('what is wrong stands first, above the fold', async () => {
  await page.goto(url);
  const box = await page.getByText('THE LOG DOES NOT VERIFY').first().boundingBox();
  expect(box?.y).toBeLessThan(300);
  expect(await page.locator('.alert').first().getAttribute('class')).toBe('alert critical');
});

test('on paper: every row is there, the table of contents is not', async () => {
  await page.goto(url);
  await page.emulateMedia({ media: 'print' });
  await shoot('evidence-print');
  expect(await page.locator('nav').isVisible()).toBe(false);
  expect((await page.pdf({ format: 'A4', landscape: true })).length).toBeGreaterThan(20_000);
});
