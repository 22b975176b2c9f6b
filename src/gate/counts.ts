// How many statements each rule stopped, or would have, since the start: for whoever keeps the policy. Counted where a statement is stopped
// anyway; what passes costs nothing. Must never hold anything of a statement.

/** Rules that are counted: a policy file that changes without end must not make this grow without one. */
export const RULES_COUNTED_MAX = 10_000;

export interface RuleCount {
  /** It waits for a person, or would have if it had been willing to. A result at its limit is one, too. */
  readonly held: number;
  readonly denied: number;
  /** In observe mode it would have been held or denied. */
  readonly observed: number;
}

export class RuleCounts {
  /** Ms since the epoch. */
  readonly since = Date.now();
  readonly #of = new Map<string, { -readonly [K in keyof RuleCount]: number }>();

  add(rule: string, what: keyof RuleCount): void {
    let counts = this.#of.get(rule);
    if (counts === undefined) {
      if (this.#of.size >= RULES_COUNTED_MAX) return;
      counts = { held: 0, denied: 0, observed: 0 };
      this.#of.set(rule, counts);
    }
    counts[what]++;
  }

  /** These rules in their order, then others that have stopped something. */
  of(rules: readonly string[]): ({ readonly rule: string } & RuleCount)[] {
    const all = new Set([...rules, ...this.#of.keys()]);
    return [...all].map((rule) => ({ rule, ...(this.#of.get(rule) ?? { held: 0, denied: 0, observed: 0 }) }));
  }
}
