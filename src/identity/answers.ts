// Who answers for an agent, and who may get it a token because of that. Must never take a name that nobody is known by for somebody.
import type { Account, Directory } from './directory.ts';

/** Is this person, or another account of theirs, the sponsor of that agent? */
export function answersFor(
  directory: Pick<Directory, 'requester' | 'reviewer'>,
  person: string,
  agent: string,
): boolean {
  const sponsor = directory.requester(agent)?.sponsor ?? null;
  return sponsor !== null && [person, ...(directory.reviewer(person)?.aliases ?? [])].includes(sponsor);
}

/** May this person get that agent a token for databases, as things are now? `person`: undefined, they are nobody here. */
export function mayGetToken(
  directory: Pick<Directory, 'requester' | 'reviewer'>,
  person: Account | undefined,
  agent: string,
): boolean {
  if (person?.kind !== 'human') return false;
  return person.roles.includes('admin') || answersFor(directory, person.id, agent);
}
