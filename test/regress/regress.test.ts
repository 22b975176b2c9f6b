// PostgreSQL's own regression suite, once directly and once through the gateway, on fresh servers, file by file in the suite's order:
// psql must print the same bytes. What may differ stands in exceptions.ts, with its reason; an entry that no longer occurs fails too.
// `npm test` runs a few files, `npm run prove regress` all.
import { test, vi } from 'vitest';
import type { Policy } from '../../src/policy/types.ts';
import { startGateway } from '../real/gateway.ts';
import { proveSame, type Way } from './proof.ts';
import { findSuite } from './source.ts';

const suite = await findSuite();

// Everything that parses is let through. A file can't say so (its fixed keys hold or deny, by design): the policy in force is the file's,
// with every hold made an allow.
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

const ALLOWED: Way = {
  name: 'allowed',
  few: ['test_setup', 'boolean', 'strings', 'transactions', 'portals', 'prepare', 'copyselect', 'encoding', 'errors'],
  start: (upstream) =>
    startGateway({
      upstream,
      policy: 'version: 1\ndefault: allow\n',
      // One session, which sends nothing but new texts: the budget that protects others from it would only make it slow.
      config: { limits: { analysis_ms_per_s_max: 1000 } },
    }),
};

if (typeof suite === 'string') test.skip(`PostgreSQL's regression suite: ${suite}`, () => undefined);
else test(`PostgreSQL's regression suite answers the same through the gateway`, () => proveSame(suite, ALLOWED));
