// What `policy explain` says of a statement: one JSON line for scripts, or a few lines for a person with a caret under each
// finding. A statement's text is another's words: control and invisible characters are shown by name, never sent to the terminal.
import type { Explanation } from '../policy/judge.ts';
import type { Limit } from '../policy/types.ts';
import { askLines, needs } from '../policy/words.ts';
import type { Analysis, AnalysisError, Finding } from '../sql/findings.ts';

/** The object of one JSON line, with its fields in the documented order. */
export function explanationJson(id: unknown, analysis: Analysis, explained: Explanation): unknown {
  const { verdict, rule } = explained;
  const limits = limitsOf(explained);
  const { reads, writes, functions, statements, findings, error } = analysis;
  return {
    id,
    verdict,
    rule,
    actions: [...new Set(findings.map(({ action }) => action))].toSorted(),
    reads,
    writes,
    functions,
    kind: statements.map(({ kind }) => kind).join('; '),
    statements: statements.length,
    findings: findings.map(({ action, object, why, statement, start, end, unresolved }) => ({
      action,
      object,
      why,
      statement,
      start,
      end,
      ...(unresolved ? { unresolved } : {}),
    })),
    ...(limits.length > 0
      ? {
          limits: limits.map(({ rule: by, rows, bytes, per_ms, verdict: at_cap, observe }) => ({
            rule: by,
            rows,
            bytes,
            per_ms,
            verdict: at_cap,
            observe,
          })),
        }
      : {}),
    ...(error ? { error: { sqlstate: error.sqlstate, message: error.message, position: error.position } } : {}),
  };
}

/** For a person. `rules`: ids of all rules of the policy. */
export function explanationText(
  sql: Uint8Array,
  analysis: Analysis,
  explained: Explanation,
  rules: readonly string[],
): string {
  const { verdict, rule, message, findings, ask, observed, excepted, failed, matched } = explained;
  const limits = limitsOf(explained);
  const others = matched.filter(
    (id) => id !== rule && !observed.some((one) => one.rule === id) && !limits.some((limit) => limit.rule === id),
  );
  const silent = rules.filter((id) => !matched.includes(id) && !excepted.includes(id));
  const shown = verdict === 'allow' ? [] : findings.map((index) => analysis.findings[index]!);
  const lines = [
    `${verdict}, by ${rules.includes(rule) ? 'rule ' : ''}${rule}`,
    ...(message === '' ? [] : [`  ${message}`]),
    ...(analysis.error ? unparsedAt(sql, analysis.error) : []),
    ...shown.flatMap((finding) => ['', ...pointed(sql, finding.start, finding.end), `  ${described(finding)}`]),
    '',
  ];
  if (verdict === 'allow' && analysis.findings.length > 0)
    lines.push(`found      ${[...new Set(analysis.findings.map(described))].join('\n           ')}`);
  if (ask) lines.push(`asks       ${askLines(ask).join('\n           ')}`);
  for (const limit of limits) lines.push(`limit      ${limited(limit)}`);
  if (others.length > 0) lines.push(`also       ${others.join(', ')}`);
  if (excepted.length > 0) lines.push(`excepted   ${excepted.join(', ')} (unless)`);
  if (observed.length > 0)
    lines.push(
      `observed   ${observed.map((one) => `${one.rule} (${one.verdict})`).join(', ')}: recorded, not enforced`,
    );
  if (failed.length > 0)
    lines.push(
      `failed     ${failed.join(', ')}: an expression could not be evaluated, which counts against the statement`,
    );
  if (silent.length > 0) lines.push(`no match   ${silent.join(', ')}`);
  return lines.join('\n');
}

/** Those of what is held are for a permit: what a person lets through runs to its end. */
function limitsOf({ verdict, limits }: Explanation): readonly Limit[] {
  return verdict === 'allow' ? limits : [];
}

/** "10000 rows or 10485760 bytes in a result, then hold for any reviewer, by rule bulk-read". */
function limited({ rule, rows, bytes, per_ms, verdict: at_cap, ask, observe, counts_only, withholds }: Limit): string {
  const caps = [...(rows === null ? [] : [`${rows} rows`]), ...(bytes === null ? [] : [`${bytes} bytes`])].join(' or ');
  const scope = per_ms === null ? 'in a result' : `of this principal in ${per_ms / 1000} s`;
  const what = counts_only
    ? 'counted only: it writes, and cannot return more rows'
    : observe
      ? 'recorded only'
      : withholds
        ? 'then the rest of its rows is withheld: it writes'
        : at_cap === 'hold'
          ? `then hold for ${needs(ask)}`
          : `then ${at_cap}`;
  return `${caps} ${scope}, ${what}, by rule ${rule}`;
}

function described({ action, object, why }: Finding): string {
  return `${action}${object === '' ? '' : ` ${visible(object)}`}${why === '' ? '' : `: ${visible(why)}`}`;
}

function unparsedAt(sql: Uint8Array, { sqlstate, message, position }: AnalysisError): string[] {
  // The position counts characters from 1; findings count bytes.
  const before = Array.from(new TextDecoder().decode(sql))
    .slice(0, position - 1)
    .join('');
  const start = Buffer.byteLength(before);
  return ['', ...(position > 0 ? pointed(sql, start, start + 1) : []), `  ${sqlstate}: ${visible(message)}`];
}

/** The line that a byte range starts on, cut to what fits, and a caret line under it. */
function pointed(sql: Uint8Array, start: number, end: number): string[] {
  const text = (from: number, to: number) => visible(new TextDecoder().decode(sql.subarray(from, to)));
  const begin = start === 0 ? 0 : sql.lastIndexOf(10, start - 1) + 1;
  const newline = sql.indexOf(10, start);
  const stop = newline < 0 ? sql.length : newline;
  const until = Math.min(end, stop);
  const before = text(begin, start);
  const head = before.length > 40 ? `...${before.slice(-37)}` : before;
  const body = text(start, stop);
  const width = Math.min(Math.max(1, text(start, until).length), 76 - head.length);
  const cut = head.length + body.length > 76 ? `${body.slice(0, 73 - head.length)}...` : body;
  return [`  ${head}${cut}`, `  ${' '.repeat(head.length)}${'^'.repeat(width)}`];
}

/** Control, format and private characters as <U+202E>. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
    (character) => `<U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}>`,
  );
}
