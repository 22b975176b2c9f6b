// Which addresses a webhook may connect to. A name is resolved here, and what it resolved to is what is connected to: a name server that
// answers otherwise the next moment changes nothing. Must never hand out an address that it has not looked at.
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { addressIn, reachOf } from '../../config/addresses.ts';

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export interface Target {
  readonly url: URL;
  readonly allow_private: boolean;
}

/** Its message is for the operator. */
export class Refused extends Error {}

/** As the system does, its hosts file included. */
export const resolveBySystem: Resolve = (host) => systemLookup(host, { all: true });

/** Throws Refused where the URL's host is an address that may not be connected to. A name passes: it is looked at by `pinned`. */
export function checkLiteral(target: Target): void {
  const address = addressIn(target.url);
  if (address !== null) check(address, target);
}

/**
 * What node's sockets ask for addresses with: it answers with those that were checked, and with none if any of them is refused.
 * One look-up at a time, so that a name server that never answers holds one thread of the system's resolver and no more.
 */
export function pinned(target: Target, resolve: Resolve): LookupFunction {
  let asked: ReturnType<Resolve> | null = null;
  return (host, options, callback) => {
    asked ??= resolve(host).finally(() => (asked = null));
    asked.then(
      (found) => {
        const [first] = found;
        try {
          if (first === undefined) throw new Refused(`${host} has no address`);
          for (const { address } of found) check(address, target);
        } catch (error) {
          return callback(error as Error, '', 0);
        }
        if (options.all === true) callback(null, [...found]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, '', 0),
    );
  };
}

/** Both, for who makes its own connections. */
export function guarded(target: Target): { readonly literal: () => void; readonly lookup: LookupFunction } {
  return { literal: () => checkLiteral(target), lookup: pinned(target, resolveBySystem) };
}

function check(address: string, { url, allow_private }: Target): void {
  const reach = reachOf(address);
  const host = url.hostname === address ? address : `${url.hostname} is ${address}, which`;
  if (reach === 'special') throw new Refused(`${host} is an address that nothing may be sent to`);
  if (reach !== 'public' && !allow_private)
    throw new Refused(`${host} is a ${reach} address; set allow_private: true if that is meant`);
  if (reach === 'public' && url.protocol !== 'https:')
    throw new Refused(`${host} is public, and http shows everybody what is sent: use https`);
}
