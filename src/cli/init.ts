// `holdpoint init`: writes what a first `serve` needs, with comments, into a folder. Must never overwrite anything, and writes no password.
import { chmod, copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { realFs } from '../audit/files.ts';
import { openSigner } from '../audit/signer.ts';
import { Failure } from './failure.ts';

const POLICY = fileURLToPath(new URL('../../policies/starter.yaml', import.meta.url));

const CONFIG = `# Holdpoint. Paths are relative to this file. \${NAME} is an environment variable; a password may also be
# file:<path>. 'holdpoint check' tells what is wrong here and in what it points to.
data: ./data                      # audit log, keys, state; back it up, keep it private
policy: policies/starter.yaml     # what passes, what is held, what is denied: yours to edit

postgres:
  - name: app
    listen: 127.0.0.1:6432        # where agents connect
    # The role the gateway logs in as. Not a superuser: what it may do is the first wall, this policy the second.
    upstream: "postgres://gateway:\${PGPASSWORD}@127.0.0.1:5432/app"
    # upstream_tls: {mode: verify-full, ca: server-ca.pem}   # the default is verify-full except on a loopback address
    # tls: {cert: holdpoint.pem, key: holdpoint.key}         # the agents' side: needed unless they are on this machine
    tags: {env: dev}              # facts that rules may ask for

# mysql:                          # MySQL 8.0 to 9.x, MariaDB 10.6 to 11.8; with or instead of postgres
#   - name: shop
#     listen: 127.0.0.1:6033
#     # An account with the agents' rights, in the databases that are guarded only.
#     upstream: "mysql://gateway:\${MYSQL_PWD}@127.0.0.1:3306/shop"
#     tags: {env: dev}

review:
  listen: 127.0.0.1:8080          # console and API for reviewers
  # url: https://holdpoint.example
  # tls: {cert: holdpoint.pem, key: holdpoint.key}

identity:
  users: users.yaml               # 'holdpoint user add' writes it
  unsponsored: refuse             # an agent nobody answers for can have nothing approved

audit:
  allowed: async                  # sync: also an allowed statement waits until its record is durable
  # What the keys of sealed texts are wrapped with, 32 bytes in hex or base64, kept apart from data/: docs/audit-log.md
  # master_key: {command: [vault, kv, get, -field=key, secret/holdpoint]}   # or "\${HOLDPOINT_MASTER_KEY}", or file:<path>

# What happens, posted to other systems, signed: docs/webhooks.md
# chat: {webhooks: [{name: pager, url: https://hooks.example/holdpoint, secret: "\${PAGER_SECRET}"}]}

# mode: observe                   # record what would be held or denied, and let it run

# limits: {held_bytes_max: 65536} # all of them, with units and defaults: docs/generated/limits.md
`;

const USERS = `# Who there is. 'holdpoint user add' and 'holdpoint user passwd' write it; kept private (mode 0600).
users: []
`;

export function initCommand(): Command {
  return new Command('init')
    .description('write holdpoint.yaml, users.yaml, a starter policy and the data folder')
    .argument('[folder]', 'where', '.')
    .action(async (folder: string) => {
      process.stdout.write(await init(folder));
    });
}

/** Writes the files and returns what to tell the user. Rejects with Failure, before writing, when one of them is there. */
export async function init(folder: string): Promise<string> {
  const dir = resolve(folder);
  const files = ['holdpoint.yaml', 'users.yaml', 'policies/starter.yaml'];
  for (const file of files) {
    if (await exists(join(dir, file))) throw new Failure(`${join(folder, file)} is there already; nothing was written`);
  }
  await mkdir(join(dir, 'policies'), { recursive: true });
  await mkdir(join(dir, 'data'), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'holdpoint.yaml'), CONFIG, { flag: 'wx' });
  await writeFile(join(dir, 'users.yaml'), USERS, { flag: 'wx', mode: 0o600 });
  await copyFile(POLICY, join(dir, 'policies', 'starter.yaml'));
  await chmod(join(dir, 'policies', 'starter.yaml'), 0o644);
  const audit = join(dir, 'data', 'audit');
  await realFs.makeFolder(join(audit, 'keys'));
  const { verifier_key } = await openSigner(realFs, audit, hostname());
  const shown = relative(process.cwd(), dir);
  return [
    `Written to ${shown === '' ? 'this folder' : dir}: ${files.join(', ')}, data/`,
    `Who will verify the audit log needs this key: ${verifier_key}`,
    '',
    'Next:',
    '  1. set the server to guard in holdpoint.yaml',
    '  2. holdpoint user add: an agent, the human who is its sponsor, and another one as reviewer',
    '  3. holdpoint check',
    '  4. holdpoint serve',
    '',
  ].join('\n');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
