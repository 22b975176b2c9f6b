// A decision rests on what a command shows: each is run, and must print what its page says. Those that install packages are only looked at.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const folder = join(root, 'docs/decisions');
const pages = readdirSync(folder).filter((name) => name !== 'README.md');

describe.each(pages)('%s', (page) => {
  const blocks = [...readFileSync(join(folder, page), 'utf8').matchAll(/^```\n([^]*?)^```$/gm)].map(
    ([, text = '']) => text,
  );
  const shown = blocks.flatMap((command, i) => (i % 2 === 0 ? [{ command, output: blocks[i + 1] }] : []));

  test('has a command that shows it, and its output', () => {
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.at(-1)?.output).toBeDefined();
  });

  test.each(shown.filter(({ command }) => !command.includes('npm i ')))('$command', ({ command, output }) => {
    expect(spawnSync('bash', ['-c', command], { cwd: root, encoding: 'utf8' }).stdout).toBe(output);
  });
});
