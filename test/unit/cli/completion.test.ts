// The completion script, asked by a real shell.
import { spawnSync } from 'node:child_process';
import { expect, it, vi } from 'vitest';
import { Command } from 'commander';
import { completionCommand } from '../../../src/cli/completion.ts';
import { createProgram } from '../../../src/cli/program.ts';

const program = createProgram({
  serve: () => Promise.reject(new Error('not served here')),
  neededTexts: () => Promise.reject(new Error('not asked here')),
  lookAtMysql: () => Promise.reject(new Error('not looked at here')),
  readMysqlCatalog: () => Promise.reject(new Error('not read here')),
});

function script(shell: string): string {
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    new Command().addCommand(completionCommand(() => program)).parse(['completion', shell], { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return printed;
}

/** What bash would offer for the last of these words; ids as the server would give them. */
function offered(...words: readonly string[]): string[] {
  const quoted = ['holdpoint', ...words].map((word) => `'${word}'`).join(' ');
  const { stdout, stderr } = spawnSync('bash', ['-c', `eval "$0"; ${IDS}; ${ASK} ${quoted}`, script('bash')], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.trim().split(' ').filter(Boolean);
}
const IDS = `holdpoint() { echo '    "id": "HP-7KQ4M2XA",'; echo '      "id": "ada",'; }`;
const ASK = 'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdpoint; echo "${COMPREPLY[*]}"; }; ask';

it.each([
  [['re'], ['review', 'requests']],
  [['permits', 're'], ['revoke']],
  [['approve', 'HP'], ['HP-7KQ4M2XA']],
  [['approve', '--permit'], ['--permit-for']],
  [
    ['requests', '--state', 'd'],
    ['decided', 'denied'],
  ],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish', '--help'],
  ],
] as const)('%s completes to %s', (words, expected) => {
  expect(offered(...words)).toEqual(expected);
});

it('every command, option and choice is in each script', () => {
  for (const shell of ['bash', 'zsh', 'fish'])
    for (const command of program.commands) {
      expect(script(shell)).toContain(command.name());
      for (const { long } of command.options) expect(script(shell)).toContain(long?.slice(2));
    }
});

it('an unknown shell is wrong usage', () => {
  expect(() =>
    new Command()
      .exitOverride()
      .addCommand(completionCommand(() => program).exitOverride())
      .parse(['completion', 'csh'], { from: 'user' }),
  ).toThrow(/Allowed choices are bash, zsh, fish/);
});
