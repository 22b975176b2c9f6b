// The proof itself: runs files of the suite directly and in another way on fresh servers, compares, and says what was found.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestGateway } from '../real/gateway.ts';
import { AGENT_PASSWORD } from '../real/gateway.ts';
import { startServer, type TestServer } from '../real/servers.ts';
import { type Hunk, hunks } from './compare.ts';
import { EXCEPTIONS, type Exception } from './exceptions.ts';
import type { Suite } from './source.ts';
import { asExpected, createDatabase, DATABASE, type FileResult, runFiles, schedule, SERVER_SETTINGS } from './suite.ts';

/** A folder for both outputs of each file, to look at. */
const kept = process.env['HOLDPOINT_REGRESS_OUTPUT'];
const chosen = process.env['HOLDPOINT_REGRESS_FILES']?.split(',');
const prove = process.env['HOLDPOINT_PROVE'] === '1';

/** What one way through the gateway is. */
export interface Way {
  readonly name: string;
  /** Files for `npm test`: seconds, and they need no other file of the suite but these. */
  readonly few: readonly string[];
  /** Before a server with the suite's database; the URL names it. */
  start(upstream: string): Promise<TestGateway>;
  /** Takes Holdpoint's own notices out. */
  clean?(output: string): string;
  /** For the figures. */
  note?(): string;
}

export async function proveSame(suite: Suite, way: Way): Promise<void> {
  const files = chosen ?? (prove ? await schedule(suite) : way.few);
  const began = performance.now();
  const direct = await withServer((server) => run(suite, files, server, server, 'direct'));
  const between = performance.now();
  const through = await withServer((server) => runThrough(suite, files, server, way));
  const ended = performance.now();

  const found = (
    await Promise.all(direct.map(({ file, output }, at) => hunks(file, output, through[at]?.output ?? '')))
  ).flat();
  const listed = EXCEPTIONS.filter(
    ({ file, only = way.name }) => only === way.name && (file === '*' || files.includes(file)),
  );
  const unlisted = found.filter((hunk) => !listed.some((exception) => explains(exception, hunk)));
  const unused = listed.filter((exception) => !found.some((hunk) => explains(exception, hunk)));
  if (kept !== undefined) await keep(join(kept, way.name), direct, through, found);

  const differing = new Set(found.map(({ file }) => file));
  const unexplained = new Set(unlisted.map(({ file }) => file));
  const expected = await Promise.all(direct.map((result) => asExpected(suite, result)));
  console.log(
    [
      `regression suite of PostgreSQL ${suite.version}, ${way.name}, ${files.length} files:`,
      `${files.length - differing.size} identical, ${differing.size - unexplained.size} differ as listed (${found.length - unlisted.length} places, ${listed.length} entries), ${unexplained.size} differ otherwise (${unlisted.length} places);`,
      `${expected.filter(Boolean).length} of the direct run as in expected/;`,
      `direct ${seconds(between - began)}, through the gateway ${seconds(ended - between)}`,
      way.note?.() ?? '',
    ].join(' '),
  );
  expect(unlisted.map(show)).toEqual([]);
  expect(unused).toEqual([]);
  expect(direct.filter(({ output }) => output.length < 100)).toEqual([]);
}

async function withServer<T>(use: (server: TestServer) => Promise<T>): Promise<T> {
  const server = await startServer(15, SERVER_SETTINGS);
  try {
    await createDatabase(server);
    return await use(server);
  } finally {
    await server.stop();
  }
}

async function runThrough(
  from: Suite,
  files: readonly string[],
  server: TestServer,
  way: Way,
): Promise<readonly FileResult[]> {
  const gateway = await way.start(server.url.replace(/[^/]+$/, DATABASE));
  try {
    const to = { port: gateway.port, user: 'bot', password: AGENT_PASSWORD };
    const results = await run(from, files, server, to, way.name);
    expect(gateway.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    return results.map((result) => ({ ...result, output: way.clean?.(result.output) ?? result.output }));
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
