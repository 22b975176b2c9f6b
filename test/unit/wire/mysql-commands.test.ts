// Where the text of a query begins, and what a statement is executed with: as the servers read it, or not at all. The layouts are those that
// MySQL 9.7 took or refused on the wire.
import { describe, expect, test } from 'vitest';
import { queryText } from '../../../src/wire/mysql/commands.ts';
import {
  decodeBulk,
  decodeExecution,
  NO_TYPES,
  readBulk,
  readExecution,
  withBulkTypes,
  withTypes,
} from '../../../src/wire/mysql/parameters.ts';
import { bytes } from './bytes.ts';

describe('the text of COM_QUERY', () => {
  const textOf = (table: string, attributes: boolean): string | null => {
    const body = bytes(table);
    const at = queryText(body, 0, body.length, attributes);
    return at < 0 ? null : body.toString('latin1', at);
  };

  test.each([
    ['03 "select 1"', false],
    ['03 00 01 "select 1"', true],
    ['03 01 01 00 01 0100 01 "a" 05 "select 1"', true],
    ['03 01 01 00 01 fd00 01 "a" 02 "ab" "select 1"', true],
    ['03 01 01 00 01 f500 01 "a" 02 "ab" "select 1"', true],
    ['03 01 01 00 01 0400 01 "a" 00000000 "select 1"', true],
    ['03 01 01 00 01 0a00 01 "a" 04 e907 01 02 "select 1"', true],
    ['03 01 01 01 01 0600 01 "a" "select 1"', true],
    ['03 fc0100 01 00 01 0180 01 "a" 05 "select 1"', true],
    ['03 02 01 02 01 0300 00 0300 01 "b" 05000000 "select 1"', true],
  ])('%s', (table, attributes) => {
    expect(textOf(table, attributes)).toBe('select 1');
  });

  test.each([
    ['a count of sets that is not 1', '03 00 00 "select 1"'],
    ['two sets', '03 00 02 "select 1"'],
    ['no types', '03 01 01 00 00 "select 1"'],
    ['a type whose length is not known (INT24: a string at MySQL)', '03 01 01 00 01 0900 01 "a" 02000000 "select 1"'],
    ['NULL that is not NULL', '03 01 01 00 01 0600 01 "a" "select 1"'],
    ['an unknown flag', '03 01 01 00 01 0140 01 "a" 05 "select 1"'],
    ['a date that is too long', '03 01 01 00 01 0a00 01 "a" 05 e907 01 02 00 "select 1"'],
    ['a value that is cut off', '03 01 01 00 01 fd00 01 "a" 7f "select 1"'],
    ['a name that is cut off', '03 01 01 00 01 0100 7f "a"'],
    ['an absurd count', '03 fe ffffffffffffffff 01'],
    ['nothing', '03'],
  ])('is not there: %s', (_, table) => {
    expect(textOf(table, true)).toBeNull();
  });
});

describe('values of COM_STMT_EXECUTE', () => {
  const values = (table: string, parameters: number, attributes = false, known = NO_TYPES): unknown => {
    const body = bytes(table);
    const execution = readExecution(body, 0, body.length, parameters, attributes, known);
    return execution && decodeExecution(body, body.length, execution, () => undefined);
  };
  const HEAD = '17 01000000 00 01000000 ';

  test.each([
    ['bigint', `${HEAD} 00 01 0800 0500000000000000`, '5'],
    ['bigint unsigned', `${HEAD} 00 01 0880 ffffffffffffffff`, '18446744073709551615'],
    ['tinyint', `${HEAD} 00 01 0100 ff`, '-1'],
    ['smallint unsigned', `${HEAD} 00 01 0280 ffff`, '65535'],
    ['int', `${HEAD} 00 01 0300 feffffff`, '-2'],
    ['float', `${HEAD} 00 01 0400 0000c03f`, '1.5'],
    ['double', `${HEAD} 00 01 0500 000000000000f83f`, '1.5'],
    ['varchar', `${HEAD} 00 01 fd00 03 "abc"`, 'abc'],
    ['blob', `${HEAD} 00 01 fc00 02 ff00`, '0xff00'],
    ['decimal', `${HEAD} 00 01 f600 04 "1.50"`, '1.50'],
    ['json', `${HEAD} 00 01 f500 02 "{}"`, '{}'],
    ['date', `${HEAD} 00 01 0a00 04 e907 0b 17`, '2025-11-23'],
    ['datetime', `${HEAD} 00 01 0c00 07 e907 0b 17 01 02 03`, '2025-11-23 01:02:03'],
    ['timestamp', `${HEAD} 00 01 0700 0b e907 0b 17 01 02 03 3f420f00`, '2025-11-23 01:02:03.999999'],
    ['datetime', `${HEAD} 00 01 0c00 00`, '0000-00-00'],
    ['time', `${HEAD} 00 01 0b00 08 01 01000000 02 03 04`, '-26:03:04'],
    ['type 6', `${HEAD} 01 01 0600`, null],
  ])('%s', (type, table, value) => {
    expect(values(table, 1)).toEqual([{ type, value }]);
  });

  test('with query attributes a count and names stand between, flag or not', () => {
    const expected = [{ type: 'bigint', value: '5' }];
    expect(values('17 01000000 08 01000000 01 00 01 0800 00 0500000000000000', 1, true)).toEqual(expected);
    expect(values('17 01000000 00 01000000 01 00 01 0800 00 0500000000000000', 1, true)).toEqual(expected);
    expect(values('17 01000000 08 01000000 02 00 01 0800 00 fd00 01 "k" 0500000000000000 01 "v"', 1, true)).toEqual([
      ...expected,
      { type: 'varchar', value: 'v' },
    ]);
    expect(values('17 01000000 00 01000000', 0, true)).toEqual([]);
    expect(values('17 01000000 08 01000000 00', 0, true)).toEqual([]);
  });

  test('types of the last execution count where none are sent', () => {
    expect(values(`${HEAD} 00 00 05000000`, 1, false, Buffer.from([3, 0]))).toEqual([{ type: 'int', value: '5' }]);
    expect(values(`${HEAD} 00 00 05000000`, 1)).toBeNull();
  });

  test('a parameter that came before is no part of it', () => {
    const body = bytes(`${HEAD} 00 01 fc00 0300 07000000`);
    const execution = readExecution(body, 0, body.length, 2, false, NO_TYPES);
    const long = (index: number): Buffer | undefined => (index === 0 ? Buffer.from('long') : undefined);
    expect(execution && decodeExecution(body, body.length, execution, long)).toEqual([
      { type: 'blob', value: 'long' },
      { type: 'int', value: '7' },
    ]);
  });

  test.each([
    ['bytes left over', `${HEAD} 00 01 0100 05 00`],
    ['cut off', `${HEAD} 00 01 0300 05`],
    ['no types', `${HEAD} 00`],
    ['a type that is not known', `${HEAD} 00 01 0900 05000000`],
    ['another flag', `${HEAD} 00 02 0100 05`],
    ['no head', '17 01000000'],
  ])('are not told: %s', (_, table) => {
    expect(values(table, 1)).toBeNull();
  });

  test('types are put in for a server that has not got them', () => {
    for (const [without, expected, attributes] of [
      [`${HEAD} 00 00 05000000`, `${HEAD} 00 01 0300 05000000`, false],
      ['17 01000000 08 01000000 01 00 00 05000000', '17 01000000 08 01000000 01 00 01 0300 00 05000000', true],
    ] as const) {
      const body = bytes(without);
      const execution = readExecution(body, 0, body.length, 1, attributes, Buffer.from([3, 0]));
      expect(execution && withTypes(body, 0, body.length, execution, attributes)).toEqual(bytes(expected));
    }
    const body = bytes('fa 01000000 0000 00 05000000');
    const bulk = readBulk(body, 0, body.length, 1, Buffer.from([3, 0]));
    expect(bulk && withBulkTypes(body, 0, body.length, bulk)).toEqual(bytes('fa 01000000 8000 0300 00 05000000'));
  });
});

describe('values of COM_STMT_BULK_EXECUTE', () => {
  const values = (table: string, parameters: number): unknown => {
    const body = bytes(table);
    const execution = readBulk(body, 0, body.length, parameters, NO_TYPES);
    return execution && decodeBulk(body, body.length, execution);
  };

  test('row after row', () => {
    expect(values('fa 01000000 8000 0300 fd00 00 01000000 00 01 "x" 00 02000000 01 02 03', 2)).toEqual([
      { type: 'int', value: '1' },
      { type: 'varchar', value: 'x' },
      { type: 'int', value: '2' },
      { type: 'varchar', value: null },
      { type: 'int', value: 'DEFAULT' },
      { type: 'varchar', value: 'IGNORE' },
    ]);
  });

  test('of many the first are shown, and all of them told apart', () => {
    const row = (n: number): string => `00 0${n}000000 `;
    const all = (last: number): { type: string; value: string }[] =>
      values(`fa 01000000 8000 0300 ${row(1).repeat(100)} ${row(2)} ${row(last)}`, 1) as {
        type: string;
        value: string;
      }[];
    expect(all(3)).toHaveLength(101);
    expect(all(3).at(-1)).toMatchObject({
      type: 'rows',
      value: expect.stringMatching(/^2 more; SHA-256 of all [0-9a-f]{64}$/),
    });
    expect(all(3).at(-1)).not.toEqual(all(4).at(-1));
  });

  test.each([
    ['an indicator that is none', 'fa 01000000 8000 0300 09'],
    ['cut off', 'fa 01000000 8000 0300 00 01'],
    ['no types', 'fa 01000000 0000 00 01000000'],
  ])('are not told: %s', (_, table) => {
    expect(values(table, 1)).toBeNull();
  });
});
