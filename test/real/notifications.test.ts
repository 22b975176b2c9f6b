// Notifications come when they like: also between the answers to what Holdpoint asks for itself, and cut in two by a read. The client must
// get each of them whole.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SAY, WireClient } from '../transcripts/client.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

/** Together more than one read of the server's socket; the server takes less than 8000 bytes each. */
const COUNT = 40;
const PAYLOAD_BYTES = 7900;

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;

  beforeAll(async () => {
    server = await startServer(major);
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  test('notifications arrive whole while the settings are read again', async () => {
    const target = { port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' };
    const client = await WireClient.open(target);
    const upTo = async (type: string): Promise<Buffer[]> => {
      const heard: Buffer[] = [];
      for (;;) {
        const reply = await client.next();
        if (!reply) throw new Error('the connection ended');
        if (reply.type === 'A') heard.push(reply.body);
        if (reply.type === type) return heard;
      }
    };
    client.send(SAY.Query('LISTEN many'));
    await upTo('Z');
    // The implicit transaction keeps them back until a Sync, which is Holdpoint's own.
    client.send(Buffer.concat([SAY.Parse('s', 'CREATE TABLE t AS SELECT 1'), SAY.Flush()]));
    await upTo('1');
    const admin = await server.admin();
    await admin.query(
      `SELECT pg_notify('many', i || repeat('x', ${PAYLOAD_BYTES})) FROM generate_series(1, ${COUNT}) i`,
    );
    client.send(Buffer.concat([SAY.Bind('', 's'), SAY.Execute(''), SAY.Sync()]));
    const heard = await upTo('N');
    const payloads = heard.map((body) => body.toString('latin1', 4).split('\0')[1] ?? '');
    expect(payloads).toEqual(Array.from({ length: COUNT }, (_, i) => `${i + 1}${'x'.repeat(PAYLOAD_BYTES)}`));
    await gateway.deny(await gateway.opened());
    await upTo('Z');
    client.destroy();
  });
});
