// `upstream:` of a principal, in users.yaml and in `identity.map`: the login that it has on the guarded server, and where its password comes
// from. The password itself is never written in either file, and never put into an error message.
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { BadReference, expand, type Sources } from './references.ts';

/** Where a password is found. */
export type PasswordSource =
  /** From the environment, as it was at the start. */
  | { readonly type: 'value'; readonly value: string }
  /** Read afresh for each use. Absolute. */
  | { readonly type: 'file'; readonly path: string }
  /** Its standard output, one line; run without a shell. */
  | { readonly type: 'command'; readonly command: readonly [string, ...string[]]; readonly refresh_ms: number };

export interface OwnLogin {
  readonly user: string;
  readonly password: PasswordSource;
}

const REFRESH = '10m';
const REFRESH_MS_MIN = 1000;
const REFRESH_MS_MAX = 86_400_000;
/** Words of one command. */
const WORDS_MAX = 64;
const WORD_CHARS_MAX = 4096;
const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** References are resolved, and files looked for, when it is read: what is missing is told at once. */
export function secretSchema(sources: Sources, what = 'password') {
  const itself = `needs file:path, \${VARIABLE}, or {command: [...]}, not the ${what} itself`;
  // A union tells of none of its members what was wrong with it.
  const reference = z.string().transform((text): PasswordSource | BadReference => {
    try {
      return passwordSource(text, sources, itself);
    } catch (error) {
      if (error instanceof BadReference) return error;
      throw error;
    }
  });
  const command = z
    .strictObject({
      command: z
        .tuple([z.string().min(1).max(WORD_CHARS_MAX)], z.string().max(WORD_CHARS_MAX))
        .refine((words) => words.length <= WORDS_MAX, `at most ${WORDS_MAX} words`)
        .describe(
          'a program and its arguments; no shell reads them. The one line that it prints is the password, or the key',
        ),
      refresh: z
        .string()
        .regex(/^\d{1,6}[smhd]$/, 'a duration is a whole number and a unit: 45s, 15m, 1h')
        .transform((text) => Number.parseInt(text, 10) * UNITS_MS[text.at(-1) as keyof typeof UNITS_MS])
        .refine((ms) => ms >= REFRESH_MS_MIN && ms <= REFRESH_MS_MAX, 'needs 1s to 1d')
        .prefault(REFRESH)
        .describe('how long an answer is used; it is asked for anew where the server refuses it'),
    })
    .transform(
      ({ command: words, refresh }): PasswordSource => ({ type: 'command', command: words, refresh_ms: refresh }),
    );
  return z.union([reference, command], itself).transform((found, context): PasswordSource => {
    if (!(found instanceof BadReference)) return found;
    context.addIssue({ code: 'custom', message: found.message });
    return z.NEVER;
  });
}

export function ownLoginSchema(sources: Sources) {
  return z.strictObject({
    user: z.string().min(1),
    password: secretSchema(sources).describe(
      '${VARIABLE}, file:<path>, or {command: [program, argument, ...], refresh: 10m}',
    ),
  });
}

/** `file:path` or `${VARIABLE}`: never the password itself. Throws BadReference. */
function passwordSource(text: string, sources: Sources, itself: string): PasswordSource {
  if (/^\$\{[^}]*\}$/.test(text)) return { type: 'value', value: expand(text, sources) };
  if (!text.startsWith('file:')) throw new BadReference(itself);
  const path = resolve(sources.dir, expand(text.slice('file:'.length), sources));
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new BadReference(`refers to file:${path}, which cannot be read (${code})`);
  }
  return { type: 'file', path };
}
