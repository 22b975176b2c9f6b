// The one way a decision reaches the desk, from HTTP and from the stream alike, and the record of every refused attempt.
// Must never let anyone but a person with the reviewer's role through, whatever the desk would say.
import type { RequestLike, ReviewerIdentity, ReviewPorts } from './ports.ts';
import { type Problem, problem, problemName } from './problems.ts';
import type { DecisionBody, RequestView } from './schemas.ts';
import { viewOf } from './view.ts';

export type Decided =
  | { readonly ok: true; readonly request: RequestView }
  | { readonly ok: false; readonly problem: Problem };

/** Decides for `viewer`. Resolves when the decision, or the refusal, is durable. */
export async function decide(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  id: string,
  body: DecisionBody,
  channel: string,
): Promise<Decided> {
  const view = (request: RequestLike) => viewOf(request, viewer, ports.requests);
  const barred = bar(viewer);
  if (barred) {
    await recordRefusal(ports, viewer, id, body, channel, barred);
    return { ok: false, problem: problem(barred) };
  }
  const result = await ports.requests.decide({ id, by: viewer.id, ...body, channel });
  if (result.type === 'counted') return { ok: true, request: view(result.request) };
  await recordRefusal(ports, viewer, id, body, channel, result.why);
  const request = result.request ?? ports.requests.get(id);
  return {
    ok: false,
    problem: problem(problemName(result.why), { detail: result.text, ...(request ? { request: view(request) } : {}) }),
  };
}

function bar(viewer: ReviewerIdentity): 'not-a-person' | 'not-a-reviewer' | null {
  if (viewer.kind !== 'human') return 'not-a-person';
  return viewer.roles.includes('reviewer') ? null : 'not-a-reviewer';
}

async function recordRefusal(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  id: string,
  body: DecisionBody,
  channel: string,
  why: string,
): Promise<void> {
  const clear = { request: id, by: viewer.id, decision: body.decision, why, channel };
  // Nothing was decided, so a log that cannot take this record changes nothing; health says that it is broken.
  await ports.audit.append({ type: 'request.refused', clear, sealed: { rationale: body.rationale } }).catch(() => 0);
}
