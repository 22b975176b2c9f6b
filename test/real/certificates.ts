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
  issue(name: string, alternatives: readonly string[]): Promise<Certificate>;
  /** The PEM text of the authority's certificate. */
  readonly pem: string;
}

export const makeAuthority = async (dir: string, name: string): Promise<Authority> => {
  const file = (suffix: string): string => join(dir, `${name}.${suffix}`);
  /** Words of a command line; our paths have no spaces. */
  const openssl = (words: string) => run('openssl', words.split(' '), { cwd: dir });
  const fresh = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  await openssl(`req -x509 ${fresh} -days 1 -subj /CN=${name} -keyout ${file('key')} -out ${file('crt')}`);
  return {
    cert: file('crt'),
    key: file('key'),
    pem: await readFile(file('crt'), 'utf8'),
    async issue(subject, alternatives) {
      const path = (suffix: string): string => join(dir, `${name}-${subject}.${suffix}`);
      await writeFile(path('ext'), `subjectAltName=${alternatives.join(',')}\n`);
      await openssl(`req ${fresh} -subj /CN=${subject} -keyout ${path('key')} -out ${path('csr')}`);
      await openssl(
        `x509 -req -in ${path('csr')} -CA ${file('crt')} -CAkey ${file('key')} -CAcreateserial -days 1 -extfile ${path('ext')} -out ${path('crt')}`,
      );
      return { cert: path('crt'), key: path('key') };
    },
  };
};
