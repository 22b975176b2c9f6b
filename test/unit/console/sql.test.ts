// What the card colours: a comment of the server's is one here, and what a server runs never looks like a comment.
import { expect, test } from 'vitest';
import { highlight } from '../../../src/console/sql.ts';

const coloured = (text: string, sql_mode: string | null): string[] =>
  highlight(text, { postgres: sql_mode === null, sql_mode: sql_mode ?? '' }).map(
    ({ from, to, type }) => `${type} ${text.slice(from, to)}`,
  );

test.each([
  ["SELECT \"name\", $$a$$, E'a\\'b' /* /* x */ */", null, ['k SELECT', 's $$a$$', "s E'a\\'b'", 'cm /* /* x */ */']],
  ["SELECT 'a\\' --b", null, ['k SELECT', "s 'a\\'", 'cm --b']],
  ['SELECT `a--b`, `from`, "x" # c', '', ['k SELECT', 's "x"', 'cm # c']],
  ["SELECT 'a\\'b', 1--1 -- c", '', ['k SELECT', "s 'a\\'b'", 'n 1', 'n 1', 'cm -- c']],
  ["SELECT 'a\\' -- b", 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES', ['k SELECT', "s 'a\\'", 'cm -- b']],
  ['SELECT "name"', 'ANSI_QUOTES', ['k SELECT']],
  ['SELECT 1 /* /* x */ UNION', '', ['k SELECT', 'n 1', 'cm /* /* x */', 'k UNION']],
  ["SELECT 1 /*!50000 INTO OUTFILE '/x' */", '', ['k SELECT', 'n 1', 'k INTO', 'k OUTFILE', "s '/x'"]],
  ['SELECT 1 /*M!100100 FOR UPDATE */', '', ['k SELECT', 'n 1', 'k FOR', 'k UPDATE']],
])('%s, sql_mode %s', (text, sql_mode, tokens) => {
  expect(coloured(text, sql_mode)).toEqual(tokens);
});
