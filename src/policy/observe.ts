// A policy that is watched at work: `mode: observe` for all of it. What it would hold or deny is told as observed, as one rule's
// `mode: observe` is, and runs. What no policy could let through (a text that does not parse) is not for this to decide.
import type { Policy, Verdict } from './types.ts';

export function observing<P extends Policy>(policy: P): P {
  return { ...policy, judge: (question) => watched(policy.judge(question)) };
}

function watched(verdict: Verdict): Verdict {
  const { rule, limits, observed } = verdict;
  if (verdict.verdict === 'allow')
    return limits.length === 0 ? verdict : { ...verdict, limits: limits.map((limit) => ({ ...limit, observe: true })) };
  // Limits of what is held are a permit's; what a person lets through runs to its end.
  const all = [...observed, { rule, verdict: verdict.verdict }];
  return { ...verdict, verdict: 'allow', ask: null, limits: [], observed: all };
}
