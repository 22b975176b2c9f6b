// A gateway before a server of MariaDB's test suites.
import { startGateway, type TestGateway } from '../real/gateway.ts';
import type { TestMysql } from '../real/mysql-servers.ts';

export async function gatewayBefore(server: TestMysql): Promise<TestGateway> {
  return startGateway({
    upstream: `mysql://root@127.0.0.1:${server.port}/test`,
    policy: 'version: 1\ndefault: allow\n',
    // One session, which sends nothing but new texts: the budget that protects others from it would only make it slow.
    config: { limits: { analysis_ms_per_s_max: 1000 } },
  });
}
