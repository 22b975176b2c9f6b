// What the scripts of `holdpoint completion` do in the shells that they are for: Tab pressed in a terminal for bash and zsh, fish asked as it asks
// itself. Ids are those that a `holdpoint` of the test prints; what the real one prints is review-commands.test.ts's.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Pane } from './pane.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
/** Each as it starts with nothing of the user's. */
const SHELLS = { bash: 'bash --norc --noprofile -i', zsh: 'zsh -f -i', fish: 'fish --no-config' } as const;
const isHere = (shell: keyof typeof SHELLS): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** A line up to where Tab is pressed, and what it becomes: but one thing can follow. */
const ONE: readonly (readonly [line: string, becomes: string])[] = [
  ['rev', 'review'],
  ['permits re', 'permits revoke'],
  ['approve HP-7', 'approve HP-7KQ4M2XA'],
  ['permits revoke PM', 'permits revoke PM-3WX9ABCD'],
  ['approve --permit', 'approve --permit-for'],
  ['requests --state wi', 'requests --state withdrawn'],
  ['check --config my', 'check --config my-config.yaml'],
  ['policy check my', 'policy check my-config.yaml'],
  // A word of another command is none of this one.
  ['ask revoke HP-7', 'ask revoke HP-7KQ4M2XA'],
];
/** And what is offered where several things can follow. */
const SEVERAL: readonly (readonly [line: string, offers: readonly string[]])[] = [
  ['re', ['requests', 'review']],
  ['completion ', ['bash', 'fish', 'zsh']],
  ['approve HP-', ['HP-7KQ4M2XA', 'HP-9C2DM4VA']],
];

let dir: string;
let env: Record<string, string>;
let panes: Pane[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-completion-'));
  const ids = { requests: ['HP-7KQ4M2XA', 'HP-9C2DM4VA'], permits: ['PM-3WX9ABCD'] };
  const cases = Object.entries(ids).map(
    ([command, all]) => `${command}) printf '%s\\n' '[{' ${all.map((id) => `'    "id": "${id}",'`).join(' ')} '}]' ;;`,
  );
  // What no server of ours says: ids that a shell would run, and one inside of somebody's words.
  const hostile = join(dir, 'hostile.json');
  await writeFile(
    hostile,
    `    "id": "HP-$(touch ${dir}/ran-it)",\n    "id": "HP-\`touch ${dir}/ran-it\`",\n    "id": "HP-;touch ${dir}/ran-it;",\n` +
      '    "reason": "\\"id\\": \\"HP-9N0T1D\\""\n',
  );
  await mkdir(join(dir, 'bin'));
  const program = join(dir, 'bin', 'holdpoint');
  await writeFile(
    program,
    `#!/bin/sh\n[ "$2" = --json ] || exit 2\ncat ${hostile}\ncase "$1" in\n${cases.join('\n')}\nesac\n`,
  );
  await chmod(program, 0o755);
  await mkdir(join(dir, 'work', 'review'), { recursive: true });
  await writeFile(join(dir, 'work', 'my-config.yaml'), '');
  for (const shell of Object.keys(SHELLS)) {
    const { stdout, status } = spawnSync(process.execPath, ['--import', 'tsx', MAIN, 'completion', shell]);
    expect(status).toBe(0);
    await writeFile(join(dir, `script.${shell}`), stdout);
  }
  env = { PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}`, HOME: dir };
});
afterEach(async () => {
  await Promise.all(panes.splice(0).map((pane) => pane.close()));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

/** A terminal in which this shell has read its script. */
async function shellOf(shell: 'bash' | 'zsh'): Promise<Pane> {
  const pane = await Pane.open(join(dir, 'work'), { columns: 200, env: { HOME: dir } });
  panes.push(pane);
  await pane.type(`exec ${SHELLS[shell]}`);
  await pane.press('Enter');
  await pane.type(
    `PATH=${join(dir, 'bin')}:$PATH; PS1='> '; . ${join(dir, `script.${shell}`)}; clear; echo is rea''dy`,
  );
  await pane.press('Enter');
  await pane.until(/^is ready\n> ?$/m);
  return pane;
}

describe.each(['bash', 'zsh'] as const)('%s', (shell) => {
  test.skipIf(!isHere(shell))('Tab completes what can be but one thing, and lists what can be several', async () => {
    const pane = await shellOf(shell);
    for (const [line, becomes] of ONE) {
      await pane.type(`holdpoint ${line}`);
      await pane.press('Tab');
      await pane.until(new RegExp(`^> holdpoint ${becomes}$`, 'm'));
      await pane.press('C-u');
      await pane.until(/^>$/m);
    }
    for (const [line, offers] of SEVERAL) {
      await pane.type(`holdpoint ${line}`);
      await pane.press('Tab');
      await pane.press('Tab');
      const screen = await pane.until(new RegExp(`^(?!>).*${offers.at(-1)}`, 'm'));
      const listed = screen.filter((text) => !text.startsWith('>')).join(' ');
      expect(offers.filter((one) => !listed.includes(one))).toEqual([]);
      // Not Ctrl-C: a shell throws away what was typed behind it.
      await pane.press('C-u', 'C-l');
      await pane.until(/^>\n*$/);
    }
  });
});

test.skipIf(!isHere('fish'))('fish offers what can be, with words on it', () => {
  const offered = (line: string): string[] => {
    const asked = `source ${join(dir, 'script.fish')}; complete -C '${line}'`;
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', asked], {
      encoding: 'utf8',
      cwd: join(dir, 'work'),
      env: { ...process.env, ...env },
    });
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  };
  const wordOf = (text: string | undefined): string => text?.split('\t')[0] ?? '';
  for (const [line, becomes] of ONE) {
    const offers = offered(`holdpoint ${line}`);
    expect(offers.map(wordOf), line).toEqual([becomes.split(' ').at(-1)]);
  }
  for (const [line, offers] of SEVERAL) expect(offered(`holdpoint ${line}`).map(wordOf), line).toEqual(offers);
  expect(offered('holdpoint revi')).toEqual(['review\treview requests in this terminal, live']);
});

test('nothing that a server says is run', () => {
  expect(existsSync(join(dir, 'ran-it'))).toBe(false);
});
