// PostgreSQL's own regression suite, once directly and once through the gateway, on fresh servers, file by file in the suite's order:
// psql must print the same bytes. What may differ stands in exceptions.ts, with its reason; an entry that no longer occurs fails too.
// `npm test` runs a few files, `npm run prove regress` all.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Policy } from '../../src/policy/types.ts';
import { AGENT_PASSWORD, startGateway } from '../real/gateway.ts';
import { startServer, type TestServer } from '../real/servers.ts';
import { type Hunk, hunks } from './compare.ts';
import { EXCEPTIONS, type Exception } from './exceptions.ts';
import { findSuite, type Suite } from './source.ts';
import { asExpected, createDatabase, DATABASE, type FileResult, runFiles, schedule, SERVER_SETTINGS } from './suite.ts';

/** Files for `npm test`: seconds, and they need no other file but test_setup. */
const FEW = [
  'test_setup',
  'boolean',
  'strings',
  'transactions',
  'portals',
  'prepare',
  'copyselect',
  'encoding',
  'errors',
];
const prove = process.env['HOLDPOINT_PROVE'] === '1';
/** A folder for both outputs of each file, to look at. */
const kept = process.env['HOLDPOINT_REGRESS_OUTPUT'];
const chosen = process.env['HOLDPOINT_REGRESS_FILES']?.split(',');

// Everything that parses is let through. A file can't say so (its fixed keys hold or deny, by design), and reviewers may decide
// 120 times a minute: the policy in force is the file's, with every hold made an allow.
vi.mock('../../src/policy/load.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/policy/load.ts')>();
  return {
    ...original,
    loadPolicy: async (...args: Parameters<typeof original.loadPolicy>) => {
      const loaded = await original.loadPolicy(...args);
      return 'errors' in loaded ? loaded : { ...loaded, policy: allowing(loaded.policy) };
    },
  };
});
const allowing = (policy: Policy): Policy => ({
  ...policy,
  judge: (question) => ({ ...policy.judge(question), verdict: 'allow', ask: null }),
});
const POLICY = 'version: 1\ndefault: allow\n';

const suite = await findSuite();

if (typeof suite === 'string') test.skip(`PostgreSQL's regression suite: ${suite}`, () => undefined);
else
  test(`PostgreSQL's regression suite answers the same through the gateway`, async () => {
    const files = chosen ?? (prove ? await schedule(suite) : FEW);
    const began = performance.now();
    const direct = await withServer((server) => run(suite, files, server, server, 'direct'));
    const between = performance.now();
    const through = await withServer((server) => runThrough(suite, files, server));
    const ended = performance.now();

    const found = (
      await Promise.all(direct.map(({ file, output }, at) => hunks(file, output, through[at]?.output ?? '')))
    ).flat();
    const listed = EXCEPTIONS.filter(({ file }) => file === '*' || files.includes(file));
    const unlisted = found.filter((hunk) => !listed.some((exception) => explains(exception, hunk)));
    const unused = listed.filter((exception) => !found.some((hunk) => explains(exception, hunk)));
    if (kept !== undefined) await keep(kept, direct, through, found);

    const differing = new Set(found.map(({ file }) => file));
    const unexplained = new Set(unlisted.map(({ file }) => file));
    const expected = await Promise.all(direct.map((result) => asExpected(suite, result)));
    console.log(
      [
        `regression suite of PostgreSQL ${suite.version}, ${files.length} files:`,
        `${files.length - differing.size} identical, ${differing.size - unexplained.size} differ as listed (${found.length - unlisted.length} places, ${listed.length} entries), ${unexplained.size} differ otherwise (${unlisted.length} places);`,
        `${expected.filter(Boolean).length} of the direct run as in expected/;`,
        `direct ${seconds(between - began)}, through the gateway ${seconds(ended - between)}`,
      ].join(' '),
    );
    expect(unlisted.map(show)).toEqual([]);
    expect(unused).toEqual([]);
    expect(direct.every(({ output }) => output.length > 100)).toBe(true);
  });

async function withServer<T>(use: (server: TestServer) => Promise<T>): Promise<T> {
  const server = await startServer(15, SERVER_SETTINGS);
  try {
    await createDatabase(server);
    return await use(server);
  } finally {
    await server.stop();
  }
}

async function runThrough(from: Suite, files: readonly string[], server: TestServer): Promise<readonly FileResult[]> {
  const upstream = server.url.replace(/[^/]+$/, DATABASE);
  // One session, which sends nothing but new texts: the budget that protects others from it would only make it slow.
  const limits = { analysis_ms_per_s_max: 1000 };
  const gateway = await startGateway({ upstream, policy: POLICY, config: { limits } });
  try {
    const to = { port: gateway.port, user: 'bot', password: AGENT_PASSWORD };
    const results = await run(from, files, server, to, 'gateway');
    expect(gateway.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    return results;
  } finally {
    await gateway.stop();
  }
}

function run(
  from: Suite,
  files: readonly string[],
  server: TestServer,
  to: Parameters<typeof runFiles>[3],
  name: string,
): Promise<readonly FileResult[]> {
  return runFiles(from, files, server.as, to, (result) => {
    if (kept !== undefined) console.log(`${name} ${result.file} ${result.seconds.toFixed(1)} s`);
  });
}

function explains({ file, hunk }: Exception, found: Hunk): boolean {
  return (file === '*' || file === found.file) && hunk.test(found.text);
}

function show({ file, line, text }: Hunk): string {
  return `${file}.out:${line}\n${text.length > 600 ? `${text.slice(0, 600)}...` : text}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

async function keep(
  dir: string,
  direct: readonly FileResult[],
  through: readonly FileResult[],
  found: readonly Hunk[],
): Promise<void> {
  for (const [name, results] of [
    ['direct', direct],
    ['gateway', through],
  ] as const) {
    await mkdir(join(dir, name), { recursive: true });
    for (const { file, output } of results) await writeFile(join(dir, name, `${file}.out`), output, 'latin1');
  }
  const text = found.map(({ file, line, text: hunk }) => `=== ${file}.out:${line}\n${hunk}`).join('');
  await writeFile(join(dir, 'hunks.txt'), text, 'latin1');
}
