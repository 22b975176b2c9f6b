// What a real server's lexer and grammar make of a text, with nothing executed: Parse inside of a transaction block that has failed.
// There the server reads the whole text, says 42601 with the position, or how many statements it saw, and goes no further: names are not
// looked up, no input function runs. Test code only.
import { message, type Reply, WireClient } from '../../transcripts/client.ts';
import type { TestServer } from '../servers.ts';

/** Of one text. */
export type Reading =
  | { readonly accepted: true; readonly statements: 'none' | 'one' | 'many' }
  /** position: 1-based, in characters; 0: none. */
  | { readonly accepted: false; readonly sqlstate: string; readonly message: string; readonly position: number };

/** Texts on their way at once. */
const BATCH = 256;

export class Oracle {
  readonly #client: WireClient;
  /** Texts read so far. */
  asked = 0;

  private constructor(client: WireClient) {
    this.#client = client;
  }

  /** Settings as Holdpoint forces them. */
  static async open(server: TestServer): Promise<Oracle> {
    const { port, user, password } = server;
    const client = await WireClient.open(
      { port, user, password, database: 'postgres' },
      {
        client_encoding: 'UTF8',
        standard_conforming_strings: 'on',
        client_min_messages: 'error',
        log_min_messages: 'panic',
      },
    );
    client.send(query('BEGIN READ ONLY'));
    await untilReady(client);
    client.send(query('this fails'));
    const status = (await untilReady(client)).at(-1)?.body.toString('latin1');
    if (status !== 'E') throw new Error('the transaction block has not failed');
    return new Oracle(client);
  }

  /** What the server reads in each text (UTF-8 bytes as latin1, no NUL). */
  async read(texts: readonly string[]): Promise<Reading[]> {
    const readings = await this.#parse(texts);
    // Empty, or one that a failed block lets through (COMMIT, ROLLBACK)? Another statement tells.
    const unclear = texts.flatMap((text, at) => (readings[at] === null ? [[at, `${text}\n;select 1`] as const] : []));
    const again = await this.#parse(unclear.map(([, text]) => text));
    for (const [index, [at]] of unclear.entries()) {
      const reading = again[index];
      if (!reading?.accepted) throw new Error(`not read the same way twice: ${JSON.stringify(texts[at])}`);
      readings[at] = { accepted: true, statements: reading.statements === 'many' ? 'one' : 'none' };
    }
    return readings as Reading[];
  }

  async #parse(texts: readonly string[]): Promise<(Reading | null)[]> {
    const readings: (Reading | null)[] = [];
    for (let at = 0; at < texts.length; at += BATCH) {
      const batch = texts.slice(at, at + BATCH);
      this.#client.send(Buffer.concat(batch.map(parseAndSync)));
      for (let left = batch.length; left > 0; left -= 1) readings.push(readingOf(await untilReady(this.#client)));
    }
    this.asked += texts.length;
    return readings;
  }

  close(): void {
    this.#client.destroy();
  }
}

const query = (sql: string): Buffer => message('Q', Buffer.from(`${sql}\0`, 'latin1'));
const SYNC = message('S');
const parseAndSync = (text: string): Buffer =>
  Buffer.concat([message('P', Buffer.from(`\0${text}\0\0\0`, 'latin1')), SYNC]);

async function untilReady(client: WireClient): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (;;) {
    const reply = await client.next();
    if (!reply) throw new Error('the server closed the connection');
    replies.push(reply);
    if (reply.type === 'Z') return replies;
  }
}

/** Null: ParseComplete. */
function readingOf(replies: readonly Reply[]): Reading | null {
  const error = replies.find(({ type }) => type === 'E');
  if (!error) return null;
  const fields = new Map(
    error.body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  const sqlstate = fields.get('C') ?? '';
  const said = fields.get('M') ?? '';
  if (sqlstate === '25P02') return { accepted: true, statements: 'one' };
  if (said === 'cannot insert multiple commands into a prepared statement')
    return { accepted: true, statements: 'many' };
  return { accepted: false, sqlstate, message: said, position: Number(fields.get('P') ?? 0) };
}
