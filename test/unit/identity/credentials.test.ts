// Passwords of logins upstream: a real command, its limits, and how often it is asked.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OwnLogin } from '../../../src/config/own-login.ts';
import {
  COMMAND_PAUSE_MS,
  createCredentials,
  NoCredential,
  OUTPUT_BYTES_MAX,
} from '../../../src/identity/credentials.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdpoint-vault-'));
  writeFileSync(
    join(dir, 'vault'),
    `#!/bin/sh\necho "asked $*" >>${dir}/asked\necho 'not for the log' >&2\n[ -e ${dir}/fails ] && exit 3\ncat ${dir}/secret\n`,
  );
  chmodSync(join(dir, 'vault'), 0o700);
  writeFileSync(join(dir, 'secret'), 'first\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

const commandOf = (...command: [string, ...string[]]): OwnLogin => ({
  user: 'agents_rw',
  password: { type: 'command', command, refresh_ms: 60_000 },
});
const vault = () => commandOf(join(dir, 'vault'), 'read', '$(id); `id` "x y"');
const asked = (): string[] => readFileSync(join(dir, 'asked'), 'utf8').trim().split('\n');

describe('a command', () => {
  it('is run without a shell, once for all who wait, and again after its time or a refusal', async () => {
    const clock = { now: 0 };
    const credentials = createCredentials(() => clock.now);
    const all = await Promise.all(Array.from({ length: 20 }, () => credentials.get('bot', vault())));
    expect(new Set(all.map(({ password }) => password))).toEqual(new Set(['first']));
    expect(asked()).toEqual(['asked read $(id); `id` "x y"']);

    writeFileSync(join(dir, 'secret'), 'second\n');
    clock.now += 59_999;
    expect((await credentials.get('bot', vault())).password).toBe('first');
    clock.now += 1;
    expect((await credentials.get('bot', vault())).password).toBe('second');

    // Refused by the server, and not asked for again at once: whoever tries without end must not run it without end.
    writeFileSync(join(dir, 'secret'), 'third\n');
    expect(credentials.refused('bot', vault(), 'second')).toBe(true);
    expect((await credentials.get('bot', vault())).password).toBe('second');
    clock.now += COMMAND_PAUSE_MS;
    expect((await credentials.get('bot', vault())).password).toBe('third');
    // Of an older one: the answer of now has not been refused.
    credentials.refused('bot', vault(), 'second');
    clock.now += COMMAND_PAUSE_MS;
    writeFileSync(join(dir, 'secret'), 'fourth\n');
    expect((await credentials.get('bot', vault())).password).toBe('third');
    expect((await credentials.get('other', vault())).password).toBe('fourth');
  });

  it('says how it failed, and nothing of what it printed; it is tried again', async () => {
    const clock = { now: 0 };
    const credentials = createCredentials(() => clock.now);
    writeFileSync(join(dir, 'fails'), '');
    const failed: unknown = await credentials.get('bot', vault()).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(NoCredential);
    expect(String(failed)).toMatch(/vault ended with status 3$/);
    rmSync(join(dir, 'fails'));
    clock.now += COMMAND_PAUSE_MS;
    expect((await credentials.get('bot', vault())).user).toBe('agents_rw');
  });

  it.each([
    ['nothing', ['true'], /true gave no password/],
    ['two lines', ['printf', 'a\\nb\\n'], /printf gave more than one line/],
    ['a NUL', ['printf', 'a\\000b'], /printf gave no password/],
    ['no program', ['/no/such/program'], /can not be run \(ENOENT\)/],
    ['a page', ['yes'], new RegExp(`printed more than ${OUTPUT_BYTES_MAX} bytes`)],
    ['itself killed', ['sh', '-c', 'kill -9 $$'], /ended with SIGKILL/],
  ] as const)('that gives %s', async (_, command, why) => {
    await expect(createCredentials().get('bot', commandOf(...(command as unknown as [string])))).rejects.toThrow(why);
  });

  it('ends with what it has started when it prints too much', async () => {
    const mark = join(dir, 'still-there');
    const script = `(while :; do echo x >${mark}; sleep 0.05; done) & yes`;
    await expect(createCredentials().get('bot', commandOf('sh', '-c', script))).rejects.toThrow(/printed more/);
    const written = async (): Promise<boolean> => {
      rmSync(mark, { force: true });
      await new Promise((resolve) => setTimeout(resolve, 200));
      return existsSync(mark);
    };
    // Whatever was running when the group was killed writes nothing any more, once that has reached it.
    await expect.poll(written).toBe(false);
  });
});

describe('a file', () => {
  it('is read each time', async () => {
    const path = join(dir, 'password');
    writeFileSync(path, 'one\n');
    const own: OwnLogin = { user: 'u', password: { type: 'file', path } };
    const credentials = createCredentials();
    expect((await credentials.get('bot', own)).password).toBe('one');
    writeFileSync(path, 'two');
    expect((await credentials.get('bot', own)).password).toBe('two');
    writeFileSync(path, 'x'.repeat(OUTPUT_BYTES_MAX + 1));
    await expect(credentials.get('bot', own)).rejects.toThrow(/more than/);
    rmSync(path);
    await expect(credentials.get('bot', own)).rejects.toThrow(/can not be read \(ENOENT\)/);
  });
});
