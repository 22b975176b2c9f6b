// The decision bar. Deciding takes two acts, choose and confirm; only the server's answer counts. Must never send twice,
// never send what was not on screen, and never be ready under a finger that was aiming at something else.
import { useEffect, useRef } from 'preact/hooks';
import type { RequestView } from '../review/schemas.ts';
import { api, why } from './api.ts';
import { endSentence, missingOf, stateRow } from './card.tsx';
import { clock, countdown, whatItDoes } from './format.ts';
import { Icon } from './icons.tsx';
import { leave, signInFor } from './step-up.tsx';
import {
  assertive,
  deciding,
  type Draft,
  draftOf,
  go,
  isOpen,
  line,
  me,
  narrow,
  nextOpen,
  now,
  openCard,
  put,
  recording,
  requests,
  setDraft,
  sheet,
} from './state.ts';

/** After what is shown changes, a click meant for what was shown before does nothing. */
const GUARD_MS = 600;
const CHECK_MS = 2_000;
/** An answer that has not come by then will not: the request is still open, so it may be decided again. */
const CHECKS_MAX = 5;

const CHOICES = ['approve', 'deny', 'ask'] as const;
export type Choice = (typeof CHOICES)[number];
interface ChoiceRow {
  readonly word: string;
  readonly key: string;
  readonly look: string;
  readonly button: string;
}
const ROWS: Readonly<Record<Choice, ChoiceRow>> = {
  approve: { word: 'Approve once', key: 'a', look: 'acc', button: 'primary' },
  deny: { word: 'Deny', key: 'd', look: 'critical', button: 'danger' },
  ask: { word: 'Ask', key: 'r', look: 'none', button: '' },
};

/** Chooses from the keyboard and puts the cursor where the words go. */
export function choose(request: RequestView, choice: Choice): void {
  if (!isOpen(request) || !request.can_decide.may || !deciding.value) return;
  const { phase } = draftOf(request.id);
  if (phase.type !== 'writing' && phase.type !== 'step-up' && !(phase.type === 'refused' && !phase.final)) return;
  if (narrow.value) sheet.value = true;
  setDraft(request.id, { choice, revision: request.revision, phase: { type: 'writing', fault: '' } });
  const focus = () => document.getElementById('rationale')?.focus();
  // The sheet of a narrow screen has to be there first; elsewhere not one key may get lost.
  if (narrow.value) requestAnimationFrame(focus);
  else focus();
}

export function Decision({ request }: { readonly request: RequestView }) {
  const changedAt = useRef(0);
  const shown = useRef(request.revision);
  useEffect(() => {
    changedAt.current = performance.now();
    if (shown.current === request.revision) return;
    shown.current = request.revision;
    setDraft(request.id, { choice: null, phase: { type: 'writing', fault: 'Judged again. Read it once more.' } });
  }, [request.digest, request.revision, me.value?.id]);
  const heading = useRef<HTMLHeadingElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const modal = sheet.value && narrow.value;
  const wasModal = useRef(false);
  useEffect(() => {
    if (modal) heading.current?.focus();
    else if (wasModal.current) opener.current?.focus();
    wasModal.current = modal;
  }, [modal]);

  const open = isOpen(request);
  const may = request.can_decide;
  return (
    <>
      <div class="scrim" onClick={() => (sheet.value = false)} />
      <section
        class="decide"
        aria-label="Decision"
        {...(modal ? { role: 'dialog', 'aria-modal': 'true', 'aria-labelledby': 'sheet-title' } : {})}
      >
        <div class="holdline" />
        <div class="cta">
          <span>
            {open ? (
              <>
                {request.holds === 'held' && request.wait_until !== null ? (
                  <>
                    Agent waits <b>{countdown(request.wait_until - now.value)}</b>
                  </>
                ) : (
                  'Agent has gone; a ticket'
                )}
                <br />
                {may.may ? `Ends in ${countdown(request.deadline - now.value)}` : firstSentence(may.text)[0]}
              </>
            ) : (
              stateRow(request).word
            )}
          </span>
          {open && (
            <button
              class="btn primary"
              type="button"
              ref={opener}
              aria-disabled={!may.may || !deciding.value}
              onClick={() => {
                if (may.may && deciding.value) sheet.value = true;
              }}
            >
              Decide…
            </button>
          )}
        </div>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (performance.now() - changedAt.current > GUARD_MS) void confirm(request);
          }}
        >
          <div class="sheeth">
            <h2 id="sheet-title" tabIndex={-1} ref={heading}>
              Decide {request.id}
            </h2>
            <button class="btn quiet sm" type="button" onClick={() => (sheet.value = false)}>
              Back to the card
            </button>
          </div>
          <p class="sheets">{whatItDoes(request)}</p>
          {open ? (
            may.may ? (
              <Bar request={request} />
            ) : (
              <Barred id={request.id} text={may.text} again={may.again === true} />
            )
          ) : (
            <Ended request={request} />
          )}
        </form>
      </section>
    </>
  );
}

function Bar({ request }: { readonly request: RequestView }) {
  const draft = draftOf(request.id);
  const { choice, phase } = draft;
  const locked =
    !deciding.value ||
    phase.type === 'sending' ||
    phase.type === 'unknown' ||
    (phase.type === 'refused' && phase.final);
  const required = choice === null ? request.ask.rationale.length > 0 : needsWords(request, choice);
  return (
    <>
      <div class="drow pick" role="radiogroup" aria-label="Decision">
        {CHOICES.map((one) => (
          <label class={`choice ${ROWS[one].look}`} key={one}>
            <input
              type="radio"
              name="decision"
              checked={choice === one}
              disabled={locked}
              onChange={() =>
                setDraft(request.id, { choice: one, revision: request.revision, phase: { type: 'writing', fault: '' } })
              }
            />
            <span>
              {ROWS[one].word}
              <kbd aria-hidden="true">{ROWS[one].key}</kbd>
            </span>
          </label>
        ))}
        <p class="r effect" id="effect">
          <Effect request={request} draft={draft} />
        </p>
      </div>
      <div class="dgrid">
        <label>
          <span class="vh">
            {choice === 'ask' ? 'Question' : 'Rationale'}
            {required ? ', required' : ''}
          </span>
          <textarea
            id="rationale"
            class="field"
            placeholder={
              choice === 'ask'
                ? 'What do you need to know?'
                : `Why? ${required ? 'Required. ' : ''}It goes on the record and to the agent.`
            }
            aria-describedby="effect"
            aria-invalid={phase.type === 'writing' && phase.fault !== ''}
            readOnly={phase.type === 'sending' || phase.type === 'unknown'}
            value={draft.text}
            onInput={(event) => setDraft(request.id, { text: event.currentTarget.value })}
          />
        </label>
        <ConfirmButton request={request} draft={draft} />
      </div>
    </>
  );
}

function Effect({ request, draft }: { readonly request: RequestView; readonly draft: Draft }) {
  const { choice, phase } = draft;
  if (line.value.state === 'lost')
    return (
      <>
        <b>Not live since {clock(line.value.since)}.</b> Deciding is off until the line is back.
      </>
    );
  if (!recording.value)
    return (
      <>
        <b>The audit log cannot be written.</b> Deciding is off until it can.
      </>
    );
  if (phase.type === 'sending') return <>Waiting for the server. Nothing has been decided.</>;
  if (phase.type === 'unknown')
    return (
      <>
        <b>We do not know yet.</b> Do not decide again; checking.
      </>
    );
  if (phase.type === 'refused' || phase.type === 'step-up') return <FirstBold text={phase.text} />;
  if (phase.type === 'writing' && phase.fault) return <FirstBold text={phase.fault} />;
  if (choice === null) return <>Choose first. Nothing is sent until you confirm.</>;
  if (choice === 'ask')
    return (
      <>
        A question decides nothing.{' '}
        {request.holds === 'held' && request.where.engine === 'postgres'
          ? 'It reaches the agent now; the first answer adds 60 s.'
          : 'The agent reads it when it looks.'}
      </>
    );
  if (choice === 'deny')
    return (
      <>
        <b>{denialEnds(request) ? 'One denial ends it.' : 'It takes more denials to end it.'}</b> The agent gets your
        words.
      </>
    );
  const given = request.approvals.filter(({ by }) => by !== me.value?.id).length;
  if (given + 1 < request.needed)
    return (
      <>
        {given + 1} of {request.needed}: it stays held for more. Missing: {missingOf(request).join(' and ')}.
      </>
    );
  if (request.holds === 'ticket')
    return (
      <>
        <b>The agent stopped waiting.</b> If approved, its next identical try runs, once, until{' '}
        {clock(now.value + request.use_within_ms).slice(0, 5)} UTC.
      </>
    );
  return (
    <>
      <b>{request.needed > 1 ? 'Yours is the last approval:' : 'Your approval is enough:'}</b> it runs at once, one
      time.
    </>
  );
}

function denialEnds({ decisions, ask }: RequestView): boolean {
  const others = decisions.filter(({ decision, counts, by }) => counts && decision === 'deny' && by !== me.value?.id);
  return others.length + 1 >= ask.denials;
}

function ConfirmButton({ request, draft }: { readonly request: RequestView; readonly draft: Draft }) {
  const { choice, phase } = draft;
  const group = request.can_decide.may && request.can_decide.group ? request.can_decide.group : 'reviewer';
  const as = choice === 'ask' ? request.who.id : `as ${group}`;
  if (line.value.state === 'lost')
    return (
      <button class="btn" type="button" aria-disabled="true">
        Reconnecting<small>try {Math.max(1, line.value.tries)}</small>
      </button>
    );
  if (phase.type === 'sending' || phase.type === 'unknown')
    return (
      <button class="btn" type="button" aria-disabled="true">
        {phase.type === 'sending' ? 'Sending' : 'Checking'}
        <small>{choice && ROWS[choice].word.toLowerCase()}</small>
      </button>
    );
  if (phase.type === 'refused' && phase.final) return <Next />;
  if (phase.type === 'step-up')
    return (
      <button class="btn primary" type="button" onClick={() => signInFor(request.id, phase.step)}>
        Sign in again<small>your words stay</small>
      </button>
    );
  if (choice === null || !deciding.value)
    return (
      <button class="btn" type="button" aria-disabled="true">
        Confirm<small>choose a decision first</small>
      </button>
    );
  return (
    <button class={`btn ${ROWS[choice].button}`} type="submit">
      {ROWS[choice].word}
      <small>
        {as}
        <span class="hide"> · Ctrl Enter</span>
      </small>
    </button>
  );
}

function Next() {
  const next = nextOpen.value;
  if (next === null) return <span />;
  return (
    <button
      class="btn"
      type="button"
      onClick={() => {
        if (narrow.value) go('/');
        else openCard(next);
      }}
    >
      {narrow.value ? 'Queue' : 'Next request'}
      <small class="hide">j</small>
    </button>
  );
}

interface BarredProps {
  readonly id: string;
  readonly text: string;
  readonly again: boolean;
}

function Barred({ id, text, again }: BarredProps) {
  return (
    <>
      <div class="drow pick" role="radiogroup" aria-label="Decision" aria-describedby="why-not">
        {CHOICES.map((one) => (
          <label class="choice acc" key={one}>
            <input type="radio" name="decision" disabled />
            <span>
              {ROWS[one].word}
              <kbd aria-hidden="true">{ROWS[one].key}</kbd>
            </span>
          </label>
        ))}
      </div>
      <div class="alert none barred" id="why-not">
        <Icon name="lock" />
        <div>
          <FirstBold text={text} />
        </div>
        {again && (
          <button class="btn" type="button" onClick={() => leave(id, `/oidc/start?for=${id}`)}>
            Sign in again
          </button>
        )}
      </div>
    </>
  );
}

function Ended({ request }: { readonly request: RequestView }) {
  const { phase, text } = draftOf(request.id);
  const row = stateRow(request);
  // While an answer is out nothing is claimed; a decision of ours that the server shows was counted, however we learn it.
  const mine = request.decisions.some(({ by }) => by === me.value?.id);
  const notCounted = !mine && (phase.type === 'refused' || (phase.type === 'writing' && text !== ''));
  return (
    <div class="ended">
      <p class={`state ${row.look}`}>
        <Icon name={row.icon} />
        {row.word}
      </p>
      <p class="q">
        {notCounted && phase.type === 'refused' ? phase.text : endSentence(request)}
        {notCounted && phase.type === 'writing' && ' Your decision was not sent.'}
      </p>
      {notCounted && text !== '' && (
        <p class="q kept">
          What you wrote: <q>{text}</q>
        </p>
      )}
      <Next />
    </div>
  );
}

function FirstBold({ text }: { readonly text: string }) {
  const [first, rest] = firstSentence(text);
  return (
    <>
      <b>{first}</b> {rest}
    </>
  );
}

function firstSentence(text: string): [string, string] {
  const end = text.search(/[.;](\s|$)/);
  return end < 0 ? [text, ''] : [text.slice(0, end + 1), text.slice(end + 1).trim()];
}

/** Problems after which this request can't be decided from here any more. */
const FINAL = new Set([
  'already-decided',
  'own',
  'linked',
  'wrong-group',
  'not-a-reviewer',
  'not-a-person',
  'not-found',
]);

/** Sends the chosen decision for exactly what is on screen. */
export async function confirm(request: RequestView): Promise<void> {
  const { choice, text, phase, revision: chosen } = draftOf(request.id);
  if (
    !isOpen(request) ||
    choice === null ||
    chosen !== request.revision ||
    phase.type === 'sending' ||
    phase.type === 'unknown' ||
    !deciding.value
  )
    return;
  if (phase.type === 'refused' && phase.final) return;
  if (needsWords(request, choice) && text.trim() === '') {
    const fault =
      choice === 'ask'
        ? 'Write what you need to know.'
        : `Write why. Rule ${request.rule} wants it for ${request.ask.rationale.join(' and ')}.`;
    setDraft(request.id, { phase: { type: 'writing', fault } });
    assertive.value = fault;
    document.getElementById('rationale')?.focus();
    return;
  }
  setDraft(request.id, { phase: { type: 'sending' } });
  const { digest, revision } = request;
  try {
    const csrf = me.value?.csrf ?? null;
    const answer =
      choice === 'ask'
        ? await api.ask(request.id, csrf, text)
        : await api.decide(request.id, csrf, { decision: choice, digest, revision, rationale: text });
    if (answer.ok) {
      put(answer.value);
      counted(answer.value, choice);
      return;
    }
    const { problem } = answer;
    if (problem.request) put(problem.request);
    const said = problem.detail ?? problem.title;
    const changed = why(problem) === 'changed';
    if (problem.step_up) {
      setDraft(request.id, { phase: { type: 'step-up', text: said, step: problem.step_up } });
      assertive.value = said;
      return;
    }
    setDraft(request.id, {
      phase: { type: 'refused', text: said, final: FINAL.has(why(problem)) },
      ...(changed ? { choice: null } : {}),
    });
    assertive.value = said;
  } catch {
    setDraft(request.id, { phase: { type: 'unknown' } });
    assertive.value = 'We do not know yet. Do not decide again; checking.';
    await check(request.id, choice, text);
  }
}

/** No answer came: ask the server what it knows until it says. */
async function check(id: string, choice: Choice, text: string): Promise<void> {
  for (let answers = 0; answers < CHECKS_MAX; ) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    const answer = await api.get(id).catch(() => null);
    if (!answer?.ok) continue;
    answers += 1;
    put(answer.value);
    const mine =
      choice === 'ask'
        ? answer.value.said.filter((one) => one.text === text.trim())
        : answer.value.decisions.filter(({ decision }) => decision === choice);
    if (mine.some(({ by }) => by === me.value?.id)) {
      counted(answer.value, choice);
      return;
    }
    if (!isOpen(answer.value)) break;
  }
  const ended = requests.value.get(id);
  const what = choice === 'ask' ? 'question' : 'decision';
  const told =
    ended && !isOpen(ended)
      ? `${endSentence(ended)} Your ${what} was not counted.`
      : `Your ${what} did not arrive. It is still open.`;
  setDraft(id, { phase: { type: 'refused', text: told, final: ended !== undefined && !isOpen(ended) } });
  assertive.value = told;
}

function needsWords({ ask }: RequestView, choice: Choice): boolean {
  return choice === 'ask' || ask.rationale.includes(choice);
}

function counted(request: RequestView, choice: Choice): void {
  const open = isOpen(request);
  // Where more approvals are needed the bar is there again, with a fresh field.
  setDraft(
    request.id,
    open ? { choice: null, text: '', phase: { type: 'writing', fault: '' } } : { phase: { type: 'counted' } },
  );
  sheet.value = false;
  const more = choice === 'ask' ? 'Asked. It stays open.' : 'Counted. It stays held for more approvals.';
  assertive.value = open ? more : endSentence(request);
}
