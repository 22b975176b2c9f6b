// What is sent of the command at hand, once it may be: the client's bytes as they came, or the same command with the text that was judged.
import { performance } from 'node:perf_hooks';
import { packets } from '../../wire/mysql/frame.ts';
import { NO_REPLY } from '../../wire/mysql/replies.ts';
import { BUSY, type State, type Step } from './state.ts';

/** The command at hand goes on as it came; its reply is of this kind. */
export const send = (s: State, command: number, reply: number): Step => {
  const { buffer, start, end } = s.in;
  s.toServer.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
  return sent(s, command, reply, s.in.sequence);
};

/** The same with the text that was judged in the place of what the client sent, from `at` on: comments are blanks in it. */
export const forward = (s: State, reply: number, at: number, text: string): Step => {
  const { body } = s.in;
  const command = body[s.in.from] as number;
  body.write(text, at, 'latin1');
  if (body === s.in.buffer) return send(s, command, reply);
  return sendPayload(s, body, reply);
};

/** Another payload in the place of the command at hand. */
export const sendPayload = (s: State, payload: Buffer, reply: number): Step => {
  const framed = packets(0, payload);
  s.toServer.write(framed);
  return sent(s, payload[0] as number, reply, Math.floor(payload.length / 0xff_ffff));
};

/** `sequence`: of the last packet sent. */
const sent = (s: State, command: number, reply: number, sequence: number): Step => {
  s.settled();
  if (s.break_glass !== '' && s.plan !== null) s.break_glass = '';
  s.command = command;
  s.sent = performance.now();
  s.rows = s.bytes = 0;
  s.untracked = s.told = false;
  s.reply.begin(reply);
  if (reply === NO_REPLY) return 'done';
  s.out.expect(sequence + 1);
  s.phase = BUSY;
  return 'done';
};
