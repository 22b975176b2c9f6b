// The exact statement: first on the card, whole, line by line, with the tokens of each finding marked in place.
// Must never cut, wrap into another order, or prettify what the agent sent.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { FindingView, RequestView } from '../review/schemas.ts';
import { count } from './format.ts';
import { Icon, LEVEL_WORDS, Shape } from './icons.tsx';
import { type Dialect, highlight, type Token } from './sql.ts';
import { escaped, pieces } from './words.tsx';

/** The finding that is pointed at, as `request index`. */
export const pointed = signal('');

const RANK = { critical: 0, high: 1, medium: 2, low: 3 } as const;
/** Beyond this many lines the browser lays out only what is in view; every line is in the page all the same. */
const LINES_LAID_OUT_MAX = 400;

interface Anchored extends FindingView {
  readonly number: number;
  /** Where its mark ends: a finding over several lines is marked on its first. */
  readonly end_shown: number;
}

export function Statement({ request }: { readonly request: RequestView }) {
  const { text, marks } = request.statement;
  const lines = linesOf(text);
  const tokens = highlight(text, dialectOf(request));
  const findings = request.findings.map((finding, i): Anchored => {
    const lineEnd = text.indexOf('\n', finding.from);
    return {
      ...finding,
      number: i + 1,
      end_shown: lineEnd >= 0 && lineEnd < finding.to ? lineEnd : finding.to,
    };
  });
  const last = lines.at(-1);
  const shown = lines.length > 1 && last && last.from === last.to ? lines.slice(0, -1) : lines;
  const on = findings.find((finding) => pointed.value === `${request.id} ${finding.number}`);
  return (
    <section>
      <div class="sech">
        <h2>{request.outcome ? 'Exact statement, as it ran' : 'Exact statement'}</h2>
        <span class="xs qq mono">digest {request.digest.slice(0, 12)}</span>
        <span class="r">
          <CopyButton request={request} />
        </span>
      </div>
      <div
        class={lines.length > LINES_LAID_OUT_MAX ? 'sql long' : 'sql'}
        role="group"
        aria-label="Exact statement"
        dir="ltr"
      >
        {request.statement.deleted && <p class="qq">The text was deleted with its key. It can never run.</p>}
        {shown.map((span, i) => (
          <div class="ln" key={i}>
            <span class="no">{i + 1}</span>
            <code>{lineOf(request, span, tokens, findings, on)}</code>
            <span class="an">
              {uniqueNumbers(findings, span).map((finding) => (
                <span class={`ann ${finding.level}`} key={finding.number}>
                  <Shape level={finding.level} />
                  <span class="vh">finding </span>
                  {finding.number}
                </span>
              ))}
            </span>
          </div>
        ))}
      </div>
      <div class="sqlfoot">
        {marks.length === 0 ? (
          <span class="ok">
            <Icon name="check" />
            No hidden or look-alike characters
          </span>
        ) : (
          <details class="marks">
            <summary>
              <Icon name="eye" />
              {marks.length} marked {marks.length === 1 ? 'character' : 'characters'}
            </summary>
            <ul class="mono">
              {marks.map((mark) => (
                <li key={mark.from}>
                  {position(text, mark.from)} {mark.name}
                </li>
              ))}
            </ul>
          </details>
        )}
        <span>
          Shown whole: {count(shown.length)} {shown.length === 1 ? 'line' : 'lines'}, {count(request.statement.bytes)}{' '}
          bytes
        </span>
        <span>
          {request.parameters.length === 0
            ? 'No parameters'
            : `${request.parameters.length} ${request.parameters.length === 1 ? 'parameter' : 'parameters'}`}
        </span>
      </div>
    </section>
  );
}

const dialectOf = ({ where, search_path }: RequestView): Dialect => ({
  postgres: where.engine === 'postgres',
  sql_mode: search_path,
});

function CopyButton({ request }: { readonly request: RequestView }) {
  const hidden = request.statement.marks.length > 0;
  return (
    <button
      class="btn quiet sm"
      type="button"
      onClick={() => void navigator.clipboard.writeText(hidden ? escaped(request.statement) : request.statement.text)}
    >
      <Icon name="copy" />
      {hidden ? 'Copy escaped' : 'Copy'}
    </button>
  );
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function linesOf(text: string): Span[] {
  const lines: Span[] = [];
  let from = 0;
  for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
    lines.push({ from, to });
    from = to + 1;
  }
  lines.push({ from, to: text.length });
  return lines;
}

function uniqueNumbers(findings: readonly Anchored[], span: Span): Anchored[] {
  return findings.filter(
    (finding) => finding.from >= span.from && finding.from <= span.to && finding.end_shown > finding.from,
  );
}

/** One line, cut at every edge of a token or finding, so that each part has one look. */
function lineOf(
  request: RequestView,
  span: Span,
  tokens: readonly Token[],
  findings: readonly Anchored[],
  on: Anchored | undefined,
): ComponentChildren[] {
  const { text, marks } = request.statement;
  const here = <T extends Span>(all: readonly T[]) => all.filter((one) => one.from < span.to && one.to > span.from);
  const lineTokens = here(tokens);
  const lineFindings = findings.filter((f) => f.from >= span.from && f.from < span.to && f.end_shown > f.from);
  const edges = new Set([span.from, span.to]);
  for (const one of lineTokens) edges.add(Math.max(span.from, one.from)).add(Math.min(span.to, one.to));
  for (const one of lineFindings) edges.add(one.from).add(one.end_shown);
  const cuts = [...edges].toSorted((a, b) => a - b);

  // Parts of one finding join into one mark.
  const groups: {
    readonly finding: Anchored | undefined;
    readonly from: number;
    readonly parts: ComponentChildren[];
  }[] = [];
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const from = cuts[i] as number;
    const to = cuts[i + 1] as number;
    const finding = lineFindings
      .filter((f) => f.from <= from && f.end_shown >= to)
      .toSorted((a, b) => look(a, on) - look(b, on))[0];
    const token = lineTokens.find((one) => one.from <= from && one.to >= to);
    const drawn = pieces(text, marks, from, to);
    const part = token ? (
      <span class={token.type} key={from}>
        {drawn}
      </span>
    ) : (
      drawn
    );
    const last = groups.at(-1);
    if (last && last.finding === finding) last.parts.push(part);
    else groups.push({ finding, from, parts: [part] });
  }
  return groups.map(({ finding, from, parts }) =>
    finding ? (
      <mark class={finding === on ? `${finding.level} on` : finding.level} key={from}>
        {parts}
      </mark>
    ) : (
      parts
    ),
  );
}

/** The pointed-at finding shows first, then the riskier, then the shorter. */
function look(finding: Anchored, on: Anchored | undefined): number {
  if (finding === on) return -1;
  return RANK[finding.level] * 1e6 + (finding.end_shown - finding.from);
}

function position(text: string, at: number): string {
  const before = text.slice(0, at);
  return `${before.split('\n').length}:${Array.from(before.slice(before.lastIndexOf('\n') + 1)).length + 1}`;
}

export function Findings({ request }: { readonly request: RequestView }) {
  return (
    <section>
      <div class="sech">
        <h2>What Holdpoint found</h2>
        {request.findings.length > 1 && <span class="r hide">Point at a finding to see its tokens</span>}
      </div>
      {request.findings.length === 0 ? (
        <p class="q small">Nothing in it by itself; rule {request.rule} holds it.</p>
      ) : (
        <ol class="finds">
          {request.findings.map((finding, i) => {
            const key = `${request.id} ${i + 1}`;
            const point = () => {
              pointed.value = key;
            };
            return (
              <li
                key={key}
                id={`finding-${i + 1}`}
                class={pointed.value === key ? 'on' : ''}
                // A stop for the keyboard: its tokens get their ring.
                // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
                tabIndex={0}
                onPointerEnter={point}
                onFocus={point}
              >
                <span class={`risk ${finding.level}`}>
                  <span class="fn">{i + 1}</span>
                  <Shape level={finding.level} />
                  {LEVEL_WORDS[finding.level]}
                </span>{' '}
                <span class="tag">{finding.action}</span>{' '}
                <span>
                  {finding.object !== '' && (
                    <>
                      <code>{finding.object}</code>{' '}
                    </>
                  )}
                  {finding.why}
                </span>{' '}
                <span class="loc mono">
                  {finding.line}:{finding.column}
                </span>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
