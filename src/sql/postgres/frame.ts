// Where in a tree a node stands, as far as that matters to what it means, and what a row of the tables does with its node.
import type { Analyst } from './analyst.ts';
import type { Tree } from './parser.ts';

/** CTE names in reach, innermost first. */
export interface Scope {
  readonly name: string;
  readonly outer: Scope | null;
}

export interface Frame {
  readonly kind: string;
  readonly node: Tree;
  readonly scope: Scope | null;
  /** Relations named here are not read: the statement defines or names objects. */
  readonly defines: boolean;
  /** EXPLAIN without ANALYZE, a view's or rule's query: planned, not run. */
  readonly planned: boolean;
  /** A cursor's query: run by FETCH or COMMIT. */
  readonly later: boolean;
}

/** What a table row does with its node. */
export type Visit = (analyst: Analyst, node: Tree, frame: Frame) => void;

/** Something that no text of the statement stands for. */
export const NOWHERE: Frame = { kind: '', node: {}, scope: null, defines: false, planned: false, later: false };

export const UNKNOWN_KIND = 'A kind of statement or expression that Holdpoint does not know.';
