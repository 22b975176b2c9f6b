// Anchors: what is kept where, how often, and that one that fails, hangs or is slow holds up nothing and is told.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Anchor, AnchorRefused, Anchors, folderAnchor } from '../../../src/audit/anchor.ts';
import type { Checkpoint } from '../../../src/audit/checkpoint.ts';
import { realFs } from '../../../src/audit/files.ts';
import { parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { verifierKeys } from '../../../src/audit/signer.ts';
import { openLog } from '../../../src/compose/log.ts';
import { parseConfig } from '../../../src/config/config.ts';
import { createLog } from '../../../src/telemetry/log.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'audit-anchors-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = Date.parse('2025-11-22T16:36:38Z');
const checkpoint = (size: number): Checkpoint => ({
  size,
  root: '00'.repeat(32),
  note: `log/a\n${size}\n\n\u2014 log/a x\n`,
  at,
});
const quiet = { origin: 'log/a', warn: () => undefined, info: () => undefined };

it('a folder gets one file for each checkpoint, whole or not at all, or one for each day', async () => {
  const files = folderAnchor(realFs, { name: 'f', every_ms: 0, folder: root, layout: 'files' });
  const append = folderAnchor(realFs, { name: 'a', every_ms: 0, folder: root, layout: 'append' });
  for (const size of [7, 1234]) {
    await files.put(checkpoint(size), 'log/a');
    await append.put(checkpoint(size), 'log/a');
  }
  expect(readdirSync(join(root, 'log_a')).toSorted()).toEqual(['2025-11-22', '2025-11-22.checkpoints']);
  expect(readdirSync(join(root, 'log_a/2025-11-22')).toSorted()).toEqual([
    '0000000000000007.checkpoint',
    '0000000000001234.checkpoint',
  ]);
  expect(readFileSync(join(root, 'log_a/2025-11-22/0000000000001234.checkpoint'), 'utf8')).toBe(
    'log/a\n1234\n\n\u2014 log/a x\n',
  );
  expect(readFileSync(join(root, 'log_a/2025-11-22.checkpoints'), 'utf8')).toBe(
    'log/a\n7\n\n\u2014 log/a x\nlog/a\n1234\n\n\u2014 log/a x\n',
  );
  expect(statSync(join(root, 'log_a/2025-11-22/0000000000000007.checkpoint')).mode & 0o777).toBe(0o600);
});

it('what a crash tore in a file of checkpoints is cut before the next one is added, so that every reader takes the file', async () => {
  const append = folderAnchor(realFs, { name: 'a', every_ms: 0, folder: root, layout: 'append' });
  const path = join(root, 'log_a/2025-11-22.checkpoints');
  const whole = (size: number): string => `log/a\n${size}\n${'A'.repeat(43)}=\n\n\u2014 log/a ${'B'.repeat(91)}=\n`;
  const put = (size: number) => append.put({ ...checkpoint(size), note: whole(size) }, 'log/a');
  await put(1);
  await put(2);
  const good = readFileSync(path);
  const next = Buffer.from(whole(3));
  for (let cut = 0; cut < next.length; cut++) {
    writeFileSync(path, Buffer.concat([good, next.subarray(0, cut)]));
    await put(4);
    expect(readFileSync(path, 'utf8')).toBe(whole(1) + whole(2) + whole(4));
  }
  writeFileSync(path, next.subarray(0, 20));
  await put(5);
  expect(readFileSync(path, 'utf8')).toBe(whole(5));
});

/** An anchor whose answers the test gives. */
class Told implements Anchor {
  readonly name = 'vault';
  readonly every_ms: number;
  readonly put_sizes: number[] = [];
  answers: (() => Promise<void>)[] = [];
  closed = false;
  constructor(every_ms = 0) {
    this.every_ms = every_ms;
  }
  put({ size }: Checkpoint): Promise<void> {
    this.put_sizes.push(size);
    return this.answers.shift()?.() ?? Promise.resolve();
  }
  close(): void {
    this.closed = true;
  }
}

it('while one is being kept only the newest waits, and health tells the last that was', async () => {
  const anchor = new Told();
  let done!: () => void;
  anchor.answers = [() => new Promise((resolve) => (done = resolve))];
  const anchors = new Anchors([anchor], { ...quiet, now: () => 5 });
  anchors.offer(checkpoint(1));
  await expect.poll(() => anchor.put_sizes).toEqual([1]);
  for (let size = 2; size <= 500; size++) anchors.offer(checkpoint(size));
  expect(anchors.health()).toEqual([{ name: 'vault', record: null, at: null, failing: false }]);
  done();
  await expect.poll(() => anchor.put_sizes).toEqual([1, 500]);
  await expect.poll(() => anchors.health()).toEqual([{ name: 'vault', record: 500, at: 5, failing: false }]);
  await anchors.close();
  expect(anchor.closed).toBe(true);
});

it('a failing one is tried again, with more and more time between, told once, and told when it works', async () => {
  const anchor = new Told();
  const told: string[] = [];
  anchor.answers = [1, 2, 3].map(() => () => Promise.reject(new AnchorRefused('it answers 500')));
  const log = { warn: (text: string) => told.push(text), info: (text: string) => told.push(text) };
  const anchors = new Anchors([anchor], { ...quiet, ...log, random: () => 0 });
  anchors.offer(checkpoint(9));
  await expect.poll(() => anchor.put_sizes).toEqual([9, 9, 9, 9]);
  await expect.poll(() => anchors.health()[0]).toMatchObject({ record: 9, failing: false });
  expect(told).toEqual([
    'anchor vault fails: it answers 500. Checkpoints are made and kept here meanwhile, and it is tried again',
    'anchor vault works again, after 3 failures',
  ]);
  await anchors.close();
});

it('gets one in its time and the newest at the end, which waits for none that hangs', async () => {
  const anchor = new Told(3_600_000);
  const anchors = new Anchors([anchor], quiet);
  anchors.offer(checkpoint(1));
  await expect.poll(() => anchors.health()[0]?.record).toBe(1);
  anchors.offer(checkpoint(2));
  anchors.offer(checkpoint(3));
  await anchors.close();
  expect(anchor.put_sizes).toEqual([1, 3]);
});

it('from holdpoint.yaml: a folder, and an address that gets signed posts; the log works while that is down', async () => {
  const posts: { readonly id: string; readonly signature: string; readonly body: string }[] = [];
  const statuses = [500, 204];
  const server: Server = createServer((request: IncomingMessage, response) => {
    void readAll(request).then((body) => {
      const { 'webhook-id': id, 'webhook-signature': signature } = request.headers;
      posts.push({ id: String(id), signature: String(signature), body });
      response.writeHead(statuses.shift() ?? 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  writeFileSync(join(root, 'users.yaml'), 'users: []\n');
  const config = parseConfig(
    `data: data
policy: p.yaml
postgres: [{name: app, listen: '127.0.0.1:0', upstream: 'postgres://u@127.0.0.1:1/app'}]
review: {listen: '127.0.0.1:0'}
identity: {users: users.yaml}
audit:
  checkpoint: 100ms
  anchors:
    - {name: disk, folder: elsewhere, every: 100ms}
    - {name: vault, url: 'http://127.0.0.1:${port}/', allow_private: true, secret: '${'x'.repeat(32)}', every: 100ms}
`,
    { file: join(root, 'holdpoint.yaml') },
  );
  const kept = await openLog({
    config,
    node: 'n1',
    version: '1',
    log: createLog({ format: 'json', write: () => undefined }),
  });
  try {
    await kept.log.append({ type: 'x.y', clear: {} });
    await expect
      .poll(() => kept.evidence.anchors().map(({ record, failing }) => [record, failing]), { timeout: 20_000 })
      .toEqual([
        [2, false],
        [2, false],
      ]);
  } finally {
    await kept.close();
    server.close();
  }
  const keys = (await verifierKeys(realFs, join(root, 'data/audit'))).map(parseKey);
  // The first was answered with 500.
  expect(posts.length).toBeGreaterThan(1);
  for (const { id, signature, body } of posts) {
    const { checkpoint: note, records } = JSON.parse(body) as { checkpoint: string; records: number };
    expect(parseCheckpoints(note, keys, 'post').map(({ size }) => size)).toEqual([records]);
    expect([id.endsWith(`_${records}`), signature.startsWith('v1,')]).toEqual([true, true]);
  }
  const found = readdirSync(join(root, 'elsewhere'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.checkpoint'),
  );
  expect(found.length).toBeGreaterThan(0);
});
