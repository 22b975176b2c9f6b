// What a client knows: which answers it is still owed, by the rules of the protocol alone (manual 55.2). Finds replies out of order,
// answers too many and answers too few.

/** Replies that may stand while a message is answered, and those that end it. */
const ENDS: Readonly<Record<string, string>> = { P: '1', B: '2', C: '3', D: 'nT', E: 'CIs', Q: 'Z', S: 'Z' };
const WITHIN: Readonly<Record<string, string>> = { D: 't', E: 'DG', Q: 'TDCIG' };

export class Tracker {
  #owed: string[] = [];
  #skipping = false;
  #buffer: Buffer = Buffer.alloc(0);
  #failed = false;
  copying = false;
  broken = false;
  status = 'I';
  /** What a server may not do. */
  wrong: string | null = null;

  get quiet(): boolean {
    return this.#owed.length === 0 && !this.#skipping && !this.copying;
  }

  /** It waits for answers that only a Sync will bring. */
  get unsynced(): boolean {
    return (this.#owed.length > 0 || this.#skipping) && !this.#owed.includes('S') && !this.#owed.includes('Q');
  }

  get owed(): string {
    return this.#owed.join('');
  }

  said(type: string): void {
    this.#owed.push(type);
    this.#drop();
  }

  /** Takes out what gets no answer where it stands. */
  #drop(): void {
    if (this.copying) {
      // Behind the COPY's own message.
      while (this.#owed.length > 1) {
        const next = this.#owed[1] as string;
        this.#owed.splice(1, 1);
        if (next === 'd' || next === 'H' || next === 'S') continue;
        this.copying = false;
        // What does not belong into a COPY ends the connection.
        this.broken ||= next !== 'c' && next !== 'f';
        break;
      }
      if (this.copying) return;
    }
    while (this.#owed.length > 0) {
      const next = this.#owed[0] as string;
      if (next === 'S') this.#skipping = false;
      if (!this.#skipping && ENDS[next]) return;
      this.#owed.shift();
    }
  }

  /** Takes replies in; their types. */
  heard(bytes: Buffer): string[] {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    const types: string[] = [];
    while (this.#buffer.length >= 5) {
      const end = this.#buffer.readInt32BE(1) + 1;
      if (end < 5) {
        this.wrong = 'a reply is garbled';
        return types;
      }
      if (this.#buffer.length < end) break;
      const type = String.fromCharCode(this.#buffer[0] as number);
      this.#reply(type, this.#buffer.subarray(5, end));
      this.#buffer = this.#buffer.subarray(end);
      types.push(type === 'Z' ? `Z ${this.status}` : type);
    }
    return types;
  }

  #reply(type: string, body: Buffer): void {
    if (type === 'N') return;
    const head = this.#owed[0] ?? '';
    if (type === 'E') {
      if (body.includes('FATAL')) {
        this.#owed = [];
        return;
      }
      if (head === '') this.wrong = 'an error about nothing';
      this.#failed = true;
      this.copying = false;
      // After a Query and a Sync comes ReadyForQuery.
      if (head === 'Q' || head === 'S') return;
      this.#skipping = true;
    } else if (ENDS[head]?.includes(type)) {
      this.#owed.shift();
      if (type === 'Z') {
        this.status = String.fromCharCode(body[0] as number);
        if (this.#failed && this.status === 'T') this.wrong = 'a failed unit left the transaction open';
        this.#failed = false;
      }
    } else if (WITHIN[head]?.includes(type)) {
      if (type === 'G') this.copying = true;
    } else this.wrong = `reply ${type} to ${head || 'nothing'}`;
    this.#drop();
  }
}
