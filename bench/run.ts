// All benches, one after another, each in its own process; prints their tables. `npm run bench [name]` runs one; what follows the name is its own.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BENCHES = [
  'gateway',
  'gateway-mysql',
  'idle',
  'held',
  'session',
  'analysis',
  'audit',
  'search',
  'jwt',
  'ldap',
] as const;

const wanted = process.argv[2];
if (wanted !== undefined && !(BENCHES as readonly string[]).includes(wanted)) {
  console.error(`there is no bench ${wanted}: ${BENCHES.join(', ')}`);
  process.exit(2);
}
for (const name of wanted === undefined ? BENCHES : [wanted]) {
  console.log(`\n== ${name}\n`);
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', file, ...process.argv.slice(3)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
