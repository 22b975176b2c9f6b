// One driver in a process of its own. The test writes one line a verb, words parted by tabs; the program answers each with one line
// of JSON: rows as text, the server's error as the driver shows it, a cancel that the driver shows in its own way, or a fault of
// the program itself. Its first line names the driver's version. Ends by `stop`; signals only what it started.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { BUILT, type Driver } from './drivers.ts';
import type { Answer, Refusal, Row } from './programs/loop.ts';

const run = promisify(execFile);

/** Once for all that start it, also at the same time. */
const built = new Map<string, Promise<unknown>>();
const build = async ({ name, build: command }: Driver<string>, env: NodeJS.ProcessEnv): Promise<void> => {
  if (!command) return;
  const [compiler, ...args] = command;
  const making = built.get(name) ?? mkdir(BUILT, { recursive: true }).then(() => run(compiler, args, { env }));
  built.set(name, making);
  await making;
};

export class Program {
  readonly version: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #errors: () => string;

  private constructor(
    version: string,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
    errors: () => string,
  ) {
    this.version = version;
    this.#child = child;
    this.#lines = lines;
    this.#errors = errors;
  }

  /** Builds it where it is compiled. Rejects with what the program said. */
  static async start(driver: Driver<string>): Promise<Program> {
    const own = Object.entries(process.env).filter(([name]) => !/^(PG|MYSQL|MARIADB)/.test(name));
    const env = {
      ...Object.fromEntries(own),
      LC_ALL: 'C.UTF-8',
      TZ: 'Etc/UTC',
      PYTHONDONTWRITEBYTECODE: '1',
      ...driver.env,
    };
    await build(driver, env);
    const [program, ...args] = driver.program;
    const child = spawn(program, args, { env });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error(`${driver.name} did not start: ${errors}`);
    const told = (JSON.parse(first.value) as { version: string }).version;
    const [ask, ...words] = driver.version ?? [];
    const version = ask ? (await run(ask, words, { env })).stdout.trim() : told;
    return new Program(version, child, lines, () => errors);
  }

  /** The answer to a verb, whatever it is. */
  async ask(verb: string, ...args: readonly string[]): Promise<Answer> {
    this.#child.stdin.write(`${[verb, ...args].join('\t')}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the program ended in ${verb}: ${this.#errors()}`);
    return JSON.parse(value) as Answer;
  }

  /** Rows; throws for anything else. */
  async get(verb: string, ...args: readonly string[]): Promise<readonly Row[]> {
    const answer = await this.ask(verb, ...args);
    if ('error' in answer || 'fault' in answer || 'cancelled' in answer) {
      throw new Error(`${verb} ${args.join(' ')}: ${JSON.stringify(answer)}`);
    }
    return answer.rows ?? [];
  }

  /** The server's error; throws for anything else. */
  async refused(verb: string, ...args: readonly string[]): Promise<Refusal> {
    const answer = await this.ask(verb, ...args);
    if (!('error' in answer)) throw new Error(`${verb} ${args.join(' ')} was not refused: ${JSON.stringify(answer)}`);
    return answer.error;
  }

  /** Tells a running `cancel` that it is time. */
  now(): void {
    this.#child.stdin.write('now\n');
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill(signal);
    await closed;
  }
}
