// Reads fields out of what a record has in clear. A log may be of another version, or edited: what is not as expected is null, never a fault.

export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

export function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

/** Milliseconds since the epoch as ISO 8601; null: no time. */
export function iso(value: unknown): string | null {
  const ms = count(value);
  return ms === null || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString();
}

/** Who a record is about: an id, or an object with one. */
export function whoId(value: unknown): string | null {
  return text(value) ?? text(fields(value)['id']);
}

/** What a statement does to what, each once. */
export function actionsOf(findings: unknown): {
  readonly actions: string[];
  readonly objects: { readonly action: string; readonly object: string }[];
} {
  const actions = new Set<string>();
  const objects = new Map<string, { action: string; object: string }>();
  for (const finding of list(findings)) {
    const action = text(finding['action']) ?? '';
    const object = text(finding['object']) ?? '';
    if (action !== '') actions.add(action);
    if (object !== '') objects.set(`${action}\0${object}`, { action, object });
  }
  return { actions: [...actions], objects: [...objects.values()] };
}
