// The pages hold together: every link leads to a page, a heading or a file that is there, and every source file they name exists.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const text = (page: string): string => readFileSync(join(root, page), 'utf8');
const prose = (page: string): string => text(page).replaceAll(/^```[^]*?^```$/gm, '');

/** As GitHub makes them of headings. */
const anchors = (page: string): string[] =>
  [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

test('every link leads somewhere', () => {
  const links = pages.flatMap((page) =>
    [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ page, target })),
  );
  expect(links.length).toBeGreaterThan(30);
  const broken = links.filter(({ page, target }) => {
    if (/^https?:/.test(target)) return false;
    const [path = '', anchor] = target.split('#', 2);
    const file = path === '' ? page : relative(root, resolve(root, dirname(page), path));
    if (!existsSync(join(root, file))) return true;
    return anchor !== undefined && !anchors(file).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test('README.md and docs/ name every guide', () => {
  const guides = pages.filter((page) => /^docs\/[^/]+\.md$/.test(page)).map((page) => page.slice('docs/'.length));
  const unlinked = guides.filter((guide) => !pages.some((page) => text(page).includes(`${guide})`)));
  expect(unlinked).toEqual([]);
});

test('CONTRIBUTING.md names every proof, and each name finds one', () => {
  const names = [...text('CONTRIBUTING.md').matchAll(/^\| (`[^|]+`) \|/gm)]
    .flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
    .filter((name) => name !== 'npm run prove');
  // What has another size there, itself or by what it imports.
  const proofs = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => join('test', file))
    .filter((file) => file.endsWith('.test.ts') && !file.endsWith('pages.test.ts'))
    .filter((file) =>
      /HOLDPOINT_PROVE|HOLDPOINT_CORPUS|\bPROVE\b|readConfigureGlobal|(?<!src\/listener\/)proof\.ts'/.test(text(file)),
    );
  expect(proofs.length).toBeGreaterThan(12);
  expect(names.filter((name) => !proofs.some((file) => file.includes(name)))).toEqual([]);
  expect(proofs.filter((file) => !names.some((name) => file.includes(name)))).toEqual([]);
});

test('a proof that no file has is refused, and runs nothing', () => {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'test/run.ts', 'no-such-proof'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([1, expect.stringMatching(/^usage: [^]*\nfuzz\/session\.test\.ts\n/)]);
});

test('docs/ARCHITECTURE.md names files and functions that exist', () => {
  const named = [...text('docs/ARCHITECTURE.md').matchAll(/`([\w/]+\/[\w-]+\.ts)`(?: `(?:[\w.]+\.)?#?(\w+)`)?/g)];
  expect(named.length).toBeGreaterThan(15);
  const missing = named.filter(([, file = '', name]) => {
    const path = [join(root, 'src', file), join(root, file)].find((one) => existsSync(one));
    return path === undefined || (name !== undefined && !new RegExp(`\\b${name}\\b`).test(readFileSync(path, 'utf8')));
  });
  expect(missing.map(([whole]) => whole)).toEqual([]);
});
