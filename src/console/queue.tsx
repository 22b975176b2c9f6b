// The queue: riskiest first, then oldest, and still under the pointer. What arrives meanwhile is counted, what ends is struck.
import { clock, countdown, whatItDoes } from './format.ts';
import { Icon, LEVEL_WORDS, Shape } from './icons.tsx';
import {
  arrivals,
  back,
  current,
  forYou,
  type Group,
  hold,
  isOpen,
  keysOpen,
  line,
  mine,
  now,
  openCard,
  openCount,
  rows,
  search,
  showArrivals,
} from './state.ts';
import type { RequestView } from '../review/schemas.ts';
import { LastDecision } from './teach.tsx';
import { Words } from './words.tsx';

const HEADINGS: Readonly<Record<Group, string>> = {
  'yours-to-decide': 'For you',
  own: 'Yours, decided by others',
  others: 'You cannot decide these',
  ended: 'Just ended',
};

export function Queue() {
  const shown = rows.value;
  return (
    <section
      class="queue"
      aria-label="Open requests"
      onPointerEnter={(event) => event.pointerType === 'mouse' && hold(true)}
      onPointerLeave={() => hold(false)}
      onFocusIn={() => hold(true)}
      onFocusOut={() => hold(false)}
    >
      <div class="qhead">
        <div>
          <h1>Queue</h1>
          <div class="seg" role="group" aria-label="Whose">
            <button type="button" aria-pressed={mine.value} onClick={() => (mine.value = true)}>
              For my groups
            </button>
            <button type="button" aria-pressed={!mine.value} onClick={() => (mine.value = false)}>
              All
            </button>
          </div>
        </div>
        <label class="search">
          <Icon name="search" />
          <span class="vh">Search open requests</span>
          <input
            id="search"
            class="field"
            placeholder="Agent, table, rule or id"
            autocomplete="off"
            spellcheck={false}
            value={search.value}
            onInput={(event) => (search.value = event.currentTarget.value)}
          />
          <kbd aria-hidden="true">/</kbd>
        </label>
        <div class="arrivals">
          {arrivals.value > 0 ? (
            <>
              <span>{arrivals.value} new. The list waits for you.</span>
              <button class="btn quiet sm" type="button" onClick={showArrivals}>
                Show them
              </button>
            </>
          ) : (
            <span class="qq">{back.value || 'Riskiest first, then oldest.'}</span>
          )}
        </div>
      </div>
      <ol class="rows" aria-label="Requests, riskiest first">
        {shown.flatMap(({ request, group, alike }, i) => [
          ...(shown[i - 1]?.group === group
            ? []
            : [
                <li class="group" key={group}>
                  <span>{HEADINGS[group]}</span>
                  {group !== 'ended' && (
                    <span>
                      {shown.reduce(
                        (n, row) => (row.group === group && isOpen(row.request) ? n + 1 + row.alike : n),
                        0,
                      )}
                    </span>
                  )}
                </li>,
              ]),
          <Row request={request} group={group} alike={alike} key={request.id} />,
        ])}
        {shown.length === 0 && <None />}
      </ol>
      <div class="qfoot">
        <span>
          <kbd>j</kbd>
          <kbd>k</kbd> move
        </span>
        <span>
          <kbd>a</kbd> approve
        </span>
        <span>
          <kbd>d</kbd> deny
        </span>
        <button class="plain" type="button" onClick={() => (keysOpen.value = true)}>
          <kbd>?</kbd> all keys
        </button>
      </div>
    </section>
  );
}

function None() {
  if (search.value !== '' && openCount.value > 0)
    return (
      <li class="none-here">
        No request matches.{' '}
        <button class="link plain" type="button" onClick={() => (search.value = '')}>
          Clear the search
        </button>
      </li>
    );
  if (openCount.value > 0 && mine.value && forYou.value === 0)
    return (
      <li class="none-here">
        Nothing waits for your groups.{' '}
        <button class="link plain" type="button" onClick={() => (mine.value = false)}>
          Show all {openCount.value}
        </button>
      </li>
    );
  return (
    <li class="none-here">
      Nothing is held. <LastDecision />
    </li>
  );
}

const SOON_MS = 60_000;

interface RowProps {
  readonly request: RequestView;
  readonly group: Group;
  /** So many more of the same agent, rule and shape. */
  readonly alike: number;
}

function Row({ request, group, alike }: RowProps) {
  const left = request.deadline - now.value;
  const gone = !isOpen(request);
  const main = request.findings.find((finding) => finding.level === request.level) ?? request.findings[0];
  const last = request.decisions.at(-1);
  return (
    <li>
      <a
        class={gone ? 'row gone' : 'row'}
        href={`/r/${request.id}`}
        aria-current={current.value === request.id ? 'true' : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          openCard(request.id);
        }}
      >
        <Shape level={request.level} />
        <div>
          <span class="a">
            <span class={`risk ${request.level}`}>{LEVEL_WORDS[request.level]}</span>{' '}
            {main && <span class="tag">{main.action}</span>} <span>on {request.where.database}</span>{' '}
            <span>{countdown(now.value - request.opened)} ago</span>{' '}
            {gone ? (
              <span class="left">{endedWord(request)}</span>
            ) : (
              <span class={left < SOON_MS ? 'left soon' : 'left'}>
                <span class="vh">ends in </span>
                {countdown(left)}
              </span>
            )}
          </span>
          <span class="b">{whatItDoes(request)}</span>
          {request.who.task && (
            <span class="t">
              task “<Words words={request.who.task} />”
            </span>
          )}
          <span class="c">
            <span>
              {request.who.id}
              {request.who.sponsor && `, for ${group === 'own' ? 'you' : request.who.sponsor}`}
              {request.who.on_behalf_of.length > 0 && `, on behalf of ${request.who.on_behalf_of.join(', ')}`}
            </span>{' '}
            <span>
              {gone && last
                ? `by ${last.by}, ${line.value.state === 'live' && now.value - last.at < SOON_MS ? 'just now' : clock(last.at)}`
                : `${request.id}${request.needed > 1 ? ` · ${request.approvals.length} of ${request.needed}` : ''}${request.state === 'asked' ? ' · asked' : ''}${alike > 0 ? ` · ${alike} more like it` : ''}`}
            </span>
          </span>
        </div>
      </a>
    </li>
  );
}

const ENDED: Readonly<Record<string, string>> = {
  approved: 'Approved',
  released: 'Running',
  executed: 'Ran',
  failed: 'Failed',
  denied: 'Denied',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
  outcome_unknown: 'Unknown outcome',
  lapsed: 'Lapsed',
};

function endedWord(request: RequestView): string {
  return ENDED[request.state] ?? request.state;
}
