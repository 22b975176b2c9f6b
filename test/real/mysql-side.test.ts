// A connection of Holdpoint's own to real servers: what it reads is what is there, and a refusal keeps it usable.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Refused, Side } from '../../src/upstream/mysql/side.ts';
import { targetOf } from './mysql-door.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let side: Side;
  beforeAll(async () => {
    server = await startMysql(engine);
    side = await Side.open(targetOf(server));
  });
  afterAll(async () => {
    await side.close();
    await server.stop();
  });

  test('rows, NULLs, empty and long texts', async () => {
    expect(await side.ask("SELECT 1, NULL, '', 'ä€😀'")).toEqual([['1', null, '', 'ä€😀']]);
    expect(await side.ask('SELECT 1 FROM DUAL WHERE FALSE')).toEqual([]);
    const [[long] = []] = await side.ask("SELECT REPEAT('x', 1000000)");
    expect(long?.length).toBe(1_000_000);
    expect(await side.ask('DO 1')).toEqual([]);
  });

  test('a refusal tells codes only, and the next question is answered', async () => {
    const refused = await side.ask('SELECT secret FROM nowhere.t').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ errno: expect.any(Number), sqlstate: expect.stringMatching(/^42/) });
    expect((refused as Refused).message).not.toContain('nowhere');
    expect(await side.ask('SELECT 2')).toEqual([['2']]);
  });

  test('an answer that does not come in time ends it', async () => {
    const short = await Side.open(targetOf(server), 200);
    await expect(short.ask('SELECT SLEEP(30)')).rejects.toThrow('lost');
    expect(short.gone).toBe(true);
  });
});
