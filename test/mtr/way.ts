// A gateway that lets everything through, before a server of MariaDB's test suites: whoever says root is root, as at the server.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from '../real/gateway.ts';
import type { TestMysql } from '../real/mysql-servers.ts';

export async function gatewayBefore(server: TestMysql): Promise<TestGateway> {
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-gw-'));
  const users = [
    { id: 'root', kind: 'agent', sponsor: 'ada', mysql: await makeStored(AGENT_PASSWORD) },
    { id: 'ada', kind: 'human', roles: ['reviewer'] },
    { id: 'grace', kind: 'human', roles: ['reviewer'] },
  ];
  await writeFile(join(dir, 'root.yaml'), stringify({ users }));
  return startGateway({
    dir,
    upstream: `mysql://root@127.0.0.1:${server.port}/test`,
    policy: 'version: 1\ndefault: allow\n',
    // One session, which sends nothing but new texts: the budget that protects others from it would only make it slow.
    config: { identity: { users: 'root.yaml' }, limits: { analysis_ms_per_s_max: 1000 } },
  });
}
