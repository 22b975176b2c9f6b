// `holdpoint audit rotate-master-key` and what `check` says of the master key: from a configuration, with the key in a file, a variable or by
// a command.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/log.ts';
import { readLog } from '../../../src/audit/read.ts';
import { masterKey } from '../../../src/audit/wrap.ts';
import { masterKeyOf } from '../../../src/cli/audit/master-key.ts';
import { rotateMasterKey } from '../../../src/cli/audit/rotate-master-key.ts';
import { checkMasterKey } from '../../../src/cli/check-audit.ts';
import { type Config, loadAuditPaths } from '../../../src/config/config.ts';

let dir: string;
let config: string;
let old_text: string;
let new_text: string;
const old_file = () => join(dir, 'old.key');
const new_file = () => join(dir, 'new.key');

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-master-'));
  config = join(dir, 'holdpoint.yaml');
  [old_text, new_text] = [randomBytes(32).toString('hex'), randomBytes(32).toString('base64')];
  await writeFile(old_file(), `${old_text}\n`);
  await writeFile(new_file(), new_text);
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const configured = (audit: string): Promise<void> => writeFile(config, `data: data\naudit: ${audit}\n`);
const paths = () => loadAuditPaths(config);

async function started(): Promise<void> {
  const { data, master_key } = await paths();
  const log = await openAuditLog({ dir: join(data, 'audit'), node: 'n1', master_key: await masterKeyOf(master_key) });
  await log.append({ type: 'x.y', clear: {}, sealed: { text: 'a sealed text' } });
  await log.close();
}

async function texts(key: string | null): Promise<unknown[]> {
  const found = [];
  for await (const { type, sealed } of readLog(join(dir, 'data', 'audit'), {
    master_key: key === null ? null : masterKey(key),
  }))
    if (type === 'x.y') found.push(sealed?.['text']);
  return found;
}

describe('rotate-master-key', () => {
  it('with the old one in the configuration, then with the new one there, then no more', async () => {
    await configured('{master_key: "file:old.key"}');
    await started();
    const was = masterKey(old_text).id;
    const now = masterKey(new_text).id;
    expect(await rotateMasterKey({ config, new: `file:${new_file()}` })).toBe(
      `2 of 2 keys written anew: was wrapped with the master key ${was}, now wrapped with the master key ${now}. Set audit.master_key accordingly before the next start, which is refused otherwise.\n`,
    );
    await expect(started()).rejects.toMatchObject({ kind: 'key', message: expect.stringContaining(now) });
    await configured('{master_key: "file:new.key"}');
    await started();
    expect(await texts(new_text)).toEqual(['a sealed text', 'a sealed text']);
    // What was done is done: nothing is left for a second run.
    expect(await rotateMasterKey({ config, old: `file:${old_file()}` })).toMatch(/^0 of 2 keys written anew/);
    expect(await rotateMasterKey({ config, new: 'none' })).toMatch(
      /^2 of 2 keys written anew: was .*, now not wrapped\./,
    );
    expect(await texts(null)).toEqual(['a sealed text', 'a sealed text']);
  });

  it('refuses a wrong old key, one that is no key, and a log in use, and changes nothing', async () => {
    await configured('{master_key: "file:new.key"}');
    await started();
    const folder = join(dir, 'data', 'audit', 'keys');
    const content = async () =>
      Promise.all((await readdir(folder)).toSorted().map((name) => readFile(join(folder, name), 'hex')));
    const before = await content();
    process.env['HOLDPOINT_TEST_OTHER'] = randomBytes(32).toString('hex');
    try {
      await configured(`{master_key: "file:old.key"}`);
      await expect(rotateMasterKey({ config, old: 'env:HOLDPOINT_TEST_OTHER' })).rejects.toMatchObject({ kind: 'key' });
    } finally {
      delete process.env['HOLDPOINT_TEST_OTHER'];
    }
    await expect(rotateMasterKey({ config, old: 'env:HOLDPOINT_TEST_OTHER' })).rejects.toThrow('is not set');
    await expect(rotateMasterKey({ config, old: old_text })).rejects.toThrow('--old needs file:<path> or env:<NAME>');
    await expect(rotateMasterKey({ config })).rejects.toThrow('--old or --new is missing');
    await writeFile(old_file(), 'not a key');
    await expect(rotateMasterKey({ config, old: `file:${new_file()}` })).rejects.toThrow(
      'audit.master_key: the master key is not 32 bytes',
    );
    await configured('{master_key: "file:new.key"}');
    const log = await openAuditLog({ dir: join(dir, 'data', 'audit'), node: 'n1', master_key: masterKey(new_text) });
    await expect(rotateMasterKey({ config, new: 'none' })).rejects.toMatchObject({ kind: 'locked' });
    await log.close();
    expect(await content()).toEqual(before);
  });
});

describe('check', () => {
  const said = async () => {
    const { data, master_key } = await paths();
    return checkMasterKey({ data, audit: { master_key } } as Config);
  };

  it('warns without one, and counts what the next start wraps', async () => {
    await configured('{}');
    expect(await said()).toMatchObject({ level: 'warn', text: expect.stringContaining('set audit.master_key') });
    await started();
    expect(await said()).toMatchObject({ level: 'warn' });
    await configured(`{master_key: {command: [cat, ${old_file()}]}}`);
    const { id } = masterKey(old_text);
    expect(await said()).toEqual({
      level: 'ok',
      about: 'audit',
      text: `master key ${id}, 2 keys; the next start wraps 2 of them`,
    });
    await started();
    expect(await said()).toEqual({ level: 'ok', about: 'audit', text: `master key ${id}, 2 keys` });
  });

  it('fails with a wrong one, and where it can not be had, and shows neither', async () => {
    await configured(`{master_key: "file:old.key"}`);
    await started();
    for (const audit of [
      '{}',
      '{master_key: "file:new.key"}',
      '{master_key: {command: ["false"]}}',
      '{master_key: {command: [echo, short]}}',
    ]) {
      await configured(audit);
      const { level, text } = await said();
      expect([audit, level]).toEqual([audit, 'fail']);
      for (const secret of [old_text, new_text, 'short']) expect(text.includes(secret)).toBe(false);
    }
  });
});
