// One request, with all a reviewer needs on one screen: the exact statement first, then what was found, why, who, and
// what came before. Three voices, never mixed: Holdpoint's facts, people's words, and the agent's words with a bar.
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import { api } from './api.ts';
import { Decision } from './decide.tsx';
import { bytes, clock, count, countdown, duration, either, roughly, whatItDoes } from './format.ts';
import { Icon, type IconName, LEVEL_WORDS, Shape } from './icons.tsx';
import { current, go, isOpen, line, loaded, me, narrow, now, put, requests, sheet } from './state.ts';
import { Findings, Statement } from './statement.tsx';
import { Words } from './words.tsx';
import { signal } from '@preact/signals';
import type { RequestView } from '../review/schemas.ts';

/** Ids that the server said it does not have, or does not show to this person. */
const unknown = signal<ReadonlyMap<string, string>>(new Map());

export function CardOrNothing() {
  const id = current.value;
  const request = id === null ? undefined : requests.value.get(id);
  useEffect(() => {
    if (id === null || request || !loaded.value) return;
    void api.get(id).then(
      (answer) => {
        if (answer.ok) put(answer.value);
        else unknown.value = new Map(unknown.value).set(id, answer.problem.title);
      },
      () => undefined,
    );
  }, [id, request === undefined, loaded.value]);
  if (request) return <Card request={request} key={request.id} />;
  const why = id === null ? undefined : unknown.value.get(id);
  return (
    <section class="card empty" aria-label="Request">
      <p class="q">
        {id === null
          ? 'Choose a request.'
          : why
            ? `${id}: ${why}`
            : loaded.value || line.value.state === 'lost'
              ? `Reading ${id}`
              : 'Loading'}
      </p>
      {narrow.value && (
        <button class="btn" type="button" onClick={() => go('/')}>
          Queue
        </button>
      )}
    </section>
  );
}

function Card({ request }: { readonly request: RequestView }) {
  const open = isOpen(request);
  return (
    <section class="card" aria-label={`Request ${request.id}`}>
      <header class="chead" inert={sheet.value}>
        <div class="meta">
          <button class="btn quiet sm back" type="button" onClick={() => go('/')}>
            <Icon name="back" />
            Queue
          </button>
          <span class={`risk ${request.level}`}>
            <Shape level={request.level} />
            {LEVEL_WORDS[request.level]}
          </span>
          <span class="mono">{request.id}</span>
          <span>
            rule <b class="mono">{request.rule}</b>
          </span>
        </div>
        {open ? <Clocks request={request} /> : <Results request={request} />}
        <h1>{whatItDoes(request)}</h1>
        <p class="meta">
          {!open && <StateWord request={request} />}
          <span>
            <b class="mono">{request.who.id}</b>
            {request.who.sponsor ? (
              <>
                , for <b>{request.who.sponsor === me.value?.id ? 'you' : request.who.sponsor}</b>
              </>
            ) : (
              ', for nobody'
            )}
          </span>
          <span>
            on <b class="mono">{request.where.database || 'no database'}</b> at{' '}
            <b class="mono">{request.where.upstream}</b>
            {request.in_transaction && ', in a transaction'}
          </span>
          <span>opened {clock(request.opened)}</span>
          {request.who.on_behalf_of.length > 0 && <span class="behalf">{behalfOf(request)}</span>}
        </p>
      </header>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard must reach it */}
      <div class="cbody" tabIndex={0} role="region" aria-label="Request details" inert={sheet.value}>
        <div class="cmain">
          {request.warning && (
            <div class="alert critical">
              <Icon name="eye" />
              <div>
                <b>This text does not say what it seems to say.</b> {request.warning}
              </div>
            </div>
          )}
          {request.changed && (
            <div class="alert high">
              <Icon name="eye" />
              <div>
                <b>Changed: decided again.</b> Since {clock(request.changed.at)}, {request.changed.why}. This is
                revision {request.revision}; what was decided before does not count.
              </div>
            </div>
          )}
          <Statement request={request} />
          <Findings request={request} />
          <Conversation request={request} />
          {request.parameters.length > 0 && <Parameters request={request} />}
          {!open && <Story request={request} />}
        </div>
        <aside class="caside" aria-label="Facts">
          <Why request={request} />
          <Impact request={request} />
          <Approvals request={request} />
          <Transaction request={request} />
          <Requester request={request} />
          <Before request={request} />
        </aside>
      </div>
      <Decision request={request} />
    </section>
  );
}

const SOON_MS = 60_000;

function Clocks({ request }: { readonly request: RequestView }) {
  const left = request.deadline - now.value;
  const lost = line.value.state === 'lost';
  const waits = request.holds === 'held' && request.wait_until !== null ? request.wait_until - now.value : null;
  return (
    <div class="clocks" role="timer" aria-label="Time left" aria-live="off">
      <div class="clock">
        <span>{waits === null ? 'Agent has gone' : 'Agent waits'}</span>
        <b>{waits === null ? 'a ticket' : countdown(waits)}</b>
        <span>
          {waits === null
            ? 'if approved, runs on its next try'
            : request.ask.ticket
              ? 'then a ticket'
              : 'then withdrawn'}
        </span>
      </div>
      <div class="clock">
        <span>Request ends</span>
        <b class={left < SOON_MS ? 'soon' : ''}>{countdown(left)}</b>
        <span>{lost ? `as of ${clock(now.value)}` : `${clock(request.deadline)} UTC`}</span>
      </div>
    </div>
  );
}

function Results({ request }: { readonly request: RequestView }) {
  const { outcome } = request;
  if (!outcome) return <div class="clocks" />;
  return (
    <div class="clocks">
      <div class="clock">
        <span>Rows</span>
        <b>{count(outcome.rows)}</b>
        <span>{outcome.tag ?? 'none'}</span>
      </div>
      <div class="clock">
        <span>Bytes</span>
        <b>{bytes(outcome.bytes)}</b>
        <span>to the agent</span>
      </div>
      <div class="clock">
        <span>Ran for</span>
        <b>{duration(outcome.duration_ms)}</b>
        <span>{outcome.sqlstate ?? 'finished'}</span>
      </div>
    </div>
  );
}

interface StateRow {
  readonly icon: IconName;
  readonly look: 'ok' | 'critical' | 'none' | 'high';
  readonly word: string;
}

const STATES: Readonly<Record<string, StateRow>> = {
  approved: { icon: 'check', look: 'ok', word: 'Approved once, waits for its agent' },
  released: { icon: 'check', look: 'ok', word: 'Approved once, running' },
  executed: { icon: 'check', look: 'ok', word: 'Approved once, ran once' },
  failed: { icon: 'x', look: 'high', word: 'Approved, then refused by the server' },
  denied: { icon: 'x', look: 'critical', word: 'Denied' },
  expired: { icon: 'clock', look: 'none', word: 'Expired' },
  withdrawn: { icon: 'back', look: 'none', word: 'Withdrawn' },
  outcome_unknown: { icon: 'eye', look: 'high', word: 'Released, outcome unknown' },
  lapsed: { icon: 'clock', look: 'none', word: 'Approved, not used' },
};

export function stateRow(request: RequestView): StateRow {
  return STATES[request.state] ?? { icon: 'dots', look: 'none', word: request.state };
}

/** What became of it, in sentences. */
export function endSentence(request: RequestView): string {
  const last = request.decisions.at(-1);
  switch (request.state) {
    case 'approved':
      return `Approved. It runs once, when the agent sends the identical statement${request.use_until ? ` before ${clock(request.use_until)} UTC` : ''}.`;
    case 'released':
      return 'Approved and sent to the server. Its outcome follows.';
    case 'executed':
      return `It ran once: ${request.outcome?.tag ?? 'done'}.`;
    case 'failed':
      return `Approved, then refused by the server: ${request.outcome?.sqlstate ?? 'no code'}. Nothing changed.`;
    case 'denied':
      if (!last) return 'Denied. Nothing ran.';
      return `Denied by ${last.by}. ${request.holds === 'held' ? 'The agent was told; nothing ran.' : 'Nothing ran; the agent is told if it sends it again.'}`;
    case 'expired':
      return `Nobody decided in ${roughly(request.deadline - request.opened)}. The agent was told; nothing ran.`;
    case 'withdrawn':
      return `Withdrawn by ${request.withdrawn?.by ?? 'its requester'}${request.withdrawn?.reason ? `: ${request.withdrawn.reason}` : ''}. Nothing ran.`;
    case 'outcome_unknown':
      return 'It was approved and released, then the line to the server broke. Whether it ran is unknown; look in the database.';
    case 'lapsed':
      return 'It was approved, but not used in time or under the same circumstances. Nothing ran.';
    default:
      return request.state;
  }
}

function StateWord({ request }: { readonly request: RequestView }) {
  const { icon, look, word } = stateRow(request);
  return (
    <span class={`state ${look}`}>
      <Icon name={icon} />
      {word}
    </span>
  );
}

/** "on behalf of ines and 2 more"; the panel of the requester has all of them. */
function behalfOf({ who: { on_behalf_of } }: RequestView): string {
  const [first = '', ...rest] = on_behalf_of;
  return `on behalf of ${first === me.value?.id ? 'you' : first}${rest.length > 0 ? ` and ${rest.length} more` : ''}`;
}

function Why({ request }: { readonly request: RequestView }) {
  const { task } = request.who;
  return (
    <section class="panel">
      <h2>Why</h2>
      {request.reason ? (
        <blockquote class="said">
          <Words words={request.reason} />
          <footer>The agent's words. Not checked.</footer>
        </blockquote>
      ) : (
        <p class="q small">The agent gave no reason.</p>
      )}
      {task && (
        <blockquote class="said task">
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard must reach it */}
          <div tabIndex={0} role="region" aria-label="Task">
            <Words words={task} />
          </div>
          <footer>The task, as the agent's token says. Not checked.</footer>
        </blockquote>
      )}
      {request.message && (
        <p class="q small rule-says">
          Rule <b class="mono">{request.rule}</b>: {request.message}
        </p>
      )}
    </section>
  );
}

/** What reviewers asked and the requester answered, in the order in which it was said. */
function Conversation({ request }: { readonly request: RequestView }) {
  const { said } = request;
  if (said.length === 0) return null;
  return (
    <section>
      <div class="sech">
        <h2>Conversation</h2>
        {request.state === 'asked' && <span class="r">waits for an answer</span>}
      </div>
      <ol class="talk">
        {said.map((one) => (
          <li key={`${one.by} ${one.at}`}>
            <span class={one.kind === 'answer' ? 'av bot' : 'av'} aria-hidden="true">
              {one.by.slice(0, 1)}
            </span>
            <div>
              <p class="h">
                <b class={one.kind === 'answer' ? 'mono' : ''}>{one.by}</b>
                {one.kind === 'answer' ? 'answered' : 'asked'}, {clock(one.at)}
              </p>
              {one.kind === 'answer' ? (
                <blockquote class="said">
                  <Words words={one} />
                  <footer>The requester's words. Not checked.</footer>
                </blockquote>
              ) : (
                <p>
                  <Words words={one} />
                </p>
              )}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Numbers follow the card, in a place that is kept for them. */
function Impact({ request }: { readonly request: RequestView }) {
  const { impact } = request;
  if (!impact && !isOpen(request)) return null;
  return (
    <section class="panel">
      <h2>Impact {impact && <span class="r">estimated, nothing was run</span>}</h2>
      {!impact && <p class="q small">Not estimated yet.</p>}
      {impact && impact.facts.length > 0 && (
        <dl class="facts">
          {impact.facts.map(({ term, lines }, i) => (
            <Fragment key={i}>
              <dt>{term}</dt>
              <dd>
                {lines.map(({ main, rest }, n) => (
                  <div key={n}>
                    {main && <b>{main}</b>}
                    {rest && <span>{rest}</span>}
                  </div>
                ))}
              </dd>
            </Fragment>
          ))}
        </dl>
      )}
      {impact?.notes.map((note) => (
        <p class="q note" key={note}>
          {note}
        </p>
      ))}
    </section>
  );
}

/** "one of owners", for each group that has to approve still. */
export function missingOf({ missing, ask, escalated }: RequestView): readonly string[] {
  const asked = [...ask.of, ...(escalated === null ? [] : (ask.escalate?.to ?? []))];
  return [...new Set(missing)].map((group) => {
    const n = missing.filter((one) => one === group).length;
    return `${n === 1 ? 'one' : n} of ${group || either(asked, 'the reviewers')}`;
  });
}

function Approvals({ request }: { readonly request: RequestView }) {
  const { approvals, needed } = request;
  const missing = isOpen(request) ? missingOf(request) : [];
  return (
    <section class="panel">
      <h2>
        Approvals{' '}
        <span class="r">
          {approvals.length} of {needed}
        </span>
      </h2>
      <ul class="votes">
        {request.decisions.map((decision) => (
          <li
            class={!decision.counts ? '' : decision.decision === 'approve' ? 'ok' : 'critical'}
            key={`${decision.by} ${decision.at}`}
          >
            <Icon name={decision.decision === 'approve' ? 'check' : 'x'} />
            <span>
              {decision.by}
              {decision.instead_of && ` for ${decision.instead_of}, who is away`}
              <small>
                {[decision.group, clock(decision.at), decision.counts ? '' : 'does not count any more']
                  .filter(Boolean)
                  .join(', ')}
                {decision.rationale && `: “${decision.rationale}”`}
              </small>
            </span>
          </li>
        ))}
        {missing.length > 0 && (
          <li>
            <Icon name="dots" />
            <span>
              {missing.join(' and ')}
              <small>
                {[
                  request.can_decide.may ? 'you may' : '',
                  `${request.reach.present} of ${request.reach.eligible} who may are here`,
                ]
                  .filter(Boolean)
                  .join(', ')}
              </small>
            </span>
          </li>
        )}
        {request.ask.step_up && isOpen(request) && <li class="wide q">Approved by who {request.ask.step_up.text}.</li>}
        {request.decisions.length === 0 && missing.length === 0 && (
          <li class="wide q">{request.state === 'expired' ? 'Nobody decided.' : 'None.'}</li>
        )}
      </ul>
    </section>
  );
}

function Before({ request: { before } }: { readonly request: RequestView }) {
  if (!before) return null;
  return (
    <section class="panel">
      <h2>Same shape before</h2>
      <p class="small">{`${before.text.charAt(0).toUpperCase()}${before.text.slice(1)}.`}</p>
    </section>
  );
}

function Transaction({ request }: { readonly request: RequestView }) {
  const first = request.earlier[0];
  return (
    <section class="panel">
      <h2>
        Transaction {request.in_transaction && first && <span class="r">open {countdown(now.value - first.at)}</span>}
      </h2>
      {request.earlier.length > 0 && (
        <ol class="steps">
          {request.earlier.map((statement, i) => (
            <li key={i}>
              <span>
                <code>
                  <Words words={statement} />
                </code>
                {!statement.text.toUpperCase().startsWith(statement.outcome) && <small>{statement.outcome}</small>}
              </span>
              <small>{clock(statement.at)}</small>
            </li>
          ))}
          <li class="this">
            <span>this statement</span>
            <small>{isOpen(request) ? request.holds : stateRow(request).word.split(',')[0]}</small>
          </li>
        </ol>
      )}
      <p class="q note">{transactionSentence(request)}</p>
    </section>
  );
}

function transactionSentence(request: RequestView): string {
  const { commits } = request;
  if (commits > 0)
    return `${isOpen(request) ? 'Commits' : 'Was to commit'} ${commits} earlier ${commits === 1 ? 'statement' : 'statements'} of this transaction before it does anything: a rollback afterwards takes nothing back.`;
  if (!request.in_transaction) return isOpen(request) ? 'None open. It would commit by itself.' : 'None was open.';
  if (isOpen(request) && request.where.engine !== 'postgres')
    return 'A denial leaves it open: the agent goes on with it, or rolls it back.';
  return isOpen(request)
    ? 'A denial rolls all of it back when the agent ends the transaction.'
    : 'It was sent inside this transaction.';
}

const SIGNED_IN: Readonly<Record<string, string>> = {
  'scram-sha-256': 'password (SCRAM)',
  caching_sha2_password: 'password (caching_sha2)',
  mysql_native_password: 'password (mysql_native)',
  local: 'password',
  ldap: 'password (directory)',
  jwt: 'token',
  certificate: 'client certificate',
  relay: 'at the database itself',
  trust: 'without a proof',
};

const ENGINES: Readonly<Record<string, string>> = { postgres: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB' };

function Requester({ request }: { readonly request: RequestView }) {
  const { who, where } = request;
  const tags = Object.entries(where.tags).map(([key, value]) => `${key}=${value}`);
  return (
    <section class="panel">
      <h2>Requester</h2>
      <dl class="facts">
        <dt>{who.kind === 'agent' ? 'Agent' : 'Person'}</dt>
        <dd class="mono">{who.id}</dd>
        <dt>Sponsor</dt>
        <dd>{who.sponsor ?? 'nobody answers for it'}</dd>
        {who.on_behalf_of.length > 0 && (
          <>
            <dt>On behalf of</dt>
            <dd>
              {who.on_behalf_of.join(', ')} <small>may not decide</small>
            </dd>
          </>
        )}
        <dt>Signed in</dt>
        <dd>{SIGNED_IN[who.authentication] ?? who.authentication}</dd>
        <dt>From</dt>
        <dd>
          <span class="mono">{who.address}</span>{' '}
          {request.application_name && <small>{request.application_name}</small>}
        </dd>
        <dt>Runs as</dt>
        <dd>
          <span class="mono">{request.role || request.upstream_user}</span> on{' '}
          <span class="mono">{where.database || 'no database'}</span> <small>{ENGINES[where.engine]}</small>
        </dd>
        {tags.length > 0 && (
          <>
            <dt>Tags</dt>
            <dd class="mono">{tags.join(' ')}</dd>
          </>
        )}
        <dt>{where.engine === 'postgres' ? 'Path' : 'sql_mode'}</dt>
        <dd class="mono">{request.search_path.replace(/^.*; sql_mode /s, '').replaceAll(',', ' ')}</dd>
      </dl>
    </section>
  );
}

function Parameters({ request }: { readonly request: RequestView }) {
  return (
    <section>
      <div class="sech">
        <h2>Parameters</h2>
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard must reach it */}
      <div class="tblwrap" tabIndex={0} role="region" aria-label="Parameters">
        <table class="tbl">
          <thead>
            <tr>
              <th>No.</th>
              <th>Type</th>
              <th>Value, whole</th>
              <th class="num">Bytes</th>
            </tr>
          </thead>
          <tbody>
            {request.parameters.map((parameter, i) => (
              <tr key={i}>
                <td class="mono">
                  {request.where.engine === 'postgres' && '$'}
                  {i + 1}
                </td>
                <td class="mono">{parameter.type}</td>
                <td class="value">
                  {parameter.value === null ? (
                    <i>NULL</i>
                  ) : (
                    <code class="s">
                      <Words words={parameter.value} />
                    </code>
                  )}
                </td>
                <td class="num">{parameter.value === null ? '' : count(parameter.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Story({ request }: { readonly request: RequestView }) {
  const { icon, word } = stateRow(request);
  return (
    <section>
      <div class="sech">
        <h2>What happened</h2>
        <span class="r">UTC</span>
      </div>
      <ol class="ev">
        <li>
          <time>{clock(request.opened)}</time>
          <Icon name="pause" />
          <span>
            Held by rule <code>{request.rule}</code>. Needs {request.ask.count} of{' '}
            {either(request.ask.of, 'the reviewers')}.
          </span>
        </li>
        {request.decisions.map((decision) => (
          <li key={`${decision.by} ${decision.at}`}>
            <time>{clock(decision.at)}</time>
            <Icon name={decision.decision === 'approve' ? 'check' : 'x'} />
            <span>
              {decision.by} {decision.group && `(${decision.group}) `}
              {decision.decision === 'approve' ? 'approved' : 'denied'}
              {decision.rationale && `: “${decision.rationale}”`}
            </span>
          </li>
        ))}
        {request.state !== 'denied' && (
          <li>
            <time>{clock(request.updated)}</time>
            <Icon name={icon} />
            <span>
              {word}
              {request.outcome?.tag && (
                <>
                  : <code>{request.outcome.tag}</code>
                </>
              )}
              .
            </span>
          </li>
        )}
      </ol>
    </section>
  );
}
