// A terminal of its own for a test: a tmux server that nobody else uses, one pane, keys in and screens out. Ends by `close`.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const WAIT_MS = 60_000;
const LOOK_MS = 40;

export interface PaneOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export class Pane {
  /** Of its socket, which tmux leaves behind. */
  readonly #dir = mkdtempSync(join(tmpdir(), 'holdpoint-tmux-'));

  /** A shell in a folder. */
  static async open(cwd: string, { columns = 80, rows = 24, env = {} }: PaneOptions = {}): Promise<Pane> {
    const pane = new Pane();
    const all = Object.entries({ PS1: '$ ', LC_ALL: 'C.UTF-8', ...env }).flatMap(([name, value]) => [
      '-e',
      `${name}=${value}`,
    ]);
    const size = ['-x', String(columns), '-y', String(rows)];
    await pane.#tmux('-f', '/dev/null', 'new-session', '-d', '-s', 't', '-c', cwd, ...size, ...all, 'sh');
    return pane;
  }

  /** Lines as they stand on the screen, without spaces at their ends. */
  async screen(): Promise<string[]> {
    const { stdout } = await this.#tmux('capture-pane', '-p', '-t', 't');
    return stdout
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => line.trimEnd());
  }

  /** The screen as soon as it has this on it, and is drawn: two looks at it are alike. Rejects with the screen when it never does. */
  async until(wanted: string | RegExp): Promise<string[]> {
    let before = '';
    for (const deadline = Date.now() + WAIT_MS; ; ) {
      const lines = await this.screen();
      const text = lines.join('\n');
      if (text === before && (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) return lines;
      before = text;
      if (Date.now() > deadline) throw new Error(`the screen never had ${wanted}:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Keys by tmux's names: 'Enter', 'Escape', 'C-c', 'j'. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', '-t', 't', ...keys);
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 't', '-l', text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-t', 't', '-x', String(columns), '-y', String(rows));
  }

  /** A fact of tmux's about the pane, such as cursor_flag or alternate_on. */
  async fact(name: string): Promise<string> {
    return (await this.#tmux('display-message', '-p', '-t', 't', `#{${name}}`)).stdout.trim();
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #tmux(...args: readonly string[]): Promise<{ stdout: string }> {
    return run('tmux', ['-u', '-S', join(this.#dir, 'socket'), ...args]);
  }
}
