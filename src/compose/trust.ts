// The files of agents' certificates, followed: authorities and lists of revoked ones count as they are now, without a restart. Must never take a
// file that can't be read for one that revokes nobody: the one before stays in force.
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ClientCertificates, PemFile } from '../config/config.ts';
import type { Trust } from '../identity/peer.ts';
import type { Log } from '../telemetry/log.ts';

const POLL_MS = 1000;

/** `trust`: takes them, or throws and changes nothing. Returns how it ends. */
export const followTrust = (
  { ca, crl }: ClientCertificates,
  trust: (trust: Trust) => void,
  { name, log }: { readonly name: string; readonly log: Pick<Log, 'info' | 'error'> },
): (() => void) => {
  let last: Promise<unknown> = Promise.resolve();
  const changed = (): void => {
    last = last
      .then(async () => trust({ ca: await read(ca), crl: crl && (await read(crl)) }))
      .then(
        () => log.info(`${name}: the authorities and revoked certificates of agents are those of the files now`),
        (error: unknown) =>
          log.error(
            { err: error },
            `${name}: files of agents' certificates can not be used; those before stay in force`,
          ),
      );
  };
  const files = [ca, ...(crl ? [crl] : [])].map(({ file }) => file);
  // Polling by path survives tools that replace the file by renaming.
  for (const file of files) watchFile(file, { interval: POLL_MS, persistent: false }, changed);
  // The configuration was read before: whatever changed since counts.
  changed();
  return () => {
    for (const file of files) unwatchFile(file, changed);
  };
};

const read = async ({ file }: PemFile): Promise<{ readonly pem: string }> => ({ pem: await readFile(file, 'utf8') });
