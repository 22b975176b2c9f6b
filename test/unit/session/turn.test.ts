import { Buffer } from 'node:buffer';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { arrived, AT_ONCE_BYTES, catchUp, Outbox } from '../../../src/session/turn.ts';

const heard = (log: string[], name: string, then: (text: string) => void = () => {}) => ({
  received(chunk: Buffer): void {
    log.push(`${name} ${chunk.length < 20 ? chunk.toString() : chunk.length}`);
    then(chunk.toString());
  },
});
const sink = (log: string[], name: string) => ({
  writableLength: 0,
  write(bytes: Buffer): boolean {
    log.push(`${name} is sent ${bytes.toString()}`);
    return true;
  },
});

describe('a turn of the event loop', () => {
  test('everything that came is handled in its order, then everything is written, in one piece for each peer', async () => {
    const log: string[] = [];
    const boxes = [new Outbox(sink(log, 'x'), () => {}), new Outbox(sink(log, 'y'), () => {})];
    const a = heard(log, 'a', (text) => boxes[0]?.write(Buffer.from(text)));
    const b = heard(log, 'b', (text) => boxes[1]?.write(Buffer.from(text)));
    arrived(a, Buffer.from('1'));
    arrived(b, Buffer.from('2'));
    arrived(a, Buffer.from('3'));
    expect(log).toEqual([]);
    await turn();
    expect(log).toEqual(['a 1', 'b 2', 'a 3', 'x is sent 13', 'y is sent 2']);
  });

  test('what comes while others are handled is handled in the same turn', async () => {
    const log: string[] = [];
    const late = heard(log, 'late');
    arrived(
      heard(log, 'a', () => arrived(late, Buffer.from('2'))),
      Buffer.from('1'),
    );
    await turn();
    expect(log).toEqual(['a 1', 'late 2']);
    await turn();
    expect(log).toHaveLength(2);
  });

  test('a peer with something else to tell has its bytes handled first, once', async () => {
    const log: string[] = [];
    const [a, b] = [heard(log, 'a'), heard(log, 'b')];
    arrived(a, Buffer.from('1'));
    arrived(b, Buffer.from('2'));
    arrived(a, Buffer.from('3'));
    catchUp(a);
    expect(log).toEqual(['a 1', 'a 3']);
    await turn();
    expect(log).toEqual(['a 1', 'a 3', 'b 2']);
  });

  test('a peer that is being handled is not handled again inside of that', async () => {
    const log: string[] = [];
    const a = heard(log, 'a', (text) => {
      catchUp(a);
      log.push(`${text} is done`);
    });
    arrived(a, Buffer.from('1'));
    arrived(a, Buffer.from('2'));
    await turn();
    expect(log).toEqual(['a 1', '1 is done', 'a 2', '2 is done']);
  });

  test('a large piece is handled at once, behind what came before it', async () => {
    const log: string[] = [];
    const a = heard(log, 'a');
    arrived(a, Buffer.from('1'));
    arrived(a, Buffer.alloc(AT_ONCE_BYTES));
    expect(log).toEqual(['a 1', `a ${AT_ONCE_BYTES}`]);
    await turn();
    expect(log).toHaveLength(2);
  });

  test('one that fails takes nothing from the others but its own error', async () => {
    const log: string[] = [];
    const failed = new Promise((resolve) => process.once('uncaughtException', resolve));
    const box = new Outbox(sink(log, 'x'), () => {});
    box.write(Buffer.from('before'));
    arrived(
      heard(log, 'a', () => {
        throw new Error('broken');
      }),
      Buffer.from('1'),
    );
    arrived(heard(log, 'b'), Buffer.from('2'));
    expect(await failed).toMatchObject({ message: 'broken' });
    await turn();
    expect(log).toEqual(['a 1', 'x is sent before', 'b 2']);
  });
});
