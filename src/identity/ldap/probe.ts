// What `holdpoint check` asks of a directory: what every login asks, one step after the other, and that a wrong password is refused.
// Must never send a right password but the service account's, nor an empty one.
import { randomBytes } from 'node:crypto';
import { PresenceFilter } from 'ldapts';
import type { LdapConfig } from '../../config/ldap.ts';
import type { Connection } from './connection.ts';
import type { Server } from './server.ts';

/** Before a certificate's last day somebody should know. */
const CERTIFICATE_DAYS_LEFT = 14;
const DAY_MS = 86_400_000;

export interface ProbeLine {
  /** host:port. */
  readonly server: string;
  readonly ok: boolean;
  readonly text: string;
}

/** Never rejects. */
export async function probeServer(server: Server, config: LdapConfig): Promise<readonly ProbeLine[]> {
  const until = performance.now() + config.timeout_ms;
  const lines: ProbeLine[] = [];
  const say = (ok: boolean, text: string): unknown => lines.push({ server: server.name, ok, text });
  let connection: Connection | null = null;
  try {
    connection = await server.open(until, true);
    const { bind, operation_timeout_ms } = config;
    say(
      true,
      `connected${bind === null || bind === 'anonymous' ? '' : ` and bound as ${bind.dn}`}, ${tlsText(connection)}`,
    );
    const days = daysLeft(connection);
    if (days !== null && days < CERTIFICATE_DAYS_LEFT) say(false, `its certificate ends in ${days} days`);
    if (bind !== null) {
      const anything = new PresenceFilter({ attribute: 'objectClass' });
      const bases = { users: config.users.base, ...(config.groups !== null && { groups: config.groups.base }) };
      for (const [what, base] of Object.entries(bases)) {
        const search = { base, scope: 'base', filter: anything, attributes: ['1.1'], entries_max: 1 } as const;
        const there = await connection.search(search, operation_timeout_ms).then(
          (entries) => entries.length > 0,
          () => false,
        );
        say(there, there ? `${what}: ${base} is there` : `${what}: ${base} is not there, or may not be read`);
      }
    }
    const nobody = `${config.users.id}=holdpoint-check-${randomBytes(8).toString('hex')},${config.users.base}`;
    const let_in = await connection.bind(nobody, randomBytes(16).toString('hex'), operation_timeout_ms);
    say(!let_in, let_in ? 'lets in a name that nobody has, with any password' : 'refuses a wrong password');
  } catch (error) {
    say(false, error instanceof Error ? error.message : String(error));
  } finally {
    connection?.close();
  }
  return lines;
}

function tlsText({ tls }: Connection): string {
  return tls === null ? 'without TLS' : `${tls.protocol}, its certificate until ${tls.valid_to}`;
}

function daysLeft({ tls }: Connection): number | null {
  return tls === null ? null : Math.floor((Date.parse(tls.valid_to) - Date.now()) / DAY_MS);
}
