// What the reviewer types: the questions of each act as a table, a line editor, and the lines that are shown. While a prompt is
// open everything else on the screen stays as it was when it was opened; only its own lines and the last one change.
import { chunks, drawn, type Face, type Line, span, width, wrap } from './cells.ts';
import { consequence, counted, denied, endSentence, freeWords, roughly } from './facts.ts';
import type { Key } from './input.ts';
import type { RequestView } from '../../review/client.ts';
import { groupOf, isOpen, off, type Prompt, type State } from './state.ts';

interface Step {
  readonly label: (request: RequestView) => string;
  /** What is wrong with the answer; empty: nothing. */
  readonly check: (answer: string, request: RequestView) => string;
  readonly begin?: (request: RequestView) => string;
}

/** The questions of a permit that come before its "why". */
const TERMS = 3;
/** Characters typed in one answer. */
const ANSWER_CHARS_MAX = 2_000;

const why = (decision: 'approve' | 'deny'): Step => ({
  label: ({ ask }) =>
    `Why? (${ask.rationale.includes(decision) ? 'required' : 'may be left out'}; goes on the record and to the agent)`,
  check: (answer, { ask, rule }) =>
    answer.trim() === '' && ask.rationale.includes(decision) ? `Write why. Rule ${rule} wants it.` : '',
});
const confirm = (what: string): Step => ({
  label: ({ id }) => `Type ${id.slice(-4)} to ${what}, or press Esc to go back.`,
  check: (answer, { id }) =>
    answer.trim().toUpperCase() === id.slice(-4) ? '' : `That is not ${id.slice(-4)}. Nothing was sent.`,
});
const upTo = (what: string, max: (request: RequestView) => number): Step => ({
  label: (request) => `${what} (at most ${max(request).toLocaleString('en-US')})`,
  check: (answer, request) =>
    /^[1-9]\d{0,8}$/.test(answer.trim()) && Number(answer) <= max(request)
      ? ''
      : `A whole number from 1 to ${max(request)}.`,
  begin: (request) => String(max(request)),
});

export const STEPS: Readonly<Record<Prompt['act'], readonly Step[]>> = {
  approve: [why('approve'), confirm('approve')],
  deny: [why('deny'), confirm('deny')],
  permit: [
    {
      label: ({ permit }) => `For how long? (at most ${roughly(permit?.for_ms ?? 0)}; 30m, 8h, 7d)`,
      check: (answer) => (/^[1-9]\d{0,5}[smhd]$/.test(answer.trim()) ? '' : 'A number and s, m, h or d: 30m, 8h, 7d.'),
      begin: ({ permit }) => shortest(permit?.for_ms ?? 0),
    },
    upTo('How many times?', ({ permit }) => permit?.uses ?? 0),
    upTo('Rows of each?', ({ permit }) => permit?.rows ?? 0),
    why('approve'),
    confirm('approve all like it'),
  ],
  ask: [
    {
      label: () => 'What do you want to know? (goes to the agent and on the record; no decision)',
      check: (answer) => (answer.trim() === '' ? 'Write a question.' : ''),
    },
    { label: () => 'Press Enter to ask, or Esc to go back.', check: () => '' },
  ],
  find: [{ label: () => 'Find agent, table, rule or id', check: () => '' }],
};

/** "7d", "90m": as it is typed. */
function shortest(ms: number): string {
  const unit = (['d', 'h', 'm'] as const).find((one) => ms % UNITS[one] === 0) ?? 's';
  return `${Math.floor(ms / UNITS[unit])}${unit}`;
}
const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

export function open(state: State, act: Prompt['act'], shown: RequestView | null): Prompt {
  const answers = STEPS[act].map((step) => (shown && step.begin?.(shown)) ?? '');
  const draft = shown && act !== 'find' ? (state.drafts.get(`${shown.id} ${act}`) ?? '') : state.find;
  const place = STEPS[act].findIndex(({ begin }) => !begin);
  if (draft !== '') answers[act === 'permit' ? STEPS.permit.length - 2 : Math.max(0, place)] = draft;
  const first = answers[0] ?? '';
  return {
    act,
    shown,
    at: state.now,
    step: 0,
    answers,
    caret: first.length,
    fault: '',
    known: new Set(state.requests.keys()),
  };
}

/** A key in the answer that is being typed: as in any line editor. */
export function edited(prompt: Prompt, key: Key): Prompt {
  const text = prompt.answers[prompt.step] ?? '';
  const { caret } = prompt;
  const set = (next: string, at: number): Prompt => ({
    ...prompt,
    answers: prompt.answers.with(prompt.step, next),
    caret: at,
    fault: '',
  });
  const insert = (words: string): Prompt => {
    const clean = words.replaceAll(/[\r\n\t]+/g, ' ').replaceAll(/\p{Cc}/gu, '');
    if (text.length + clean.length > ANSWER_CHARS_MAX)
      return { ...prompt, fault: `At most ${counted(ANSWER_CHARS_MAX, 'character')}.` };
    return set(text.slice(0, caret) + clean + text.slice(caret), caret + clean.length);
  };
  if (key.type === 'char') return insert(key.char);
  if (key.type === 'paste') return insert(key.text);
  const before = caret - (Array.from(text.slice(0, caret)).at(-1)?.length ?? 0);
  const after = caret + (Array.from(text.slice(caret, caret + 2))[0]?.length ?? 0);
  const word = text.slice(0, caret).replace(/\S+\s*$/u, '').length;
  const edits: Partial<Record<typeof key.name, () => Prompt>> = {
    backspace: () => set(text.slice(0, before) + text.slice(caret), before),
    delete: () => set(text.slice(0, caret) + text.slice(after), caret),
    left: () => ({ ...prompt, caret: before }),
    right: () => ({ ...prompt, caret: after }),
    home: () => ({ ...prompt, caret: 0 }),
    end: () => ({ ...prompt, caret: text.length }),
    'cut-left': () => set(text.slice(caret), 0),
    'cut-right': () => set(text.slice(0, caret), caret),
    'cut-word': () => set(text.slice(0, word) + text.slice(caret), word),
  };
  return edits[key.name]?.() ?? prompt;
}

export interface PromptLines {
  readonly lines: readonly Line[];
  readonly cursor: { readonly row: number; readonly column: number };
}

/** Everything under the card's double line, but for the last line. `unread`: lines of the statement that were never shown. */
export function promptLines(prompt: Prompt, state: State, face: Face, unread: number): PromptLines {
  const { shown, step, answers, caret, fault, act } = prompt;
  const lines: Line[] = [];
  let cursor = { row: 0, column: 0 };
  const words = (text: string, look: 'plain' | 'bold' | 'critical' = 'plain') =>
    wrap(drawn(text, face.ascii), face.columns - 3).forEach((line) => lines.push([span(` ${line}`, look)]));
  if (shown && act !== 'find') {
    lines.push([span(` ${title(act, shown)}${terms(prompt)}`, 'bold')]);
    words(effect(act, shown, state.me.id, prompt.at));
    if (act === 'permit') words(freeWords(shown));
    if (unread > 0 && act !== 'ask')
      words(`You have not seen ${counted(unread, 'line')} of the statement: Esc, then Space.`, 'critical');
  }
  for (const [i, one] of STEPS[act].slice(0, step + 1).entries()) {
    const short = one.begin !== undefined;
    // What was answered of a permit's bounds stands in the title.
    if (short && step >= TERMS) continue;
    const label = shown ? one.label(shown) : one.label(NOBODY);
    const answer = answers[i] ?? '';
    if (!short || i === 0) lines.push([]);
    const prefix = short ? ` ${label} > ` : ' > ';
    if (!short) words(label);
    const room = face.columns - width(prefix) - 2;
    const typed = chunks(drawn(answer, face.ascii), room);
    if (i === step) {
      const before = chunks(drawn(answer.slice(0, caret), face.ascii), room);
      const column = width(before.at(-1) ?? '');
      cursor =
        column < room
          ? { row: lines.length + before.length - 1, column: width(prefix) + column }
          : { row: lines.length + before.length, column: width(prefix) };
    }
    typed.forEach((line, at) => lines.push([span(at === 0 ? prefix : ' '.repeat(width(prefix))), span(line)]));
  }
  if (cursor.row >= lines.length) lines.push([]);
  if (fault !== '') words(fault, 'critical');
  return { lines, cursor };
}

const NOBODY = {} as RequestView;

/** ": 7d, 20 uses, 1,000 rows each" once they are answered. */
function terms({ act, step, answers }: Prompt): string {
  const [time, uses, rows] = answers;
  return act === 'permit' && step >= TERMS
    ? `: ${time}, ${counted(Number(uses), 'use')}, ${counted(Number(rows), 'row')} each`
    : '';
}

function title(act: Prompt['act'], { can_decide, who }: RequestView): string {
  const as = can_decide.may && can_decide.group ? ` as ${can_decide.group}` : '';
  return {
    approve: `APPROVE ONCE${as}`,
    permit: `APPROVE ALL LIKE IT${as}`,
    deny: `DENY${as}`,
    ask: `ASK ${who.id}`,
    find: 'FIND',
  }[act];
}

function effect(act: Prompt['act'], shown: RequestView, me: string, at: number): string {
  if (act === 'deny') return denied(shown);
  if (act === 'ask') return 'It stays held; an answer lets the agent wait longer, once.';
  if (act === 'approve') return consequence(shown, me, at);
  return 'Statements like it run without asking: same agent, place, role and rule.';
}

/** What happened while one typed: the only line that changes under an open prompt. */
export function waited(state: State, { shown, known }: Prompt): string {
  const blocked = off(state);
  if (blocked !== '') return blocked;
  const now = shown && state.requests.get(shown.id);
  if (now && !isOpen(now)) return `${now.id}: ${endSentence(now)} Esc goes back.`;
  if (now && shown && now.revision !== shown.revision) return `${now.id} was judged again: Esc, and read it once more.`;
  const fresh = [...state.requests.values()].filter(({ id }) => !known.has(id));
  const mine = fresh.filter((request) => groupOf(request) === 'for-you').length;
  const news = fresh.length === 0 ? '' : `${counted(fresh.length, 'new request')}, ${mine} for you.`;
  const others = now && shown && now.decisions.length + now.said.length > shown.decisions.length + shown.said.length;
  return [...(others ? [`${now.id} has news: Esc shows it.`] : []), ...(news ? [news] : [])].join(' ');
}
