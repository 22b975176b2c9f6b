// MariaDB's own test suites, each file directly and through the gateway on servers of their own: mariadb-test must record the same bytes. What
// may differ stands in exceptions.ts, with its reason. `npm test` runs a draw of them, `npm run prove test/mtr` all.
import { createHash, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import type { Identity } from '../../src/identity/identity.ts';
import type { Policy } from '../../src/policy/types.ts';
import { mtrPage } from './page.ts';
import { startGateway } from '../real/gateway.ts';
import type { TestMysql } from '../real/mysql-servers.ts';
import { compareAll, expectListed, type Outcome, unusedExceptions } from './proof.ts';
import { isInstalled, type TestFile, testFiles, version } from './source.ts';
import type { Protocol } from './suite.ts';

const prove = process.env['HOLDPOINT_PROVE'] === '1';
const named = process.env['HOLDPOINT_MTR_FILES'];
/** Only files whose names match, to look at. */
const wanted = named === undefined ? undefined : new RegExp(named);
const PAGE = new URL('../../docs/generated/mtr.md', import.meta.url);

// Everything that can be read is let through: a file can't say so (its fixed keys hold or deny, by design).
vi.mock('../../src/policy/load.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/policy/load.ts')>();
  return {
    ...original,
    loadPolicy: async (...args: Parameters<typeof original.loadPolicy>) => {
      const loaded = await original.loadPolicy(...args);
      return 'errors' in loaded ? loaded : { ...loaded, policy: allowing(loaded.policy) };
    },
  };
});
const allowing = (policy: Policy): Policy => ({
  ...policy,
  judge: (question) => ({ ...policy.judge(question), verdict: 'allow', ask: null }),
});

// The suites' root, and the users that they make, have no password, which nobody may have behind Holdpoint: each is who it says, there and upstream.
vi.mock('../../src/identity/identity.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/identity/identity.ts')>();
  return {
    ...original,
    createIdentity: (...args: Parameters<typeof original.createIdentity>): Identity => ({
      ...original.createIdentity(...args),
      judgeLogin: () => true,
      principal: ({ user: id, authentication, address }) => ({
        id,
        kind: 'agent',
        groups: [],
        sponsor: 'ada',
        authentication,
        address,
      }),
      upstream: async ({ user }) => ({ user, password: '' }),
    }),
  };
});

/** Every change of a definition has the catalog read anew, which takes most of a file's time: one way for all is enough. */
const gatewayBefore = (protocol: Protocol) => (server: TestMysql) =>
  startGateway({
    upstream: `mysql://root@127.0.0.1:${server.port}/test`,
    policy: 'version: 1\ndefault: allow\n',
    ...(protocol === 'catalog' ? {} : { listener: { catalog: 'none' } }),
    // One session, which sends nothing but new texts: the budget that protects others from it would only make it slow.
    config: { limits: { analysis_ms_per_s_max: 1000 } },
  });

/** Every so many of the files in a proof; for `npm test` files of a draw, for so long. */
const PROTOCOLS: readonly (readonly [Protocol, part: number, drawn_ms: number])[] = [
  ['text', 1, 10_000],
  ['ps', 4, 4_000],
  ['cursor', 4, 4_000],
  ['catalog', 40, 2_000],
];
/** What a file may take directly: one that takes longer is no part of the proof, or of the draw. */
const DIRECT_TIMEOUT_MS = prove ? 60_000 : 10_000;

if (!isInstalled()) test.skip("MariaDB's test suites: mariadb-test is not installed", () => undefined);
else {
  const files = await testFiles();
  const outcomes: Outcome[] = [];

  test.each(PROTOCOLS)(
    "MariaDB's test suites answer the same through the gateway: %s protocol",
    async (protocol, part, drawn_ms) => {
      const all = files.filter(({ criterion }) => criterion === null);
      const every =
        wanted === undefined ? all.filter((_, at) => at % part === 0) : all.filter(({ name }) => wanted.test(name));
      const ran =
        prove || wanted
          ? await compareAll(every, protocol, gatewayBefore(protocol), DIRECT_TIMEOUT_MS)
          : await compareAll(shuffled(every, protocol), protocol, gatewayBefore(protocol), DIRECT_TIMEOUT_MS, drawn_ms);
      outcomes.push(...ran);
      expectListed(ran);
      expect(ran.filter(({ direct }) => direct === 'passed').length).toBeGreaterThan(prove ? ran.length / 2 : 0);
    },
  );

  if (prove && wanted === undefined)
    test('each exception is one, and the page tells', async () => {
      expect(unusedExceptions(outcomes)).toEqual([]);
      expect(outcomes.length).toBeGreaterThan(2000);
      if (process.env['UPDATE'] === '1') await writeFile(PAGE, mtrPage(await version(), files, outcomes));
    });
}

/** Others come first with each seed. */
function shuffled(all: readonly TestFile[], protocol: Protocol): readonly TestFile[] {
  const seed = process.env['HOLDPOINT_SEED'] ?? String(randomInt(2 ** 31 - 1));
  console.log(`seed ${seed}`);
  const place = ({ name }: TestFile): string =>
    createHash('sha256').update(`${seed} ${protocol} ${name}`).digest('hex');
  return all
    .map((file) => [place(file), file] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, file]) => file);
}
