// Signing in in a real browser: with a real provider in its own process, with codes, and with a security key that the browser plays.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CDPSession } from 'playwright-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { makeScrypt } from '../../src/identity/password.ts';
import { hashRecoveryCode, makeTotpSecret, sealTotp, STEP_MS, totpCode } from '../../src/identity/totp.ts';
import type { StepUpLike } from '../../src/review/ports.ts';
import { type RunningProvider, type SignInHouse, startProvider, startSignIn } from '../real/oidc.ts';
import { ownPort } from '../real/ports.ts';
import { request as fakeRequest } from './fake-desk.ts';
import { accessible, console_dir, fits, openLook } from './look.ts';
import { bar, card, context, live, NARROW, openPages, page, provokes, rationale, WIDE } from './page.ts';

openLook();
const PASSWORD = 'correct horse battery';
let form: string;
beforeAll(async () => {
  form = await makeScrypt(PASSWORD);
});

let house: SignInHouse | undefined;
let provider: RunningProvider | undefined;
afterEach(async () => {
  await house?.stop();
  await provider?.stop();
  [house, provider] = [undefined, undefined];
});
openPages();

const records = (type: string) =>
  house?.desk.records.filter((one) => one.type === type).map(({ clear }) => clear) ?? [];
const open = async (users: string, identity: object = {}) => {
  house = await startSignIn({
    host: 'localhost',
    port: await ownPort(),
    console_dir,
    users,
    identity: { ...identity },
  });
  await page.goto(house.url);
  await page.getByRole('heading', { name: 'Sign in to review' }).waitFor();
  return house;
};
const menu = async (name: string) => {
  await page.locator('.who').click();
  await page.getByRole('button', { name, exact: true }).click();
};
const password = async (user: string) => {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
};
/** In both themes, wide and narrow. */
const look = async (name: string) => {
  for (const size of [{ ...WIDE, width: 1280 }, NARROW]) {
    await page.setViewportSize(size);
    await accessible(name);
    await fits();
  }
  await page.setViewportSize(WIDE);
};

test('with the provider: there, back to the card, and out of both', async () => {
  const port = await ownPort();
  const url = `http://localhost:${port}`;
  provider = await startProvider(url);
  const oidc = { issuer: provider.issuer, client_id: 'holdpoint', client_secret: '${OIDC_SECRET}' };
  house = await startSignIn({
    host: 'localhost',
    port,
    console_dir,
    users: 'users: [{id: grace, kind: human, roles: [reviewer], oidc: sub-grace}]',
    identity: { oidc },
  });
  // What the provider's own pages complain of is theirs.
  provokes(/Content Security Policy|favicon|404|preload|ERR_NAME_NOT_RESOLVED/);
  await page.goto(`${url}/r/HP-NONE`);
  await page.getByRole('link', { name: 'Continue with single sign-on' }).waitFor();
  await look('sign-in-provider');
  const there = async (login: string) => {
    await page.getByRole('link', { name: 'Continue with single sign-on' }).click();
    await page.locator('input[name=login]').fill(login);
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    await page.getByRole('button', { name: 'Continue' }).click();
  };
  await there('mallory');
  await page.getByRole('alert').getByText('this Holdpoint has no account of yours').waitFor();
  expect(page.url()).toBe(`${url}/`);
  await look('sign-in-unknown');
  // The provider still knows mallory.
  await context.clearCookies();
  await page.goto(`${url}/r/HP-NONE`);
  await there('sub-grace');
  await live();
  expect(page.url()).toBe(`${url}/r/HP-NONE`);
  expect(records('reviewer.signed_in')).toMatchObject([{ user: 'grace', how: 'oidc' }]);
  const session = (await context.cookies(url)).find(({ name }) => name === 'holdpoint');
  expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax' });
  await menu('Sign out');
  await page.waitForURL(`${provider.issuer}/session/end**`);
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('heading', { name: 'Sign in to review' }).waitFor();
  expect(page.url()).toBe(`${url}/`);
});

test('an address says nothing that is not ours', async () => {
  const { url } = await open('users: []');
  await page.goto(`${url}/?refused=sso-down`);
  await page.getByRole('alert').getByText('The sign-in provider does not answer. Try later.').waitFor();
  for (const words of ['Call+0190', 'constructor', '__proto__']) {
    await page.goto(`${url}/?refused=${words}`);
    await page.getByLabel('User').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
  }
});

test('with a code after the password', async () => {
  const secret = makeTotpSecret();
  const key = Buffer.alloc(32, 9);
  const sealed = sealTotp(secret, 'otto', key);
  const users = `users: [{id: otto, kind: human, roles: [reviewer], password: "${form}", totp: "${sealed}", recovery: ["${hashRecoveryCode('AAAA-BBBB')}"]}]`;
  house = await startSignIn({ host: 'localhost', port: await ownPort(), console_dir, users, factors_key: key });
  await page.goto(house.url);
  provokes(/401/);
  await password('otto');
  await page.getByText('The password of otto is right.').waitFor();
  expect(await page.getByLabel(/^Six-digit code/).evaluate((input) => input === document.activeElement)).toBe(true);
  await page.getByLabel(/^Six-digit code/).fill('000000');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').getByText('That does not count.').waitFor();
  await look('sign-in-code');
  await page.getByLabel(/^Six-digit code/).fill(totpCode(secret, Math.floor(Date.now() / STEP_MS)));
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await live();
  expect(records('reviewer.signed_in')).toMatchObject([{ user: 'otto', by: ['local', 'totp'] }]);
});

/** A card whose rule wants more of the sign-in, and an approval of it written and confirmed. */
const approve = async (step_up: StepUpLike) => {
  if (house === undefined) throw new Error('there is no house');
  const asked = fakeRequest('DROP TABLE customers', [['ddl', 'customers', 'Drops a table.', 'DROP TABLE']]);
  house.desk.add({ ...asked, ask: { ...asked.ask, step_up } });
  await page.goto(`${house.url}/r/${asked.id}`);
  await card();
  await page.keyboard.press('a');
  await page.keyboard.type('agreed with Finance');
  await page.keyboard.press('Control+Enter');
  await bar()
    .getByText(/wants approvals of people who signed in/)
    .waitFor();
  expect(house.desk.ports.requests.get(asked.id)?.decisions).toEqual([]);
  return asked.id;
};
/** The words are there still; confirmed, they are counted. */
const confirmAgain = async (id: string) => {
  await bar().getByText('Signed in again. Confirm once more.').waitFor();
  await live();
  expect(page.url()).toMatch(new RegExp(`/r/${id}$`));
  expect(await rationale().inputValue()).toBe('agreed with Finance');
  await rationale().press('Control+Enter');
  await page.getByText('Approved once, waits for its agent').first().waitFor();
  expect(house?.desk.ports.requests.get(id)?.decisions).toMatchObject([
    { decision: 'approve', by: 'grace', rationale: 'agreed with Finance' },
  ]);
};

test('for a decision: with the key that its rule wants, in place, and the words stay', async () => {
  const { desk } = await open(USERS());
  await plugIn();
  await password('grace');
  await live();
  await menu('Account');
  await page.getByLabel('Name of a new key').fill('Blue key');
  await page.getByRole('button', { name: 'Add it' }).click();
  await page.getByRole('button', { name: 'Remove Blue key' }).waitFor();
  provokes(/401|403/);
  const id = await approve({ within_ms: 600_000, factor: 'webauthn', acr: [] });
  await page.getByText('Approved by who signed in at most 10 minutes before with a security key.').waitFor();
  await look('step-up-refused');
  expect(desk.records.filter(({ type }) => type === 'request.refused').map(({ clear }) => clear)).toMatchObject([
    { by: 'grace', decision: 'approve', why: 'step-up', missing: ['factor'], signed_in: { by: ['local'] } },
  ]);
  await page.getByRole('button', { name: /^Sign in again/ }).click();
  await page.getByRole('heading', { name: `Sign in again for ${id}` }).waitFor();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Password').fill('wrong');
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').getByText('User or password is wrong.').waitFor();
  await look('step-up-dialog');
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await dialog.getByText('Now your security key.').waitFor();
  const before = (await context.cookies()).find(({ name }) => name === 'holdpoint')?.value;
  await dialog.getByRole('button', { name: 'Use a security key' }).click();
  await confirmAgain(id);
  expect(records('reviewer.signed_in').at(-1)).toMatchObject({ user: 'grace', by: ['local', 'webauthn'] });
  // The session of before is none any more.
  const old = await fetch(`${house?.url}/api/me`, { headers: { Cookie: `holdpoint=${before}` } });
  expect([before !== undefined, old.status]).toEqual([true, 401]);
});

test('for a decision: away at the provider, and back at the card with what was typed', async () => {
  const port = await ownPort();
  const url = `http://localhost:${port}`;
  provider = await startProvider(url);
  const oidc = { issuer: provider.issuer, client_id: 'holdpoint', client_secret: '${OIDC_SECRET}' };
  house = await startSignIn({
    host: 'localhost',
    port,
    console_dir,
    users: 'users: [{id: grace, kind: human, roles: [reviewer], oidc: sub-grace}]',
    identity: { oidc },
  });
  provokes(/Content Security Policy|favicon|40[134]|preload|ERR_NAME_NOT_RESOLVED/);
  await page.goto(url);
  const there = async () => {
    await page.locator('input[name=login]').fill('sub-grace');
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
  };
  await page.getByRole('link', { name: 'Continue with single sign-on' }).click();
  await there();
  await page.getByRole('button', { name: 'Continue' }).click();
  await live();
  const id = await approve({ within_ms: 600_000, factor: null, acr: [] });
  // Gave it up there: back on the page nothing is claimed, and the words are there.
  await page.getByRole('button', { name: /^Sign in again/ }).click();
  await page.locator('input[name=login]').waitFor();
  await page.goto(`${url}/`);
  await live();
  expect(page.url()).toBe(`${url}/r/${id}`);
  expect(await rationale().inputValue()).toBe('agreed with Finance');
  expect(await bar().getByText('Signed in again').count()).toBe(0);
  await rationale().press('Control+Enter');
  await page.getByRole('button', { name: /^Sign in again/ }).click();
  await there();
  await bar().getByText('Signed in again. Confirm once more.').waitFor();
  await look('step-up-back');
  await confirmAgain(id);
  const [first, second] = records('reviewer.signed_in');
  expect(first).toMatchObject({ user: 'grace', auth_time: null });
  expect(second?.['auth_time']).toBeGreaterThan(Date.now() - 600_000);
});

const USERS = () =>
  `users: [{id: grace, kind: human, roles: [reviewer], password: "${form}"}, {id: ada, kind: human, roles: [reviewer], password: "${form}"}]`;

/** A key that the browser plays, as the protocol of its tools has it. */
const plugIn = async (): Promise<{ readonly cdp: CDPSession; readonly authenticatorId: string }> => {
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'usb', isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { cdp, authenticatorId };
};

test('with a security key: added, asked for, refused when it is a copy, removed', async () => {
  const { dir } = await open(USERS());
  const { cdp, authenticatorId } = await plugIn();
  await password('grace');
  await live();
  await menu('Account');
  await page.getByText('None. With one, your password alone signs nobody in.').waitFor();
  await page.getByLabel('Name of a new key').fill('Blue key');
  await page.getByRole('button', { name: 'Add it' }).click();
  await page.getByText('Blue key').waitFor();
  await look('account');
  await page.getByLabel('Name of a new key').fill('The same');
  await page.getByRole('button', { name: 'Add it' }).click();
  await page.getByRole('alert').getByText('This key is yours already.').waitFor();
  expect(records('reviewer.key_added')).toMatchObject([{ by: 'grace' }]);
  await page.getByRole('button', { name: 'Close' }).click();
  await menu('Sign out');

  provokes(/401/);
  await password('grace');
  await page.getByText('Now your security key.').waitFor();
  await look('sign-in-key');
  await page.getByRole('button', { name: 'Use a security key' }).click();
  await live();
  expect(records('reviewer.signed_in').at(-1)).toMatchObject({ user: 'grace', by: ['local', 'webauthn'] });
  await menu('Sign out');

  // The same private key with a counter that stands lower: somebody copied it.
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
  const [credential] = credentials;
  if (credential === undefined) throw new Error('the browser has no key');
  await cdp.send('WebAuthn.clearCredentials', { authenticatorId });
  await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, signCount: 0 } });
  await password('grace');
  await page.getByRole('button', { name: 'Use a security key' }).click();
  await page.getByRole('alert').getByText('That does not count.').waitFor();
  expect(records('reviewer.sign_in_refused').at(-1)).toMatchObject({ user: 'grace', why: 'second-factor' });

  await cdp.send('WebAuthn.clearCredentials', { authenticatorId });
  await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: { ...credential, signCount: 50 } });
  await page.getByRole('button', { name: 'Use a security key' }).click();
  await live();
  await menu('Account');
  await page.getByRole('button', { name: 'Remove Blue key' }).click();
  await page.getByText('None. With one, your password alone signs nobody in.').waitFor();
  expect(JSON.parse(await readFile(join(dir, 'second-factors.json'), 'utf8'))).toMatchObject({ keys: {} });
});

test('an answer of a key counts once, for the account and the page it was asked of', async () => {
  const { url } = await open(USERS());
  await plugIn();
  const sent: { webauthn?: { response: object } }[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/api/login')) sent.push(request.postDataJSON() as { webauthn?: { response: object } });
  });
  for (const user of ['grace', 'ada']) {
    await password(user);
    await live();
    await menu('Account');
    await page.getByLabel('Name of a new key').fill('Key');
    await page.getByRole('button', { name: 'Add it' }).click();
    await page.getByRole('button', { name: 'Remove Key' }).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await menu('Sign out');
  }
  provokes(/401/);
  await password('grace');
  await page.getByRole('button', { name: 'Use a security key' }).click();
  await live();
  const used = sent.at(-1) as { webauthn: { response: { clientDataJSON: string } } };
  const attempt = async (body: object) => {
    const response = await fetch(`${url}/api/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return ((await response.json()) as { type?: string }).type ?? 'in';
  };
  const REFUSED = 'urn:holdpoint:problem:second-factor';
  expect(await attempt(used)).toBe(REFUSED);
  expect(await attempt({ ...used, user: 'ada' })).toBe(REFUSED);
  // A fresh question, answered at another page.
  await menu('Sign out');
  await password('grace');
  await page.route('**/api/login', async (route) => {
    const body = route.request().postDataJSON() as typeof used;
    const said = JSON.parse(Buffer.from(body.webauthn.response.clientDataJSON, 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...said, origin: 'https://holdpoint.example.evil' })).toString(
      'base64url',
    );
    body.webauthn.response.clientDataJSON = changed;
    await route.continue({ postData: JSON.stringify(body) });
  });
  await page.getByRole('button', { name: 'Use a security key' }).click();
  await page.getByRole('alert').getByText('That does not count.').waitFor();
});

test('a link into a terminal, and out everywhere', async () => {
  const { url } = await open(USERS());
  await password('ada');
  await live();
  await menu('Account');
  await page.getByRole('button', { name: 'Get a one-time link' }).click();
  const command = await page.getByText('holdpoint login --link').innerText();
  await look('account-link');
  // Another browser: in this one the newer session would take the place of the older.
  const elsewhere = await context.browser()?.newContext();
  if (elsewhere === undefined) throw new Error('there is no browser');
  const other = await elsewhere.newPage();
  await other.goto(command.replace('holdpoint login --link ', ''));
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await other.getByText('Live', { exact: true }).waitFor();
  await elsewhere.close();
  await page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByText('You are signed out everywhere.').waitFor();
  expect(records('reviewer.signed_out')).toMatchObject([{ user: 'ada', everywhere: true, sessions: 2 }]);
  provokes(/401/);
  await page.goto(url);
  await page.getByRole('heading', { name: 'Sign in to review' }).waitFor();
});
