// A sign-in provider (oidc-provider, certified) as a program of its own. Takes where the gateway is, prints its own address as a line, and
// lets anybody in under any name: what is tested is what the gateway makes of that. Ends with its standard input.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

const GROUPS: Readonly<Record<string, readonly string[]>> = { 'sub-grace': ['dba', 'leads'] };

const [, , gateway = ''] = process.argv;
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'holdpoint',
        client_secret: 'provider-secret',
        redirect_uris: [`${gateway}/oidc/callback`],
        post_logout_redirect_uris: [`${gateway}/`],
      },
    ],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'groups'],
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id.replace('sub-', ''), groups: GROUPS[id] ?? [] }),
    }),
    cookies: { keys: ['only for tests'] },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${issuer}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
