// JSON objects as tokens and key sets have them, read in one way only: a name that stands twice makes it nobody's to guess which counts
// (RFC 7519, 4; RFC 8725, 2.4). Must never recurse: what it reads was sent by anyone.

type JsonObject = Readonly<Record<string, unknown>>;

/** Objects and arrays inside of each other; a token needs four or five. */
const DEPTH_MAX = 32;

/** The object that this text is; null: it is none, is nested deeper than 32, or has a name twice in one object. */
export function readObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && isPlain(text) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;

/** Of what is JSON: names and nesting alone. Of anything else it could take a time that grows with the square of its length. */
function isPlain(text: string): boolean {
  // An object's names so far; null: an array.
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (open.push(token === '{' ? new Set() : null) > DEPTH_MAX) return false;
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1);
      const name = names ? nameOf(last) : null;
      if (!names || name === null || names.has(name)) return false;
      names.add(name);
    }
    last = token;
  }
  return true;
}

/** `"\u0061ud"` is `aud`; null: no string. */
function nameOf(token: string): string | null {
  try {
    const name: unknown = JSON.parse(token);
    return typeof name === 'string' ? name : null;
  } catch {
    return null;
  }
}
