// What is there once, and what is made for each guarded server needs. Types, and the record of who was turned away.
import type { AuditLog } from '../audit/types.ts';
import type { Config } from '../config/config.ts';
import type { GateOptions } from '../gate/options.ts';
import type { Identity } from '../identity/identity.ts';
import type { DoorOptions } from '../listener/door.ts';
import type { Catalogs } from './catalogs.ts';

export interface House {
  readonly config: Config;
  /** This machine's name. */
  readonly node: string;
  readonly audit: AuditLog;
  readonly identity: Identity;
  readonly catalogs: Catalogs;
  readonly fault: GateOptions['fault'];
  /** Is told who logs in over which connection. */
  readonly proved: DoorOptions['proved'];
  /** What every gate is given. */
  readonly gate: Omit<GateOptions, 'engine' | 'role' | 'where' | 'catalog' | 'impact'>;
  /** Ends what was begun, the last one first. */
  readonly closers: (() => Promise<void> | void)[];
}

/** Puts a connection that was turned away on record. */
export const refusedAt =
  ({ audit }: House, listener: string) =>
  async (what: object): Promise<void> => {
    await audit.append({ type: 'session.refused', clear: { ...what, listener } });
  };
