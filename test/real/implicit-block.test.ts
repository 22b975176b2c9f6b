// From PostgreSQL 18 on a Query behind messages that no Sync has ended leaves their implicit transaction open. A Sync of Holdpoint's own
// there would commit what the client may still take back; the transcripts can't say it, since 15 answers otherwise.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAY, type Target, WireClient } from '../transcripts/client.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let direct: pg.Client;

  beforeAll(async () => {
    server = await startServer(major);
    direct = await server.admin();
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  test('a Query behind an open pipeline ends as with the server alone', async () => {
    const rows = async (target: Target): Promise<{ replies: string; rows: unknown[] }> => {
      await direct.query('DROP TABLE IF EXISTS a; CREATE TABLE a (id int)');
      const client = await WireClient.open(target);
      let replies = '';
      const upTo = async (count: number): Promise<void> => {
        for (let ready = 0; ready < count; ) {
          const reply = await client.next();
          if (!reply) throw new Error('the connection ended');
          if (!'SN'.includes(reply.type))
            replies += reply.type === 'Z' ? `Z${reply.body.toString('latin1')} ` : reply.type;
          if (reply.type === 'Z') ready++;
        }
      };
      client.send(
        Buffer.concat([
          SAY.Parse('', 'SELECT 1'),
          SAY.Bind('', ''),
          SAY.Execute(''),
          SAY.Query('INSERT INTO a VALUES (4)'),
        ]),
      );
      await upTo(1);
      client.send(Buffer.concat([SAY.Parse('', 'SELECT 2'), SAY.Query('BEGIN'), SAY.Sync()]));
      await upTo(2);
      client.send(SAY.Query('ROLLBACK'));
      await upTo(1);
      client.destroy();
      return { replies, rows: (await direct.query('SELECT id FROM a')).rows };
    };
    const { port, user, password } = server;
    const alone = await rows({ port, user, password, database: 'postgres' });
    const through = await rows({ port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' });
    expect(through).toEqual(alone);
  });

  test('a block that a pipeline began, and a Query behind it failed, is failed: nobody is asked', async () => {
    const replies = async (target: Target): Promise<string[]> => {
      const client = await WireClient.open(target);
      const seen: string[] = [];
      const upTo = async (count: number): Promise<void> => {
        for (let ready = 0; ready < count; ) {
          const reply = await client.next();
          if (!reply) throw new Error('the connection ended');
          if (reply.type === 'Z') ready++;
          if (reply.type === 'E' || reply.type === 'Z')
            seen.push(
              /C([0-9A-Z]{5})\0/.exec(reply.body.toString('latin1'))?.[1] ?? `Z${reply.body.toString('latin1')}`,
            );
          // Holdpoint tells a client that it is held.
          if (reply.type === 'N') throw new Error('held');
        }
      };
      try {
        client.send(
          Buffer.concat([SAY.Parse('', 'BEGIN'), SAY.Bind('', ''), SAY.Execute(''), SAY.Query('SELECT 1/0')]),
        );
        await upTo(1);
        client.send(SAY.Query('COPY (SELECT 1) TO STDOUT'));
        await upTo(1);
        client.send(Buffer.concat([SAY.Parse('', 'COPY (SELECT 1) TO STDOUT'), SAY.Sync()]));
        await upTo(1);
        client.send(SAY.Query('ROLLBACK'));
        await upTo(1);
        return seen;
      } finally {
        client.destroy();
      }
    };
    const { port, user, password } = server;
    const alone = await replies({ port, user, password, database: 'postgres' });
    expect(alone.filter((reply) => reply === '25P02')).toHaveLength(2);
    const through = await replies({ port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' });
    expect(through).toEqual(alone);
  });
});
