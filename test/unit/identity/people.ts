// A town for tests of identity: users.yaml, rules, and a source that can be asked, changed, slow, or down.
import { parse } from 'yaml';
import { z } from 'zod';
import { mapSchema, type MapRule } from '../../../src/config/map.ts';
import { type Lookup, type Source, SourceDown, type SourceEntry } from '../../../src/identity/types.ts';
import { parseUsers, type Users } from '../../../src/identity/users.ts';

export const NOW = Date.UTC(2026, 0, 5, 12);

export const usersOf = (text: string): Users =>
  parseUsers(text, { file: '/etc/users.yaml', shown: 'users.yaml', env: {} });

/** Throws ZodError. */
export const mapOf = (text: string): readonly MapRule[] =>
  z.parse(mapSchema({ env: { SECRET: 's3cret' }, dir: '/etc' }), parse(text));

export const entryOf = (source: Source, id: string, more: Partial<SourceEntry> = {}): SourceEntry => ({
  source,
  id,
  groups: [],
  aliases: [],
  sponsor: null,
  on_behalf_of: [],
  task: null,
  expires: null,
  token: null,
  ...more,
});

export const tokenOf = (id: string) => ({ issuer: 'https://issuer.example', id, issued: NOW, key: 'k' });

/** One that answers by `entries`, counts, and can be made to fail or to wait. */
export class FakeLookup implements Lookup {
  readonly source: Source;
  readonly entries = new Map<string, SourceEntry>();
  readonly asked: string[] = [];
  down = false;
  /** Answers wait for it. What they say is what was so when they were asked. */
  gate: Promise<void> = Promise.resolve();

  constructor(source: Source = 'ldap') {
    this.source = source;
  }

  put(id: string, more: Partial<SourceEntry> = {}): void {
    this.entries.set(id, entryOf(this.source, id, more));
  }

  async read(id: string): Promise<SourceEntry | null> {
    this.asked.push(id);
    const answer = this.entries.get(id) ?? null;
    const { down, gate } = this;
    await gate;
    if (down) throw new SourceDown(this.source, 'down');
    return answer;
  }
}
