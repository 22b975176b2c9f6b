// Every transcript of this folder, on PostgreSQL 15 and 18: through the gateway; sections in which the gateway has no part also against the
// server alone, which must answer the same; and once more with the client's bytes cut anywhere. UPDATE=1 writes what was seen.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AGENT_PASSWORD, startGateway, type TestGateway } from '../real/gateway.ts';
import { available, MAJORS, startServer, type TestServer } from '../real/servers.ts';
import type { Target } from './client.ts';
import { FIXTURE, POLICY } from './fixture.ts';
import { play, readTranscript, type Section, writeTranscript } from './play.ts';

const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt'));
const update = process.env['UPDATE'] === '1';

test('there are transcripts', () => {
  expect(files.length).toBeGreaterThan(0);
});

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let direct: pg.Client;

  beforeAll(async () => {
    server = await startServer(major);
    direct = new pg.Client({ connectionString: server.url });
    await direct.connect();
    await direct.query('SET client_min_messages = error');
  });
  afterAll(async () => {
    await direct?.end();
    await server?.stop();
  });

  const playAll = async (
    sections: readonly Section[],
    gateway: TestGateway | null,
    chunk_bytes: (() => number) | null,
  ): Promise<Section[]> => {
    const target: Target = gateway
      ? { port: gateway.port, user: 'bot', password: AGENT_PASSWORD, database: 'postgres' }
      : { port: server.port, user: server.user, password: server.password, database: 'postgres' };
    const skip: string[] = [];
    const played: Section[] = [];
    for (const section of sections) {
      await direct.query(FIXTURE);
      const lines = await play(section, { target, gateway, server: direct, chunk_bytes, skip });
      played.push({ ...section, lines });
    }
    return played;
  };
  const throughGateway = async (
    sections: readonly Section[],
    chunk_bytes: (() => number) | null,
  ): Promise<Section[]> => {
    const gateway = await startGateway({ upstream: server.url, policy: POLICY, reviewers: 1 });
    try {
      return await playAll(sections, gateway, chunk_bytes);
    } finally {
      await gateway.stop();
    }
  };

  describe.each(files)('%s', (file) => {
    const path = join(import.meta.dirname, file);
    const written = readFileSync(path, 'utf8');
    const { head, sections } = readTranscript(written);
    const both = sections.filter(({ where }) => where === 'both');

    test('through the gateway', async () => {
      const text = writeTranscript(head, await throughGateway(sections, null));
      if (update && major === MAJORS[0]) writeFileSync(path, text);
      else expect(text).toBe(readFileSync(path, 'utf8'));
    });

    // Not runIf: a skipped test counts as a failure in CI.
    if (both.length > 0)
      test('the server alone says the same', async () => {
        const expected = readTranscript(readFileSync(path, 'utf8')).sections.filter(({ where }) => where === 'both');
        expect(writeTranscript([], await playAll(both, null, null))).toBe(writeTranscript([], expected));
      });

    test('cut anywhere', async () => {
      let seed = Number(process.env['HOLDPOINT_SEED'] ?? 1);
      const chunk_bytes = (): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return 1 + ((seed >>> 16) % 23);
      };
      const text = writeTranscript(head, await throughGateway(sections, chunk_bytes));
      expect(text).toBe(readFileSync(path, 'utf8'));
    });
  });
});
