// Shared by the tests of the PostgreSQL analysis.
import { analyseText } from '../../../src/sql/postgres/analysis.ts';
import { Parser } from '../../../src/sql/postgres/parser.ts';
import type { Analysis, AnalysisContext, Finding } from '../../../src/sql/findings.ts';

export const parser = await Parser.create();

export const CONTEXT: AnalysisContext = {
  server_version: 18,
  database: 'corpus',
  role: 'agent',
  search_path: '"$user", public',
  prepared: () => undefined,
};

/** UTF-8 bytes as latin1. */
export function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function analyse(sql: string, context: Partial<AnalysisContext> = {}): Analysis {
  return analyseText(parser, latin1(sql), { ...CONTEXT, ...context });
}

/** `action object`, with a ? where it is unresolved; sorted. */
export function found(analysis: Analysis): string[] {
  return analysis.findings.map(printed).toSorted();
}

export function printed(finding: Finding): string {
  return `${finding.action} ${finding.object}${finding.unresolved ? '?' : ''}`.trim();
}

/** What a policy that holds exports, DDL, grants, roles, server files, code and the unknown would hold for. */
const HELD_ACTIONS = new Set(['export', 'import', 'ddl', 'grant', 'role', 'admin', 'code', 'unknown']);

export function heldFor(analysis: Analysis): string[] {
  const reasons = analysis.findings.filter((f) => HELD_ACTIONS.has(f.action) || f.unresolved === true).map(printed);
  return analysis.error ? [...reasons, analysis.error.message] : reasons;
}
