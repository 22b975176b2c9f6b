// What webhooks need from the rest: how they are configured, the events in the order of the log, and where to tell what became of them.
// Types only; config, compose and audit satisfy these by shape.
import type { AuditPort, PermitLike, RequestLike } from '../ports.ts';
import type { Headline } from '../view.ts';

/** One webhook (config/config.ts WebhookConfig). */
export interface HookConfig {
  /** Names its files, too. */
  readonly name: string;
  readonly url: string;
  readonly secret: readonly string[];
  readonly events: readonly string[];
  readonly allow_private: boolean;
  readonly ca: string | null;
  readonly text: boolean;
  readonly words: boolean;
}

/** As it was agreed. */
type HookPermit = Omit<PermitLike, 'pattern' | 'role' | 'sql' | 'rationale' | 'used' | 'revoked'>;

type About =
  | {
      readonly about: 'request';
      /** As it was right after the event. */
      readonly request: RequestLike;
      readonly headline: Headline;
      readonly approvals: { readonly given: number; readonly needed: number };
      /** Why its wait ended, it lapsed, or nobody knows its outcome: Holdpoint's words. */
      readonly why: string | null;
    }
  | {
      readonly about: 'permit';
      readonly permit: HookPermit;
      readonly use: {
        readonly number: number;
        readonly session: string | null;
        readonly outcome: RequestLike['outcome'];
      } | null;
      readonly revoked: { readonly by: string; readonly reason: string } | null;
    }
  | {
      readonly about: 'policy';
      /** In force now; null: it was refused. */
      readonly loaded: { readonly hash: string; readonly rules: number; readonly mode: string } | null;
      /** Why it was refused, a line each. */
      readonly problems: readonly { readonly line: number; readonly message: string }[];
    };

/** One durable event. */
export type HookEvent = About & {
  /** Its audit sequence number. */
  readonly seq: number;
  /** request.decided, as its record is called. */
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

/** Where a feed goes on after a restart. */
export interface Mark {
  /** Everything up to this sequence number is done with. */
  readonly cursor: number;
  /** What is needed to understand later events begins here. */
  readonly since: number;
}

/** Events after a mark, in the order of the log, none left out; one at a time, however long the one before takes. */
export interface Feed {
  /** The next event, when there is one; null: closed. Rejects when the log can't be read. */
  next(): Promise<HookEvent | null>;
  /** Before the event that `next` gave last, unless `settled` was called since. */
  mark(): Mark;
  settled(): void;
  close(): void;
}

export interface HookPorts {
  /** Mark of a hook that has none: from now on. */
  readonly now: Mark;
  /** `text`: with statements and parameters. */
  feed(from: Mark, text: boolean): Feed;
  readonly audit: Pick<AuditPort, 'append'>;
  /** For the operator. */
  warn(text: string): void;
  info(text: string): void;
}
