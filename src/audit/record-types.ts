// Every type of record that the gateway writes, with what it means in one line; docs/audit-log.md prints this table and a test compares.
// audit/ itself writes those of `log.` and 'statements'; the others belong to the folders that do what they record.

export const RECORD_TYPES = {
  'log.opened':
    'A writer opened the log: format version, process id, how many records were there, ids of the tag key and of the master key.',
  'log.recovered': 'A torn tail was cut and kept aside, or the disk took records again after it had refused them.',
  'log.overridden':
    'An operator accepted a log that did not verify, exactly as it stood; first record of a new segment.',
  'log.clock_jumped':
    'The clock was set, by how many milliseconds, and what it showed before and after: records from here on have the new time. at_start: it is earlier than the last record.',
  'log.key_rotated': 'Another key signs checkpoints from here on: which did, and which does.',
  'log.key_deleted': 'The key of a period was deleted: what was sealed in it can be read by nobody any more.',
  'log.segments_removed':
    'Segments, with all their records, were removed by retention, and the keys of months that nothing is sealed in any more.',
  'config.loaded': 'The configuration in force.',
  'policy.loaded': 'The policy in force from here on, by its hash, and whether it is enforced or observed.',
  'policy.refused': 'A policy was offered and is not in force, and why.',
  'session.opened':
    'An agent was identified and joined to an upstream: who, by what authentication (of a token its id), where.',
  'session.closed': 'A session ended, and what it did in numbers.',
  'session.refused': 'A connection was not let in: identity, limit, or upstream failure.',
  statements: 'A block of allowed statements of one session.',
  'statement.forwarded': 'audit.allowed is sync: an allowed statement is about to be sent.',
  'statement.observed':
    'In mode observe, of a rule or of all: what would have been held or denied, by which rules, and was allowed.',
  'statement.cut':
    'The rest of a result was withheld at its limit: rule, request, rows and bytes that passed, what the server said.',
  'statement.denied': 'A rule denied a statement; no person was asked.',
  'statement.refused':
    'A statement was refused whatever the rules: not parsed, a setting that may not change, or a command passed on for nobody.',
  'request.opened': 'A risky statement became a request: who, what, why, where.',
  'request.held': 'A client waits on the wire for a request (again).',
  'request.ticket': 'The client no longer waits; the request lives on as a ticket.',
  'request.impact': 'What the server estimated that it would touch: names and numbers.',
  'request.asked': 'A reviewer asked the requester something; the question is sealed.',
  'request.answered': 'The requester, or whoever answers for it, answered; the answer is sealed.',
  'request.escalated': 'The first to be asked did not decide in their time: others are asked, too.',
  'request.changed':
    'What would run is something else than was shown: the next revision, with decisions to be made anew.',
  'request.broke_glass':
    'Somebody of the policy’s break-glass group let it run without an approval; the reason is sealed.',
  'request.reviewed': 'Somebody else looked at what ran by break-glass, and closed its review; the words are sealed.',
  'request.decided': 'A reviewer or a clock approved or denied: decision, rationale (sealed), channel.',
  'request.refused': 'A decision, question, answer or the like was not counted, and why.',
  'request.withdrawn': 'The request ended without a decision at its own side’s wish.',
  'request.expired': 'Nobody decided in time.',
  'request.released': 'The approved statement is about to be sent upstream, at most once.',
  'request.executed': 'The upstream completed the released statement: tag, rows, bytes, duration.',
  'request.failed': 'The upstream refused the released statement: SQLSTATE and constraint.',
  'request.returned': 'Released, and nothing of it was sent to the database: it is approved as before.',
  'request.outcome_unknown': 'Released, and whether it ran cannot be known.',
  'request.lapsed': 'Approved, but not used in time or no longer what was approved.',
  'permit.granted': 'An approval came with a permit for all statements that are like it: whose, which, for how much.',
  'permit.used': 'A statement is about to be sent under a permit; its text and parameters are sealed.',
  'permit.use_ended': 'What became of a use of a permit: tag or SQLSTATE, rows, bytes, duration.',
  'permit.revoked': 'A permit was ended early: by whom; the reason is sealed.',
  'webhook.dead': 'An event could not be delivered for 24 h and was given up: which webhook, which record, why.',
  'webhook.gone': 'A webhook’s receiver answered 410 Gone: nothing more is sent to it.',
  'ship.blocked':
    'The log could not be shipped to a destination for longer than its block_after, so nothing is forwarded.',
  'ship.resumed': 'The log is shipped again, and forwarding goes on.',
  'reviewer.signed_in': 'A reviewer signed in: who, how and by what (password, second factor, provider), from where.',
  'reviewer.sign_in_refused':
    'A sign-in was refused, and why: wrong, too many tries, no second factor, unknown here, a directory or provider down.',
  'reviewer.signed_out': 'A reviewer signed out: who, from where, of one session or of all.',
  'reviewer.link_issued': 'A reviewer got a one-time link to sign in to another program.',
  'reviewer.key_added': 'A reviewer made a security key a second factor.',
  'reviewer.key_removed': 'A security key is taken no more: by the reviewer, or by an operator because it was lost.',
  'reviewer.codes_removed': 'An operator took a reviewer’s authenticator app and recovery codes away.',
  'reviewer.read_text': 'A reviewer or auditor read a statement’s full text.',
  'reviewer.read_log': 'Somebody read the log: what was asked for, and whether with its sealed texts.',
  'reviewer.token_issued':
    'A person got an agent a token for the reviewers’ API or, where it has an id, for databases: who, for whom, for how long.',
  'reviewer.token_revoked':
    'A token for databases, or all of an agent, were revoked: who, whose, which; of another issuer: its name.',
  'reviewer.token_key': 'Another key signs tokens for databases; drop: what older ones signed is void.',
  'reviewer.refused': 'A change by the reviewers’ API was refused that is of no request: a token, a permit, a session.',
  'session.ended': 'An admin had a session ended: who, whose.',
} as const satisfies Readonly<Record<string, string>>;

export type RecordType = keyof typeof RECORD_TYPES;
