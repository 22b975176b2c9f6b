// How a client proves who it is, where both protocols do the same: with a certificate, or with a password in clear inside TLS. Must never ask for
// another proof than the rule for the name it gave, and never let a principal in by another rule than its own.
import { type LoginRule, loginRules } from '../identity/login-rules.ts';
import type { AskedPassword, PasswordLogin } from '../identity/logins.ts';
import { type ClientsOptions, createPeers, type Peer, type Peers } from '../identity/peer.ts';
import type { Login } from '../identity/types.ts';
import { type InTurn, placesOf } from './in-turn.ts';

export interface ProofIdentity {
  judgeLogin(user: string, address: string, right: boolean): boolean;
  passwordLogin(asked: AskedPassword): Promise<PasswordLogin>;
  principal(login: Login): { readonly kind: 'agent' | 'human' } | undefined;
}

export interface ProofOptions {
  readonly identity: ProofIdentity;
  readonly logins: readonly LoginRule[];
  readonly tls: { readonly clients?: ClientsOptions | null } | null;
  readonly limits: { readonly login_checks_max: number; readonly login_check_timeout_ms: number };
}

/** A password in clear, and whose it is said to be. */
export type PasswordOf = Pick<AskedPassword, 'user' | 'password' | 'address'>;

export type Proof =
  | { readonly type: 'right'; readonly login: Login }
  /** `why`: for the record, never for the client. */
  | { readonly type: 'wrong'; readonly why: string }
  | { readonly type: 'unknown'; readonly why: string };

export class Proofs {
  readonly #identity: ProofIdentity;
  readonly #peers: Peers;
  readonly #places: (source: string) => InTurn;
  readonly #check_timeout_ms: number;
  /** For a name, before anything is asked; null: nobody of this name logs in here. */
  readonly ruleOf: (user: string) => LoginRule | null;

  constructor({ identity, logins, tls, limits }: ProofOptions) {
    this.#identity = identity;
    this.#peers = createPeers(tls?.clients ?? null);
    this.#places = placesOf(limits.login_checks_max);
    this.#check_timeout_ms = limits.login_check_timeout_ms;
    this.ruleOf = loginRules(logins);
  }

  /** Why nobody logs in over a connection with this certificate, or with none; null: that is no reason. For the record. */
  turnedAway(peer: Peer): string | null {
    return this.#peers.unfit(peer);
  }

  /** Is the certificate this user's? Nobody can guess one, so that wrong ones slow nobody down: a right one must not wait for a neighbour's. */
  byCertificate(user: string, address: string, peer: Peer): Proof {
    const entry = this.#peers.of(peer);
    const wrong = (why: string): Proof => ({ type: 'wrong', why: `certificate: ${why}` });
    if ('why' in entry) return wrong(entry.why);
    if (entry.id !== user) return wrong(`it is ${entry.id}'s`);
    const login: Login = { user, authentication: 'certificate', address, entry };
    return this.#identity.principal(login) ? { type: 'right', login } : wrong('nobody that this gateway knows');
  }

  /** Does the password fit? `gone`: has the client left? */
  async byPassword(rule: LoginRule, asked: PasswordOf, gone: () => boolean): Promise<Proof> {
    const by = typeof rule.by === 'string' ? [] : rule.by;
    const until = performance.now() + this.#check_timeout_ms;
    const answer = await this.#identity.passwordLogin({
      ...asked,
      by,
      // A directory may know somebody by a name that another rule is for: a stronger one must not be gone round.
      fits: (id) => this.ruleOf(id) === rule,
      turn: (source, work) => this.#places(source).run(work, gone, until),
    });
    if (answer.type !== 'unknown') return answer;
    return { type: 'unknown', why: `could not be asked: ${answer.down.map(({ source }) => source).join(', ')}` };
  }
}
