// Connection ids as greetings have them, given before anybody knows which connection to the server there will be: KILL names them, or the
// server's own. Must never lead to a session of somebody else.

/** Hardly a server gets here: it counts from 1. Half of the 32 bits: clients read them with a sign, and would name a negative id. */
const FIRST = 2 ** 30;
const LAST = 2 ** 31 - 1;

export interface Peer {
  readonly user: string;
  /** The server's id of its connection. */
  readonly threadId: number;
}

export class ConnectionIds<P extends Peer> {
  readonly #peers = new Map<number, P>();
  readonly #byThread = new Map<number, P>();
  #last = FIRST - 1;

  /** An id that no connection of this listener has. */
  next(): number {
    do this.#last = this.#last >= LAST ? FIRST : this.#last + 1;
    while (this.#peers.has(this.#last));
    return this.#last;
  }

  add(id: number, peer: P): void {
    this.#peers.set(id, peer);
    this.#byThread.set(peer.threadId, peer);
  }

  delete(id: number): void {
    const peer = this.#peers.get(id);
    this.#peers.delete(id);
    if (peer && this.#byThread.get(peer.threadId) === peer) this.#byThread.delete(peer.threadId);
  }

  /** This user's session of that id, ours or the server's. */
  find(id: number, user: string): P | undefined {
    const peer = this.#peers.get(id) ?? this.#byThread.get(id);
    return peer?.user === user ? peer : undefined;
  }
}
