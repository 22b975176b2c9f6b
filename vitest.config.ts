// Tests in the order of their cost; `npm test` runs one project after another (test/run.ts).
import { defineConfig } from 'vitest/config';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
/** What is waited for with expect.poll comes; when, is the machine's affair. */
const POLL = { timeout: 30_000, interval: 20 };

export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/setup.ts'],
    projects: [
      project('unit', ['test/*.test.ts', 'test/unit/**/*.test.ts', 'test/fuzz/**/*.test.ts'], 60_000),
      project('transcripts', ['test/transcripts/**/*.test.ts'], 90_000),
      project('real', ['test/real/**/*.test.ts'], 120_000),
      // PostgreSQL's own suite, whose source is fetched, and MariaDB's.
      project('regress', ['test/regress/**/*.test.ts', 'test/mtr/**/*.test.ts'], 240_000),
      // Needs data that the repository does not hold (HOLDPOINT_CORPUS): only `npm run prove` runs it.
      project('corpus', ['test/corpus/**/*.test.ts'], 240_000),
      project('browser', ['test/browser/**/*.test.ts'], 240_000),
    ],
  },
});

function project(name: string, include: string[], timeout_ms: number) {
  const limit = prove ? 60 * 60_000 : timeout_ms;
  return {
    extends: true as const,
    test: { name, include, testTimeout: limit, hookTimeout: limit, expect: { poll: POLL } },
  };
}
