// A MySQL session between a client and a server that are scripts: what reaches the server, what the client is told, and what happens when one
// of them breaks the protocol.
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Plan } from '../../../src/session/gate.ts';
import { ownProblem } from '../../../src/session/mysql/own.ts';
import { MysqlSession } from '../../../src/session/mysql/session.ts';
import { COMMANDS, HANDLING } from '../../../src/session/mysql/table.ts';
import type { MysqlUpstream, UpstreamEvents } from '../../../src/session/upstream.ts';
import { CLIENT, MARIADB_CLIENT } from '../../../src/wire/mysql/capabilities.ts';
import { COM } from '../../../src/wire/mysql/commands.ts';
import { NEED_MORE, PACKET, PacketReader, packets } from '../../../src/wire/mysql/frame.ts';
import { progressPacket, readErr } from '../../../src/wire/mysql/messages.ts';
import { resultSet } from '../../../src/wire/mysql/results.ts';
import { type Held, type Rules, STAGE, StandInGate } from '../../real/mysql-gate.ts';
import { bytes } from '../wire/bytes.ts';

const LIMITS = {
  statement_bytes_max: 1000,
  bind_bytes_max: 1000,
  held_bytes_max: 100,
  backlog_bytes_max: 1000,
  prepared_statements_max: 3,
  prepared_bytes_max: 1000,
  heartbeat_ms: 15_000,
};
const OK = bytes('00 00 00 0200 0000');
const PREPARED = bytes('00 07000000 0000 0100 00 0000');
const COLUMN = bytes('03 "def" 00 00 00 01 "1" 00 0c 3f00 02000000 08 8100 00 0000');
const EOF = bytes('fe 0000 0200');
const FLAGS = CLIENT.PROTOCOL_41 | CLIENT.MULTI_STATEMENTS | CLIENT.LOCAL_FILES;

/** What one side sent, as payloads. */
class Heard {
  readonly #reader = new PacketReader(2 ** 25);
  readonly payloads: Buffer[] = [];
  readonly sequences: number[] = [];

  chunk(chunk: Buffer): void {
    this.#reader.append(Buffer.from(chunk));
    for (;;) {
      const next = this.#reader.buffer.length === 0 ? NEED_MORE : this.#any();
      if (next !== PACKET) return;
      this.sequences.push(this.#reader.sequence);
      this.payloads.push(Buffer.from(this.#reader.body.subarray(this.#reader.from, this.#reader.to)));
    }
  }

  #any(): number {
    this.#reader.expect(-1);
    return this.#reader.next();
  }
}

class FakeUpstream implements MysqlUpstream {
  readonly server;
  readonly threadId = 9;
  readonly capabilities;
  readonly status = 2;
  readonly user = 'gateway';
  readonly writableLength = 0;
  readonly heard = new Heard();
  cancels = 0;
  /** Questions of Holdpoint that a kill hits. */
  interrupts = 0;
  ended = false;
  hungUp = false;
  cancelled: () => void = () => {};
  paused = false;
  #events: UpstreamEvents | null = null;
  facts = ['ANSI', 'utf8mb4', 'app', '', '28800', 'sql_mode'];

  constructor(engine: 'mysql' | 'mariadb', flags: number, mariadb: number) {
    this.capabilities = { flags, mariadb };
    this.server = { engine, version: 90700, version_text: '', capabilities: this.capabilities, collation: 45 };
  }

  listen(events: UpstreamEvents): void {
    this.#events = events;
  }

  write(chunk: Buffer): boolean {
    const before = this.heard.payloads.length;
    this.heard.chunk(chunk);
    // Holdpoint's own questions are answered, and not kept.
    for (const payload of this.heard.payloads.splice(before)) {
      const text = payload.toString('latin1', 1);
      if (text.startsWith('SET SESSION session_track')) setImmediate(() => this.send(1, OK));
      else if (text.includes('SELECT CAST(@@session.sql_mode'))
        setImmediate(() =>
          this.interrupts-- > 0 ? this.send(1, bytes('ff 2505 "#70100killed"')) : this.answerFacts(),
        );
      else this.heard.payloads.push(payload);
    }
    return true;
  }

  answerFacts(): void {
    const format = { deprecateEof: false, optionalMetadata: false, extendedMetadata: false };
    this.#events?.data(resultSet(1, this.facts, [this.facts], 2, format));
  }

  send(sequence: number, ...payloads: readonly Buffer[]): void {
    this.#events?.data(Buffer.concat(payloads.map((payload, index) => packets(sequence + index, payload))));
  }

  close(): void {
    this.#events?.closed();
  }

  cancel(): Promise<void> {
    this.cancels++;
    return new Promise((resolve) => (this.cancelled = resolve));
  }

  end(): void {
    this.ended = true;
  }

  hangUp(): void {
    this.hungUp = true;
  }

  reuse(): void {}
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  destroy(): void {}
}

class FakeClient extends Duplex {
  readonly heard = new Heard();
  ended = false;

  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.heard.chunk(chunk);
    done();
  }
  override _final(done: () => void): void {
    this.ended = true;
    done();
  }

  say(sequence: number, payload: Buffer | string): void {
    this.push(packets(sequence, typeof payload === 'string' ? Buffer.from(`\x03${payload}`) : payload));
  }
}

interface Scene {
  readonly client: FakeClient;
  readonly upstream: FakeUpstream;
  readonly gate: StandInGate;
  readonly session: MysqlSession;
  readonly faults: string[];
  /** COM_CHANGE_USER as it was handed over, and what came behind it. */
  readonly handed: string[];
  /** What the client heard since it was asked last: numbers of errors, or hex. */
  readonly told: () => Promise<(number | string)[]>;
  /** What reached the server since it was asked last: texts of queries, or hex. */
  readonly sent: () => Promise<string[]>;
}

const scenes: Scene[] = [];

const scene = async (
  rules: Rules = {},
  engine: 'mysql' | 'mariadb' = 'mysql',
  flags = FLAGS,
  mariadb = 0,
): Promise<Scene> => {
  const client = new FakeClient();
  const upstream = new FakeUpstream(engine, flags, mariadb);
  const faults: string[] = [];
  const handed: string[] = [];
  const session = new MysqlSession(client, upstream, LIMITS, {
    fault: (what) => void faults.push(what),
    kill: (id) => (id === 5 ? 'done' : 'unknown'),
    closed: () => {},
    changeUser: (request, early) => void handed.push(request.toString('hex'), early.toString('hex')),
  });
  await session.ready(2);
  const gate = new StandInGate(rules, session.facts);
  session.admit(gate);
  session.start(Buffer.alloc(0));
  const made: Scene = {
    client,
    upstream,
    gate,
    session,
    faults,
    handed,
    told: async () => {
      for (let turns = 0; turns < 8; turns++) await turn();
      return client.heard.payloads
        .splice(0)
        .map((payload) => (payload[0] === 0xff ? readErr(payload).errno : payload.toString('hex')));
    },
    sent: async () => {
      for (let turns = 0; turns < 8; turns++) await turn();
      return upstream.heard.payloads
        .splice(0)
        .map((payload) => (payload[0] === COM.QUERY ? payload.toString('latin1', 1) : payload.toString('hex')));
    },
  };
  scenes.push(made);
  return made;
};

afterEach(() => {
  for (const { client } of scenes.splice(0)) client.destroy();
});

describe('commands', () => {
  test('what the table lacks is refused, and the session goes on', async () => {
    const { client, told, sent } = await scene();
    const lacking = Array.from({ length: 256 }, (_, code) => code).filter((code) => HANDLING[code] === null);
    expect(lacking.length).toBeGreaterThan(200);
    expect(Object.keys(COMMANDS).toSorted()).toEqual(Object.keys(COM).toSorted());
    for (const code of lacking) client.say(0, Buffer.from([code, 1, 2, 3]));
    client.say(0, Buffer.alloc(0));
    expect(await told()).toEqual(Array.from({ length: lacking.length + 1 }, () => 1047));
    expect(await sent()).toEqual([]);
  });

  test.each([
    ['0261 7070', 'USE `app`'],
    ['02 60', 'USE ````'],
    ['04 74 00', 'SHOW COLUMNS FROM `t`'],
    ['0a', 'SHOW PROCESSLIST'],
    ['08', 'SHUTDOWN'],
    ['0c 07000000', 'KILL 7'],
    ['05 61 6060', 'CREATE DATABASE `a`````'],
    ['06 6170 70', 'DROP DATABASE `app`'],
    ['07 c2', 'COM_REFRESH LOG SLAVE MASTER'],
    ['0d', 'COM_DEBUG'],
    ['12 04000000 0000 01000000 61', 'COM_BINLOG_DUMP `a` 4'],
    ['12 04000000 0000 01000000', 'COM_BINLOG_DUMP 4'],
    ['1e 0000 01000000 01000000 61 ffffffffffffffff 00000000', 'COM_BINLOG_DUMP_GTID `a` 18446744073709551615'],
    ['15 02000000 00 00 06 736563726574', 'COM_REGISTER_SLAVE 2'],
  ])('%s is judged as %s, and goes on as it came', async (hex, text) => {
    const { client, gate, told, sent } = await scene();
    const payload = bytes(hex);
    client.say(0, payload);
    expect(await sent()).toEqual([payload.toString('hex')]);
    expect(gate.asked).toEqual([text]);
    const denied = await scene({ deny: /./ });
    denied.client.say(0, payload);
    expect(await denied.told()).toEqual([1227]);
    expect(await denied.sent()).toEqual([]);
    expect(await told()).toEqual([]);
  });

  test('a server that goes before the login is over: its next packet says so, and the gate is closed', async () => {
    for (const admitted of [false, true]) {
      const client = new FakeClient();
      const upstream = new FakeUpstream('mysql', FLAGS, 0);
      const events = { fault: () => {}, kill: () => 'unknown' as const, closed: () => {}, changeUser: () => {} };
      const session = new MysqlSession(client, upstream, LIMITS, events);
      await session.ready(4);
      const gate = new StandInGate({}, session.facts);
      if (admitted) session.admit(gate);
      upstream.close();
      if (!admitted) session.admit(gate);
      session.start(Buffer.alloc(0));
      for (let turns = 0; turns < 3; turns++) await turn();
      expect(client.heard.payloads.map((payload) => readErr(payload).errno)).toEqual([1159]);
      expect(client.heard.sequences).toEqual([4]);
      expect(gate.closed).toBe('the server closed the connection');
      expect(client.ended).toBe(true);
    }
  });

  test('what a command returns counts for a limit', async () => {
    const s = await scene({ limited: { match: /^COM_BINLOG_DUMP/, rows: 2 } });
    s.client.say(0, bytes('12 04000000 0000 01000000 61'));
    await s.sent();
    const event = bytes('00 00000000');
    s.upstream.send(1, event, event, event, event);
    const held = await s.gate.held();
    expect(await s.told()).toHaveLength(2);
    held.deny();
    await s.told();
    expect(s.upstream.cancels).toBe(1);
    s.upstream.send(5, EOF);
    // The server ends the connection behind it, and the kill may still be on its way.
    s.upstream.close();
    expect((await s.told())[0]).toBe(1227);
    expect(s.gate.history).toContainEqual({ text: 'cut COM_BINLOG_DUMP `a` 4', outcome: 'OK', rows: 0 });
    s.upstream.cancelled();
    await s.told();
    expect(s.client.ended).toBe(true);
  });

  test.each([
    ['20', 'COM_CLONE'],
    ['13 03 617070', 'COM_TABLE_DUMP'],
    ['21', 'COM_SUBSCRIBE_GROUP_REPLICATION_STREAM'],
  ])('%s is judged as %s, and goes on to nobody', async (hex, text) => {
    for (const rules of [{}, { hold: /./ }, { deny: /./ }, { slow: /./ }]) {
      const { client, gate, told, sent } = await scene(rules);
      client.say(0, bytes(hex));
      client.say(0, 'SELECT 1');
      expect(await told()).toEqual('deny' in rules ? [1227, 1227] : [1235]);
      expect(gate.asked[0]).toBe(text);
      expect((await sent()).filter((one) => one !== 'SELECT 1')).toEqual([]);
    }
  });

  test.each(['07', '07 01 01', '12 0400', '1e 0000 01000000 ffffffff 61', '15 02', '0c 01', '04 74'])(
    '%s is malformed',
    async (hex) => {
      const { client, told, sent } = await scene();
      client.say(0, bytes(hex));
      expect(await told()).toEqual([1835]);
      expect(await sent()).toEqual([]);
    },
  );

  test('KILL of a session of the same user is done here', async () => {
    const { client, upstream, gate, told, sent } = await scene();
    client.say(0, 'KILL QUERY 5');
    client.say(0, bytes('0c 05000000'));
    client.say(0, 'kill 5 ; ');
    expect(await told()).toHaveLength(3);
    expect([await sent(), gate.asked]).toEqual([[], []]);
    // A long text is judged: an expression would take hours for some.
    const long = `KILL 5${' '.repeat(200)}`;
    client.say(0, long);
    expect(await sent()).toEqual([long]);
    upstream.send(1, OK);
    await told();
    gate.asked.splice(0);
    client.say(0, 'KILL 5 + 0');
    expect(await sent()).toEqual(['KILL 5 + 0']);
    expect(gate.asked).toEqual(['KILL 5 + 0']);
  });

  test('COM_CHANGE_USER ends the session when the server has forgotten it, and hands its client over', async () => {
    const { client, upstream, gate, handed, told, sent } = await scene();
    client.say(0, bytes('11 "a" 00 00 00'));
    client.say(0, 'select 1');
    expect(await sent()).toEqual(['1f']);
    expect([handed, gate.closed]).toEqual([[], '']);
    upstream.send(1, OK);
    expect(await told()).toEqual([]);
    expect(handed).toEqual(['1161000000', packets(0, Buffer.from('\x03select 1')).toString('hex')]);
    expect(gate.closed).toBe('the client logs in anew');
    expect([upstream.ended, client.ended, client.isPaused()]).toEqual([true, false, true]);
    expect(client.listenerCount('data')).toBe(0);
    expect(await sent()).toEqual([]);
  });

  test('one at a time: the next is judged when the one before is answered', async () => {
    const { client, upstream, gate, told, sent } = await scene();
    client.say(0, 'select 1');
    client.say(0, 'select 2');
    expect(await sent()).toEqual(['select 1']);
    expect(gate.asked).toEqual(['select 1']);
    upstream.send(1, OK);
    expect(await sent()).toEqual(['select 2']);
    expect(await told()).toEqual([OK.toString('hex')]);
  });

  test('a text that is too long is refused, a packet that is too long ends the session', async () => {
    const { client, told } = await scene();
    client.say(0, 'x'.repeat(1001));
    expect(await told()).toEqual([1226]);
    client.say(0, 'x'.repeat(100_000));
    expect(await told()).toEqual([1153]);
    expect(client.ended).toBe(true);
  });

  test('a sequence id that is none ends the session', async () => {
    const { client, upstream, told } = await scene();
    client.say(1, 'select 1');
    expect(await told()).toEqual([1156]);
    expect([client.ended, upstream.ended]).toEqual([true, true]);
  });
});

describe('a hostile server', () => {
  test('a file that no statement imports is not asked for', async () => {
    const { client, upstream, told, faults } = await scene();
    client.say(0, 'select 1');
    await told();
    upstream.send(1, bytes('fb "/etc/passwd"'));
    expect(await told()).toEqual([1835]);
    expect([client.ended, upstream.ended, faults.length]).toEqual([true, true, 1]);
  });

  test('nor behind a result that passed', async () => {
    const { client, upstream, told } = await scene();
    client.say(0, 'select 1');
    await told();
    upstream.send(1, bytes('00 00 00 0a00 0000'), bytes('fb "/etc/passwd"'));
    expect(await told()).toEqual([bytes('00 00 00 0a00 0000').toString('hex'), 1835]);
    expect(client.ended).toBe(true);
  });

  test.each([
    ['packets out of order', (u: FakeUpstream) => u.send(2, OK)],
    ['an absurd count of columns', (u: FakeUpstream) => u.send(1, bytes('fe ffffffffffffffff'))],
    ['an answer to nothing', (u: FakeUpstream) => u.send(1, OK, OK)],
    ['a packet that is too long', (u: FakeUpstream) => u.send(1, Buffer.alloc(2 ** 21, 0xff).subarray(0, 2 ** 20 + 9))],
  ])('%s ends the session', async (_, misbehave) => {
    const { client, upstream, told, faults } = await scene();
    client.say(0, 'select 1');
    await told();
    misbehave(upstream);
    await told();
    expect([client.ended, upstream.ended, faults.length]).toEqual([true, true, 1]);
  });

  test('nothing is asked of one that has said something unasked: its answers would be matched with others', async () => {
    const s = await scene();
    s.upstream.send(1, bytes('ff 2b07 "#HY000malformed"'));
    s.client.say(0, 'select 1');
    expect([await s.told(), await s.sent()]).toEqual([[1835], []]);
    expect([s.client.ended, s.upstream.ended]).toEqual([true, true]);
  });

  test('nor is it made to say something: a close that is cut off, or too long, is not sent', async () => {
    const s = await scene();
    for (const payload of ['19', '19 01', '19 01000000 00']) s.client.say(0, bytes(payload));
    s.client.say(0, 'select 1');
    expect(await s.sent()).toEqual(['select 1']);
  });

  test('its good-bye passes, and a disappearance is told', async () => {
    const first = await scene();
    first.upstream.send(0, bytes('ff 0f10 "#HY000bye"'));
    first.upstream.close();
    expect(await first.told()).toEqual([4111]);
    expect(first.client.ended).toBe(true);
    const second = await scene();
    second.client.say(0, 'select 1');
    await second.told();
    second.upstream.close();
    expect(await second.told()).toEqual([1159]);
    expect(second.gate.history).toMatchObject([{ text: 'select 1', outcome: 'unknown' }]);
  });
});

describe('prepared statements', () => {
  const prepare = async (s: Scene, text: string): Promise<void> => {
    s.client.say(0, Buffer.from(`\x16${text}`));
    await s.sent();
    s.upstream.send(1, PREPARED, COLUMN, EOF);
    await s.told();
  };
  const TYPED = bytes('17 07000000 00 01000000 00 01 0300 05000000');
  const UNTYPED = bytes('17 07000000 00 01000000 00 00 06000000');

  test('a refused execution has left nothing at the server; types it told are told again', async () => {
    const s = await scene({ deny: /./ });
    s.gate.rules.deny = /never/;
    await prepare(s, 'insert into t values (?)');
    s.gate.rules.deny = /insert/;
    s.client.say(0, bytes('18 07000000 0000 "long"'));
    s.client.say(0, TYPED);
    expect([await s.told(), await s.sent()]).toEqual([[1227], []]);
    s.gate.rules.deny = /never/;
    s.client.say(0, UNTYPED);
    expect(await s.sent()).toEqual([bytes('17 07000000 00 01000000 00 01 0300 06000000').toString('hex')]);
    s.upstream.send(1, OK);
    s.client.say(0, UNTYPED);
    expect(await s.sent()).toEqual([UNTYPED.toString('hex')]);
  });

  test('what comes before an execution is sent with it, and shown', async () => {
    const s = await scene({ hold: /insert/ });
    await prepare(s, 'insert into t values (?)');
    const long = bytes('18 07000000 0000 "long"');
    s.client.say(0, long);
    expect(await s.sent()).toEqual([]);
    const execute = bytes('17 07000000 00 01000000 00 01 fc00');
    s.client.say(0, execute);
    const held = await s.gate.held();
    expect(held.parameters).toEqual([{ type: 'blob', value: 'long' }]);
    held.approve();
    expect(await s.sent()).toEqual([long.toString('hex'), execute.toString('hex')]);
  });

  test('what is held waits when it is executed; what is denied is not prepared', async () => {
    const s = await scene({ hold: /insert/, deny: /drop/ });
    await prepare(s, 'insert into t values (?)');
    s.client.say(0, TYPED);
    expect((await s.gate.held()).parameters).toEqual([{ type: 'int', value: '5' }]);
    const other = await scene({ deny: /drop/ });
    other.client.say(0, Buffer.from('\x16drop table t'));
    expect([await other.told(), await other.sent()]).toEqual([[1227], []]);
  });

  test('an execution whose values cannot be told is not held, it is malformed', async () => {
    const s = await scene({ hold: /insert/ });
    await prepare(s, 'insert into t values (?)');
    s.client.say(0, bytes('17 07000000 00 01000000 00 01 0900 05000000'));
    expect([await s.told(), await s.sent()]).toEqual([[1835], []]);
  });

  test('an execution that is let through, too, whose values do not end where it does', async () => {
    const s = await scene();
    await prepare(s, 'insert into t values (?)');
    for (const values of [
      '00 01 0300 050000',
      '00 01 0300 0500000000',
      '00 01 fd00 05 61',
      '00 01 0a00 05',
      '01 01 0300 00',
    ])
      s.client.say(0, bytes(`17 07000000 00 01000000 ${values}`));
    expect([await s.told(), await s.sent()]).toEqual([[1835, 1835, 1835, 1835, 1835], []]);
    // Of a type that is not known here the server tells.
    s.client.say(0, bytes('17 07000000 00 01000000 00 01 0d00 d007'));
    expect((await s.sent()).length).toBe(1);
  });

  test('types that nobody ever told are not there', async () => {
    const s = await scene();
    await prepare(s, 'insert into t values (?)');
    s.client.say(0, UNTYPED);
    expect([await s.told(), await s.sent()]).toEqual([[1835], []]);
  });

  test('what Holdpoint is told in a parameter, and what is wrong with it', async () => {
    const s = await scene({ hold: /hold_reason/ });
    const plain = s.gate.judge.bind(s.gate);
    s.gate.judge = (text) => {
      const judgement = plain(text);
      if (judgement instanceof Promise || judgement.type !== 'pass') return judgement;
      const own = [{ op: 'set_config', name: 'hold', value: 1, statement: 0 }] as const;
      return { type: 'pass', plan: { ...judgement.plan, own } };
    };
    await prepare(s, 'set @holdpoint_hold = ?');
    const say = (value: string): void =>
      s.client.say(
        0,
        Buffer.concat([bytes('17 07000000 00 01000000 00 01 fd00'), Buffer.of(value.length), Buffer.from(value)]),
      );
    say('soon');
    expect([await s.told(), await s.sent()]).toEqual([[1231], []]);
    say('2min');
    expect(await s.sent()).toHaveLength(1);
    s.upstream.send(1, OK);
    await turn();
    expect(s.session.facts.hold_ms).toBe(120_000);
  });

  test('the one prepared last, by its own id, and only at MariaDB', async () => {
    const s = await scene({}, 'mariadb');
    await prepare(s, 'select ?');
    s.client.say(0, bytes('17 ffffffff 00 01000000 00 01 0300 05000000'));
    expect(await s.sent()).toEqual([TYPED.toString('hex')]);
    s.upstream.send(1, OK);
    s.client.say(0, Buffer.from('\x16selct'));
    await s.sent();
    s.upstream.send(1, bytes('ff 2804 "#42000no"'));
    s.client.say(0, bytes('17 ffffffff 00 01000000 00 01 0300 05000000'));
    expect((await s.told()).at(-1)).toBe(1243);
    const mysql = await scene();
    await prepare(mysql, 'select ?');
    mysql.client.say(0, bytes('17 ffffffff 00 01000000 00 01 0300 05000000'));
    expect(await mysql.told()).toEqual([1243]);
  });

  test('judged under what it was parsed under, and under what holds now', async () => {
    const s = await scene({ slow: /select/ });
    await prepare(s, 'select ?');
    s.upstream.facts = ['NO_BACKSLASH_ESCAPES', 'utf8mb4', 'other', '', '28800', ''];
    s.client.say(0, 'set sql_mode = 1');
    await s.sent();
    s.upstream.send(1, OK);
    const seen: unknown[] = [];
    const judge = s.gate.judge.bind(s.gate);
    s.gate.judge = (text) => {
      seen.push([s.session.facts.sql_mode, s.session.facts.database]);
      return judge(text);
    };
    s.client.say(0, TYPED);
    expect(await s.sent()).toEqual([TYPED.toString('hex')]);
    expect(seen).toEqual([
      ['ANSI', 'app'],
      ['NO_BACKSLASH_ESCAPES', 'app'],
    ]);
    expect([s.session.facts.sql_mode, s.session.facts.database]).toEqual(['NO_BACKSLASH_ESCAPES', 'other']);
  });

  test('too many, closed, and gone with COM_RESET_CONNECTION', async () => {
    const s = await scene();
    for (let id = 1; id <= 3; id++) {
      s.client.say(0, Buffer.from('\x16select 1'));
      await s.sent();
      s.upstream.send(1, Buffer.concat([bytes('00'), Buffer.from([id, 0, 0, 0]), bytes('0000 0000 00 0000')]));
      await s.told();
    }
    s.client.say(0, Buffer.from('\x16select 1'));
    expect(await s.told()).toEqual([1226]);
    s.client.say(0, bytes('19 01000000'));
    s.client.say(0, bytes('17 01000000 00 01000000'));
    expect(await s.told()).toEqual([1243]);
    expect(await s.sent()).toEqual([bytes('19 01000000').toString('hex')]);
    s.client.say(0, bytes('1f'));
    await s.sent();
    s.upstream.send(1, OK);
    s.client.say(0, bytes('17 02000000 00 01000000'));
    expect((await s.told()).at(-1)).toBe(1243);
  });
});

test('a time that is none is told at once, however long it is', () => {
  const plan = (value: string): Plan =>
    ({ own: [{ op: 'set', name: 'hold', value, statement: 0 }] }) as unknown as Plan;
  expect(ownProblem(plan(' 5 min '), [])).toBeNull();
  expect(ownProblem(plan(`5${' '.repeat(1_000_000)}x`), [])).toMatchObject({ sqlstate: '22023' });
});

describe('progress, while held', () => {
  /** As `told` shows it. */
  const HELD = 0xffff;
  const told = (rules: Rules): Promise<Scene> => scene(rules, 'mariadb', FLAGS, MARIADB_CLIENT.PROGRESS);
  const held = async (text = 'delete from t'): Promise<[Scene, Held]> => {
    const s = await told({ hold: /delete|load/ });
    s.client.say(0, text);
    const waiting = await s.gate.held();
    await s.sent();
    expect(s.client.heard.payloads).toEqual([progressPacket(STAGE)]);
    expect(await s.told()).toEqual([HELD]);
    return [s, waiting];
  };

  test('what follows has later sequence ids, whatever it is', async () => {
    const [s, waiting] = await held();
    waiting.approve();
    expect(await s.sent()).toEqual(['delete from t']);
    s.upstream.send(1, bytes('01'), COLUMN, EOF);
    s.upstream.send(4, bytes('01 "5"'), bytes('01 "6"'), EOF);
    expect(await s.told()).toHaveLength(6);
    expect(s.client.heard.sequences).toEqual([1, 2, 3, 4, 5, 6, 7]);
    s.client.say(0, 'select 1');
    await s.sent();
    s.upstream.send(1, OK);
    await s.told();
    expect(s.client.heard.sequences.at(-1)).toBe(1);
  });

  test('so has an error of ours', async () => {
    const [s, waiting] = await held();
    waiting.deny();
    expect(await s.told()).toEqual([1227]);
    const [other, second] = await held();
    other.upstream.close();
    expect(await second.left).toBe('upstream-gone');
    expect(await other.told()).toEqual([1159]);
    expect([s, other].map(({ client }) => client.heard.sequences)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test('and a file that is asked for comes with earlier ones', async () => {
    const [s, waiting] = await held('load data local infile "f" into table t');
    waiting.approve();
    await s.sent();
    s.upstream.heard.sequences.splice(0);
    s.upstream.send(1, bytes('fb "f"'));
    await s.told();
    s.client.say(3, bytes('"1"'));
    s.client.say(4, Buffer.alloc(0));
    expect(await s.sent()).toEqual(['31', '']);
    expect(s.upstream.heard.sequences).toEqual([2, 3]);
    s.upstream.send(4, OK);
    expect(await s.told()).toEqual([OK.toString('hex')]);
    expect(s.client.heard.sequences).toEqual([1, 2, 5]);
  });

  test('the server reports its own', async () => {
    const s = await told({});
    s.client.say(0, 'alter table t');
    await s.sent();
    s.upstream.send(1, progressPacket('copy to tmp table'));
    s.upstream.send(2, OK);
    expect(await s.told()).toHaveLength(2);
    expect(s.faults).toEqual([]);
  });

  test('again and again, until it is decided', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
    try {
      const [s, waiting] = await held();
      vi.advanceTimersByTime(LIMITS.heartbeat_ms);
      expect(await s.told()).toEqual([HELD]);
      waiting.deny();
      expect(await s.told()).toEqual([1227]);
      vi.advanceTimersByTime(3 * LIMITS.heartbeat_ms);
      expect(await s.told()).toEqual([]);
      expect(s.client.heard.sequences).toEqual([1, 2, 3]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('not to a client that did not ask for it', async () => {
    const s = await scene({ hold: /delete/ }, 'mariadb');
    s.client.say(0, 'delete from t');
    await s.gate.held();
    expect(await s.told()).toEqual([]);
  });
});

test('a client that leaves while its statement runs takes leave of the server as it does itself', async () => {
  const { client, upstream, sent } = await scene();
  client.say(0, 'select sleep(1)');
  expect(await sent()).toEqual(['select sleep(1)']);
  client.push(null);
  await sent();
  expect([upstream.hungUp, upstream.ended]).toEqual([true, false]);
});

describe('a hold', () => {
  test('ends when the client says good-bye, leaves, or sends too much', async () => {
    const first = await scene({ hold: /delete/ });
    first.client.say(0, 'delete from t');
    const held = await first.gate.held();
    first.client.say(0, bytes('01'));
    expect(await held.left).toBe('disconnected');
    const second = await scene({ hold: /delete/ });
    second.client.say(0, 'delete from t');
    const other = await second.gate.held();
    second.client.push(null);
    expect(await other.left).toBe('disconnected');
    const third = await scene({ hold: /delete/ });
    third.client.say(0, 'delete from t');
    const last = await third.gate.held();
    third.client.say(0, 'x'.repeat(200));
    expect(await last.left).toBe('overflow');
    expect((await third.told())[0]).toBe(1226);
    for (const s of [first, second, third]) expect(await s.sent()).not.toContain('delete from t');
  });

  test('what was let through is sent once, comments blanked, under the facts that were judged', async () => {
    const s = await scene({ hold: /delete/ });
    s.client.say(0, 'delete /* x */ from t');
    (await s.gate.held()).approve();
    expect(await s.sent()).toEqual(['delete         from t']);
    s.upstream.send(1, OK);
    expect(await s.told()).toEqual([OK.toString('hex')]);
  });

  test('the server may go while somebody thinks', async () => {
    const s = await scene({ hold: /delete/ });
    s.client.say(0, 'delete from t');
    const held = await s.gate.held();
    s.upstream.close();
    expect(await held.left).toBe('upstream-gone');
    expect(await s.told()).toEqual([1159]);
  });
});

describe('facts', () => {
  test('a server that tells nothing is asked after a statement that may change them', async () => {
    const s = await scene();
    s.upstream.facts = ['ANSI', 'utf8mb4', 'other', '', '28800', ''];
    s.client.say(0, 'use other');
    await s.sent();
    s.upstream.send(1, OK);
    s.client.say(0, 'select 1');
    expect(await s.sent()).toEqual(['select 1']);
    expect(s.session.facts.database).toBe('other');
  });

  test('what the server tells counts at once; a character set that cannot be read ends the session', async () => {
    const s = await scene({}, 'mysql', FLAGS | CLIENT.SESSION_TRACK);
    s.client.say(0, 'call p()');
    await s.sent();
    s.upstream.send(1, bytes('00 00 00 0240 0000 00 0e 00 0c 08 "sql_mode" 02 "X2"'));
    await s.told();
    expect(s.session.facts.sql_mode).toBe('X2');
    s.client.say(0, 'set names gbk');
    await s.sent();
    s.upstream.send(1, bytes('00 00 00 0240 0000 00 1b 00 19 14 "character_set_client" 03 "gbk"'));
    expect((await s.told()).at(-1)).toBe(1235);
    expect(s.client.ended).toBe(true);
  });
});

describe('KILL QUERY', () => {
  test('while a statement is judged: it is not sent, whatever the verdict', async () => {
    for (const rules of [{ slow: /./ }, { slow: /./, hold: /./ }]) {
      const s = await scene(rules);
      s.client.say(0, 'delete from t');
      s.client.say(0, 'SELECT 1');
      await new Promise((resolve) => process.nextTick(resolve));
      s.session.kill(false);
      expect((await s.told())[0]).toBe(1317);
      expect(await s.sent()).toEqual('hold' in rules ? [] : ['SELECT 1']);
      expect(s.upstream.cancels).toBe(0);
    }
  });

  test('while the facts are read: the statement that waits for them is not sent', async () => {
    const s = await scene();
    s.client.say(0, bytes('1f'));
    await s.sent();
    s.upstream.send(1, OK);
    s.client.say(0, 'delete from t');
    await new Promise((resolve) => process.nextTick(resolve));
    s.session.kill(false);
    expect(await s.told()).toEqual([OK.toString('hex'), 1317]);
    s.client.say(0, 'SELECT 1');
    expect((await s.sent()).filter((text) => !text.includes('@@'))).toEqual(['SELECT 1']);
  });

  test('that comes with the approval: the statement is not sent, and its release is given back', async () => {
    const s = await scene({ hold: /^delete/ });
    s.client.say(0, 'delete from t');
    const held = await s.gate.held();
    await s.told();
    held.approve();
    s.session.kill(false);
    await held.unsent;
    expect(await s.told()).toEqual([1317]);
    expect(await s.sent()).toEqual([]);
    expect(s.upstream.cancels).toBe(0);
    s.client.say(0, 'SELECT 1');
    expect(await s.sent()).toEqual(['SELECT 1']);
  });

  test('while the client sends a file goes to the server', async () => {
    const s = await scene();
    s.client.say(0, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    await s.sent();
    s.upstream.send(1, bytes('fb "x"'));
    await s.told();
    s.session.kill(false);
    expect(s.upstream.cancels).toBe(1);
  });

  test('that came when all was answered hits no later statement: a question of ours takes it', async () => {
    const s = await scene();
    s.client.say(0, 'SELECT 1');
    await s.sent();
    s.session.kill(false);
    s.upstream.send(1, OK);
    s.client.say(0, 'delete from t');
    await s.told();
    expect(await s.sent()).toEqual([]);
    s.upstream.interrupts = 1;
    s.upstream.cancelled();
    await s.told();
    expect((await s.sent()).filter((text) => !text.includes('@@'))).toEqual(['delete from t']);
  });
});

test('KILL while held ends the session, and the request hears that nobody waits', async () => {
  const s = await scene({ hold: /^delete/ });
  s.client.say(0, 'delete from t');
  const held = await s.gate.held();
  await s.told();
  s.session.kill(true);
  expect(await s.told()).toEqual([1927]);
  expect(await held.left).toBe('cancelled');
  expect(s.gate.closed).toBe('killed');
});

describe('a result at its limit', () => {
  const limited = { limited: { match: /select/, rows: 2 } };
  const ROW = bytes('01 "1"');

  test('stops, and the error of one that is refused waits for the kill', async () => {
    const s = await scene(limited);
    s.client.say(0, 'select * from t');
    await s.sent();
    s.upstream.send(1, bytes('01'), COLUMN, EOF, ROW, ROW, ROW, ROW);
    const held = await s.gate.held();
    expect(s.upstream.paused).toBe(true);
    expect(await s.told()).toHaveLength(5);
    held.deny();
    await s.told();
    expect(s.upstream.cancels).toBe(1);
    s.upstream.interrupts = 1;
    s.upstream.send(8, bytes('ff 2505 "#70100killed"'));
    s.client.say(0, 'delete from t');
    expect([await s.told(), await s.sent()]).toEqual([[], []]);
    s.upstream.cancelled();
    expect(await s.told()).toEqual([1227]);
    expect(await s.sent()).toEqual(['delete from t']);
  });

  test('of an execution shows its parameters', async () => {
    const s = await scene(limited);
    s.client.say(0, Buffer.from('\x16select ?'));
    await s.sent();
    s.upstream.send(1, PREPARED, COLUMN, EOF);
    s.client.say(0, bytes('18 07000000 0000 "long"'));
    s.client.say(0, bytes('17 07000000 00 01000000 00 01 fc00'));
    await s.sent();
    s.upstream.send(1, bytes('01'), COLUMN, EOF, ...Array.from({ length: 3 }, () => bytes('00 00 01 "1"')));
    expect((await s.gate.held()).parameters).toEqual([{ type: 'blob', value: 'long' }]);
  });

  test('goes on with the rows that waited', async () => {
    const s = await scene(limited);
    s.client.say(0, 'select * from t');
    await s.sent();
    s.upstream.send(1, bytes('01'), COLUMN, EOF, ROW, ROW, ROW);
    const held = await s.gate.held();
    held.approve();
    expect(await s.told()).toHaveLength(6);
    s.upstream.send(7, ROW, EOF);
    expect(await s.told()).toHaveLength(2);
    expect(await held.outcome).toMatchObject({ rows: 4, tag: 'OK' });
  });
});
