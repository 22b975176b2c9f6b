// What the Node programs share: the line protocol of ../program.ts.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

export type Row = readonly (string | null)[];

/** The server's error as the driver shows it. */
export interface Refusal {
  /** '' where the driver does not tell it. */
  readonly sqlstate: string;
  readonly message: string;
  /** Of MySQL and MariaDB. */
  readonly errno?: number;
}

export type Answer =
  | { readonly rows?: readonly Row[] }
  | { readonly error: Refusal }
  | { readonly cancelled: string }
  | { readonly fault: string };

export type Verbs = Readonly<Record<string, (...args: string[]) => Promise<Answer | void>>>;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next line of the test; null: there is none. */
export const nextLine = async (): Promise<string | null> => {
  const { value, done } = await lines.next();
  return done ? null : value;
};

/** Answers one line a verb until the input ends. `refused`: the server's error, null for anything else. */
export const serve = async (
  version: string,
  verbs: Verbs,
  refused: (error: unknown) => Refusal | null,
): Promise<void> => {
  say({ version });
  for (let line = await nextLine(); line !== null; line = await nextLine()) {
    const [verb = '', ...args] = line.split('\t');
    try {
      const perform = verbs[verb];
      if (!perform) throw new Error(`there is no verb ${verb}`);
      say((await perform(...args)) ?? {});
    } catch (error) {
      const known = refused(error);
      say(known ? { error: known } : { fault: String(error) });
    }
  }
};

/** Values as text, in the order of the columns. */
export const text = (
  rows: Iterable<readonly (string | number | boolean | null | undefined)[]>,
): { readonly rows: Row[] } => ({
  rows: [...rows].map((row) => row.map((value) => (value === null || value === undefined ? null : String(value)))),
});

/** Notifications: each is given out once, and waited for. */
export const inbox = () => {
  const heard: Row[] = [];
  let wake = (): void => {};
  return {
    put: (row: Row): void => {
      heard.push(row);
      wake();
    },
    next: async (): Promise<{ readonly rows: Row[] }> => {
      while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return { rows: heard.splice(0, 1) };
    },
  };
};

/** Of a package that npm brought. */
export const versionOf = async (name: string): Promise<string> => {
  const file = new URL(`../../../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
};

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
