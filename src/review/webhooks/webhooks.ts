// All webhooks of a gateway: from their configuration to hooks at work, and their end. Must never start one whose mark is not on disk: what
// happens next would be lost by a crash.
import { filesOf, readState, replaceFile } from './files.ts';
import { resolveBySystem } from './guard.ts';
import { Hook, type HookHealth, type HookOptions } from './hook.ts';
import type { HookConfig } from './ports.ts';
import { Sender } from './send.ts';

export interface WebhooksOptions extends Omit<HookOptions, 'files' | 'sender' | 'random'> {
  /** The gateway's data folder. */
  readonly data: string;
  readonly version: string;
}

export interface Webhooks {
  health(): readonly HookHealth[];
  close(): Promise<void>;
}

/** Resolves when all are at work. Rejects where the state of one can't be read or written. */
export async function startWebhooks(configs: readonly HookConfig[], options: WebhooksOptions): Promise<Webhooks> {
  const hooks: Hook[] = [];
  for (const config of configs) {
    const files = filesOf(options.data, config.name);
    const kept = await readState(files.state);
    const ahead = kept !== null && kept.cursor > options.ports.now.cursor;
    if (ahead)
      options.ports.warn(`webhook ${config.name} is ahead of the log, which lost its end: it goes on from here`);
    const state = kept === null || ahead ? { ...options.ports.now, gone: null } : kept;
    await replaceFile(files.state, `${JSON.stringify(state)}\n`);
    const sender = new Sender(config, {
      resolve: resolveBySystem,
      now: () => options.clock.now(),
      version: options.version,
    });
    hooks.push(new Hook(config, state, { ...options, files, sender, random: Math.random }));
  }
  for (const hook of hooks) hook.start();
  return {
    health: () => hooks.map((hook) => hook.health()),
    close: async () => {
      await Promise.all(hooks.map((hook) => hook.close()));
    },
  };
}
