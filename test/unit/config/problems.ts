// What a reader of a file of ours refuses it for; other errors are the test's.
import { ConfigError } from '../../../src/config/config.ts';

/** Empty: it is read. */
export function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
