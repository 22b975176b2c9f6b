// Which client message is legal in which phase, and what is done with it. The relay reads this table and nothing else
// to decide; a cell that is missing is a protocol violation. Printed into docs/generated/postgres-messages.md.
import { FRONTEND } from '../../wire/postgres/messages.ts';

/** Phases in which client messages are read one by one. While a session waits (settling, judging, holding ...) none is. */
export type ReadingPhase = 'open' | 'copying' | 'discarding';

export type Handling =
  /** Judged as SQL text, whole. */
  | 'query'
  | 'parse'
  | 'bind'
  | 'execute'
  | 'describe'
  | 'close'
  | 'flush'
  | 'sync'
  /** Refused: judged by name only with the catalog. */
  | 'function-call'
  /** Data of a COPY that was let through. */
  | 'copy-data'
  | 'copy-end'
  /** Ignored, unless the COPY turns out to have failed before the server came to it. */
  | 'copy-sync'
  /** Not during COPY FROM STDIN: the session ends, as the server would end it. */
  | 'copy-broken'
  /** Taken and not sent on, as the server ignores it here. */
  | 'drop'
  | 'terminate';

type Name = Exclude<keyof typeof FRONTEND, 'Password'>;

export const CLIENT_MESSAGES: Readonly<Record<Name, Readonly<Record<ReadingPhase, Handling>>>> = {
  Query: { open: 'query', copying: 'copy-broken', discarding: 'drop' },
  Parse: { open: 'parse', copying: 'copy-broken', discarding: 'drop' },
  Bind: { open: 'bind', copying: 'copy-broken', discarding: 'drop' },
  Execute: { open: 'execute', copying: 'copy-broken', discarding: 'drop' },
  Describe: { open: 'describe', copying: 'copy-broken', discarding: 'drop' },
  Close: { open: 'close', copying: 'copy-broken', discarding: 'drop' },
  FunctionCall: { open: 'function-call', copying: 'copy-broken', discarding: 'drop' },
  // The server ignores Flush and Sync inside COPY FROM STDIN: the client sends another Sync when the data ends.
  Flush: { open: 'flush', copying: 'drop', discarding: 'drop' },
  Sync: { open: 'sync', copying: 'copy-sync', discarding: 'sync' },
  // Outside COPY the server ignores these: a client may still be sending data of a COPY that failed.
  CopyData: { open: 'drop', copying: 'copy-data', discarding: 'drop' },
  CopyDone: { open: 'drop', copying: 'copy-end', discarding: 'drop' },
  CopyFail: { open: 'drop', copying: 'copy-end', discarding: 'drop' },
  Terminate: { open: 'terminate', copying: 'terminate', discarding: 'terminate' },
};

const rows = (phase: ReadingPhase): readonly (Handling | undefined)[] => {
  const byCode: (Handling | undefined)[] = Array.from({ length: 256 }, () => undefined);
  for (const [name, cells] of Object.entries(CLIENT_MESSAGES)) byCode[FRONTEND[name as Name]] = cells[phase];
  return byCode;
};

/** The same table by byte code, for the relay. */
export const HANDLING: Readonly<Record<ReadingPhase, readonly (Handling | undefined)[]>> = {
  open: rows('open'),
  copying: rows('copying'),
  discarding: rows('discarding'),
};
