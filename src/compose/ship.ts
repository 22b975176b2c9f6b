// Shipping of the log as the gateway runs it: destinations from the configuration, names resolved behind the guard that webhooks have, and
// whoever is so far behind that nothing may be forwarded, told and on record.
import { join } from 'node:path';
import { JSONL, Ocsf } from '../audit/ship/format.ts';
import { HttpTransport } from '../audit/ship/http.ts';
import { Ship, type Behind } from '../audit/ship/ship.ts';
import { SyslogTransport } from '../audit/ship/syslog.ts';
import type { Destination, End, HttpDestination, ShipClock, SyslogDestination } from '../audit/ship/types.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Config, ShipConfig } from '../config/config.ts';
import { shipUrl } from '../config/ship.ts';
import { guarded } from '../review/webhooks/guard.ts';
import type { Log } from '../telemetry/log.ts';

interface Options {
  readonly config: Config;
  readonly end: End;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly version: string;
  readonly log: Log;
}

/** Below the data folder. */
const FOLDER = 'ship';

/** Null: nothing is shipped. Rejects BadCursor, and what the disk says. */
export async function openShip({ config, end, audit, version, log }: Options): Promise<Ship | null> {
  const { ship } = config.audit;
  if (ship.length === 0) return null;
  const byName = new Map(ship.map((one) => [one.name, one]));
  return Ship.start(ship, {
    log: join(config.data, 'audit'),
    folder: join(config.data, FOLDER),
    end,
    clock: CLOCK,
    random: Math.random,
    warn: (text) => log.warn(text),
    info: (text) => log.info(text),
    format: (to) => (to.format === 'ocsf' ? new Ocsf(version) : JSONL),
    transport: ({ name }: Destination) => {
      const to = byName.get(name) as ShipConfig;
      const guard = guarded({ url: shipUrl(to), allow_private: to.allow_private });
      return 'url' in to
        ? new HttpTransport(to satisfies HttpDestination, { guard, clock: CLOCK, version })
        : new SyslogTransport(to satisfies SyslogDestination, { guard, clock: CLOCK });
    },
    blocked: (by) => tell(by, audit, log),
  });
}

function tell(by: Behind | null, audit: Pick<AuditLog, 'append'>, log: Log): void {
  if (by === null) log.info('forwarding goes on: the audit log is shipped again');
  else
    log.error(
      `nothing is forwarded (ZH005): shipping of the audit log to ${by.name} is behind since ${new Date(by.since).toISOString()}, which is more than its block_after`,
    );
  const record =
    by === null
      ? { type: 'ship.resumed', clear: {} }
      : { type: 'ship.blocked', clear: { destination: by.name, since: new Date(by.since).toISOString() } };
  // A log that can't be written stops forwarding by itself, and says so.
  audit.append(record).catch(() => {});
}

const CLOCK: ShipClock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
