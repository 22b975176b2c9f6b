// The import table of docs/ARCHITECTURE.md is law: every import of src/ is read and looked up in it. A check that looked at nothing fails.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Path below src/. */
  readonly path: string;
  readonly types_only: boolean;
}

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');
const FOR_ALL = ['errors', 'telemetry'];

const table = importTable();
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => /(?<!\.d)\.tsx?$/.test(file));
const imports = files.flatMap(importsOf);

describe('the import table', () => {
  it('was read, and so were the files', () => {
    expect(table.size).toBeGreaterThan(15);
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(60);
  });

  it('lists every folder, and only folders that exist', () => {
    const folders = new Set(files.map(folderOf));
    expect([...folders].filter((folder) => !table.has(folder))).toEqual([]);
    expect([...table.keys()].filter((folder) => !folders.has(folder))).toEqual([]);
  });

  it('allows every import', () => {
    const wrong = imports
      .filter((found) => !allowed(found))
      .map(
        (found) => `${found.file}: ${found.from} may not import ${found.types_only ? 'types of ' : ''}${found.path}`,
      );
    expect(wrong).toEqual([]);
  });
});

describe('the reader of imports', () => {
  it('tells types from values in every form', () => {
    const text = `
      import { a, type B } from '../sql/x.ts';
      import type { C } from '../policy/x.ts';
      import { type D, type E } from '../wire/x.ts';
      import type F from '../audit/x.ts';
      export * from '../store/x.ts';
      export type { G } from '../gate/x.ts';
      import '../cli/x.ts';
      const lazy = await import('../listener/x.ts');
      new Worker(new URL('../session/x.ts', import.meta.url));
      import { readFileSync } from 'node:fs';
      import {
        h,
      } from './same.ts';`;
    expect(
      readImports('approval/y.ts', text)
        .map(({ to, types_only }) => `${to}${types_only ? ' types' : ''}`)
        .toSorted(),
    ).toEqual(
      [
        'sql',
        'policy types',
        'wire types',
        'audit types',
        'store',
        'gate types',
        'cli',
        'listener',
        'session',
      ].toSorted(),
    );
  });

  it('finds a forbidden import', () => {
    const bad = readImports('sql/y.ts', "import { x } from '../wire/z.ts';");
    expect(bad.map(allowed)).toEqual([false]);
    const value = readImports('policy/y.ts', "import { x } from '../sql/z.ts';");
    expect(value.map(allowed)).toEqual([false]);
  });
});

function allowed({ from, to, path, types_only }: Import): boolean {
  if (FOR_ALL.includes(to) && to !== from) return true;
  const may = table.get(from) ?? [];
  return may.includes('all') || may.includes(to) || may.includes(path) || (types_only && may.includes(`${to} types`));
}

function importTable(): Map<string, string[]> {
  const text = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
  const rows = text.matchAll(/^\| `([^`]+)` \|[^|]*\|([^|]*)\|$/gm);
  return new Map(
    [...rows].map(([, folder = '', may = '']) => [
      folder,
      may
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    ]),
  );
}

function importsOf(file: string): Import[] {
  return readImports(file, readFileSync(join(src, file), 'utf8'));
}

function readImports(file: string, text: string): Import[] {
  const statements = [...text.matchAll(/^\s*(?:import|export)\s+([^'";]*?)\s*from\s+'([^']+)'/gm)].map((found) => ({
    what: found[1] ?? '',
    target: found[2] ?? '',
  }));
  const others = [...text.matchAll(/(?:^\s*import|\bimport\(|new URL\()\s*'([^']+\.tsx?)'/gm)].map((found) => ({
    what: '*',
    target: found[1] ?? '',
  }));
  return [...statements, ...others]
    .filter(({ target }) => target.startsWith('.'))
    .map(({ what, target }) => ({
      file,
      from: folderOf(file),
      path: join(dirname(file), target),
      to: folderOf(join(dirname(file), target)),
      types_only: typesOnly(what),
    }))
    .filter(({ from, to }) => from !== to);
}

/** `type { ... }`, or braces in which every name is a type. */
function typesOnly(what: string): boolean {
  if (/^type\s/.test(what)) return true;
  const names = /^\{(.*)\}$/s.exec(what.trim())?.[1]?.split(',') ?? ['value'];
  return names.map((name) => name.trim()).every((name) => name === '' || name.startsWith('type '));
}

/** The folder of src/ a file is in; a file of src/ itself stands for itself. */
function folderOf(file: string): string {
  return file.split('/')[0] ?? file;
}
