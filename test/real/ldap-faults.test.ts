// A directory that does what no real one here does: lets in without a password, never ends its answer, answers late, drops, lies, or sends
// what is not LDAP. The servers are ldapjs, or a socket that writes bytes; the client under test is the product's.
import { type AddressInfo, createServer, type Server as TcpServer, type Socket } from 'node:net';
import { once } from 'node:events';
import ldapjs from 'ldapjs';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ldapSchema } from '../../src/config/ldap.ts';
import { DEPTH_MAX } from '../../src/identity/ldap/groups.ts';
import { type Ldap, openLdap } from '../../src/identity/ldap/ldap.ts';
import { SourceDown } from '../../src/identity/types.ts';
import { GROUPS, PEOPLE, SERVICE, userDn } from './slapd.ts';

const TIMEOUTS = { connect_timeout_ms: 1000, operation_timeout_ms: 1000, timeout_ms: 3000 };
/** Beyond the timeouts, for a machine that is busy: far less than for ever. */
const SOON_MS = 15_000;
const schema = ldapSchema({
  sources: { env: { LDAP_PASSWORD: SERVICE.password }, dir: '/' },
  pem: z.string(),
  using: (read) => (value) => read(value),
});

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const open = (port: number, more: Partial<z.input<typeof schema>> = {}): Ldap => {
  const ldap = openLdap(
    schema.parse({
      servers: [`ldap://127.0.0.1:${port}`],
      start_tls: false,
      bind: { dn: SERVICE.dn, password: '${LDAP_PASSWORD}' },
      users: { base: PEOPLE },
      groups: { base: GROUPS },
      ...TIMEOUTS,
      ...more,
    }),
  );
  ends.push(() => ldap.close());
  return ldap;
};
const logIn = (ldap: Ldap, user = 'ada', password = 'right') => ldap.checker.check(user, Buffer.from(password));

/** What of ldapjs' server is used here. */
interface Response {
  readonly connection: Socket;
  readonly messageId: number;
  send(entry: { readonly dn: string; readonly attributes: object }): void;
  end(status?: number): void;
}
interface Request {
  readonly name: unknown;
  readonly credentials: string;
  readonly baseObject: unknown;
}
type Search = (response: Response, request: Request) => void;

interface Fake {
  readonly port: number;
  /** Names that were bound, in order. */
  readonly binds: string[];
}

/** The service account and `ada` (password: right) are let in, and whoever gives no password. */
const fake = async ({
  search = one,
  bind,
}: {
  search?: Search;
  bind?: (answer: () => void) => void;
} = {}): Promise<Fake> => {
  const server = ldapjs.createServer();
  const binds: string[] = [];
  server.bind('', (request: Request, response: Response, next: (error?: unknown) => void) => {
    const name = String(request.name);
    binds.push(name);
    const right = ['', 'right', SERVICE.password].includes(request.credentials);
    const answer = (): void => {
      if (!right) return next(new ldapjs.InvalidCredentialsError());
      response.end();
      next();
    };
    if (bind === undefined || name.includes('holdpoint')) answer();
    else bind(answer);
  });
  server.search('', (request: Request, response: Response) => search(response, request));
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const tcp = (server as unknown as { server: TcpServer }).server;
  const sockets = new Set<Socket>();
  tcp.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  ends.push(() => {
    tcp.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (tcp.address() as AddressInfo).port, binds };
};

const person = (uid: string) => ({ dn: userDn(uid), attributes: { objectClass: ['inetOrgPerson'], uid: [uid] } });
const isGroups = (request: Request): boolean => String(request.baseObject).replaceAll(' ', '') === GROUPS;
const one: Search = (response, request) => {
  if (!isGroups(request)) response.send(person('ada'));
  response.end();
};

/** Of all of these: no crash, and an answer in time. */
const downSoon = async (
  ldap: Ldap,
  why: RegExp | string,
  ask: (ldap: Ldap) => Promise<unknown> = logIn,
): Promise<void> => {
  const began = performance.now();
  await expect(ask(ldap)).rejects.toThrow(why);
  expect(performance.now() - began).toBeLessThan(SOON_MS);
};

describe('a directory that', () => {
  it('lets in without a password is never asked so', async () => {
    const { port, binds } = await fake();
    const ldap = open(port);
    expect(await logIn(ldap)).toMatchObject({ id: 'ada' });
    expect(await logIn(ldap, 'ada', '')).toBeNull();
    expect(await logIn(ldap, 'ada', '\u200B')).toBeNull();
    expect(await logIn(ldap, 'ada', 'wrong')).toBeNull();
    expect(binds.filter((name) => name.includes('ada'))).toHaveLength(2);
  });

  it('never answers a search, or a bind', async () => {
    const silent = await fake({ search: () => {} });
    await downSoon(open(silent.port), /no answer within/);
    await downSoon(open(silent.port), /no answer within/, (ldap) => ldap.lookup.read('ada'));
    await downSoon(open((await fake({ bind: () => {} })).port), /no answer within/);
  });

  it('answers after the limit: what comes then is not taken for an answer to anything', async () => {
    const answers: (() => void)[] = [];
    const { port } = await fake({ bind: (answer) => answers.push(answer) });
    const ldap = open(port);
    await downSoon(ldap, /no answer within/);
    answers[0]?.();
    await downSoon(ldap, /no answer within/);
  });

  it('drops in the middle of an answer', async () => {
    const { port } = await fake({
      search(response) {
        response.send(person('ada'));
        response.connection.destroy();
      },
    });
    await downSoon(open(port), /the directory ended|is gone|ECONNRESET/);
  });

  it('has two of the name: nobody is let in', async () => {
    const { port, binds } = await fake({
      search(response) {
        response.send(person('ada'));
        response.send(person('other'));
        response.end();
      },
    });
    expect(await logIn(open(port))).toBeNull();
    expect(binds.every((name) => name.includes('holdpoint'))).toBe(true);
  });

  it('sends entries without an end', async () => {
    const { port } = await fake({
      search(response) {
        const more = (): void => {
          if (response.connection.destroyed) return;
          for (let i = 0; i < 100; i++) response.send(person(`user${i}`));
          setImmediate(more);
        };
        more();
      },
    });
    await downSoon(open(port), /more than \d+ entries/);
  });

  it('refers to another one: it is not followed, and is no answer', async () => {
    const elsewhere = await fake();
    const { port } = await fake({
      search(response) {
        const { connection, messageId } = response;
        const uri = Buffer.from(`ldap://127.0.0.1:${elsewhere.port}/${PEOPLE}`);
        // LDAPResult with referral (10), RFC 4511, 4.1.10.
        connection.write(
          message(messageId, tlv(0x65, tlv(0x0a, Buffer.from([10])), tlv(0x04), tlv(0x04), tlv(0xa3, tlv(0x04, uri)))),
        );
      },
    });
    await downSoon(open(port), /answered with 10|UnknownStatusCode 10/);
    const beside = await fake({
      search(response, request) {
        const { connection, messageId } = response;
        const uri = Buffer.from(`ldap://127.0.0.1:${elsewhere.port}/${PEOPLE}`);
        connection.write(message(messageId, tlv(0x73, tlv(0x04, uri))));
        one(response, request);
      },
    });
    expect(await logIn(open(beside.port))).toMatchObject({ id: 'ada', groups: [] });
    expect(elsewhere.binds).toEqual([]);
  });

  it('cuts its list of groups: that is no list of groups', async () => {
    const { port } = await fake({
      search(response, request) {
        if (!isGroups(request)) return one(response, request);
        response.send({ dn: `cn=a,${GROUPS}`, attributes: { cn: ['a'] } });
        response.end(4);
      },
    });
    await downSoon(open(port), /SizeLimitExceeded 4/);
  });

  it('gives values in parts, as Active Directory does: a part is not taken for all', async () => {
    const { port } = await fake({
      search(response, request) {
        if (isGroups(request)) return one(response, request);
        const attribute = (type: string, value: string): Buffer =>
          tlv(0x30, tlv(0x04, Buffer.from(type)), tlv(0x31, tlv(0x04, Buffer.from(value))));
        const attributes = [attribute('uid', 'ada'), attribute('memberOf;range=0-1499', `cn=a,${GROUPS}`)];
        const entry = tlv(0x64, tlv(0x04, Buffer.from(userDn('ada'))), tlv(0x30, ...attributes));
        response.connection.write(message(response.messageId, entry));
        response.end();
      },
    });
    await downSoon(open(port, { groups: { base: GROUPS, by: 'memberOf' } }), /gives memberOf in parts/);
  });

  it('has groups in groups without an end', async () => {
    let searches = 0;
    const { port } = await fake({
      search(response, request) {
        if (!isGroups(request)) return one(response, request);
        searches += 1;
        response.send({ dn: `cn=g${searches},${GROUPS}`, attributes: { cn: [`g${searches}`] } });
        response.end();
      },
    });
    await downSoon(open(port), `more than ${DEPTH_MAX} deep`);
  });

  it('fails at the groups after the password was right: nobody is let in without them', async () => {
    const { port } = await fake({
      search(response, request) {
        if (!isGroups(request)) return one(response, request);
        response.end(52);
      },
    });
    await downSoon(open(port), /Unavailable 52/);
  });
});

describe('bytes that are not LDAP', () => {
  /** What is written for the first thing that a client sends. */
  const writing = async (bytes: Buffer, again = false): Promise<number> => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        if (again) repeat(socket, bytes);
        else socket.write(bytes);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket));
    ends.push(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return (server.address() as AddressInfo).port;
  };
  const repeat = (socket: Socket, bytes: Buffer): void => {
    if (socket.destroyed) return;
    if (socket.write(bytes)) setImmediate(() => repeat(socket, bytes));
    else socket.once('drain', () => repeat(socket, bytes));
  };
  /** The library numbers its first request so. */
  const FIRST = 2;
  const OK = [tlv(0x0a, Buffer.from([0])), tlv(0x04), tlv(0x04)];

  it.each<[string, Buffer]>([
    ['noise', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a length without an end', Buffer.from([0x30, 0x80, 0x02, 0x01, 0x02])],
    ['a length of gigabytes', Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02])],
    ['a result for nobody', message(77, tlv(0x61, ...OK))],
    ['a notice that it ends', message(0, tlv(0x78, ...OK))],
    ['a result with less than there should be', message(FIRST, tlv(0x61, tlv(0x0a, Buffer.from([0]))))],
    ['a result that no request has', message(FIRST, tlv(0x69, ...OK))],
    ['a search result in answer to a bind', message(FIRST, tlv(0x65, ...OK))],
    ['the result of another operation in answer to a bind', message(FIRST, tlv(0x78, ...OK))],
    ['a reference in answer to a bind', message(FIRST, tlv(0x73, tlv(0x04, Buffer.from('ldap://127.0.0.1/'))))],
    ['two results', Buffer.concat([message(FIRST, tlv(0x61, ...OK)), message(FIRST + 1, tlv(0x65, ...OK))])],
    [
      'a value that is longer than its set',
      message(FIRST, tlv(0x64, tlv(0x04), tlv(0x30, tlv(0x30, tlv(0x04), Buffer.from([0x31, 0x02, 0x04, 0x7f]))))),
    ],
  ])('%s: down, and nothing hangs', async (_, bytes) => {
    await downSoon(open(await writing(bytes)), /is not LDAP|ends the connection|nobody asked|more than \d+ bytes/);
  });

  it('without an end: no more than a bound of it is kept', async () => {
    const entry = message(FIRST, tlv(0x64, tlv(0x04, Buffer.alloc(60_000, 'x')), tlv(0x30)));
    // What is asked first is a search then, which entries may answer.
    await downSoon(
      open(await writing(entry, true), { bind: undefined, anonymous: true }),
      /more than|no answer within/,
    );
  });

  it('after the answer to StartTLS, in clear: the connection is not used', async () => {
    const answer = message(1, tlv(0x78, ...OK));
    // The begin of an answer to a bind, as if the rest came inside TLS.
    const half = message(
      FIRST,
      tlv(0x61, tlv(0x0a, Buffer.from([0])), tlv(0x04), tlv(0x04, Buffer.alloc(14))),
    ).subarray(0, -14);
    const port = await writing(Buffer.concat([answer, half]));
    await downSoon(open(port, { start_tls: true }), 'more than an answer to StartTLS');
    const refused = message(1, tlv(0x78, tlv(0x0a, Buffer.from([52])), tlv(0x04), tlv(0x04)));
    await downSoon(open(await writing(refused), { start_tls: true }), 'StartTLS was refused (52)');
    await downSoon(open(await writing(Buffer.from('no')), { start_tls: true }), /is not LDAP/);
  });

  it('TLS that never goes on is given up in time', async () => {
    const port = await writing(Buffer.alloc(0));
    const ldap = open(port, { servers: [`ldaps://localhost:${port}`] });
    await downSoon(ldap, /no connection within|closed the connection/);
    expect(await ldap.lookup.read('ada').catch((error: unknown) => error)).toBeInstanceOf(SourceDown);
    await downSoon(open(port, { start_tls: true }), /no connection within/);
  });
});

/** Tag, length, content. */
function tlv(tag: number, ...content: Buffer[]): Buffer {
  const all = Buffer.concat(content);
  const length = all.length < 0x80 ? Buffer.from([all.length]) : Buffer.from([0x84, 0, 0, 0, 0]);
  if (length.length > 1) length.writeUInt32BE(all.length, 1);
  return Buffer.concat([Buffer.from([tag]), length, all]);
}

function message(id: number, operation: Buffer): Buffer {
  return tlv(0x30, tlv(0x02, Buffer.from([id])), operation);
}
