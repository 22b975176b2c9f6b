// One page for each test in a real browser. What the page's console complains of fails the test. Must never outlive its test file.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
export const WIDE = { width: 1440, height: 900 };
export const NARROW = { width: 390, height: 844 };

let browser: Browser;
export let context: BrowserContext;
export let page: Page;
let faults: string[];
let expected: RegExp | null;

/** Lines of the console that this test provokes on purpose. */
export const provokes = (lines: RegExp): void => void (expected = lines);

/** To be called behind the hooks that start and stop what the pages come from: a page is gone before that is. */
export const openPages = (): void => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce' });
    page = await context.newPage();
    page.setDefaultTimeout(60_000);
    faults = [];
    expected = null;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
  });
  afterEach(async () => {
    await context.close();
    expect(faults.filter((fault) => !expected?.test(fault))).toEqual([]);
  });
};

export const live = () => page.getByText('Live', { exact: true }).waitFor();
export const card = () => page.getByRole('heading', { name: /^Exact statement/ }).waitFor();
export const bar = () => page.locator('section.decide form');
export const rationale = () => page.getByRole('textbox', { name: /^Rationale/ });
