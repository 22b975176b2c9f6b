// A reviewer's stream that also decides, as the console does: one WebSocket, messages both ways. Test and bench code only. What the
// server refuses rejects as it does over HTTP; what is under way when the line is lost rejects as Unreachable.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type DownMessage, Refused, type RequestView, Unreachable } from '../../src/review/client.ts';
import type { Decision } from './gateway.ts';

/** What of a request a decision names. */
export type Shown = Pick<RequestView, 'id' | 'digest' | 'revision'>;

export class ReviewSocket {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve: (view: RequestView) => void; reject: (error: Error) => void }>();
  #next = 0;

  private constructor(socket: WebSocket, heard: (message: DownMessage) => void) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as DownMessage;
      if (message.type !== 'result') return heard(message);
      const waiting = this.#waiting.get(message.id as number);
      this.#waiting.delete(message.id as number);
      if ('request' in message) waiting?.resolve(message.request);
      else waiting?.reject(new Refused(message.problem));
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Unreachable('the stream ended'));
      this.#waiting.clear();
    });
  }

  /** Resolves when it is open: what happens from then on is heard. */
  static async open(url: string, token: string, heard: (message: DownMessage) => void): Promise<ReviewSocket> {
    const address = new URL('/api/stream', url);
    address.protocol = 'ws:';
    const socket = new WebSocket(address, { headers: { Authorization: `Bearer ${token}` }, perMessageDeflate: false });
    const opened = new ReviewSocket(socket, heard);
    await once(socket, 'open');
    return opened;
  }

  decide({ id: request, digest, revision }: Shown, decision: Decision, rationale: string): Promise<RequestView> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, type: 'decide', request, decision, digest, revision, rationale }));
    });
  }

  async close(): Promise<void> {
    this.#socket.close();
    if (this.#socket.readyState !== WebSocket.CLOSED) await once(this.#socket, 'close');
  }
}
