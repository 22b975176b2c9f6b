// `holdpoint review` as a reviewer has it: in a terminal, before a gateway with a real PostgreSQL behind it and agents that wait. Whole
// screens are compared with those in review-terminal/ (UPDATE=1 rewrites them), with ids and times made equal.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from './gateway.ts';
import { Pane, type PaneOptions } from './pane.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const STARTER = resolve(import.meta.dirname, '../../policies/starter.yaml');
const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const TSX = import.meta.resolve('tsx');

const TABLES = 20;
let tables = 0;
/** Another for each statement: what was denied is denied at once when it is sent again. */
const table = () => `t${tables++}`;

let server: TestServer;
let gateway: TestGateway;
let dir: string;
let panes: Pane[] = [];
let agents: pg.Client[] = [];
let line: Line;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-review-'));
  server = await startServer(NEWEST);
  await server.admin(
    Array.from({ length: TABLES }, (_, n) => `CREATE TABLE t${n} (n int); INSERT INTO t${n} VALUES (1);`).join(' ') +
      ' CREATE TABLE kept (n int)',
  );
  const starter = await readFile(STARTER, 'utf8');
  const policy = starter
    .replace(/^ {4}message: Data leaves.*$/m, '$&\n    ask: {permit: {for: 7d, uses: 50, rows: 10000}}')
    .replace(/^ {2}- id: server-files/m, '  - {id: kept, when: stmt.writes("public.kept"), then: hold}\n$&');
  gateway = await startGateway({ upstream: server.url, policy });
  line = await Line.before(gateway.reviewUrl);
});
afterEach(async () => {
  await Promise.all(panes.splice(0).map((pane) => pane.close()));
  for (const agent of agents.splice(0)) await agent.end();
  for (const { id } of (await gateway.grace.list()).requests) await clear(id);
});
afterAll(async () => {
  line.close();
  await gateway.stop();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

const clear = async (id: string) => {
  const { digest, revision } = await gateway.grace.get(id);
  await gateway.grace.decide(id, { decision: 'deny', digest, revision, rationale: 'the test is over' });
};

/** A TCP connection in between that can be cut. */
class Line {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;
  url = '';

  constructor(target: URL) {
    this.#server = createServer((socket) => {
      if (this.#cut) {
        socket.destroy();
        return;
      }
      const far = connect(Number(target.port), target.hostname);
      for (const [one, other] of [
        [socket, far],
        [far, socket],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
  }

  static async before(url: string): Promise<Line> {
    const made = new Line(new URL(url));
    await new Promise<void>((done) => made.#server.listen(0, '127.0.0.1', done));
    made.url = `http://127.0.0.1:${(made.#server.address() as { port: number }).port}`;
    return made;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

/** `holdpoint review` at work, signed in. */
async function reviewing(user: 'grace' | 'ada', options: PaneOptions = {}, node = ''): Promise<Pane> {
  const home = join(dir, `${user}-${panes.length}-${Date.now()}`);
  await mkdir(join(home, 'holdpoint'), { recursive: true });
  const login = { url: line.url, user, token: await gateway.token(user), expires: Date.now() + 3_600_000 };
  await writeFile(join(home, 'holdpoint', 'token.json'), JSON.stringify(login), { mode: 0o600 });
  const pane = await Pane.open(dir, { ...options, env: { XDG_CONFIG_HOME: home, ...options.env } });
  panes.push(pane);
  await pane.type(`echo before; ${process.execPath} ${node} --import ${TSX} ${MAIN} review; echo ended $?`);
  await pane.press('Enter');
  await pane.until(/ live {4}\d\d:|not live|OBSERVE/);
  return pane;
}

/** An agent that sends a statement and waits; its answer comes as a value. */
async function sent(
  sql: string,
  values: readonly unknown[] = [],
): Promise<{ readonly answer: Promise<{ rows: number | null } | Error>; readonly notices: string[] }> {
  const agent = new pg.Client(gateway.agentUrl());
  const notices: string[] = [];
  agents.push(agent);
  agent.on('error', () => undefined);
  await agent.connect();
  agent.on('notice', ({ message }) => void notices.push(message ?? ''));
  const known = (await gateway.grace.list()).requests.map(({ id }) => id);
  const answer = agent.query(sql, [...values]).then(
    ({ rowCount }) => ({ rows: rowCount }),
    (error: Error) => error,
  );
  await gateway.opened(known);
  return { answer, notices };
}

/** The only child of a shell. */
async function childOf(shell: number): Promise<number> {
  const children = await readFile(`/proc/${shell}/task/${shell}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}

/** How long something took, to the end of its sentence, and what stands to its right has a place of its own. */
const TOOK = /\b(?:\d+ ms|\d+\.\d s)\b(\.?)((?: {2,})?)/g;

/** Ids, times and measured numbers are others each time. */
function steady(lines: readonly string[]): string {
  return `${lines
    .join('\n')
    .replaceAll(/HP-[0-9A-Z]{8}/g, 'HP-XXXXXXXX')
    .replaceAll(/Type [0-9A-Z]{4} to/g, 'Type XXXX to')
    .replaceAll(/> [0-9a-z]{4}$/gm, '> xxxx')
    .replaceAll(/\d\d:\d\d:\d\d/g, 'hh:mm:ss')
    .replaceAll(/\b\d?\d:\d\d\b/g, (time) => 'm:ss'.padStart(time.length, 'm'))
    .replaceAll(TOOK, (all: string, end: string, gap: string) => `n ms${end}`.padEnd(gap === '' ? 0 : all.length))
    .replaceAll(/\bt\d+\b/g, 'tN')}\n`;
}

const lastFour = (lines: readonly string[]) => /HP-\w{4}(\w{4})/.exec(lines.join('\n'))?.[1] ?? '';

test('approve: the card, the words, the last four characters, and what the server says', async () => {
  const pane = await reviewing('grace');
  const agent = await sent('CREATE TABLE c (n int)');
  await expect(steady(await pane.until('Creates public.c'))).toMatchFileSnapshot('review-terminal/queue.txt');
  await pane.press('Enter');
  await pane.until('Not seen: ');
  await expect(steady(await pane.until('whole: 1 line'))).toMatchFileSnapshot('review-terminal/card.txt');
  await pane.press('a');
  await pane.type('the migration of today');
  await pane.press('Enter');
  const four = lastFour(await pane.until('to approve, or press Esc'));
  await pane.type(four.toLowerCase());
  await expect(steady(await pane.until(`> ${four.toLowerCase()}`))).toMatchFileSnapshot('review-terminal/deciding.txt');
  await pane.press('Enter');
  await expect(steady(await pane.until(/^ Ran: CREATE TABLE/m))).toMatchFileSnapshot('review-terminal/ran.txt');
  expect(await agent.answer).toMatchObject({ rows: null });
});

test('deny: the agent gets the words', async () => {
  const agent = await sent(`DROP TABLE ${table()}`);
  const pane = await reviewing('grace');
  await pane.press('Enter', 'd');
  await pane.type('it feeds the invoices');
  await pane.press('Enter');
  await pane.type(lastFour(await pane.until('to deny')));
  await pane.press('Enter');
  await pane.until(/Denied by you at \d\d:\d\d:\d\d\. Nothing ran\./);
  expect(await agent.answer).toMatchObject({
    message: expect.stringContaining('denied by grace: "it feeds the invoices"'),
  });
});

test('ask: a question is no decision, and reaches who waits', async () => {
  const agent = await sent(`DROP TABLE ${table()}`);
  const pane = await reviewing('grace');
  await pane.press('Enter', 'r');
  await pane.type('Who still reads b?');
  await pane.press('Enter', 'Enter');
  const lines = await pane.until('asked ');
  expect(lines.join('\n')).toMatch(/asked {7}grace, \d\d:\d\d:\d\d: Who still reads b\?/);
  await expect.poll(() => agent.notices.join('\n')).toContain('Who still reads b?');
});

test('a shape: its bounds are asked for, and what is like it runs without asking', async () => {
  const agent = await sent('COPY (SELECT n FROM t0 WHERE n = 1) TO STDOUT');
  const pane = await reviewing('grace');
  await pane.press('Enter');
  await pane.until('Free: 1 in line 1; all else stays as it is.');
  // The estimate comes when it comes.
  await pane.until('leaves      about 13 rows');
  await pane.press('s', 'Enter', 'C-u');
  await pane.type('2');
  await pane.press('Enter', 'C-u');
  await pane.type('100');
  await pane.press('Enter');
  await pane.type('the same each morning');
  await pane.press('Enter');
  const four = lastFour(await pane.until('to approve all like it'));
  await expect(steady(await pane.screen())).toMatchFileSnapshot('review-terminal/permit.txt');
  await pane.type(four);
  await pane.press('Enter');
  await pane.until(/^ Ran: COPY 1/m);
  expect(await agent.answer).toMatchObject({ rows: 1 });
  const { permits } = await gateway.grace.permits();
  expect(permits).toMatchObject([{ state: 'in-force', for_ms: 7 * 86_400_000, uses: 2, rows: 100, by: ['grace'] }]);
  await expect(agents.at(-1)?.query('COPY (SELECT n FROM t0 WHERE n = 2) TO STDOUT')).resolves.toMatchObject({
    rowCount: 0,
  });
});

test('laid out, and with its values in place; decided on is what was sent', async () => {
  const sql = `UPDATE kept SET n = $1 -- not $2\n + length($2)`;
  const { answer } = await sent(sql, [41, "it's \u202etxt"]);
  const pane = await reviewing('grace');
  await pane.press('Enter', 'f');
  const screen = async (words: string) => steady(await pane.until(words));
  await pane.until('Formatted for reading');
  // The estimate comes when it comes.
  await expect(await screen('uncommitted rows')).toMatchFileSnapshot('review-terminal/formatted.txt');
  await pane.press('p');
  const values = await pane.until('Values in {}');
  await expect(steady(values)).toMatchFileSnapshot('review-terminal/values.txt');
  expect(values.join('\n')).not.toContain('\u202e');
  await pane.press('d');
  const asked = await pane.until('Why?');
  expect(asked.join('\n')).toContain('UPDATE kept SET n = $1 -- not $2');
  expect(asked.join('\n')).not.toMatch(/Values in|Formatted/);
  await pane.type('no');
  await pane.press('Enter');
  await pane.type(lastFour(await pane.until('to deny, or press Esc')).toLowerCase());
  await pane.press('Enter');
  expect(await answer).toMatchObject({ code: '42501' });
});

test('the sponsor cannot decide, and is told who can', async () => {
  await sent(`DROP TABLE ${table()}`);
  const pane = await reviewing('ada');
  await pane.until('You cannot decide these');
  await pane.press('Enter', 'a');
  await pane.until('Not seen: ');
  const lines = await pane.until('you         You are the sponsor of bot');
  expect(lines.join('\n')).not.toContain('APPROVE');
  await expect(steady(await pane.until(/\n You are the sponsor of bot/))).toMatchFileSnapshot(
    'review-terminal/own.txt',
  );
});

test('what hides is drawn, and no byte of it reaches the terminal', async () => {
  const name = table();
  await sent(`DROP TABLE /* \u202e gnihton \u202c \u200b */ ${name} -- \u0441ol \x1b[2J\x1b]0;owned\x07`);
  const pane = await reviewing('grace', { columns: 132 });
  await pane.press('Enter');
  const lines = await pane.until('This text does not say what it seems to say.');
  expect(lines.join('\n')).toContain(
    `DROP TABLE /* <U+202E> gnihton <U+202C> <U+200B> */ ${name} -- <U+0441 с>ol <U+001B>[2J<U+001B>]0;owned<U+0007>`,
  );
  expect(lines.join('\n')).not.toMatch(/[\u200b\u202c\u202e]/);
  expect(await pane.fact('pane_title')).not.toContain('owned');
});

test('under an open prompt nothing is redrawn but the last line, whatever arrives', async () => {
  await sent(`DROP TABLE ${table()}`);
  const pane = await reviewing('grace');
  await pane.press('Enter', 'd');
  await pane.type('not before');
  const before = await pane.until('> not before');
  const late = table();
  await sent(`DROP TABLE ${late}`);
  const after = await pane.until('1 new request, 1 for you.');
  expect(after.slice(0, -1)).toEqual(before.slice(0, -1));
  await pane.resize(100, 30);
  await pane.press('Escape');
  const wide = await pane.until(/-{100}/);
  expect(wide).toHaveLength(30);
  await pane.press('Escape');
  expect((await pane.until('1 new, press n')).join('\n')).not.toContain(late);
  await pane.press('n');
  await pane.until(`Drops public.${late}`);
});

test('a line that is lost: deciding is off, and back it is live with what came meanwhile', async () => {
  await sent(`DROP TABLE ${table()}`);
  const pane = await reviewing('grace');
  await pane.press('Enter');
  await pane.until('whole: 1 line');
  line.cut();
  await pane.until(/not live since \d\d:\d\d:\d\d/);
  await pane.press('a');
  await pane.until('Deciding is off until the line is back.');
  await sent(`DROP TABLE ${table()}`);
  line.mend();
  await pane.until('Back since');
  await pane.press('Escape');
  await pane.until('1 new, press n');
});

test.each([
  ['q', 0],
  ['C-c', 0],
  ['SIGTERM', 0],
  ['a crash', 1],
] as const)('%s leaves the terminal as it was', async (how, exit) => {
  const crash = '\'data:text/javascript,process.on("SIGUSR2",()=>{throw%20new%20Error("boom")})\'';
  const pane = await reviewing('grace', {}, `--import ${crash}`);
  expect([await pane.fact('alternate_on'), await pane.fact('cursor_flag')]).toEqual(['1', '0']);
  if (how === 'SIGTERM' || how === 'a crash')
    process.kill(await childOf(Number(await pane.fact('pane_pid'))), how === 'SIGTERM' ? 'SIGTERM' : 'SIGUSR2');
  else await pane.press(how);
  const lines = await pane.until(`ended ${exit}`);
  expect(lines.join('\n')).toContain('before\n');
  if (exit === 1) expect(lines.join('\n')).toContain('Error: boom');
  expect([await pane.fact('alternate_on'), await pane.fact('cursor_flag')]).toEqual(['0', '1']);
  // Echo is back, and lines end at the left margin.
  await pane.type('echo a$((1+1))');
  await pane.press('Enter');
  expect((await pane.until('a2')).join('\n')).toMatch(/[#$] echo a\$\(\(1\+1\)\)\na2$/m);
});

test('NO_COLOR, and a locale without UTF-8', async () => {
  await sent("COPY (SELECT 'é' FROM t0) TO STDOUT");
  const pane = await reviewing('grace', { env: { LC_ALL: 'C', NO_COLOR: '1' } });
  await pane.press('Enter');
  const lines = await pane.until('whole: 1 line');
  expect(lines.join('\n')).toMatch(/^[\n\x20-\x7e]*$/);
  expect(lines.join('\n')).toContain("SELECT '<U+00E9>' FROM t0");
});
