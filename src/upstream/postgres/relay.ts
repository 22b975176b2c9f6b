// An agent's login that the server judges itself (`auth: relay`): its questions go to the agent, the agent's answers to the server.
// Passes nothing on that the table lacks: no password that could be read on the way, no login without a proof, no second attempt.
// Manual: 55.2.1 "Start-up", 55.3 "SASL Authentication".
//
//   start --MD5Password--------------------------------------------> answered --Ok--> accepted
//         \-SASL--> asked --SASLContinue--> proved --SASLFinal-----/
import type { RelayedLogin } from '../../session/upstream.ts';
import { authenticationSasl } from '../../wire/postgres/messages.ts';
import { MECHANISM } from '../../wire/postgres/scram.ts';
import { UpstreamError } from './error.ts';

type Step = 'start' | 'asked' | 'proved' | 'answered';

interface Passing {
  readonly next: Step | 'accepted';
  /** The agent answers it, with one PasswordMessage, SASLInitialResponse or SASLResponse. */
  readonly answered: boolean;
}

const OK = 0;
const CLEARTEXT_PASSWORD = 3;
const MD5_PASSWORD = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;

/** Authentication messages of the server, by their method. What has no row ends the login. */
const PASSED: Readonly<Record<Step, Readonly<Record<number, Passing>>>> = {
  start: {
    [MD5_PASSWORD]: { next: 'answered', answered: true },
    [SASL]: { next: 'asked', answered: true },
  },
  asked: { [SASL_CONTINUE]: { next: 'proved', answered: true } },
  proved: { [SASL_FINAL]: { next: 'answered', answered: false } },
  // The agent hears it from the listener, when Holdpoint has let it in, too.
  answered: { [OK]: { next: 'accepted', answered: false } },
};

/** Why not, for those that an operator may meet. */
const REFUSED: Readonly<Record<number, string>> = {
  [OK]: 'asks for no password, so nobody could tell who logs in (auth: relay)',
  [CLEARTEXT_PASSWORD]: 'asks for the password itself, which is not passed on (auth: relay)',
};

export class Relay {
  readonly #agent: RelayedLogin;
  #step: Step = 'start';

  constructor(agent: RelayedLogin) {
    this.#agent = agent;
  }

  /**
   * Takes an Authentication message of the server. What to send it back, null for nothing; 'accepted': the login is over.
   * Rejects with UpstreamError, or as the agent's answer does.
   */
  async take(message: Buffer): Promise<Buffer | null | 'accepted'> {
    const method = message.readInt32BE(5);
    const passing = PASSED[this.#step][method];
    if (!passing)
      throw new UpstreamError(
        '08004',
        `the database server ${REFUSED[method] ?? `asks for authentication method ${method}, which is not passed on (auth: relay)`}`,
      );
    if (passing.next === 'accepted') return 'accepted';
    this.#step = passing.next;
    this.#agent.tell(method === SASL ? withoutBinding(message) : message);
    return passing.answered ? this.#agent.answer() : null;
  }
}

/** The offer without channel binding: an agent can't bind to the server's TLS, only to ours. */
const withoutBinding = (message: Buffer): Buffer => {
  if (!message.toString('latin1', 9).split('\0').includes(MECHANISM))
    throw new UpstreamError('08004', `the database server offers no ${MECHANISM}`);
  return authenticationSasl(MECHANISM);
};
