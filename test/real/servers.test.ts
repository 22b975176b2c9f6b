// The servers that all real tests stand on: both versions start, answer, and are gone after stop.
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { available, MAJORS, startServer } from './servers.ts';

describe.each(MAJORS)('PostgreSQL %i', (major) => {
  it.skipIf(!available(major))('starts, answers as that version, and is gone after stop', async () => {
    const [one, two] = await Promise.all([startServer(major), startServer(major)]);
    expect(one.port).not.toBe(two.port);
    const { rows } = await (await one.admin()).query<{ server_version_num: string }>('SHOW server_version_num');
    expect(Math.floor(Number(rows[0]?.server_version_num) / 10_000)).toBe(major);
    await Promise.all([one.stop(), two.stop()]);
    await expect(new pg.Client(one.url).connect()).rejects.toThrow('ECONNREFUSED');
  });
});
