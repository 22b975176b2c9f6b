// Plays a transcript: a conversation as plain text, with all its actors. README.md says how one is written.
// What actors do is read from the file; what they get to see is written into it (UPDATE=1) or compared.
import pg from 'pg';
import { decide, type TestGateway } from '../real/gateway.ts';
import type { RequestView } from '../../src/review/client.ts';
import { printReply, replyName, SAY, type Target, WireClient } from './client.ts';

export interface Section {
  readonly title: string;
  /** Both: the gateway has no part in it, and the server alone must answer the same. */
  readonly where: 'both' | 'gateway';
  readonly lines: readonly string[];
}

export interface Transcript {
  /** Comment lines before the first section. */
  readonly head: readonly string[];
  readonly sections: readonly Section[];
}

export const readTranscript = (text: string): Transcript => {
  const head: string[] = [];
  const sections: { title: string; where: 'both' | 'gateway'; lines: string[] }[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const match = /^== (both|gateway): (.+)$/.exec(line);
    if (match) sections.push({ where: match[1] as 'both' | 'gateway', title: match[2] as string, lines: [] });
    else (sections.at(-1)?.lines ?? head).push(line);
  }
  // Each section ends with one empty line, as it is written.
  for (const { lines } of sections) {
    while (lines.at(-1) === '') lines.pop();
    lines.push('');
  }
  return { head, sections };
};

export const writeTranscript = (head: readonly string[], sections: readonly Section[]): string =>
  [...head, ...sections.flatMap(({ where, title, lines }) => [`== ${where}: ${title}`, ...lines])]
    .join('\n')
    .concat('\n');

/** What a line sees, not what it does. */
const isSeen = (line: string): boolean => /^[<=] /.test(line);

export interface Stage {
  readonly target: Target;
  /** Null: the server alone. */
  readonly gateway: TestGateway | null;
  /** The server's superuser, for what happens on another connection. */
  readonly server: pg.Client;
  /** How many bytes of the client's stream go in one packet; null: each batch in one. */
  readonly chunk_bytes: (() => number) | null;
  /** Requests of earlier sections. */
  readonly skip: string[];
}

/** Plays one section; its lines with what was seen. */
export const play = async (section: Section, stage: Stage): Promise<string[]> => {
  const player = new Player(stage, await WireClient.open(stage.target));
  const out: string[] = [];
  const acts = section.lines.filter((line) => !isSeen(line));
  try {
    for (let index = 0; index < acts.length; index++) {
      const line = acts[index] as string;
      out.push(line);
      out.push(...(await within(player.act(line, acts[index + 1] ?? ''))));
    }
    while (out.at(-1) === '') out.pop();
    return [...out, ''];
  } catch (error) {
    throw new Error(`${section.title}\n${out.join('\n')}\n${player.unread().join('\n')}\n${String(error)}`, {
      cause: error,
    });
  } finally {
    player.end();
  }
};

/** Longest that an act may take, in ms: a reply that never comes fails the section and shows what did come. */
const ACT_MS_MAX = 30_000;

const within = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing more came')), ACT_MS_MAX);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

const expand = (text: string, player: Player): string =>
  text
    .replaceAll('{pid}', String(player.processId))
    .replaceAll('{id}', player.requestId)
    .replace(/\{(.)\*(\d+)\}/g, (_, character: string, times: string) => character.repeat(Number(times)));

class Player {
  readonly #stage: Stage;
  readonly #clients = new Map<string, WireClient>();
  #client: WireClient;
  #queued: Buffer[] = [];
  #chunk_bytes: (() => number) | null;
  /** ReadyForQuery that are still to come. */
  #owed = 0;
  #request: RequestView | null = null;
  #named = '';
  #pending: string[] = [];

  constructor(stage: Stage, client: WireClient) {
    this.#stage = stage;
    this.#client = client;
    this.#clients.set('a', client);
    this.#chunk_bytes = stage.chunk_bytes;
  }

  get processId(): number {
    return this.#client.processId;
  }

  /** Of the request that was held last, or that Holdpoint named in an answer. */
  get requestId(): string {
    return this.#request?.id ?? this.#named;
  }

  unread(): readonly string[] {
    return this.#pending;
  }

  end(): void {
    for (const client of this.#clients.values()) client.destroy();
    if (this.requestId !== '') this.#stage.skip.push(this.requestId);
  }

  async act(line: string, next: string): Promise<string[]> {
    if (line === '' || line.startsWith('#')) return [];
    if (line.startsWith('> ')) {
      this.#say(line.slice(2));
      if (next.startsWith('> ')) return [];
      await this.#send();
      return /^(until|reviewer|another|meanwhile|cancel|leave)\b/.test(next) ? [] : this.#untilReady();
    }
    const [, verb = '', rest = ''] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    switch (verb) {
      case 'until':
        return this.#until(rest);
      case 'reviewer':
      case 'another':
        await this.#decide(rest, verb === 'another');
        return /^(until|meanwhile|another|reviewer) /.test(next) ? [] : this.#untilReady();
      case 'meanwhile':
        return this.#meanwhile(rest);
      case 'as':
        await this.#become(rest);
        return [];
      case 'server':
        return this.#server(rest);
      case 'cancel':
        await this.#client.cancel();
        return next.startsWith('until ') ? [] : this.#untilReady();
      case 'leave':
        this.#client.destroy();
        this.#owed = 0;
        return [];
      case 'reconnect':
        this.#client.destroy();
        this.#client = await WireClient.open(this.#stage.target);
        this.#clients.set('a', this.#client);
        this.#owed = 0;
        return [];
      case 'request':
        return this.#requestLine();
      case 'estimated':
        return this.#estimated();
      case 'audit':
        return this.#audit(rest);
      default:
        throw new Error(`no actor does this: ${line}`);
    }
  }

  #say(text: string): void {
    const [, name = '', rest = ''] = /^(\w+) ?(.*)$/.exec(text) ?? [];
    if (name === 'Split') {
      this.#chunk_bytes = () => Number(rest);
      return;
    }
    const make = SAY[name as keyof typeof SAY] as ((...values: never[]) => Buffer) | undefined;
    if (!make) throw new Error(`no message is called ${name}`);
    const given = rest.replace(/^([SP]) /, '"$1" ');
    const values = JSON.parse(`[${given.replace(/(?<=["\]\d}]) (?=["[{\d-])/g, ', ')}]`) as never[];
    const expanded = values.map((value: unknown) => this.#expanded(value)) as never[];
    this.#queued.push(make(...expanded));
    if (name === 'Query' || name === 'Sync' || name === 'FunctionCall') this.#owed++;
  }

  #expanded(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#expanded(item));
    return typeof value === 'string' ? expand(value, this) : value;
  }

  async #send(): Promise<void> {
    const bytes = Buffer.concat(this.#queued);
    this.#queued = [];
    if (this.#chunk_bytes) await this.#client.sendSplit(bytes, this.#chunk_bytes);
    else this.#client.send(bytes);
    this.#chunk_bytes = this.#stage.chunk_bytes;
  }

  async #untilReady(): Promise<string[]> {
    return this.#read(() => this.#owed === 0);
  }

  async #until(what: string): Promise<string[]> {
    if (what === 'held') {
      const seen = await this.#read((name, text) => name === 'NoticeResponse' && text.includes('held for approval'));
      if (!this.#stage.gateway) throw new Error('nobody holds here');
      if (this.#request) this.#stage.skip.push(this.#request.id);
      this.#request = await this.#stage.gateway.opened(this.#stage.skip);
      return seen;
    }
    const [, name = '', times = '1'] = /^(\w+)(?: (\d+))?$/.exec(what) ?? [];
    let left = Number(times);
    return this.#read((seen) => seen === name && --left === 0);
  }

  /** Reads until `enough` (asked before the first message with '', and after each one), or the end of the connection. */
  async #read(enough: (name: string, text: string) => boolean): Promise<string[]> {
    const seen = (this.#pending = [] as string[]);
    if (enough('', '')) return seen;
    for (;;) {
      const reply = await this.#client.next();
      if (!reply) {
        seen.push('< (closed)');
        this.#owed = 0;
        return seen;
      }
      const name = replyName(reply);
      if (name === 'ReadyForQuery') this.#owed--;
      // Reported from 18 on.
      const printed = printReply(reply);
      this.#named = /HP-[0-9A-Z]{8}/.exec(printed)?.[0] ?? this.#named;
      const text = normalise(printed);
      if (!text.startsWith('ParameterStatus "search_path"')) seen.push(`< ${text}`);
      if (enough(name, text)) return seen;
    }
  }

  async #decide(text: string, another: boolean): Promise<void> {
    const [, does, words = ''] = /^(approves|denies|asks) "(.*)"$/.exec(text) ?? [];
    const { gateway } = this.#stage;
    if (!does || !gateway || this.requestId === '') throw new Error(`nobody can do this: reviewer ${text}`);
    const reviewer = another ? await gateway.inTurn() : gateway.grace;
    if (does === 'asks') return void (await reviewer.ask(this.requestId, words));
    const request = await reviewer.get(this.requestId);
    await decide(reviewer, request, does === 'approves' ? 'approve' : 'deny', words);
  }

  /** The same user on another connection; what it gets. */
  async #meanwhile(sql: string): Promise<string[]> {
    const client = await WireClient.open(this.#stage.target);
    try {
      client.send(SAY.Query(expand(sql, this)));
      const seen: string[] = [];
      for (;;) {
        const reply = await client.next();
        if (!reply || replyName(reply) === 'ReadyForQuery') return seen;
        seen.push(`= ${normalise(printReply(reply))}`);
      }
    } finally {
      client.destroy();
    }
  }

  /** Another user of users.yaml, with the same password. */
  async #become(user: string): Promise<void> {
    this.#client.destroy();
    this.#client = await WireClient.open({ ...this.#stage.target, user });
    this.#clients.set('a', this.#client);
    this.#owed = 0;
  }

  async #server(sql: string): Promise<string[]> {
    const result = (await this.#stage.server.query({ text: expand(sql, this), rowMode: 'array' })) as unknown as
      | pg.QueryArrayResult
      | pg.QueryArrayResult[];
    const last = Array.isArray(result) ? result.at(-1) : result;
    return (last?.rows ?? []).map((row) => `= ${JSON.stringify(row)}`);
  }

  /** What the reviewer is shown. */
  async #requestLine(): Promise<string[]> {
    const gateway = this.#stage.gateway;
    if (!gateway || this.requestId === '') throw new Error('there is no request');
    const request = await gateway.grace.get(this.requestId);
    const parameters = request.parameters.map(({ type, value }) => `${type} ${JSON.stringify(value?.text ?? null)}`);
    return [
      `= ${request.state}${request.holds === 'ticket' ? ', a ticket' : ''}: ${normalise(request.sentence)}`,
      ...(parameters.length > 0 ? [`= parameters: ${parameters.join(', ')}`] : []),
      ...(request.in_transaction ? ['= in a transaction'] : []),
      ...request.earlier.map(({ text, outcome }) => `= after: ${text} (${outcome})`),
    ];
  }

  /** What the reviewer is shown once the server has said what the statement would touch. */
  async #estimated(): Promise<string[]> {
    const gateway = this.#stage.gateway;
    if (!gateway || !this.#request) throw new Error('there is no request');
    const { impact } = await gateway.estimated(this.#request.id);
    const facts = (impact?.facts ?? []).flatMap(({ term, lines }) =>
      lines.map(({ main, rest }) => `= ${term}: ${main + rest}`),
    );
    return [...facts, ...(impact?.notes ?? []).map((note) => `= ${note}`)].map(withoutSizes);
  }

  /** What the log says of the request at hand, once a record of type `last` is there. */
  async #audit(last: string): Promise<string[]> {
    const gateway = this.#stage.gateway;
    if (!gateway || this.requestId === '') throw new Error('there is no request in a log');
    const id = this.requestId;
    for (;;) {
      const records = await gateway.records();
      const types = records
        // Comes when it comes.
        .filter(({ type }) => type !== 'request.impact')
        .filter(({ clear }) => (clear['id'] ?? Object(clear['request']).id) === id)
        .map(({ type }) => type);
      if (types.includes(last)) return [`= ${types.join(' ')}`];
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Of tables and rows: they differ between versions. */
const withoutSizes = (text: string): string => text.replaceAll(/\b[\d.]+ (bytes|kB|MB)/g, 'N $1');

/** Takes out what differs from run to run. */
const normalise = (text: string): string =>
  text
    .replace(/HP-[0-9A-Z]{4,}/g, 'HP-X')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC)?/g, 'DATE')
    .replace(/\b\d\d:\d\d(:\d\d)?( UTC)?\b/g, 'TIME')
    .replace(/waits \d+ s more/, 'waits N s more')
    .replace(/(.)\1{40,}/g, (run, character: string) => `{${character}*${run.length}}`)
    .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'http://CONSOLE');
