// A sign-in provider (oidc-provider, certified) as a program of its own. Takes where the gateway is, prints its own address as a line, and
// lets anybody in under any name: what is tested is what the gateway makes of that. Ends with its standard input.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const GROUPS: Record<string, readonly string[]> = { 'sub-grace': ['dba', 'leads'] };

/** How groups are told after the sign-in: by refresh tokens, by userinfo, or not at all. */
const [, , gateway = '', tells = 'userinfo'] = process.argv;
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'holdpoint',
        client_secret: 'provider-secret',
        grant_types: ['authorization_code', ...(tells === 'refresh' ? ['refresh_token'] : [])],
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
    // As providers do that keep to their own session: without offline_access, and without the person's consent to it.
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    // In the ID token, too, so that there is something to be read at the sign-in.
    conformIdTokenClaims: false,
    features: { userinfo: { enabled: tells === 'userinfo' } },
    cookies: { keys: ['only for tests'] },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${issuer}\n`);
});
// A line of its input is who is in which groups from now on; it says `ok` when that is so.
createInterface({ input: process.stdin })
  .on('line', (line) => {
    Object.assign(GROUPS, JSON.parse(line));
    process.stdout.write('ok\n');
  })
  .on('close', () => process.exit(0));
