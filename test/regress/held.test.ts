// PostgreSQL's regression suite again, and every statement that runs code or cannot be resolved is held until a person approves it: what
// was released answers the same as directly, but for the notices of the hold. `npm test` runs a few files, `npm run prove regress` all.
import { expect, test } from 'vitest';
import { decide, startGateway, type TestGateway } from '../real/gateway.ts';
import { proveSame, type Way } from './proof.ts';
import { findSuite } from './source.ts';

const suite = await findSuite();
let held = 0;

const HELD: Way = {
  name: 'held',
  few: ['test_setup', 'create_function_c', 'create_function_sql', 'create_procedure', 'errors'],
  async start(upstream) {
    const gateway = await startGateway({
      upstream,
      policy: 'version: 1\ndefault: allow\n',
      config: { limits: { analysis_ms_per_s_max: 1000 } },
      reviewers: 100,
    });
    void approveAll(gateway);
    return gateway;
  },
  clean: (output) => output.replaceAll(NOTICES, ''),
  note: () => `(${held} statements held and approved)`,
};

if (typeof suite === 'string') test.skip(`PostgreSQL's regression suite, held: ${suite}`, () => undefined);
else
  test(`PostgreSQL's regression suite answers the same when it is held and approved`, async () => {
    await proveSame(suite, HELD);
    expect(held).toBeGreaterThan(10);
  });

/** Whole lines in Holdpoint's own words; with psql's VERBOSITY sqlstate those of one hold are a pair without words. */
const NOTICES =
  /^NOTICE:  (?:00000: )?(?:held for approval, not failed: request HP-\w+\n(?:DETAIL:  .*\n)?(?:HINT:  .*\n)?|still held: request HP-.*\n|approved by reviewer-\d+: request HP-\w+ runs now, once\n)|^(?:NOTICE:  00000\n){2}/gm;

/** Ends with the gateway. */
async function approveAll(gateway: TestGateway): Promise<void> {
  for await (const message of gateway.grace.stream()) {
    if (message.type !== 'request.opened' || !('request' in message) || !message.request) continue;
    held++;
    await decide(await gateway.inTurn(), message.request, 'approve', 'a test of PostgreSQL');
  }
}
