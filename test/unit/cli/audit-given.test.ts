// What the audit commands are given: words for what is missing or empty.
import { expect, it } from 'vitest';
import { BadInput } from '../../../src/audit/verify/note.ts';
import { keysOf } from '../../../src/cli/audit/given.ts';

it.each([[''], ['  ']])('an empty --key (%j) is told as that, and no file is looked for', async (key) => {
  const error = await keysOf([key]).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(BadInput);
  expect((error as BadInput).message).toBe(
    "--key is empty: it wants the log's verifier key, or a file with it; 'holdpoint audit key' prints it",
  );
});

it('a file that is not there is named', async () => {
  await expect(keysOf(['/no/such/key'])).rejects.toThrow('/no/such/key cannot be read (ENOENT)');
});
