// Programs as a person runs them, and the commands that the pages tell them to run.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** A program at work; its output as it comes. */
export class Run {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly #ended: Promise<unknown>;

  constructor(program: string, args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}) {
    this.child = spawn(program, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, LC_ALL: 'C', ...options.env },
      // As a shell starts a job: Ctrl-C reaches the whole group.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
    this.#ended = once(this.child, 'close');
  }

  /** The first match in its standard output or error. Rejects when it ended without one. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const look = () => pattern.exec(this.out) ?? pattern.exec(this.err);
    const ended = this.#ended.then(() => 'ended' as const);
    for (;;) {
      const found = look();
      if (found) return found;
      const { stdout, stderr } = this.child;
      const more = new AbortController();
      const next = [stdout, stderr].map((stream) =>
        once(stream as NodeJS.ReadableStream, 'data', more).catch(() => {}),
      );
      const what = await Promise.race([...next, ended]);
      more.abort();
      if (what !== 'ended') continue;
      const last = look();
      if (last) return last;
      throw new Error(`ended without ${pattern}:\n${this.out}\n${this.err}`);
    }
  }

  async end(): Promise<{ readonly out: string; readonly err: string; readonly exit: number | null }> {
    await this.#ended;
    return { out: this.out, err: this.err, exit: this.child.exitCode };
  }

  async interrupt(): Promise<void> {
    process.kill(-(this.child.pid as number), 'SIGINT');
    await this.#ended;
  }
}

/** Every line of a page's shell and SQL blocks, continued lines joined. */
export function commands(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|sql)\n([^]*?)^```$/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) => block.replaceAll('\\\n', '').split('\n')).filter((line) => line !== '');
}

/** The first line that matches; a page that lost its command fails the test. */
export function only(lines: readonly string[], pattern: RegExp): string {
  const line = lines.find((one) => pattern.test(one));
  if (line === undefined) throw new Error(`the page has no command like ${pattern}`);
  return line;
}
