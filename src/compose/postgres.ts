// A guarded PostgreSQL: its gate and its listener, put together.
import type { PostgresConfig } from '../config/config.ts';
import { createGate } from '../gate/gate.ts';
import type { GateOptions } from '../gate/options.ts';
import { postgresEngine } from '../gate/postgres.ts';
import { listenPostgres } from '../listener/postgres.ts';
import type { Login } from '../identity/types.ts';
import type { Gate } from '../session/gate.ts';
import type { PostgresAnalyser } from '../sql/postgres/analyser.ts';
import { READING } from '../sql/postgres/catalog/reading.ts';
import { explainTexts, impactQuestion, isPlainBuiltIn } from '../sql/postgres/impact.ts';
import { connectUpstream } from '../upstream/postgres/connect.ts';
import { createPlanner } from '../upstream/postgres/impact.ts';
import { UpstreamError } from '../upstream/postgres/error.ts';
import { PoolerWatch } from '../upstream/postgres/pooler.ts';
import { NO_CREDENTIAL } from '../upstream/refused.ts';
import { type House, refusedAt } from './house.ts';
import { connectAs, loginOf, target, upstreamUser } from './servers.ts';

export const postgresGate = (upstream: PostgresConfig, analyser: PostgresAnalyser, house: House): Gate =>
  createGate({
    ...house.gate,
    engine: postgresEngine(analyser, READING),
    role: async (login) => upstreamUser(upstream, house.identity, loginOf(login)),
    where: ({ database }) => ({ engine: 'postgres', upstream: upstream.name, database, tags: upstream.tags }),
    catalog: (database) => house.catalogs.of(upstream, database),
    impact: impactOf(upstream, house),
  });

export const openPostgres = (upstream: PostgresConfig, gate: Gate, house: House) => {
  const { config, identity, node, fault } = house;
  const pooler = new PoolerWatch();
  return listenPostgres({
    name: upstream.name,
    listen: upstream.listen,
    place: { node, worker: 0 },
    tls: upstream.tls,
    auth: upstream.auth,
    logins: upstream.logins,
    identity,
    gate,
    connect: (login, parameters, agent) =>
      connectAs(identity, login, {
        to: () => target(upstream, identity, login, config),
        connect: async (to) => {
          // With relay there is no credential to look with.
          if (!agent) await pooler.check(to, parameters.get('database') ?? to.user);
          return connectUpstream(to, parameters, agent);
        },
        without: (why) => new UpstreamError('08004', NO_CREDENTIAL, why),
      }),
    limits: config.limits,
    refused: refusedAt(house, upstream.name),
    fault,
    proved: house.proved,
  });
};

/** Asks the upstream what a held statement would touch. */
const impactOf = (
  upstream: PostgresConfig,
  { identity, config, fault, closers }: House,
): NonNullable<GateOptions['impact']> => {
  const planner = createPlanner({
    isPlain: isPlainBuiltIn,
    fault,
  });
  closers.push(() => planner.close());
  const to = (login: Login) => async () =>
    upstream.auth === 'relay' ? null : target(upstream, identity, login, config);
  return async (
    { where, role, parameters },
    { text, analysis, analyse, login, server_pid, facts: { search_path } },
  ) => {
    const plans = await Promise.all(explainTexts(text, analysis).map(async (explain) => analyse(explain)));
    return planner.estimate({
      ...impactQuestion(text, analysis, plans),
      target: to(loginOf(login)),
      database: where.database,
      role,
      search_path,
      server_pid,
      parameters,
    });
  };
};
