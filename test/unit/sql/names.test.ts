// How the text of search_path is read: as the server reads it, or not at all.
import { expect, test } from 'vitest';
import { parseSearchPath } from '../../../src/sql/postgres/names.ts';

test.each<[string, string[]]>([
  ['"$user", public', ['public']],
  [' Public ,\n"Evil" ', ['public', 'Evil']],
  ['"a""b"', ['a"b']],
  ['', []],
])('%j', (text, schemas) => {
  expect(parseSearchPath(text, { role: 'app' })?.schemas).toEqual(schemas);
});

test.each([
  ['what does not parse', 'a,'],
  ['what does not parse', 'a b'],
  ['what does not parse', '"a'],
  ['a space from 16 on', 'public\v'],
  ['a letter whose case depends on the encoding', 'É'],
  ['a name that is cut', 'a'.repeat(64)],
  ['a name that is cut', `"${'é'.repeat(32)}"`],
])('%s leaves the path open: %j', (_why, text) => {
  expect(parseSearchPath(text, { role: 'app' })).toBeNull();
});

test('"$user" is the schema of the role, where there is one', () => {
  const read = (user_schema: 'there' | 'none' | 'perhaps') => {
    const path = parseSearchPath('public, "$user", x', { role: 'app', user_schema });
    return [path?.schemas, path?.perhaps];
  };
  expect(read('there')).toEqual([['public', 'app', 'x'], []]);
  expect(read('none')).toEqual([['public', 'x'], []]);
  expect(read('perhaps')).toEqual([['public', 'x'], ['app']]);
});
