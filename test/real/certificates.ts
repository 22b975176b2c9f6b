// Certificates made on the spot with the openssl program, in the caller's folder: a test authority, certificates it signs, and
// one of an authority that nobody trusts. No key of these is ever kept.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** Files of a certificate for these names: DNS:localhost, IP:127.0.0.1. */
  issue(name: string, alternatives: readonly string[], more?: IssueOptions): Promise<Certificate>;
  /** A list of these and of all that were revoked before: its file, another one each time. */
  revoke(...certificates: readonly Certificate[]): Promise<string>;
  /** A list of all that were revoked before, which is over: its file. */
  expired(): Promise<string>;
  /** The PEM text of the authority's certificate. */
  readonly pem: string;
}

export interface IssueOptions {
  /** Further lines of the extensions: extendedKeyUsage=serverAuth. */
  readonly extensions?: readonly string[];
  /** Of `openssl req -newkey`; default: a key on P-256. */
  readonly key?: string;
  /** Of `openssl x509 -req`: -sha512, -days 0 ... */
  readonly sign?: string;
}

const P_256 = 'ec -pkeyopt ec_paramgen_curve:prime256v1';

export const makeAuthority = async (dir: string, name: string, key = P_256): Promise<Authority> => {
  let lists = 0;
  const file = (suffix: string): string => join(dir, `${name}.${suffix}`);
  /** Words of a command line; our paths have no spaces. */
  const openssl = (words: string) => run('openssl', words.split(' '), { cwd: dir });
  const fresh = `-newkey ${key} -nodes`;
  await openssl(`req -x509 ${fresh} -days 1 -subj /CN=${name} -keyout ${file('key')} -out ${file('crt')}`);
  return {
    cert: file('crt'),
    key: file('key'),
    pem: await readFile(file('crt'), 'utf8'),
    async issue(subject, alternatives, { extensions = [], key: own = P_256, sign = '-days 1' } = {}) {
      const path = (suffix: string): string => join(dir, `${name}-${subject}.${suffix}`);
      const names = alternatives.length > 0 ? [`subjectAltName=${alternatives.join(',')}`] : [];
      await writeFile(path('ext'), [...names, ...extensions, ''].join('\n'));
      await openssl(`req -newkey ${own} -nodes -subj /CN=${subject} -keyout ${path('key')} -out ${path('csr')}`);
      await openssl(
        `x509 -req -in ${path('csr')} -CA ${file('crt')} -CAkey ${file('key')} -CAcreateserial ${sign} -extfile ${path('ext')} -out ${path('crt')}`,
      );
      return { cert: path('crt'), key: path('key') };
    },
    revoke: (...certificates) => revoke('', ...certificates),
    expired: () => revoke(' -crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z'),
  };

  async function revoke(times: string, ...certificates: readonly Certificate[]): Promise<string> {
    const [config, index, list] = [file('cnf'), file('index'), file(`${lists++}.crl`)];
    await writeFile(config, `[ca]\ndefault_ca=own\n[own]\ndatabase=${index}\ndefault_md=sha256\ndefault_crl_days=1\n`);
    await writeFile(index, '', { flag: 'a' });
    const by = `-config ${config} -cert ${file('crt')} -keyfile ${file('key')}`;
    for (const { cert } of certificates) await openssl(`ca ${by} -revoke ${cert}`);
    await openssl(`ca ${by} -gencrl${times} -out ${list}`);
    return list;
  }
};
