// SELECT holdpoint.answer(...), withdraw(...), request_approval(...): what an agent says on its requests, and asking before it sends. Answered when
// it is on record, with the request as it is then. Must never tell one agent of another's request.
import { isUndecided } from '../approval/lifecycle.ts';
import type { Request } from '../approval/types.ts';
import { texts, type WireText } from '../errors/catalogue.ts';
import type { OwnAnswer, OwnFunction } from '../session/gate.ts';
import { askFirst } from './ask-first.ts';
import { row } from './show.ts';
import type { State } from './state.ts';

type Answer = OwnAnswer | WireText;

/** GateSession.call */
export const call = (s: State, name: OwnFunction, [first = '', second = '']: readonly string[]): Promise<Answer> =>
  CALLS[name](s, first, second);

const CHANNEL = 'sql';
/** Of a reason to withdraw. */
const REASON_CHARS_MAX = 2000;

const CALLS: Readonly<Record<OwnFunction, (s: State, first: string, second: string) => Promise<Answer>>> = {
  async answer(s, id, text) {
    const result = await s.options.desk.answer({ id, by: s.who.id, text, channel: CHANNEL });
    if (result.type === 'counted') return answered(result.request);
    switch (result.why) {
      // Somebody else's request and none at all look the same.
      case 'own':
      case 'not-found':
        return texts.unknownRequest({ id });
      case 'not-recorded':
        return texts.noLog();
      default:
        return texts.notSaid({
          id,
          why: result.request ? (over(result.request) ?? inWords(result.text)) : inWords(result.text),
        });
    }
  },
  async withdraw(s, id, reason) {
    const { desk } = s.options;
    if (reason.length > REASON_CHARS_MAX)
      return texts.notSaid({ id, why: `write at most ${REASON_CHARS_MAX} characters` });
    try {
      const result = await desk.withdraw(id, s.who.id, reason.trim());
      const request = desk.get(id);
      if (result === 'unknown' || result === 'not-yours' || !request) return texts.unknownRequest({ id });
      return result === 'ok' ? answered(request) : texts.notSaid({ id, why: over(request) ?? 'it is over' });
    } catch (error) {
      s.options.fault('a withdrawal could not be recorded', error);
      return texts.noLog();
    }
  },
  async request_approval(s, sql, reason) {
    const result = await askFirst(s, Buffer.from(sql, 'utf8').toString('latin1'), [], reason);
    if (result.type === 'refused') {
      // It counts in the text that was asked about, and would be shown in the one that asks.
      const { position: _, ...text } = result.text;
      return text;
    }
    return result.type === 'open' ? answered(result.request) : { rows: [NEEDS_NONE] };
  },
};

const answered = (request: Request): OwnAnswer => ({ rows: [row(request)] });

const NEEDS_NONE = ['', 'allowed', '0 of 0', '', 'send the statement; it needs no approval'];

/** Why nothing can be said on it any more; null: it can. */
const over = ({ state }: Request): string | null =>
  isUndecided(state) ? null : `it is ${state.replace('_', ' ')} already`;

/** A sentence for a reviewer as part of one. */
const inWords = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
