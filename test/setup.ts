// Gives every property test the run's seed, so that a failure can be repeated: HOLDPOINT_SEED=<n> npm test. HOLDPOINT_PROVE=1 (npm run
// prove) multiplies the number of runs.
import fc from 'fast-check';

const seed = Number(process.env['HOLDPOINT_SEED'] ?? Number.NaN);
const prove = process.env['HOLDPOINT_PROVE'] === '1';

fc.configureGlobal({ ...(Number.isInteger(seed) ? { seed } : {}), numRuns: prove ? 10_000 : 100 });
