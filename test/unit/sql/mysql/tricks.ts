// Reads the table of tricks in fixtures/sql/tricks-mysql.txt. A line that is none of it fails.
import { readFileSync } from 'node:fs';
import type { MysqlContext } from '../../../../src/sql/mysql/context.ts';

export interface Trick {
  readonly must_hold: boolean;
  /** Only a server's answer tells; or only a text without a catalog is held. */
  readonly live: boolean;
  readonly blind: boolean;
  readonly engines: readonly MysqlContext['engine'][];
  /** Of one session, in UTF-8. */
  readonly messages: readonly string[];
}

const LINE = /^(hold|hold-live|hold-text|pass) (both|mysql|mariadb) (.+)$/;

export const TRICKS: readonly Trick[] = readFileSync(
  new URL('../../../../fixtures/sql/tricks-mysql.txt', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, verdict, on, text] = LINE.exec(line) ?? [];
    if (text === undefined) throw new Error(`not a trick: ${line}`);
    return {
      must_hold: verdict !== 'pass',
      live: verdict === 'hold-live',
      blind: verdict === 'hold-text',
      engines: on === 'both' ? ['mysql', 'mariadb'] : [on as MysqlContext['engine']],
      messages: text.split(' ⏎ ').map((message) => message.replaceAll('␊', '\n').replaceAll('␀', '\0')),
    };
  });
