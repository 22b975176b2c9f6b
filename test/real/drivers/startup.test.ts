// Clients that can't be had here: what they are documented to say at their start (startup/documented) is said to the gateway, byte by byte,
// with the starter policy before both servers. Every statement must pass: none held, none refused, none answered by an error.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printReply, SAY, WireClient } from '../../transcripts/client.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from '../gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../servers.ts';
import { SCHEMA } from './scenarios.ts';

const FOLDER = join(import.meta.dirname, 'startup', 'documented');
const FILES = readdirSync(FOLDER);

test('there is one for each client that is documented only', () => {
  expect(FILES).toEqual(['dbeaver.txt', 'npgsql.txt', 'pgadmin.txt', 'prisma.txt']);
});

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let gateway: TestGateway;

  beforeAll(async () => {
    server = await startServer(major);
    await server.admin(SCHEMA);
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  test.each(FILES)('%s passes', async (file) => {
    const [start = [], ...messages] = read(file);
    const client = await WireClient.open(
      { port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' },
      start[2] as Record<string, string>,
    );
    // What were held would be refused at once, not in 45 s.
    client.send(SAY.Query("SET holdpoint.hold = '1ms'"));
    expect(await answers(client)).toEqual([]);
    for (const [name, ...words] of messages) {
      const say = SAY[name as keyof typeof SAY] as (...given: unknown[]) => Buffer;
      client.send(say(...words));
      if (name === 'Query' || name === 'Sync') expect(await answers(client), JSON.stringify(words)).toEqual([]);
    }
    client.send(SAY.Terminate());
    expect((await gateway.grace.list({ state: 'all' })).requests).toEqual([]);
  });
});

/** Errors and notices up to ReadyForQuery, and an end of the connection. */
async function answers(client: WireClient): Promise<string[]> {
  const bad: string[] = [];
  for (;;) {
    const reply = await client.next();
    if (!reply) return [...bad, 'closed'];
    if (reply.type === 'E' || reply.type === 'N') bad.push(printReply(reply));
    if (reply.type === 'Z') return bad;
  }
}

/** A fixture's messages: a name and its words, bare or JSON. */
function read(file: string): unknown[][] {
  const lines = readFileSync(join(FOLDER, file), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('> '))
    .map((line) =>
      [...line.slice(2).matchAll(/"(?:[^"\\]|\\.)*"|[[{].*?[\]}](?= |$)|\S+/g)].map(([word]) =>
        /^["[{\d]/.test(word) && word !== '3.0' ? (JSON.parse(word) as unknown) : word,
      ),
    );
}
