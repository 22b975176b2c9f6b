// KILL QUERY: ends a statement of the gateway's own, on a connection of its own. Must never be given an id that a client named.
import { packets } from '../../wire/mysql/frame.ts';
import { COM } from '../../wire/mysql/commands.ts';
import { command } from '../../wire/mysql/messages.ts';
import { login, type MysqlTarget, type Wanted } from './login.ts';

/** Nothing of a client's. */
export const PLAIN: Wanted = {
  capabilities: { flags: 0, mariadb: 0 },
  // utf8mb4_general_ci, which every server has.
  collation: 45,
  packet_bytes_max: 2 ** 24,
  database: '',
  attributes: new Map([['program_name', 'holdpoint']]),
};

/** Resolves when the server has taken it, or it is lost: nobody waits for the result, and one that came too late is no error. */
export const killQuery = async (target: MysqlTarget, threadId: number): Promise<void> => {
  try {
    const { line } = await login(target, PLAIN);
    const timer = setTimeout(() => line.destroy(), target.timeout_ms);
    try {
      line.command(command(COM.QUERY, `KILL QUERY ${threadId}`));
      await line.packet();
    } finally {
      clearTimeout(timer);
      line.end(packets(0, command(COM.QUIT)));
    }
  } catch {
    // As above.
  }
};
