// May a connection start with these settings? They are judged like a SET, but nobody can be asked at that point: what is not allowed is
// refused.
import { texts, type WireText } from '../errors/catalogue.ts';
import type { Gate } from '../session/gate.ts';
import type { GateOptions } from './options.ts';
import { observed } from './record.ts';

/** Gate.startup */
export const judgeStartup = async (
  options: GateOptions,
  ...[opening, settings]: Parameters<Gate['startup']>
): Promise<WireText | null> => {
  const who = options.who(opening.login);
  if (!who) return texts.notAuthorized({ why: 'this user is gone', hint: '' });
  const handle = options.engine.atStart?.(opening.database, who.id);
  if (!handle) throw new Error('connections of this engine start with no settings');
  const role = await options.role(opening.login);
  for (const [name, value] of settings) {
    if (name.toLowerCase().startsWith('holdpoint.'))
      return texts.notAuthorized({
        why: `${name} is told in the session, not in the connection string`,
        hint: `After connecting: SET ${name} = '...';`,
      });
    const text = Buffer.from(`SET ${identifier(name.toLowerCase())} TO ${literal(value)}`).toString('latin1');
    const analysis = await handle.analyse(text);
    const session = {
      in_transaction: false,
      application_name: opening.application_name,
      role,
      role_is_local: false,
    };
    const where = options.where({
      ...opening,
      upstream_user: '',
      engine: 'postgres',
      server_version: 0,
      server_pid: 0,
    });
    const policy = options.policy();
    const verdict = policy.judge({ analysis, who, where, session, now: Date.now() });
    if (analysis.error)
      return { severity: 'FATAL', sqlstate: analysis.error.sqlstate, message: analysis.error.message };
    // Nobody can be asked here, whatever the rule says.
    if (verdict.verdict !== 'allow') options.counts.add(verdict.rule, 'denied');
    if (verdict.verdict !== 'allow')
      return texts.notAuthorized({
        why: `rule "${verdict.rule}" does not let a connection start with ${name} set`,
        hint: 'Leave it out of the connection string; a SET in the session can be held for approval.',
      });
    if (verdict.observed.length > 0) observed({ options, who, where, id: null }, text, analysis, verdict, policy);
  }
  return null;
};

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
