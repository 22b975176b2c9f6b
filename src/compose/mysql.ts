// A guarded MySQL or MariaDB: its gate, its listener and its sessions, put together.
import type { Deps } from '../cli/ports.ts';
import type { Config, MysqlConfig } from '../config/config.ts';
import { texts } from '../errors/catalogue.ts';
import { createGate } from '../gate/gate.ts';
import { mysqlEngine } from '../gate/mysql.ts';
import type { GateOptions } from '../gate/options.ts';
import { listenMysql, type MysqlClient, type MysqlSession as Served } from '../listener/mysql.ts';
import type { Gate } from '../session/gate.ts';
import { MysqlSession } from '../session/mysql/session.ts';
import type { MysqlAnalyser } from '../sql/mysql/analyser.ts';
import { explainTexts, impactQuestion } from '../sql/mysql/impact.ts';
import { modeOf } from '../sql/mysql/modes.ts';
import type { Log } from '../telemetry/log.ts';
import { connectMysql } from '../upstream/mysql/connect.ts';
import { rejected } from '../upstream/mysql/error.ts';
import { createPlanner } from '../upstream/mysql/impact.ts';
import { PLAIN } from '../upstream/mysql/kill.ts';
import { nameOf, untested } from '../upstream/mysql/login.ts';
import { lookAtMysql as look } from '../upstream/mysql/look.ts';
import { NO_CREDENTIAL } from '../upstream/refused.ts';
import { type House, refusedAt } from './house.ts';
import { connectAs, loginOf, mysqlServer, mysqlTarget, upstreamUser } from './servers.ts';

export const mysqlGate = (upstream: MysqlConfig, analyser: MysqlAnalyser, house: House): Gate =>
  createGate({
    ...house.gate,
    engine: mysqlEngine(analyser),
    role: async (login) => upstreamUser(upstream, house.identity, loginOf(login)),
    where: ({ database, engine }) => ({ engine, upstream: upstream.name, database, tags: upstream.tags }),
    catalog: () => house.catalogs.ofServer(upstream),
    impact: impactOf(upstream, house),
  });

export const openMysql = (upstream: MysqlConfig, gate: Gate, house: House) => {
  const { config, identity, fault } = house;
  return listenMysql({
    name: upstream.name,
    listen: upstream.listen,
    tls: upstream.tls,
    logins: upstream.logins,
    identity,
    identify: async () => {
      const line = await connectMysql(await mysqlTarget(upstream, identity, null, config), PLAIN);
      line.end();
      return line.server;
    },
    connect: (login, wanted) =>
      connectAs(identity, login, {
        to: () => mysqlTarget(upstream, identity, login, config),
        connect: (to) => connectMysql(to, wanted),
        without: (why) => rejected(NO_CREDENTIAL, why),
      }),
    begin: (client) => begin(client, upstream.name, gate, house),
    limits: config.limits,
    refused: refusedAt(house, upstream.name),
    fault,
    proved: house.proved,
  });
};

/** A session of a client that was let in: judged from its first command on. */
const begin = async (client: MysqlClient, listener: string, gate: Gate, { config, fault }: House): Promise<Served> => {
  const { stream, upstream, login, database, attributes } = client;
  const session = new MysqlSession(stream, upstream, config.limits, {
    fault,
    kill(id, whole) {
      const peer = client.peer(id);
      peer?.kill(whole);
      return peer ? 'done' : 'unknown';
    },
    closed: () => client.closed(),
    changeUser: (request, early) => client.changeUser(request, early),
  });
  await session.ready(client.sequence);
  const opened = await gate.open(
    {
      login,
      application_name: attributes.get('program_name') ?? '',
      database,
      listener,
      upstream_user: upstream.user,
      engine: upstream.server.engine,
      server_version: upstream.server.version,
      server_pid: upstream.threadId,
      end: (text) => session.close(text),
    },
    session.facts,
  );
  session.admit(opened);
  return {
    start: (early) => session.start(early),
    kill: (whole) => session.kill(whole),
    close: () => session.close(texts.shutdown({ id: null })),
  };
};

/** Asks the upstream what a held statement would touch. */
const impactOf = (
  upstream: MysqlConfig,
  { identity, config, fault, closers }: House,
): NonNullable<GateOptions['impact']> => {
  const planner = createPlanner({ fault });
  closers.push(() => planner.close());
  return async ({ parameters }, { text, analysis, analyse, login, server_pid, facts }) => {
    if (facts.engine === 'postgres') return null;
    const { engine, version, sql_mode, charset, database } = facts;
    const mode = sql_mode === null ? null : modeOf(sql_mode);
    const asked = { text, analysis, parameters, engine, version, charset, sql_mode: mode };
    const plans = await Promise.all(explainTexts(asked).map(async (explain) => analyse(explain)));
    return planner.estimate({
      ...impactQuestion(asked, plans),
      target: () => mysqlTarget(upstream, identity, loginOf(login), config),
      database: database ?? null,
      sql_mode,
      charset,
      server_pid,
    });
  };
};

/** Says which server it is, or that there is none: that keeps nothing from starting, each login tries again. */
export const introduceMysql = async (upstream: MysqlConfig, config: Config, log: Log): Promise<void> => {
  const { name, upstream: to } = upstream;
  try {
    const line = await connectMysql(
      { ...mysqlServer(upstream, config), user: to.user, password: to.password ?? '' },
      PLAIN,
    );
    line.end();
    const beyond = untested(line.server);
    const found = `${name}: the server is ${nameOf(line.server)}`;
    if (beyond === null) log.info(found);
    else log.warn(`${found}, which is not ${beyond}: its SQL may mean what nobody has tried (allow_untested_version)`);
  } catch (error) {
    log.error({ err: error }, `${name} can not be used yet; each login tries again`);
  }
};

/** What a server says of itself and of an account, for `holdpoint check`. */
export const lookAtMysql: Deps['lookAtMysql'] = (upstream, { user, password }, config) =>
  look({ ...mysqlServer(upstream, config), user, password: password ?? '' }, upstream.upstream.database);
