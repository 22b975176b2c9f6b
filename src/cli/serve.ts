// `holdpoint serve`: the gateway and the console, from a configuration file, until a signal.
import { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { createLog } from '../telemetry/log.ts';
import { nextSignal } from './lifetime.ts';
import type { Deps } from './ports.ts';

export function serveCommand(deps: Deps): Command {
  return new Command('serve')
    .description('run the gateway and the console')
    .option('--config <file>', 'configuration', 'holdpoint.yaml')
    .option('--log <format>', 'json, or short lines for a person', 'json')
    .action(async (options: { config: string; log: string }) => {
      const signal = nextSignal();
      const config = await loadConfig(options.config);
      const log = createLog({ format: options.log === 'short' ? 'short' : 'json' });
      const running = await deps.serve(config, { log, hints: [], neighbours: true });
      for (const { name, listen } of [...running.postgres, ...running.mysql])
        log.info(`${name}: agents connect to ${listen.host}:${listen.port}`);
      log.info(`console: ${running.review.url}`);
      await signal;
      log.info('stopping');
      await running.stop();
      log.info('stopped');
      // As in start.ts: an open request's clock must not keep the process.
      process.exit();
    });
}
