// What a record says, in one line for people: for `audit tail`, `search` and `timeline`, and as the message of an exported event.
// Says only what is in clear. Its caller spells out whatever could move a terminal.

import type { RecordType } from '../record-types.ts';
import { isObject, objectsOf, partOf, text, type Clear, type Subject, type Told } from './known.ts';

type Say = (clear: Clear, subject: Subject) => string;

const SHAPE_CHARS = 160;

/** '' parts are left out. */
const join = (...parts: readonly string[]): string => parts.filter(Boolean).join(', ');
const because = (clear: Clear): string => (text(clear['why']) === '' ? '' : `because: ${text(clear['why'])}`);
const shapeOf = (part: Clear, subject: Subject): string => short(text(part['shape']) || subject.shape);
const rule = (part: Clear, subject: Subject): string => {
  const name = text(part['rule']) || subject.rule;
  return name === '' ? '' : `rule ${name}`;
};
const onObjects = (part: Clear): string => {
  const objects = objectsOf(part);
  return objects.length === 0 ? '' : `on ${objects.slice(0, 3).join(', ')}${objects.length > 3 ? ', ...' : ''}`;
};
const statement: Say = (clear, subject) => {
  const part = partOf(clear);
  return join(shapeOf(part, subject), onObjects(part), rule(part, subject));
};
const result = (value: unknown): string => {
  if (!isObject(value)) return 'what became of it is unknown';
  const { tag, sqlstate, rows, bytes, duration_ms } = value;
  return join(
    typeof sqlstate === 'string' ? `failed with ${sqlstate}` : text(tag),
    `${num(rows)} rows`,
    `${num(bytes)} bytes`,
    `${Math.round(num(duration_ms))} ms`,
  );
};
const num = (value: unknown): number => (typeof value === 'number' ? value : 0);
const list = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(', ') : '');
const from = (clear: Clear): string => (text(clear['address']) === '' ? '' : `from ${text(clear['address'])}`);
const of = (clear: Clear, key: string, before: string): string =>
  text(clear[key]) === '' ? '' : `${before} ${text(clear[key])}`;
const nested: (key: string) => Say = (key) => (clear) => {
  const value = clear[key];
  return isObject(value) ? join(of(value, 'channel', 'by')) : '';
};

const WORDS: Readonly<Record<RecordType, Say>> = {
  'log.opened': (clear) => `${num(clear['records'])} records were there`,
  'log.recovered': (clear) => text(clear['cause']),
  'log.overridden': (clear) => text(clear['problem']),
  'log.clock_jumped': (clear) =>
    `by ${num(clear['by_ms'])} ms, from ${text(clear['before'])} to ${text(clear['after'])}`,
  'log.key_rotated': (clear) => join(of(clear, 'to', 'now')),
  'log.key_deleted': (clear) => text(clear['period']),
  'log.segments_removed': (clear) => {
    const records = isObject(clear['records']) ? clear['records'] : {};
    return join(`records ${num(records['from'])} to ${num(records['to'])}`, of(clear, 'why', 'by'));
  },
  'config.loaded': () => '',
  'policy.loaded': (clear) =>
    join(
      text(clear['path']),
      `${num(clear['rules'])} rules`,
      of(clear, 'mode', 'mode'),
      `hash ${text(clear['hash']).slice(0, 8)}`,
    ),
  'policy.refused': (clear) =>
    join(text(clear['path']), `${Array.isArray(clear['problems']) ? clear['problems'].length : 0} errors`),
  'session.opened': (clear, { who, where }) =>
    join(
      where === null ? '' : `on ${text(where['database']) || text(where['upstream'])}`,
      who === null ? '' : join(from(who), of(who, 'authentication', 'by'), of(who, 'sponsor', 'for')),
      text(clear['application_name']),
    ),
  'session.closed': because,
  'session.refused': (clear) => join(of(clear, 'listener', 'at'), from(clear), text(clear['sqlstate']), because(clear)),
  statements: () => '',
  'statement.forwarded': statement,
  'statement.observed': statement,
  'statement.cut': (clear, subject) => join(`after ${num(clear['rows'])} rows`, statement(clear, subject)),
  'statement.denied': statement,
  'statement.refused': (clear, subject) => join(text(clear['sqlstate']), statement(clear, subject)),
  'request.opened': statement,
  'request.held': (clear) => join(of(clear, 'session', 'in session')),
  'request.ticket': because,
  'request.impact': (clear) => (isObject(clear['impact']) ? text(clear['impact']['amount']) : ''),
  'request.asked': nested('said'),
  'request.answered': nested('said'),
  'request.escalated': () => 'others are asked, too',
  'request.changed': (clear, subject) => join(because(clear), statement(clear, subject)),
  'request.broke_glass': (_, subject) => join('runs without an approval', shapeOf({}, subject)),
  'request.reviewed': () => 'its review is closed',
  'request.decided': (clear) => {
    const decision = isObject(clear['decision']) ? clear['decision'] : {};
    const said = decision['decision'] === 'deny' ? 'denied' : 'approved';
    return join(
      clear['ends'] === false ? `${said}, more are needed` : said,
      of(decision, 'channel', 'by'),
      isObject(decision['permit']) ? 'with a permit' : '',
    );
  },
  'request.refused': (clear) => join(of(clear, 'what', 'tried to'), text(clear['why'])),
  'request.withdrawn': () => '',
  'request.expired': () => 'nobody decided in time',
  'request.released': (_, subject) => join('about to run', shapeOf({}, subject)),
  'request.executed': (clear) => result(clear['outcome']),
  'request.failed': (clear) => result(clear['outcome']),
  'request.returned': () => 'nothing of it was sent',
  'request.outcome_unknown': because,
  'request.lapsed': because,
  'permit.granted': (clear, subject) => {
    const permit = partOf(clear);
    return join(`for ${num(permit['uses'])} uses`, of(permit, 'request', 'by'), statement(clear, subject));
  },
  'permit.used': (clear, subject) => join(`use ${num(clear['use'])}`, shapeOf({}, subject)),
  'permit.use_ended': (clear) => join(`use ${num(clear['use'])}`, result(clear['outcome'])),
  'permit.revoked': () => '',
  'webhook.dead': (clear) => join(text(clear['webhook']), of(clear, 'event', 'event'), because(clear)),
  'webhook.gone': (clear) => text(clear['webhook']),
  'ship.blocked': (clear) => text(clear['destination']),
  'ship.resumed': () => '',
  'reviewer.signed_in': (clear) => join(of(clear, 'how', 'by'), list(clear['by']), from(clear)),
  'reviewer.sign_in_refused': (clear) => join(of(clear, 'how', 'by'), from(clear), because(clear)),
  'reviewer.signed_out': (clear) => join(clear['everywhere'] === true ? 'everywhere' : '', from(clear)),
  'reviewer.link_issued': () => '',
  'reviewer.key_added': () => '',
  'reviewer.key_removed': (clear) => of(clear, 'user', 'of'),
  'reviewer.codes_removed': (clear) => of(clear, 'user', 'of'),
  'reviewer.read_text': (clear) => list(clear['requests']),
  'reviewer.read_log': (clear) => (clear['sealed'] === true ? 'with its texts' : 'without texts'),
  'reviewer.token_issued': (clear) => join(of(clear, 'for', 'for'), of(clear, 'token', 'token')),
  'reviewer.token_revoked': (clear) => join(of(clear, 'for', 'of'), of(clear, 'token', 'token')),
  'reviewer.token_key': (clear) => (clear['drop'] === true ? 'what older ones signed is void' : ''),
  'reviewer.refused': (clear) => join(of(clear, 'what', 'tried to'), text(clear['why'])),
  'session.ended': (clear) => join(of(clear, 'who', 'of'), of(clear, 'session', 'session')),
};

/** Without time, type and name; '' where the type says it all. Of a block nothing: its entries have words of their own. */
export function wordsOf(record: Told, subject: Subject): string {
  return (WORDS as Readonly<Record<string, Say>>)[record.type]?.(record.clear, subject) ?? '';
}

/** Who did it: whoever is named as acting, else whose statement it is; '' for nobody. */
export function actorOf({ type, clear }: Pick<Told, 'type' | 'clear'>, subject: Subject): string {
  const part = isObject(clear['decision']) ? clear['decision'] : isObject(clear['said']) ? clear['said'] : clear;
  const by = text(part['by']);
  if (by !== '') return by;
  if (type.startsWith('reviewer.') || type === 'session.refused') return text(clear['user']);
  return text(subject.who?.['id']);
}

export function short(shape: string): string {
  const line = shape.replaceAll(/\s+/g, ' ').trim();
  return line.length <= SHAPE_CHARS ? line : `${line.slice(0, SHAPE_CHARS)}...`;
}
