// PostgreSQL's regression suite again, and every statement that runs code or cannot be resolved is held until a person approves it: what
// was released answers the same as directly, but for the notices of the hold. `npm test` runs a few files, `npm run prove regress` all.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { makeScramVerifier } from '../../src/identity/scram.ts';
import { type RequestView, type ReviewClient, reviewClient } from '../../src/review/client.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from '../real/gateway.ts';
import { proveSame, type Way } from './proof.ts';
import { findSuite } from './source.ts';

/** Each may decide 120 times a minute. */
const REVIEWERS = Array.from({ length: 100 }, (_, at) => `reviewer-${at}`);

const suite = await findSuite();
let held = 0;

const HELD: Way = {
  name: 'held',
  few: ['test_setup', 'create_function_c', 'create_function_sql', 'create_procedure', 'errors'],
  async start(upstream) {
    const dir = await mkdtemp(join(tmpdir(), 'holdpoint-gw-'));
    await writeFile(join(dir, 'many.yaml'), await users());
    const gateway = await startGateway({
      dir,
      upstream,
      policy: 'version: 1\ndefault: allow\n',
      config: { identity: { users: 'many.yaml' }, limits: { analysis_ms_per_s_max: 1000 } },
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

async function users(): Promise<string> {
  const reviewers = ['ada', 'grace', ...REVIEWERS].map((id) => ({ id, kind: 'human', roles: ['reviewer'] }));
  const bot = { id: 'bot', kind: 'agent', sponsor: 'ada', postgres: await makeScramVerifier(AGENT_PASSWORD) };
  return stringify({ users: [bot, ...reviewers] });
}

/** Ends with the gateway. */
async function approveAll(gateway: TestGateway): Promise<void> {
  const clients = await Promise.all(
    REVIEWERS.map(async (id) => reviewClient(gateway.reviewUrl, await gateway.token(id))),
  );
  for await (const message of gateway.grace.stream()) {
    if (message.type !== 'request.opened' || !('request' in message) || !message.request) continue;
    await approve(clients[held++ % clients.length] as ReviewClient, message.request);
  }
}

function approve(client: ReviewClient, { id, digest, revision }: RequestView): Promise<RequestView> {
  return client.decide(id, { decision: 'approve', digest, revision, rationale: 'a test of PostgreSQL' });
}
