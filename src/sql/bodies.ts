// The bodies that a statement goes through: texts that the catalog keeps of functions, views, triggers, rules and the like, and that run with it.
// Each is told by a hash beside its name, so that another body is another meaning even where the same is found in it. Never keeps a text.
import { createHash } from 'node:crypto';

/**
 * As it stands in an analysis: SHA-256 over kind, name and text (base64url), a space, and what it is called. `parts`: the text, and whatever else of it
 * the catalog has; never an oid or a time, so that what is made anew from the same text is the same.
 */
export function bodyOf(
  kind: string,
  name: string,
  ...parts: readonly (string | boolean | null | readonly string[])[]
): string {
  const hash = createHash('sha256').update(JSON.stringify([kind, name, ...parts]));
  return `${hash.digest('base64url')} ${name === '' ? kind : `${kind} ${name}`}`;
}

/** What the bodies are called that one has and the other has not, or has otherwise. Sorted, distinct. */
export function otherBodies(a: readonly string[], b: readonly string[]): readonly string[] {
  const [before, after] = [new Set(a), new Set(b)];
  const others = [...a.filter((body) => !after.has(body)), ...b.filter((body) => !before.has(body))];
  return [...new Set(others.map((body) => body.slice(body.indexOf(' ') + 1)))].toSorted();
}
