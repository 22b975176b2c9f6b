// What setting a run-time parameter means: by name and value, from the generated list of all parameters of PostgreSQL 15 to 18.
// A name that neither the list nor the tables here know is `unknown`.
import type { Action, AnalysisContext } from '../findings.ts';
import { SETTINGS } from './generated/catalog.ts';

export interface SettingJudgement {
  readonly action: Action;
  readonly why: string;
  /** Set where Holdpoint refuses the value: SQLSTATE 0A000 and this text. */
  readonly refused?: string;
}

type RoleOfSession = Pick<AnalysisContext, 'role_start' | 'role_none'>;

const HARMLESS: SettingJudgement = { action: 'settings', why: 'Changes a setting of the session.' };
const RESET: SettingJudgement = { action: 'settings', why: 'Sets a setting back.' };
const ROLE: SettingJudgement = { action: 'role', why: 'Takes on another role.' };
const ADMIN: SettingJudgement = { action: 'admin', why: 'Changes a setting that guards the server or its log.' };
const UNKNOWN: SettingJudgement = { action: 'unknown', why: 'Changes a setting that is not known.' };

/** Extensions whose settings weaken an audit or load code. */
const GUARDING_EXTENSIONS = new Set(
  'pgaudit auto_explain sepgsql set_user supautils pg_stat_statements pgextwlist anon pg_tle pgtle credcheck passwordcheck plperl pltcl plpython'.split(
    ' ',
  ),
);

/** Settings that pg_settings does not list. */
const UNLISTED = new Set(['seed', 'default_with_oids', 'ssl_renegotiation_limit']);

const KNOWN = new Map<string, string>();
for (const line of SETTINGS.trim().split('\n')) {
  const [name, action] = line.split(' ');
  if (KNOWN.get(name!) !== 'admin') KNOWN.set(name!, action!);
}

/**
 * Judges SET, RESET, set_config or a startup parameter. value: the text; null: RESET or DEFAULT; undefined: not a constant.
 * The name may be written in any case. of: the session's, absent where there is none; taking
 * on the role again that it began with is no other role (Flyway does), and neither is NONE, unless the login was given a role of its own.
 */
export function judgeSetting(written: string, value: string | null | undefined, of?: RoleOfSession): SettingJudgement {
  const name = written.toLowerCase();
  if (name === 'client_encoding' || name === 'standard_conforming_strings') return judgeLexing(name, value);
  if (value === null) return RESET;
  const dot = name.indexOf('.');
  if (dot > 0) return GUARDING_EXTENSIONS.has(name.slice(0, dot)) ? ADMIN : HARMLESS;
  if (UNLISTED.has(name)) return HARMLESS;
  const action = KNOWN.get(name);
  if (action === 'role') {
    const none = of?.role_none === undefined || of.role_none === of.role_start;
    const back = value?.toLowerCase() === 'none' ? none : value !== undefined && value === of?.role_start;
    return back && name === 'role' ? RESET : ROLE;
  }
  if (name === 'row_security' && value !== undefined && isOn(value)) return HARMLESS;
  if (action === 'admin') return ADMIN;
  return action === undefined ? UNKNOWN : HARMLESS;
}

/** The two settings that change how the server reads a text; Holdpoint has fixed them for the session. */
function judgeLexing(
  name: 'client_encoding' | 'standard_conforming_strings',
  value: string | null | undefined,
): SettingJudgement {
  if (value === null) return RESET;
  const equal = name === 'client_encoding' ? isUtf8 : isOn;
  if (value !== undefined && equal(value)) return HARMLESS;
  const fixed = name === 'client_encoding' ? 'UTF8' : 'on';
  return { ...ADMIN, refused: `${name} is ${fixed} in every session behind Holdpoint and cannot be changed` };
}

/** pg_char_to_encoding's rule: letters and digits alone count. */
function isUtf8(value: string): boolean {
  return /^(utf8|unicode)$/.test(value.toLowerCase().replace(/[^a-z0-9]/g, ''));
}

/** parse_bool's rule: a unique prefix of true, yes, on, 1. */
function isOn(value: string): boolean {
  return /^(1|on|t|tr|tru|true|y|ye|yes)$/i.test(value.trim());
}

/** Names and actions, for the printed documentation. */
export function settingTable(): readonly (readonly [string, string])[] {
  return [...KNOWN].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
