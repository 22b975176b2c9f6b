// Takes up what an operator says of lost second factors, while the gateway runs and when it starts: on record first, then done.
import { join } from 'node:path';
import type { AuditLog } from '../audit/types.ts';
import type { Factors } from '../identity/factors.ts';
import { type Lost, LOST_FILE, takeLost } from '../identity/lost-factors.ts';
import type { Log } from '../telemetry/log.ts';

const LOOK_EVERY_MS = 1_000;

export interface LostParts {
  readonly data: string;
  readonly factors: Factors;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** Resolves when what was left before is done, or could not be; returns how it ends. Rejects never. */
export const followLost = async ({ data, factors, audit, log }: LostParts): Promise<() => void> => {
  const done = async ({ user, what, at }: Lost): Promise<void> => {
    if (what === 'totp') {
      await audit.append({ type: 'reviewer.codes_removed', clear: { by: 'operator', user } });
      log.info(`${user} has no authenticator app and no recovery codes any more, by an operator`);
      return;
    }
    for (const { id, added } of factors.keys(user)) {
      if (added > at) continue;
      await audit.append({ type: 'reviewer.key_removed', clear: { by: 'operator', user, key: id } });
      await factors.removeKey(user, id);
      log.info(`a security key of ${user} is taken no more, by an operator`);
    }
  };
  let faulty = false;
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    try {
      await takeLost(join(data, LOST_FILE), done);
      faulty = false;
    } catch (error) {
      // Once: it is tried again each second.
      if (!faulty) log.error({ err: error }, 'what an operator said of lost second factors cannot be done now');
      faulty = true;
    }
    looking = false;
  };
  await look();
  const timer = setInterval(() => void look(), LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
};
