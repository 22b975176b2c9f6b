// What a held statement would touch, asked of the server for its reviewers. Nobody waits for it: the card is there first, and its numbers
// follow. Must never decide anything, nor hold anything up.
import type { Request } from '../approval/types.ts';
import type { Plan } from '../session/gate.ts';
import { contextOf } from './context.ts';
import { remembered } from './plan.ts';
import type { State } from './state.ts';

export const estimate = (s: State, request: Request, plan: Plan): void => {
  const { impact, desk, fault } = s.options;
  if (!impact || request.impact !== null) return;
  const { analysis } = remembered(plan);
  const { login, server_pid } = s.opening;
  const { facts } = s;
  const handle = contextOf(s).analysis;
  const analyse = (text: string) => handle.analyse(text);
  impact(request, { text: plan.forward ?? plan.text, analysis, analyse, login, server_pid, facts })
    .then((seen) => seen && desk.impact(request.id, seen, request.revision))
    .catch((error: unknown) => fault('the impact of a held statement could not be recorded', error));
};
