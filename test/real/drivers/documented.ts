// What a client that can't be had here is documented to say, one message a line in the transcripts' notation, said byte by byte.
// Must change nothing of it.
import { readFileSync } from 'node:fs';
import { printReply, SAY, WireClient } from '../../transcripts/client.ts';
import { AGENT_PASSWORD } from '../gateway.ts';

/** Logs in as the agent and says it all; resolves with every error and notice that came back, each with the message it answered. */
export const sayDocumented = async (file: string, port: number, database: string): Promise<string[]> => {
  const [start = [], ...messages] = read(file);
  const client = await WireClient.open(
    { port, user: 'bot', password: AGENT_PASSWORD, database },
    { ...(start[2] as Record<string, string>), database },
  );
  const bad: string[] = [];
  // What were held would be refused at once, not in 45 s.
  for (const [name, ...words] of [['Query', "SET holdpoint.hold = '1ms'"], ...messages]) {
    const say = SAY[name as keyof typeof SAY] as (...given: unknown[]) => Buffer;
    client.send(say(...words));
    if (name !== 'Query' && name !== 'Sync') continue;
    bad.push(...(await answers(client)).map((answer) => `${answer} after ${JSON.stringify(words)}`));
  }
  client.send(SAY.Terminate());
  return bad;
};

/** Errors and notices up to ReadyForQuery, and an end of the connection. */
async function answers(client: WireClient): Promise<string[]> {
  const bad: string[] = [];
  for (;;) {
    const reply = await client.next();
    if (!reply) return [...bad, 'closed'];
    if (reply.type === 'E' || reply.type === 'N') bad.push(printReply(reply));
    if (reply.type === 'Z') return bad;
  }
}

/** A fixture's messages: a name and its words, bare or JSON. */
function read(file: string): unknown[][] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('> '))
    .map((line) =>
      [...line.slice(2).matchAll(/"(?:[^"\\]|\\.)*"|[[{].*?[\]}](?= |$)|\S+/g)].map(([word]) =>
        /^["[{\d]/.test(word) && word !== '3.0' ? (JSON.parse(word) as unknown) : word,
      ),
    );
}
