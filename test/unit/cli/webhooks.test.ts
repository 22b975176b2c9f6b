// `holdpoint webhooks`: dead letters are sent again, and what is not taken stays.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { retry } from '../../../src/cli/webhooks.ts';
import { bury, filesOf, readDead, readState, replaceFile } from '../../../src/review/webhooks/files.ts';
import { hookOf, receive, type Receiver } from '../review/webhooks-help.ts';

let dir: string;
let receiver: Receiver;
let status: (nth: number) => number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-retry-'));
  status = () => 200;
  receiver = await receive((response, nth) => void response.writeHead(status(nth)).end());
});
afterEach(async () => {
  receiver.close();
  await rm(dir, { recursive: true });
});

const hook = () => hookOf({ url: receiver.url, allow_private: true });
const letter = (cursor: number) => ({
  id: `hp_log_${cursor}`,
  type: 't',
  cursor,
  at: 0,
  why: 'w',
  body: `{"cursor":${cursor}}`,
});
const files = () => filesOf(dir, 'pager');
const left = async () => (await readDead(files().dead)).map(({ cursor }) => cursor);
const arrived = () => receiver.got.map(({ headers, body }) => [headers['webhook-id'], body]);

it('sends all that is left, and forgets it', async () => {
  for (const cursor of [1, 2]) await bury(files().dead, letter(cursor));
  expect(await retry(dir, hook())).toEqual({ sent: 2, left: 0, why: '', turned_on: false });
  expect(arrived()).toEqual([
    ['hp_log_1', '{"cursor":1}'],
    ['hp_log_2', '{"cursor":2}'],
  ]);
  expect(await readdir(join(dir, 'webhooks'))).toEqual([]);
  expect(await retry(dir, hook())).toEqual({ sent: 0, left: 0, why: '', turned_on: false });
});

it('stops at the first that is refused, and keeps the rest', async () => {
  for (const cursor of [1, 2, 3]) await bury(files().dead, letter(cursor));
  status = (nth) => (nth === 1 ? 200 : 500);
  expect(await retry(dir, hook())).toEqual({ sent: 1, left: 2, why: 'it answers 500', turned_on: false });
  expect(await left()).toEqual([2, 3]);
});

it('begins with what an earlier try, that was killed, left behind', async () => {
  await bury(files().retrying, letter(1));
  await bury(files().dead, letter(2));
  expect(await retry(dir, hook())).toMatchObject({ sent: 1, left: 0 });
  expect(await left()).toEqual([2]);
  expect(await retry(dir, hook())).toMatchObject({ sent: 1, left: 0 });
  expect(arrived().map(([id]) => id)).toEqual(['hp_log_1', 'hp_log_2']);
});

it('turns one on that was gone, at its place', async () => {
  await replaceFile(files().state, JSON.stringify({ cursor: 7, since: 5, gone: { url_tag: 'x', at: 1 } }));
  expect(await retry(dir, hook())).toMatchObject({ turned_on: true });
  expect(await readState(files().state)).toEqual({ cursor: 7, since: 5, gone: null });
});
