// Warns when somebody logs in from a process of the gateway's own OS user, which could do all that the gateway can (docs/threat-model.md).
import { join } from 'node:path';
import { keepSameUser, SAME_USER_FILE } from '../identity/same-user.ts';
import { type Ends, watchSameUser } from '../listener/same-user.ts';
import type { Log } from '../telemetry/log.ts';

/** Undefined: this system has no OS users that could be told apart. */
export const openSameUser = (data: string, log: Log): ((user: string, ends: Ends) => void) | undefined => {
  const uid = process.getuid?.();
  if (uid === undefined || process.platform !== 'linux') return undefined;
  let last: Promise<unknown> = Promise.resolve();
  const found = (user: string): void => {
    log.warn(
      `${user} runs under the gateway's own OS user (uid ${uid}): it could read its keys, passwords and files, and stop it. Run agents as another user, best on another machine (docs/threat-model.md)`,
    );
    // One after the other; for `check` alone, so that it fails quietly.
    last = last.then(() => keepSameUser(join(data, SAME_USER_FILE), user)).catch(() => {});
  };
  const watch = watchSameUser({ uid, found });
  return (user, ends) => void watch(user, ends);
};
