// COM_STMT_EXECUTE of the benches' point select.
import { COM } from '../src/wire/mysql/commands.ts';
import { packets } from '../src/wire/mysql/frame.ts';

/** MYSQL_TYPE_LONG */
const LONG = 3;

/** An execution of a statement with one integer for its parameter. */
export const execution = (statement: number, value: number): Buffer => {
  const body = Buffer.alloc(18);
  body[0] = COM.STMT_EXECUTE;
  body.writeUInt32LE(statement, 1);
  // No cursor; once; no NULL; types follow.
  body.writeUInt32LE(1, 6);
  body[11] = 1;
  body[12] = LONG;
  body.writeUInt32LE(value, 14);
  return packets(0, body);
};
