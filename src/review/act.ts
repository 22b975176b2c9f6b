// The one way by which somebody changes anything here, from HTTP and from the stream alike, and the record of every refused attempt.
// Must never let anyone but a person with the reviewer's role decide, whatever the desk would say, and never show a request to whoever may
// not read it.
import type { z } from 'zod';
import type { decisionBody, reasonBody, reviewBody, textBody } from './bodies.ts';
import { barred, type OperationName } from './operations.ts';
import type { PortResult, ProofLike, RequestLike, ReviewerIdentity, ReviewPorts } from './ports.ts';
import { type Problem, problem, problemName } from './problems.ts';
import type { RequestView, StepUpView } from './schemas.ts';
import { stepUpOf } from './step-up.ts';
import { isOwn, viewOf } from './view.ts';

export type Acted =
  | { readonly ok: true; readonly request: RequestView }
  | { readonly ok: false; readonly problem: Problem };

interface Bodies {
  readonly decide: z.infer<typeof decisionBody>;
  readonly ask: z.infer<typeof textBody>;
  readonly answer: z.infer<typeof textBody>;
  readonly withdraw: z.infer<typeof reasonBody>;
  readonly review: z.infer<typeof reviewBody>;
}
/** What can be done to a request; each is an operation of this name. */
export type Act = keyof Bodies & OperationName;

/** Does `what` to a request for `viewer`. Resolves when it, or its refusal, is durable. */
export async function act<A extends Act>(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  what: A,
  id: string,
  body: Bodies[A],
  { channel, proof }: { readonly channel: string; readonly proof: ProofLike | undefined },
): Promise<Acted> {
  const refused = async (
    why: string,
    text?: string,
    shown?: RequestLike,
    more: { readonly step_up?: StepUpView } = {},
  ): Promise<Acted> => {
    await recordRefusal(ports, viewer, { what, request: id, channel, ...decisionOf(body) }, why, wordsOf(body), {
      ...(more.step_up && { missing: more.step_up.missing, signed_in: more.step_up.signed_in }),
    });
    const request = shown ?? ports.requests.get(id);
    return {
      ok: false,
      problem: problem(problemName(why), {
        ...(text === undefined ? {} : { detail: text }),
        ...(request && mayReadOf(request) ? { request: viewOf(request, viewer, ports) } : {}),
        ...more,
      }),
    };
  };
  const mayReadOf = (request: RequestLike) => mayRead(viewer) || isOwn(request, viewer, ports.requests);
  const bar = barred(what, viewer);
  if (bar !== null) return refused(bar);
  const known = ports.requests.get(id);
  // Somebody else's and none at all look the same to whoever may not read it.
  if (!mayRead(viewer) && !(known && mayReadOf(known))) return refused('not-yours');
  const result = await ACTS[what](ports.requests, { id, by: viewer.id, channel, signed_in: proof }, body);
  if (result.type === 'counted') return { ok: true, request: viewOf(result.request, viewer, ports) };
  const { why, text, request } = result;
  if (why !== 'step-up' || request === undefined) return refused(why, text, request);
  const step_up = stepUpOf(request, result, proof, viewer.id, ports.identity.sso !== null);
  return refused(why, text, request, { step_up });
}

interface By {
  readonly id: string;
  readonly by: string;
  readonly channel: string;
  readonly signed_in: ProofLike | undefined;
}
const ACTS: { readonly [A in Act]: (desk: ReviewPorts['requests'], by: By, body: Bodies[A]) => Promise<PortResult> } = {
  decide: (desk, by, { permit, ...decision }) =>
    desk.decide({
      ...by,
      ...decision,
      permit: permit && { for_ms: permit.for, uses: permit.uses, rows: permit.rows },
    }),
  ask: (desk, { id, by, channel }, { text }) => desk.ask({ id, by, channel, text }),
  answer: async (desk, { id, by, channel }, { text }) => notYours(await desk.answer({ id, by, channel, text })),
  review: (desk, { id, by, signed_in }, { rationale }) => desk.review({ id, by, rationale, signed_in }),
  withdraw: async (desk, { id, by }, { reason }) => {
    const done = await desk.withdraw(id, by, reason);
    const request = desk.get(id);
    if (done === 'ok' && request) return { type: 'counted', request };
    if (typeof done === 'object')
      return { type: 'refused', why: 'already-decided', text: `It is ${done.already} already; it was not withdrawn.` };
    if (done === 'not-yours')
      return {
        type: 'refused',
        why: 'not-yours',
        text: 'Only the requester and whoever answers for it can withdraw it.',
      };
    return { type: 'refused', why: 'not-found', text: `There is no request ${id}.` };
  },
};

/** The desk's 'own' means of an answer that it is not theirs. */
function notYours(result: PortResult): PortResult {
  return result.type === 'refused' && result.why === 'own' ? { ...result, why: 'not-yours' } : result;
}

function decisionOf(body: Bodies[Act]): { readonly decision?: string } {
  return 'decision' in body ? { decision: body.decision } : {};
}

function wordsOf(body: Bodies[Act]): Readonly<Record<string, unknown>> {
  if ('text' in body) return { text: body.text };
  return 'reason' in body ? { reason: body.reason } : { rationale: body.rationale };
}

/** Reads every request; who has no role reads its own and its agents'. */
export function mayRead(viewer: ReviewerIdentity): boolean {
  return viewer.kind === 'human' && viewer.roles.length > 0;
}

/** Puts on record that a change was refused. `about` and `facts`: in clear, so never anybody's words. */
export async function recordRefusal(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  about: { readonly what: OperationName } & Readonly<Record<string, string>>,
  why: string,
  words: Readonly<Record<string, unknown>> = {},
  facts: object = {},
): Promise<void> {
  const type = 'request' in about ? 'request.refused' : 'reviewer.refused';
  // Nothing was changed, so a log that cannot take this record changes nothing; health says that it is broken.
  await ports.audit.append({ type, clear: { ...about, by: viewer.id, why, ...facts }, sealed: words }).catch(() => 0);
}
