// MariaDB's own test suites, each file directly and through the gateway on servers of their own: mariadb-test must record the same bytes. What
// may differ stands in exceptions.ts, with its reason. `npm test` runs a draw of them, `npm run prove test/mtr` all.
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Identity } from '../../src/identity/identity.ts';
import type { Policy } from '../../src/policy/types.ts';
import { mtrPage } from './page.ts';
import { compareAll, expectListed, type Outcome, unusedExceptions } from './proof.ts';
import { isInstalled, type TestFile, testFiles, version } from './source.ts';
import type { Protocol } from './suite.ts';
import { gatewayBefore } from './way.ts';

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
      principal: (id, authentication, address) => ({
        id,
        kind: 'agent',
        groups: [],
        sponsor: 'ada',
        authentication,
        address,
      }),
      upstream: (user) => ({ user, password: '' }),
    }),
  };
});

const PROTOCOLS: readonly (readonly [Protocol, part: number, drawn: number])[] = [
  ['text', 1, 24],
  ['ps', 4, 8],
  ['cursor', 4, 8],
];

if (!isInstalled()) test.skip("MariaDB's test suites: mariadb-test is not installed", () => undefined);
else {
  const files = await testFiles();
  const outcomes: Outcome[] = [];

  test.each(PROTOCOLS)(
    "MariaDB's test suites answer the same through the gateway: %s protocol",
    async (protocol, part, drawn) => {
      const all = files.filter(({ criterion }) => criterion === null);
      const some =
        wanted === undefined ? all.filter((_, at) => at % part === 0) : all.filter(({ name }) => wanted.test(name));
      const run = prove || wanted ? some : draw(all, drawn);
      const ran = await compareAll(run, protocol, gatewayBefore);
      outcomes.push(...ran);
      expectListed(ran);
      expect(ran.filter(({ direct }) => direct === 'passed').length).toBeGreaterThan(run.length / 2);
    },
  );

  test.runIf(prove && wanted === undefined)('each exception is one, and the page tells', async () => {
    expect(unusedExceptions(outcomes)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(2000);
    if (process.env['UPDATE'] === '1') await writeFile(PAGE, mtrPage(await version(), files, outcomes));
  });
}

/** Another few with each seed. */
function draw(all: readonly TestFile[], count: number): readonly TestFile[] {
  const seed = Number(process.env['HOLDPOINT_SEED'] ?? randomInt(2 ** 31 - 1));
  console.log(`seed ${seed}`);
  return (
    fc.sample(fc.shuffledSubarray([...all], { minLength: count, maxLength: count }), { seed, numRuns: 1 })[0] ?? []
  );
}
