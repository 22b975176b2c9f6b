// Stands in for a PostgreSQL server that nobody can have here: thousands of connections in one process. It logs in with SCRAM, says what
// PostgreSQL 18 says at a login, answers what Holdpoint asks for itself, and one row to everything else. It is no database:
// what it is asked it does not read, and what it answers proves nothing about SQL.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { parseScramVerifier } from '../src/identity/scram.ts';
import { BAD_LENGTH, FrameReader, NEED_MORE } from '../src/wire/postgres/frame.ts';
import {
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  commandComplete,
  cstring,
  dataRowOfText,
  FRONTEND,
  IDLE,
  latin1,
  PARSE_COMPLETE,
  parameterStatus,
  readParse,
  readyForQuery,
  rowDescriptionOfText,
} from '../src/wire/postgres/messages.ts';
import { MECHANISM, ScramServer, type Verifier } from '../src/wire/postgres/scram.ts';
import { readStartupPacket } from '../src/wire/postgres/startup.ts';

/** What PostgreSQL 18 reports at a login. */
const STATUS: Readonly<Record<string, string>> = {
  in_hot_standby: 'off',
  integer_datetimes: 'on',
  TimeZone: 'Etc/UTC',
  IntervalStyle: 'postgres',
  search_path: '"$user", public',
  is_superuser: 'off',
  application_name: 'bench',
  default_transaction_read_only: 'off',
  scram_iterations: '4096',
  DateStyle: 'ISO, MDY',
  standard_conforming_strings: 'on',
  session_authorization: 'bench',
  client_encoding: 'UTF8',
  server_version: '18.0',
  server_encoding: 'UTF8',
};
/** What SHOW answers; a setting that is not here is a time, and switched off. */
const SHOW: Readonly<Record<string, string>> = { ...STATUS, role: 'none' };
const STARTUP_BYTES_MAX = 10_000;
const MESSAGE_BYTES_MAX = 1024 * 1024;
const ONE_ROW = [dataRowOfText(['1']), commandComplete('SELECT 1')];

/** Extended is what Holdpoint asks for itself: there is nothing in this database. */
const NO_ROWS = [commandComplete('SELECT 0')];

const answer = (text: string, processId: number): readonly Buffer[] | null => {
  const setting = /^SHOW (\w+)$/.exec(text)?.[1];
  if (setting !== undefined) return [dataRowOfText([SHOW[setting] ?? '0']), commandComplete('SHOW')];
  if (text === 'SELECT pg_backend_pid()') return [dataRowOfText([String(processId)]), commandComplete('SELECT 1')];
  return null;
};

/** Of a statement that the bench asks about: when it came, in ms of the machine's monotonic clock. */
export interface Arrival {
  readonly name: string;
  readonly at: number;
}

const MARKED = /^SELECT '(held_\w+)'/;
let arrivals: Arrival[] = [];

const serve = async (socket: Socket, verifier: Verifier, processId: number): Promise<void> => {
  const reader = new FrameReader('', MESSAGE_BYTES_MAX);
  await logIn(socket, reader, verifier, processId);
  let asked = '';
  const answers = (): readonly Buffer[] => {
    const { type, buffer, start, end } = reader;
    switch (type) {
      case FRONTEND.Parse:
        asked = readParse(buffer, start, end)?.text ?? '';
        return [PARSE_COMPLETE];
      case FRONTEND.Bind:
        return [BIND_COMPLETE];
      case FRONTEND.Execute:
        return answer(asked, processId) ?? NO_ROWS;
      case FRONTEND.Close:
        return [CLOSE_COMPLETE];
      case FRONTEND.Query: {
        const text = latin1(buffer, start + 5, end - 1);
        const name = MARKED.exec(text)?.[1];
        if (name !== undefined) arrivals.push({ name, at: Number(process.hrtime.bigint()) / 1e6 });
        return [rowDescriptionOfText(['?column?']), ...(answer(text, processId) ?? ONE_ROW), readyForQuery(IDLE)];
      }
      case FRONTEND.Sync:
        return [readyForQuery(IDLE)];
      case FRONTEND.Terminate:
        socket.end();
        return [];
      default:
        return [];
    }
  };
  const read = (): void => {
    const out: Buffer[] = [];
    for (let found = reader.next(); found !== NEED_MORE; found = reader.next()) {
      if (found === BAD_LENGTH) return void socket.destroy();
      out.push(...answers());
    }
    reader.release();
    if (out.length > 0) socket.write(Buffer.concat(out));
  };
  socket.on('data', (chunk: Buffer) => {
    reader.append(chunk);
    read();
  });
};

const logIn = async (socket: Socket, reader: FrameReader, verifier: Verifier, processId: number): Promise<void> => {
  let bytes: Buffer = Buffer.alloc(0);
  const more = async (): Promise<void> => {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
  };
  let packet = readStartupPacket(bytes, STARTUP_BYTES_MAX);
  for (; packet === null; packet = readStartupPacket(bytes, STARTUP_BYTES_MAX)) await more();
  reader.append(bytes.subarray(packet.end));
  const body = async (): Promise<Buffer> => {
    while (reader.next() === NEED_MORE) reader.append(((await once(socket, 'data')) as [Buffer])[0]);
    return reader.buffer.subarray(reader.start + 5, reader.end);
  };
  const scram = new ScramServer(verifier);
  socket.write(authenticationSasl(MECHANISM));
  const initial = await body();
  const at = (cstring(initial, 0, initial.length)?.next ?? 0) + 4;
  socket.write(authenticationSaslContinue(scram.first(initial.toString('utf8', at)) ?? ''));
  const proof = scram.final((await body()).toString('utf8'));
  if (proof === null) throw new Error('a wrong password');
  socket.write(
    Buffer.concat([
      authenticationSaslFinal(proof),
      authenticationOk(),
      ...Object.entries(STATUS).map(([name, value]) => parameterStatus(name, value)),
      backendKeyData(processId, randomBytes(4)),
      readyForQuery(IDLE),
    ]),
  );
};

const [port, text = ''] = process.argv.slice(2);
const verifier = parseScramVerifier(text);
if (verifier === null) throw new Error('usage: stand-in.ts <port> <SCRAM verifier>');
let connections = 0;
createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  serve(socket, verifier, ++connections).catch(() => socket.destroy());
}).listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
// Asked, it says what came since it was asked last.
process.on('message', () => {
  process.send?.(arrivals);
  arrivals = [];
});
process.once('disconnect', () => process.exit());
