// Agents, reviewers and somebody on call who work on one gateway after the other, each until it is gone. What they are told is kept: it has
// to be in the log. They know nothing of the gateway but its wire and its API.
import pg from 'pg';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';
import { open, outcome } from './clients.ts';
import { ON_CALL, type Told } from './crash-check.ts';
import { TERMS } from './crash-permits.ts';
import { type Decision, decide } from './gateway.ts';
import type { GatewayProcess } from './process.ts';

export const insert = (name: string, table = 'effects'): string => `INSERT INTO ${table} VALUES ('${name}')`;

/** One in so many requests is asked about, and of those that are pending withdrawn. */
const ASKED = 6;
const WITHDRAWN = 8;
const DENIED = 6;
const REVOKED = 6;
/** One in so many words of others makes a reviewer think again. */
const DOUBTS = 8;

export class Load {
  /** All that anybody was told: that their own word counts, and by the stream of everybody's. */
  readonly told: Told[] = [];
  allowed = 0;
  readonly #random: (below: number) => number;
  /** Statements whose end their agent has not heard: it sends them again. */
  readonly #unheard: string[] = [];
  /** Statements that may have a permit. */
  readonly #kept: string[] = [];
  /** Requests that a reviewer has a question on. */
  readonly #questions: string[] = [];

  constructor(random: (below: number) => number) {
    this.#random = random;
  }

  async on(gateway: GatewayProcess, run: string): Promise<void> {
    const workers = [
      ...['a', 'b'].map((who) => this.#patient(gateway, `${run}-${who}`)),
      ...['c', 'd'].map((who) => this.#hasty(gateway, `${run}-${who}`)),
      this.#twins(gateway, `${run}-e`),
      this.#inBlocks(gateway, `tx-${run}-f`),
      this.#patient(gateway, `${run}-g`, 'pairs'),
      this.#onCall(gateway, `${run}-h`),
      this.#permitted(gateway, `${run}-i`),
      this.#ordinary(gateway),
      this.#answers(gateway),
      this.#review(gateway, 'grace', ['writes', 'permitted']),
      ...[0, 1, 2].map((n) => this.#review(gateway, `reviewer-${n}`, ['pairs'])),
    ];
    // Each ends with its connection.
    await Promise.allSettled(workers);
    this.#questions.length = 0;
  }

  /** Waits on the wire. */
  async #patient(gateway: GatewayProcess, name: string, table = 'effects'): Promise<void> {
    const client = await open(gateway.agentUrl);
    for (let n = 0; ; n++) await this.#send(client, insert(`${name}-${n}`, table));
  }

  /**
   * Does not wait, and sends it again until it hears how it ended, or thinks better of it; also what was not heard from gateways
   * before.
   */
  async #hasty(gateway: GatewayProcess, name: string): Promise<void> {
    const client = await open(gateway.agentUrl);
    await client.query("SET holdpoint.hold = '10ms'");
    for (let n = 0; ; n++) {
      const sql = (this.#random(2) === 0 ? this.#unheard.pop() : undefined) ?? insert(`${name}-${n}`);
      for (let again = 0; again < 10; again++) {
        const answer = await this.#answered(client, sql);
        if (answer?.code !== 'ZH001') break;
        if (this.#random(WITHDRAWN) === 0) await this.#withdraw(client, idIn(answer.message));
      }
    }
  }

  /** Two connections with one and the same statement. */
  async #twins(gateway: GatewayProcess, name: string): Promise<void> {
    const both = await Promise.all([open(gateway.agentUrl), open(gateway.agentUrl)]);
    for (let n = 0; ; n++) await Promise.all(both.map((client) => this.#send(client, insert(`${name}-${n}`))));
  }

  /**
   * Two connections that send one and the same statement until it is denied or stopped, and one time more than its permit has uses; also what was
   * begun with gateways before.
   */
  async #permitted(gateway: GatewayProcess, name: string): Promise<void> {
    const both = await Promise.all([open(gateway.agentUrl), open(gateway.agentUrl)]);
    for (const client of both)
      client.on('notice', ({ message = '' }) => {
        const [, id = '', use] = /runs under permit (PM-[0-9A-Z]{8}), use (\d+)/.exec(message) ?? [];
        if (id !== '') this.told.push({ id, type: 'permit.used', use: Number(use) });
      });
    for (let n = 0; ; n++) {
      const sql = (this.#random(2) === 0 ? this.#kept.pop() : undefined) ?? insert(`${name}-${n}`, 'permitted');
      this.#kept.push(sql);
      for (let sent = 0; sent <= TERMS.uses; sent += both.length) {
        const answers = await Promise.all(both.map((client) => outcome(client.query(sql))));
        for (const answer of answers)
          if (answer instanceof Error && (!(answer instanceof pg.DatabaseError) || answer.code === '57P01'))
            throw answer;
        if (answers.every((answer) => answer instanceof Error)) break;
      }
    }
  }

  async #inBlocks(gateway: GatewayProcess, name: string): Promise<void> {
    const client = await open(gateway.agentUrl);
    for (let n = 0; ; n++) {
      await client.query('BEGIN');
      await outcome(client.query(insert(`${name}-${n}`)));
      await client.query(this.#random(2) === 0 ? 'COMMIT' : 'ROLLBACK');
    }
  }

  async #ordinary(gateway: GatewayProcess): Promise<void> {
    const client = await open(gateway.agentUrl);
    for (let n = 0; ; n++) {
      await client.query('SELECT count(*) FROM ordinary WHERE id < $1', [n]);
      await client.query('INSERT INTO ordinary VALUES ($1)', [n]);
      this.allowed += 2;
    }
  }

  /** Cannot wait, each time. */
  async #onCall(gateway: GatewayProcess, name: string): Promise<void> {
    const client = await open(gateway.agentUrl.replace('//bot:', `//${ON_CALL}:`));
    for (let n = 0; ; n++) {
      await client.query(`SET holdpoint.break_glass = 'it burns'`);
      const answer = await outcome(client.query(insert(`${name}-${n}`)));
      if (answer instanceof Error) throw answer;
      await new Promise((resolve) => setTimeout(resolve, this.#random(100)));
    }
  }

  /** On a connection of its own, while others of the same agent wait. */
  async #answers(gateway: GatewayProcess): Promise<void> {
    const client = await open(gateway.agentUrl);
    for (;;) {
      const id = this.#questions.shift();
      if (id === undefined) {
        await client.query('SELECT 1');
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      const answer = await outcome(client.query(`SELECT holdpoint.answer('${id}', 'for the month-end')`));
      if (!(answer instanceof Error)) this.told.push({ id, type: 'answered' });
    }
  }

  async #withdraw(client: pg.Client, id: string): Promise<void> {
    const answer = await outcome(client.query(`SELECT holdpoint.withdraw('${id}', 'not needed any more')`));
    if (!(answer instanceof Error)) this.told.push({ id, type: 'withdrawn' });
  }

  /** Decides what these rules hold, as it comes, looks at what ran by break-glass, and is told of everything. */
  async #review(gateway: GatewayProcess, user: string, rules: readonly string[]): Promise<void> {
    const reviewer = await gateway.reviewer(user);
    for await (const message of reviewer.stream()) {
      if (!('cursor' in message)) continue;
      if ('requests' in message) {
        for (const request of message.requests) this.#look(reviewer, user, rules, request);
      } else if ('request' in message) {
        const { request, type, cursor: seq } = message;
        this.told.push({ id: request.id, type: type.slice('request.'.length), seq });
        this.#look(reviewer, user, rules, request);
      } else if ('permit' in message) {
        const { permit, type, cursor: seq } = message;
        this.told.push({ id: permit.id, type, seq });
        if (user === 'grace' && type === 'permit.used' && this.#random(REVOKED) === 0)
          void reviewer.revoke(permit.id, 'enough').then(
            () => this.told.push({ id: permit.id, type: 'permit.revoked' }),
            // Used up, or revoked already, or unreachable.
            () => {},
          );
      }
    }
  }

  #look(reviewer: ReviewClient, user: string, rules: readonly string[], request: RequestView): void {
    const { id, state, rule, decisions, broken_glass } = request;
    const count = (type: string, call: Promise<unknown>, more: Partial<Told> = {}): void =>
      // Refused: somebody was faster. Unreachable: nobody can say whether it was counted.
      void call.then(
        () => this.told.push({ id, type, ...more }),
        () => {},
      );
    if (user === 'grace' && broken_glass?.reviewed === null && state === 'executed')
      return count('reviewed', reviewer.review(id, 'it burned'));
    if (!rules.includes(rule) || (state !== 'open' && state !== 'asked')) return;
    if (state === 'asked') this.#questions.push(id);
    else if (this.#random(ASKED) === 0) return count('asked', reviewer.ask(id, 'What for?'));
    if (decisions.some(({ by }) => by === user) && this.#random(DOUBTS) > 0) return;
    if (state === 'asked' && this.#random(3) > 0) return;
    const decision: Decision = this.#random(DENIED) === 0 ? 'deny' : 'approve';
    if (rule === 'permitted' && decision === 'approve') {
      const { digest, revision } = request;
      const body = { decision, digest, revision, rationale: 'every day', permit: TERMS };
      return count('granted', reviewer.decide(id, body));
    }
    count('decided', decide(reviewer, request, decision), { by: user, decision });
  }

  /** The SQLSTATE it ended with; undefined: it ran. Throws when the connection is gone. */
  async #send(client: pg.Client, sql: string): Promise<string | undefined> {
    return (await this.#answered(client, sql))?.code;
  }

  async #answered(client: pg.Client, sql: string): Promise<pg.DatabaseError | undefined> {
    const answer = await outcome(client.query(sql));
    if (!(answer instanceof Error)) return undefined;
    if (answer instanceof pg.DatabaseError && answer.code !== '57P01') return answer;
    this.#unheard.push(sql);
    throw answer;
  }
}

const idIn = (text: string): string => /HP-[0-9A-Z]{8}/.exec(text)?.[0] ?? '';
