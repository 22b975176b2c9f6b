// What commands need from the rest of the product. main.ts gives it to them, so that no command imports the gateway.
import type { Address, Config } from '../config/config.ts';
import type { Log } from '../telemetry/log.ts';

/** The gateway at work, as `serve` and `start` see it. */
export interface Running {
  readonly postgres: readonly { readonly name: string; readonly listen: Address }[];
  readonly mysql: readonly { readonly name: string; readonly listen: Address }[];
  readonly review: { readonly listen: Address /** Without a slash at its end. */; readonly url: string };
  readonly policy: { readonly path: string; readonly rules: number /** SHA-256, hex. */; readonly hash: string };
  /** Folder of the audit log, absolute. */
  readonly log: string;
  /** A one-time sign-in for a user, for `<url>/in/<token>`. */
  oneTime(user: string): string;
  /** Ends sessions and listeners, then makes the log durable and closes it. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  readonly log: Log;
  /** How the first-run page tells an agent to connect; null: it does not. */
  readonly agentHint: string | null;
}

export interface Deps {
  serve(config: Config, options: ServeOptions): Promise<Running>;
}
