// What retention must leave: the records that a later start would miss, and those that a webhook has not had. Connections are not among
// them: none outlives a start, and each block of their statements says whose it is. Nor is the policy's: a start puts it on record anew, and
// the record of a removal names the one in force.
import type { Desk, Permits } from '../approval/types.ts';
import type { RetentionOptions } from '../audit/retention.ts';
import type { HookHealth } from '../review/webhooks/hook.ts';

/** `hooks`: how far the webhooks are. */
export const needs =
  (
    desk: Pick<Desk, 'needs'>,
    permits: Pick<Permits, 'get' | 'state'>,
    hooks: () => readonly HookHealth[],
  ): RetentionOptions['needed'] =>
  ({ seq, type, clear }) => {
    const behind = hooks().find(({ state, cursor }) => state !== 'gone' && cursor < seq);
    if (behind) return `webhook ${behind.name} has not had it`;
    if (type.startsWith('request.')) return desk.needs(idIn(clear, 'request'));
    const permit = type.startsWith('permit.') ? permits.get(idIn(clear, 'permit')) : undefined;
    return permit && permits.state(permit) === 'in-force' ? `permit ${permit.id} is in force` : null;
  };

/** In an opening record what is opened says it, in all others the record itself. */
const idIn = (clear: Readonly<Record<string, unknown>>, what: string): string => {
  const opened = clear[what];
  const id = typeof opened === 'object' && opened !== null && 'id' in opened ? opened.id : clear.id;
  return typeof id === 'string' ? id : '';
};
