// What a scenario of any database stands on, and what it does alike.
import { expect } from 'vitest';
import type { RequestView } from '../../../src/review/client.ts';
import type { TestGateway } from '../gateway.ts';
import type { Driver } from './drivers.ts';
import type { Program } from './program.ts';

export interface Stage<S extends string> {
  readonly driver: Driver<S>;
  readonly program: Program;
  readonly gateway: TestGateway;
  /** Begins every name that the scenario makes: no two drivers send an identical statement. */
  readonly own: string;
}

/** The statement with the driver's own placeholder. */
export const parameter = ({ driver }: Stage<string>, sql: string): string => sql.replace('$1', driver.placeholder);

/** The connection answers, and outside a transaction. */
export const usable = async ({ program }: Stage<string>): Promise<void> => {
  expect(await program.get('query', 'SELECT 1')).toEqual([['1']]);
};

/** The request that this statement opens; throws if the statement ends before there is one. */
export const opened = async (stage: Stage<string>, statement: Promise<unknown>): Promise<RequestView> =>
  Promise.race([
    stage.gateway.opened(),
    statement.then((answer) => Promise.reject(new Error(`not held: ${JSON.stringify(answer)}`))),
  ]);
