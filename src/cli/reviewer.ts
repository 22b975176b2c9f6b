// What the reviewers' commands share: the token that `login` stored, and how the API's refusals become exit codes.
// Must never print the token or send it anywhere but to the server that gave it.
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Refused, type RequestView, reviewClient, type ReviewClient, Unreachable } from '../review/client.ts';
import { EXIT, Failure } from './failure.ts';

/** Beyond 0 done, 1 failed, 2 usage. */
export const REVIEW_EXIT = { notYours: 3, decided: 4, changed: 5, notLive: 6, signInAgain: 7 } as const;

export const REVIEW_EXIT_HELP =
  '\nExit status: 0 done, 1 failed, 2 wrong usage, 3 not yours to decide, 4 already decided, 5 changed meanwhile, 6 not live, 7 sign in again first';

export const DEFAULT_URL = 'http://127.0.0.1:8080';

export interface StoredToken {
  readonly url: string;
  readonly user: string;
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** XDG base directories: configuration of this user. */
function tokenPath(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'holdpoint', 'token.json');
}

/** Writes it readable for this user alone; resolves with the path. */
export async function storeToken(stored: StoredToken): Promise<string> {
  const path = tokenPath();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, `${JSON.stringify(stored)}\n`, { mode: 0o600 });
  await chmod(`${path}.new`, 0o600);
  await rename(`${path}.new`, path);
  return path;
}

/** What `login` stored is no good any more. */
export async function dropToken(): Promise<void> {
  await rm(tokenPath(), { force: true });
}

/** The client of whoever logged in last; of an agent where HOLDPOINT_TOKEN (and HOLDPOINT_URL) say so. */
export async function signedIn(): Promise<{ readonly client: ReviewClient; readonly url: string }> {
  const token = process.env['HOLDPOINT_TOKEN'] ?? '';
  if (token !== '') {
    const url = process.env['HOLDPOINT_URL'] || DEFAULT_URL;
    if (!URL.canParse(url)) throw new Failure('HOLDPOINT_URL wants http://host:port or https://host', EXIT.usage);
    return { client: reviewClient(url, token), url };
  }
  const text = await readFile(tokenPath(), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new Failure('Not logged in. Run: holdpoint login');
    throw error;
  });
  const stored = JSON.parse(text) as StoredToken;
  if (stored.expires < Date.now()) throw new Failure('The login has ended after its 12 hours. Run: holdpoint login');
  return { client: reviewClient(stored.url, () => newest(stored)), url: stored.url };
}

/** Of the same person at the same place: who signs in again in another terminal goes on here with that. */
async function newest(first: StoredToken): Promise<string> {
  const stored = await readFile(tokenPath(), 'utf8').then(
    (text) => JSON.parse(text) as StoredToken,
    () => first,
  );
  return stored.url === first.url && stored.user === first.user ? stored.token : first.token;
}

const EXITS: Readonly<Record<string, number>> = {
  'not-yours': REVIEW_EXIT.notYours,
  'not-your-agent': REVIEW_EXIT.notYours,
  'not-for-agents': REVIEW_EXIT.notYours,
  'wrong-channel': REVIEW_EXIT.notYours,
  'step-up': REVIEW_EXIT.signInAgain,
  'sign-in-again': REVIEW_EXIT.signInAgain,
  ended: REVIEW_EXIT.decided,
  'no-role': REVIEW_EXIT.notYours,
  'not-a-person': REVIEW_EXIT.notYours,
  own: REVIEW_EXIT.notYours,
  linked: REVIEW_EXIT.notYours,
  'not-a-reviewer': REVIEW_EXIT.notYours,
  'wrong-group': REVIEW_EXIT.notYours,
  'already-decided': REVIEW_EXIT.decided,
  changed: REVIEW_EXIT.changed,
  'not-recorded': REVIEW_EXIT.notLive,
};

/** Runs calls to the API; its refusals and silences become failures with the documented exit codes. */
export async function told<T>(calls: Promise<T>): Promise<T> {
  try {
    return await calls;
  } catch (error) {
    if (error instanceof Unreachable)
      throw new Failure(`${error.message}${cause(error)}. Whether anything happened is unknown.`, REVIEW_EXIT.notLive);
    if (!(error instanceof Refused)) throw error;
    if (error.why === 'not-signed-in') throw new Failure('The login has ended. Run: holdpoint login');
    throw new Failure(saidOf(error), EXITS[error.why] ?? EXIT.failed);
  }
}

/** A refusal in words; where it takes another sign-in, with the command for it. */
export function saidOf({ message, problem: { step_up } }: Refused): string {
  if (!step_up) return message;
  const { user, factor, acr, signed_in, sso } = step_up;
  const elsewhere = factor === 'webauthn' || (sso !== null && (signed_in?.by[0] === 'oidc' || acr.length > 0));
  const how = elsewhere
    ? 'In the console sign in again for this card, take a one-time link there (Account), and run: holdpoint login --link <link>'
    : `Run: holdpoint login --user ${user}`;
  return `${message} ${how}`;
}

/** ' (ECONNREFUSED)', ' (DEPTH_ZERO_SELF_SIGNED_CERT)': fetch hides it two causes deep. */
function cause(error: Unreachable): string {
  const inner = error.cause instanceof Error ? error.cause.cause : undefined;
  return inner instanceof Error && 'code' in inner ? ` (${String(inner.code)})` : '';
}

/** "executed", "approved 1 of 2": one word or three for lists. */
export function stateWords(request: RequestView): string {
  const { state, approvals, needed } = request;
  return (state === 'open' || state === 'asked') && needed > 1 ? `${state}, ${approvals.length} of ${needed}` : state;
}
