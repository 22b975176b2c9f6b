// Tokens that log in to databases, as the rest of the product sees them: a checker of passwords for listeners, the question whether one is
// still good for decisions, and for the reviewers' API those that Holdpoint gives out itself.
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { mayGetToken } from '../identity/answers.ts';
import type { Identity } from '../identity/identity.ts';
import { OWN_ISSUER } from '../config/jwt.ts';
import { createJwt, type Jwt, ownLifetime } from '../identity/jwt/jwt.ts';
import { openOwnTokens } from '../identity/jwt/own.ts';
import type { ReviewPorts } from '../review/ports.ts';
import type { Log } from '../telemetry/log.ts';

interface Parts {
  readonly config: Pick<Config, 'data'> & { readonly identity: Pick<Config['identity'], 'jwt'> };
  /** As it is when it is asked: it takes the checker that is made here. */
  readonly identity: () => Identity;
  readonly log: Pick<Log, 'info' | 'error'>;
}

/** Null: the configuration names no issuer. Does not wait for any of them. Rejects where data/tokens.json can't be read or written. */
export const openJwt = async ({
  config,
  identity,
  log,
}: Parts): Promise<(Jwt & { readonly tokens: ReviewPorts['tokens'] }) | null> => {
  const issuers = config.identity.jwt;
  if (issuers.length === 0) return null;
  const own = await openOwnTokens(join(config.data, 'tokens.json'), {
    mayIssue: (by, agent) => mayGetToken(identity().directory, identity().reviewer(by), agent),
  });
  const jwt = createJwt({
    issuers,
    own,
    told: (issuer, fault) => {
      if (fault === null) log.info(`the keys of ${issuer} can be had again`);
      else log.error(`the keys of ${issuer} cannot be had: ${fault}`);
    },
  });
  void jwt.warm();
  const lifetime_ms_max = ownLifetime(issuers);
  const tokens: ReviewPorts['tokens'] = {
    ...own,
    lifetime_ms_max,
    others: issuers.map(({ issuer }) => issuer).filter((issuer) => issuer !== OWN_ISSUER),
    issue: (what, record) =>
      own.issue({ ...what, sponsor: identity().directory.requester(what.for)?.sponsor ?? null }, record),
  };
  return { ...jwt, tokens };
};
