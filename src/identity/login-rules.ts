// Which rule of a listener says how a name logs in: decided before anything is asked, from the name alone. Must never find another rule for a
// name than the first that fits.

export interface LoginRule {
  /** A name; `*` stands for any characters. */
  readonly user: string;
  /** verifier: the protocol's own exchange; else who is asked about a password in clear, in this order. */
  readonly by: 'verifier' | 'certificate' | readonly string[];
}

/** `user` of a rule: a name, in which `*` stands for any characters. Null: nobody of this name logs in here. */
export function loginRules<R extends LoginRule>(rules: readonly R[]): (user: string) => R | null {
  const patterns = rules.map((rule) => ({ rule, parts: rule.user.split('*') }));
  return (user) => patterns.find(({ parts }) => fits(user, parts))?.rule ?? null;
}

/** Without a regular expression: names come from strangers. */
function fits(user: string, parts: readonly string[]): boolean {
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return user === first;
  if (!user.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = user.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return user.length >= at + last.length && user.endsWith(last);
}
