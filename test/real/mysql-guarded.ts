// Sessions behind the MySQL door, with a stand-in for the gate: for tests of what passes between a driver and a real server, and of what does
// not. Must never be taken for a whole gateway: nothing is analysed, and nothing recorded.
import { texts } from '../../src/errors/catalogue.ts';
import type { MysqlClient, MysqlSession as Served } from '../../src/listener/mysql.ts';
import { MysqlSession, type MysqlSessionLimits } from '../../src/session/mysql/session.ts';
import { type Rules, StandInGate } from './mysql-gate.ts';
import { type Door, type DoorOptions, openDoor } from './mysql-door.ts';

const LIMITS: MysqlSessionLimits = {
  statement_bytes_max: 1024 * 1024,
  bind_bytes_max: 16 * 1024 * 1024,
  held_bytes_max: 64 * 1024,
  backlog_bytes_max: 1024 * 1024,
  prepared_statements_max: 100,
  prepared_bytes_max: 1024 * 1024,
  heartbeat_ms: 15_000,
};

export interface Guarded extends Door {
  /** For sessions that begin from now on. */
  rules: Rules;
  /** Of the sessions so far. */
  readonly gates: StandInGate[];
  /** What sessions found wrong, next to the door's own faults. */
  readonly broken: string[];
  /** The gate of the next session that begins. */
  begins(): Promise<StandInGate>;
}

export const openGuarded = async (
  options: Omit<DoorOptions, 'begin'>,
  limits: Partial<MysqlSessionLimits> = {},
): Promise<Guarded> => {
  const gates: StandInGate[] = [];
  const broken: string[] = [];
  let waiting: ((gate: StandInGate) => void)[] = [];
  const begin = async (client: MysqlClient): Promise<Served> => {
    const session: MysqlSession = new MysqlSession(
      client.stream,
      client.upstream,
      { ...LIMITS, ...limits },
      {
        fault: (what, error) => void broken.push(`${what} ${error instanceof Error ? error.stack : ''}`.trim()),
        kill(id, whole) {
          const peer = client.peer(id);
          peer?.kill(whole);
          return peer ? 'done' : 'unknown';
        },
        closed: () => client.closed(),
        changeUser: (request, early) => client.changeUser(request, early),
      },
    );
    await session.ready(client.sequence).catch((error: unknown) => {
      broken.push(String(error));
      throw error;
    });
    const gate = new StandInGate(guarded.rules, session.facts);
    session.admit(gate);
    gates.push(gate);
    for (const tell of waiting.splice(0)) tell(gate);
    return {
      start: (early) => session.start(early),
      kill: (whole) => session.kill(whole),
      close: () => session.close(texts.shutdown({ id: null })),
    };
  };
  const door = await openDoor({ ...options, begin });
  const guarded: Guarded = {
    ...door,
    rules: {},
    gates,
    broken,
    begins: () => new Promise((resolve) => waiting.push(resolve)),
  };
  return guarded;
};
