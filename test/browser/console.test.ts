// The page in a real browser, against the real review server. Screenshots go to a temporary folder that is printed, for a
// person to look at. The build is made here, so that what is tested is what is in src/console.
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createReviewServer, type ReviewServer } from '../../src/review/server.ts';
import { type FakeDesk, fakeDesk, PASSWORD, request, samples, table } from './fake-desk.ts';
import { accessible, console_dir, fits, openLook, shoot } from './look.ts';
import { bar, card, context, live, NARROW, openPages, page, provokes, rationale, WIDE } from './page.ts';

const JS_GZIP_BYTES_MAX = 60 * 1024;

openLook();

let desk: FakeDesk;
let server: ReviewServer;
let url: string;

beforeEach(async () => {
  desk = fakeDesk();
  server = await serve(0);
  url = `http://127.0.0.1:${server.address.port}`;
});
afterEach(async () => {
  await server.close();
});
openPages();

const serve = (port: number) =>
  createReviewServer(desk.ports, {
    listen: { host: '127.0.0.1', port },
    url: null,
    tls: null,
    secure: false,
    console_dir,
    session_ttl_ms: 3_600_000,
    decisions_per_minute_max: 120,
    version: '0.0.0',
  });

async function enter(user = 'grace', path = '/'): Promise<void> {
  await page.goto(`${url}/in/${desk.link(user)}`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
  if (path !== '/') {
    await page.goto(url + path);
    await card();
  }
}

const fill = () => {
  for (const sample of samples()) desk.add(sample);
};

test('the first load is small', async () => {
  const sizes: number[] = [];
  page.on('response', async (response) => {
    if (response.url().endsWith('.js')) sizes.push(gzipSync(await response.body()).length);
  });
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  expect(sizes.length).toBeGreaterThan(0);
  expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(JS_GZIP_BYTES_MAX);
});

test('signs in by password and by a one-time link, and out', async () => {
  await page.goto(url);
  await page.getByLabel('User').fill('grace');
  await page.getByLabel('Password').fill('wrong');
  provokes(/401/);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('User or password is wrong.').waitFor();
  await accessible('sign-in');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
  await page
    .getByRole('button', { name: 'GR grace' })
    .or(page.getByRole('button', { name: 'grace' }))
    .first()
    .click();
  await accessible('menu');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to review' }).waitFor();

  const link = `${url}/in/${desk.link('aiko')}`;
  await page.goto(link);
  await accessible('link');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await live();
  expect(page.url()).toBe(`${url}/`);
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('This sign-in link is unknown, used or too old.').waitFor();
});

test('an empty queue teaches', async () => {
  await enter();
  await page.getByRole('heading', { name: 'Nothing is held' }).waitFor();
  expect(await page.getByText('postgres://demo:9f2c@127.0.0.1:6432/app').count()).toBe(1);
  await accessible('empty');
  await page.setViewportSize(NARROW);
  await fits();
  await accessible('empty');
  desk.add(
    request('DROP TABLE public.customers', [
      ['ddl', 'public.customers', 'Drops a table, view, index or sequence.', 'DROP TABLE'],
    ]),
  );
  await page.getByRole('link', { name: 'Drops public.customers' }).waitFor();
});

test('an empty queue teaches both engines where both are guarded, and no other', async () => {
  const address = 'mysql://demo:9f2c@127.0.0.1:6033/shop';
  const command = 'mariadb --skip-ssl -h 127.0.0.1 -P 6033 -u demo -p9f2c shop';
  desk.guards.push({ engine: 'mysql', address, command });
  await enter();
  expect(await page.getByText(address).count()).toBe(1);
  expect(await page.getByText(command).count()).toBe(1);
  expect(await page.getByText('COPY (SELECT 1) TO STDOUT').count()).toBe(1);
  await accessible('empty-both');
  await page.setViewportSize(NARROW);
  await fits();
  desk.guards.splice(0, 2, { engine: 'mysql', address: null, command: null });
  await page.reload();
  await page.getByText('CREATE DATABASE holdpoint_demo', { exact: true }).waitFor();
  expect(await page.getByText('COPY (SELECT 1)').count()).toBe(0);
});

test('the ten-second decision fits one screen', async () => {
  fill();
  await enter('grace', '/r/HP-7KQ4');
  expect(await page.title()).toBe('(4) HP-7KQ4 · Holdpoint');
  const inView = [
    page.getByRole('heading', { name: 'Exports public.customers and billing.invoices, about 212,000 rows' }),
    page.getByRole('timer'),
    page.getByText('TO STDOUT'),
    page.getByRole('list').getByText('Reads a table or view.').last(),
    page.getByText('Month-end dunning run.'),
    page.getByText('about 212,000 rows', { exact: true }),
    page.getByText('Index scan, off-peak.'),
    page.getByText('this statement', { exact: true }),
    page.getByRole('button', { name: 'Confirm' }),
  ];
  const barTop = (await bar().boundingBox())?.y ?? 0;
  for (const [i, part] of inView.entries()) {
    const box = await part.boundingBox();
    expect(box, `part ${i}`).not.toBeNull();
    const bottom = (box?.y ?? 0) + (box?.height ?? 0);
    expect(bottom, `part ${i}`).toBeLessThanOrEqual(i === inView.length - 1 ? WIDE.height : barTop);
  }
  await fits();
  await page.getByText('Approved once 3 times in 90 days, denied 0 times.').waitFor();
  await accessible('card');
});

test('what it would touch comes after the card, into its place', async () => {
  fill();
  await enter('grace', '/r/HP-5TNB');
  const impact = page.locator('.panel').filter({ has: page.getByRole('heading', { name: /^Impact/ }) });
  await impact.getByText('Not estimated yet.').waitFor();
  await page.keyboard.press('a');
  desk.change('HP-5TNB', 'impact', {
    impact: {
      rows: [
        { statement: 0, does: 'deletes', object: 'billing.invoices', rows: 9_812_345, bytes: null, from: 'statistics' },
      ],
      tables: [{ ...table('billing.invoices', 9_812_345, 2_400_000_000, [], 'ACCESS EXCLUSIVE'), sessions: 1 }],
      notes: ['Cannot be estimated: EXPLAIN might run code of the database: function public.\u0441heck(integer).'],
    },
  });
  await impact.getByText('about 9,812,000 rows', { exact: true }).waitFor();
  await impact.getByText(', all of billing.invoices, when it was last analysed').waitFor();
  await impact.getByText('billing.invoices by 1 other session').waitFor();
  await impact.getByText(/function public\.<U\+0441 с>heck\(integer\)/).waitFor();
  // The choice that was made stays, and so does the card.
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(1);
  await fits();
  await accessible('impact');
  await page.setViewportSize(NARROW);
  await fits();
  await accessible('impact');
  await page.setViewportSize(WIDE);
  await page.goto(`${url}/r/HP-9C2D`);
  await page.getByText('ACCESS EXCLUSIVE').waitFor();
  await accessible('impact-lock');
});

test('approves in two acts, by keyboard, and believes only the server', async () => {
  fill();
  const sent: string[] = [];
  page.on('request', (asked) => asked.url().endsWith('/decisions') && sent.push(asked.url()));
  await enter('grace', '/r/HP-9C2D');
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  await page.keyboard.press('a');
  await page.getByText('Your approval is enough:').waitFor();
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Write why.').waitFor();
  await page.keyboard.type('agreed with the team');
  expect(await rationale().inputValue()).toBe('agreed with the team');
  let answer: () => void = () => undefined;
  desk.before = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Waiting for the server. Nothing has been decided.').waitFor();
  expect(await page.getByText('Approved once').count()).toBe(0);
  await page.keyboard.press('Control+Enter');
  answer();
  await bar().getByText('Approved once, waits for its agent').waitFor();
  expect(desk.ports.requests.get('HP-9C2D')?.decisions).toMatchObject([
    { decision: 'approve', by: 'grace', rationale: 'agreed with the team', channel: 'console' },
  ]);
  desk.change('HP-9C2D', 'executed', {
    state: 'executed',
    outcome: { tag: 'ALTER TABLE', sqlstate: null, rows: 0, bytes: 0, duration_ms: 12 },
  });
  await bar().getByText('It ran once: ALTER TABLE.').waitFor();
  await page.keyboard.press('Control+Enter');
  await accessible('decided');
  expect(sent).toHaveLength(1);
});

test('denies with a rationale, by pointer', async () => {
  fill();
  await enter('grace', '/r/HP-3WX9');
  await page.getByRole('radio', { name: 'Deny' }).check();
  await rationale().fill('The WHERE is inside a comment.');
  await page.waitForTimeout(650); // the guard after a card opens
  await page.getByRole('button', { name: /^Deny as dba/ }).click();
  await bar().getByText('Denied by grace. The agent was told; nothing ran.').waitFor();
  await page.getByRole('button', { name: 'Next request' }).click();
  await page.waitForURL(/\/r\/HP-(?!3WX9)/);
});

test('your own: disabled, with the reason', async () => {
  fill();
  await enter('ada', '/r/HP-7KQ4');
  await bar().getByText('You are the sponsor of billing-agent, so you cannot decide this.').waitFor();
  expect(await page.getByRole('radio', { disabled: true }).count()).toBe(3);
  expect(await rationale().count()).toBe(0);
  await page.keyboard.press('a');
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  await accessible('own');
});

test('a question is asked and answered on the card, and decides nothing', async () => {
  fill();
  await enter('grace', '/r/HP-7KQ4');
  await page.getByText('1 of 2', { exact: true }).waitFor();
  await page.getByText('one of data-owner').waitFor();
  await page.keyboard.press('r');
  await page.keyboard.type('Who receives the file?');
  await bar().getByText('A question decides nothing.').waitFor();
  await page.waitForTimeout(650); // the guard after a card opens
  await page.getByRole('button', { name: /^Ask billing-agent/ }).click();
  await page.getByRole('heading', { name: 'Conversation' }).waitFor();
  await page.getByText('Who receives the file?').waitFor();
  await page.getByText('waits for an answer').waitFor();
  await desk.ports.requests.answer({ id: 'HP-7KQ4', by: 'ada', text: 'Finance.\u202e', channel: 'api' });
  await page.getByText("The requester's words. Not checked.").waitFor();
  await page.locator('.talk .ctl').getByText('RLO').waitFor();
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  await accessible('conversation');
});

test('a flood of equal statements is one line', async () => {
  fill();
  for (let n = 0; n < 9; n += 1)
    desk.add(
      request(`DELETE FROM public.t WHERE a = ${n}`, [['write', 'public.t', 'Removes rows.', 'DELETE']], {
        shape: 'DELETE FROM public.t WHERE a = ?',
      }),
    );
  await enter('grace');
  await page.getByText('8 more like it').waitFor();
  expect(await page.getByRole('link', { name: /public\.t/ }).count()).toBe(1);
});

test('wrong group: disabled, with the reason', async () => {
  fill();
  await enter('aiko', '/r/HP-2MVA');
  await bar().getByText('This needs privacy. You are in dba.').waitFor();
});

test('hostile text is drawn, and inert', async () => {
  fill();
  await enter('grace', '/r/HP-3WX9');
  await page.getByText('This text does not say what it seems to say.').waitFor();
  const statement = page.getByRole('group', { name: 'Exact statement' });
  expect(await statement.locator('.ctl').allTextContents()).toEqual(['RLO', 'LRI', 'PDI', 'LRI']);
  expect(await statement.locator('.glyph').getAttribute('title')).toBe('U+0441 CYRILLIC LETTER');
  expect(await statement.textContent()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b]/);
  expect(await page.locator('main img, main b:text-is("bold"), main a[href*="example.net"]').count()).toBe(0);
  await page.getByText('<img src=x onerror="document.title=1"><b>bold</b>').waitFor();
  expect(await page.title()).not.toBe('1');
  await page.getByText('5 marked characters').click();
  await page.getByText('4:4 U+202E RIGHT-TO-LEFT OVERRIDE').waitFor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: 'Copy escaped' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('/*<U+202E> <U+2066>WHERE');
  await accessible('hostile');
});

test('what a token says of its task is drawn, bounded and called so; whose work it is stands beside the agent', async () => {
  const task = `Month end.\u202e ${'A very long task. '.repeat(55)}<b>Approved by grace</b>`;
  const [first] = samples();
  if (first === undefined) throw new Error('there is no sample');
  desk.add({ ...first, who: { ...first.who, task, on_behalf_of: ['in\u0435s', 'mara'] } });
  await enter('grace', '/r/HP-7KQ4');
  const said = page.locator('blockquote.task');
  await said.getByText("The task, as the agent's token says. Not checked.").waitFor();
  expect(await said.locator('.ctl').allTextContents()).toEqual(['RLO']);
  expect(await said.textContent()).toContain('<b>Approved by grace</b>');
  await page.locator('.chead').getByText('on behalf of in<U+0435 \u0435>s and 1 more').waitFor();
  await page.getByText('in<U+0435 \u0435>s, mara').last().waitFor();
  const row = page.locator('.row .t');
  expect(await row.evaluate((line) => line.getBoundingClientRect().height)).toBeLessThan(30);
  await accessible('claims');
  await fits();
  await page.setViewportSize(NARROW);
  await fits();
  await accessible('claims');
  await page.goto(url);
  await row.waitFor();
  await fits();
});

test('somebody else was faster: said, and the words are kept', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  await page.keyboard.press('a');
  await page.keyboard.type('mine');
  const asked = desk.ports.requests.get('HP-9C2D');
  const before = desk.before;
  // Between our click and the desk's turn another decision lands.
  desk.before = async () => {
    desk.before = before;
    await desk.ports.requests.decide({
      id: 'HP-9C2D',
      by: 'aiko',
      decision: 'deny',
      digest: asked?.digest_tag ?? '',
      revision: 1,
      rationale: 'no',
      channel: 'api',
    });
  };
  provokes(/409/);
  await page.keyboard.press('Control+Enter');
  await bar()
    .getByText(/aiko denied this \d s ago\. Your decision was not counted\./)
    .waitFor();
  await bar().getByText('mine').waitFor();
  await accessible('faster');
});

test('judged again: the choice is gone, the words are kept', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  await page.keyboard.press('a');
  await page.keyboard.type('kept');
  const changed = { at: Date.now(), why: 'what its names stand for is something else now' };
  desk.change('HP-9C2D', 'changed', { revision: 2, digest_tag: 'other', changed });
  await bar().getByText('Judged again.').waitFor();
  await page.getByText('Changed: decided again.').waitFor();
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
  expect(await rationale().inputValue()).toBe('kept');
  await page.keyboard.press('Control+Enter');
  expect(desk.ports.requests.get('HP-9C2D')?.decisions).toEqual([]);
});

test('an unknown outcome is looked up, never sent twice', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  await page.keyboard.press('a');
  await page.keyboard.type('once');
  // The decision arrives, its answer does not.
  await page.route('**/decisions', async (route) => {
    await route.fetch();
    await route.abort();
  });
  provokes(/ERR_FAILED/);
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Approved once, waits for its agent').waitFor();
  expect(desk.ports.requests.get('HP-9C2D')?.decisions).toHaveLength(1);
  expect(await bar().getByText('Your decision was not').count()).toBe(0);
});

test('a link to a request that is over, and to none', async () => {
  fill();
  desk.change('HP-9C2D', 'expired', { state: 'expired' });
  await enter('grace', '/r/HP-9C2D');
  await bar()
    .getByText(/^Nobody decided in \d+ minutes\. The agent was told; nothing ran\./)
    .waitFor();
  provokes(/404/);
  await page.goto(`${url}/r/HP-NONE`);
  await page.getByText('HP-NONE: There is no such thing here.').waitFor();
});

test('a ticket says what an approval means', async () => {
  fill();
  await enter('grace', '/r/HP-5TNB');
  await page.getByText('Agent has gone').first().waitFor();
  await page.keyboard.press('a');
  await bar()
    .getByText(/The agent stopped waiting\. If approved, its next identical try runs, once, until \d\d:\d\d UTC\./)
    .waitFor();
  await accessible('ticket');
  await page.getByRole('radio', { name: 'Deny' }).check();
  await rationale().fill('Not now.');
  await page.keyboard.press('Control+Enter');
  await bar().getByText('Denied by grace. Nothing ran; the agent is told if it sends it again.').waitFor();
});

test('nothing moves under the pointer', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  const rows = page.getByRole('list', { name: 'Requests, riskiest first' }).getByRole('link');
  const order = () => rows.evaluateAll((all) => all.map((row) => row.getAttribute('href')));
  await rows.nth(1).hover();
  const before = await order();
  desk.add(request('DROP TABLE a', [['ddl', 'a', 'Drops a table, view, index or sequence.', 'DROP TABLE']]));
  desk.change('HP-5TNB', 'decided', { state: 'denied' });
  await page.getByText('1 new. The list waits for you.').waitFor();
  expect(await order()).toEqual(before);
  expect(await page.locator('.row.gone').getAttribute('href')).toBe('/r/HP-5TNB');
  expect(page.url()).toContain('HP-9C2D');
  await shoot('arrivals');
  await page.keyboard.press('n');
  await page.getByText('Drops a').first().waitFor();
  expect(await order()).not.toEqual(before);
});

test('moves by keys, finds by words', async () => {
  fill();
  await enter();
  await card();
  await page.keyboard.press('j');
  await page.waitForURL(/\/r\//);
  await page.keyboard.press('/');
  await page.keyboard.type('deploy');
  await expect.poll(() => page.locator('.row').count()).toBe(1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keys' }).waitFor();
  await accessible('keys');
  await page.getByLabel('Single keys act').uncheck();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.keyboard.press('a');
  expect(await page.getByRole('radio', { checked: true }).count()).toBe(0);
});

test('a lost line is said within seconds, deciding is off; then it comes back by itself', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  await page.keyboard.press('a');
  await page.keyboard.type('kept words');
  provokes(/ERR_CONNECTION|WebSocket|ERR_EMPTY_RESPONSE|Failed to load resource/);
  const { port } = server.address;
  await server.close();
  await bar()
    .getByText(/Not live since \d\d:\d\d:\d\d\./)
    .waitFor();
  expect(await page.getByRole('radio', { disabled: true }).count()).toBe(3);
  expect(await page.title()).toContain('Not live');
  await accessible('not-live');
  server = await serve(port);
  // A restart signed everybody out; the words stay.
  await page.getByText('You were signed out.').waitFor();
  await page.getByLabel('User').fill('grace');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect.poll(() => rationale().inputValue()).toBe('kept words');
});

test('a log that cannot be written turns deciding off', async () => {
  fill();
  await enter('grace', '/r/HP-9C2D');
  desk.breakLog(true);
  await page.keyboard.press('a');
  await bar().getByText('The audit log cannot be written.').waitFor();
  expect(await page.getByRole('radio', { disabled: true }).count()).toBe(3);
});

test('a telephone: queue, card, sheet, decision', async () => {
  fill();
  await page.setViewportSize(NARROW);
  await enter();
  await page.getByText('HP-7KQ4').first().waitFor();
  await fits();
  await accessible('queue');
  await page.getByText('HP-7KQ4').first().click();
  await card();
  await fits();
  await accessible('card');
  await page.getByRole('button', { name: 'Decide…' }).click();
  const sheet = page.getByRole('dialog');
  await sheet.getByRole('heading', { name: 'Decide HP-7KQ4' }).waitFor();
  await sheet.getByRole('radio', { name: 'Approve once' }).check();
  await accessible('sheet');
  await rationale().fill('checked');
  await page.getByRole('button', { name: /^Approve once as/ }).click();
  await page.getByText('Approved once, waits for its agent').first().waitFor();
  await shoot('decided-390');
  await page.setViewportSize({ width: 320, height: 640 });
  await fits();
});

test('a gateway that stops nothing says so in red on every page', async () => {
  await server.close();
  desk = fakeDesk('observe');
  server = await serve(0);
  url = `http://127.0.0.1:${server.address.port}`;
  const said = () => page.getByRole('complementary', { name: 'Mode' }).getByText('Nothing is held or denied by policy');
  const red = () =>
    said().evaluate((element) => {
      const style = getComputedStyle(element);
      return [style.backgroundColor, style.color];
    });
  fill();
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  expect(await red()).toEqual(['rgb(173, 31, 26)', 'rgb(255, 255, 255)']);
  await accessible('observing-sign-in');
  await enter('grace', '/r/HP-9C2D');
  expect(await red()).toEqual(['rgb(173, 31, 26)', 'rgb(255, 255, 255)']);
  await accessible('observing');
  await page.setViewportSize(NARROW);
  await said().waitFor();
  await fits();
  await accessible('observing');
});
