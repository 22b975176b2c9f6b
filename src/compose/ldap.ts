// The directory as the rest of the product sees it: opened once, for everybody who asks it, and what becomes of its servers told to the operator.
import type { Config } from '../config/config.ts';
import { type Ldap, openLdap } from '../identity/ldap/ldap.ts';
import type { Log } from '../telemetry/log.ts';

/** Null: the configuration has none. Nothing is connected before somebody is asked about. */
export const openDirectory = ({ identity: { ldap } }: Config, log: Pick<Log, 'info' | 'error'>): Ldap | null =>
  ldap === undefined
    ? null
    : openLdap(ldap, {
        onState: ({ server, up, why }) => {
          if (up) log.info(`the directory's server ${server} is back`);
          else log.error(`the directory's server ${server} is down: ${why}`);
        },
      });
