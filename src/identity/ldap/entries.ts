// What a directory's entry says: values of attributes, however their names are spelled. Must never take a part of the values for all.
import type { Entry } from 'ldapts';
import { foldDn } from '../../config/ldap-dn.ts';
import { DirectoryFault } from './ask.ts';

/**
 * An attribute's values that are text; others are none that anything of ours could be called. Throws DirectoryFault where the directory
 * gave a part of them only (`member;range=0-1499`, as Active Directory does with many).
 */
export function valuesOf(entry: Entry, attribute: string): readonly string[] {
  const wanted = attribute.toLowerCase();
  return Object.entries(entry).flatMap(([name, value]) => {
    const [type, ...options] = name.toLowerCase().split(';');
    if (name === 'dn' || type !== wanted) return [];
    if (options.some((option) => option.startsWith('range=')))
      throw new DirectoryFault('limit', `the directory gives ${attribute} in parts`);
    const values: readonly (string | Buffer)[] = Array.isArray(value) ? value : [value];
    return values.filter((one) => typeof one === 'string');
  });
}

/** Its DN, for comparison. Throws DirectoryFault. */
export function foldedDn(entry: Entry): readonly string[] {
  const folded = foldDn(entry.dn);
  if (folded === null) throw new DirectoryFault('answer', 'an entry of the directory has a name that is no DN');
  return folded;
}
