// What keys and messages do: nothing moves under the cursor, nothing is redrawn under a prompt, and only the server's answer counts.
import { describe, expect, it } from 'vitest';
import { frameOf, textOf } from '../../../../src/cli/review/frame.ts';
import { keysOf } from '../../../../src/cli/review/input.ts';
import { Client, copy, NOW, QUEUE, sample } from './sample.ts';

const lines = (client: Client) => textOf(frameOf(client.state)).map((line) => line.trimEnd());
const last = (client: Client) => lines(client).at(-1);
const fresh = (id: string, level: 'critical' | 'low' = 'critical') =>
  sample(id, { opened: NOW - 999_000, view: { level } });
const WHY = 'checked with Finance';
const decided = (state: string, by = 'jonas') =>
  copy({
    state,
    updated: NOW + 1_000,
    decisions: [
      {
        decision: state === 'denied' ? 'deny' : 'approve',
        by,
        group: '',
        rationale: WHY,
        channel: 'api',
        at: NOW + 1_000,
      },
    ] as never,
    view: {
      approvals: [
        { by: 'ines', instead_of: null, group: 'dba' },
        { by, instead_of: null, group: 'data-owner' },
      ],
      missing: [],
    },
  });
const approving = () => new Client([copy()]).press('\r', 'a', WHY, '\r', '7kq4', '\r');

describe('the queue', () => {
  it('does not move by itself: what arrives is counted, what ends stays in its place', () => {
    const client = new Client().press('j', 'j');
    const before = lines(client).slice(4);
    client.changed(fresh('HP-0000NEW1'), 'opened');
    expect(lines(client).slice(4)).toEqual(before);
    expect(lines(client)[1]).toMatch(/1 new, press n$/);
    client.changed(decided('denied', 'aiko'));
    expect(lines(client).findIndex((line) => line.includes('HP-M2XA7KQ4'))).toBe(7);
    expect(lines(client)[7]).toMatch(/denied by aiko$/);
    client.press('n');
    expect(lines(client)[5]).toContain('HP-0000NEW1');
    expect(lines(client).join('\n')).not.toContain('HP-M2XA7KQ4');
    expect(client.state.at.queue).toBe('HP-00025TNB');
  });

  it('that is empty takes what comes', () => {
    const client = new Client([]).changed(fresh('HP-0000NEW1'), 'opened');
    expect(lines(client)[5]).toMatch(/^ > .*HP-0000NEW1/);
  });

  it('scrolls with its cursor, and has it in view', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      sample(`HP-${String(i).padStart(8, '0')}`, { opened: NOW - 1e6 + i }),
    );
    const client = new Client(many);
    for (let i = 0; i < 39; i += 1) {
      expect(lines(client).some((line) => line.startsWith(' > ') && line.includes(many[i]!.id))).toBe(true);
      client.press('j');
    }
    client.press('g');
    expect(lines(client)[5]).toContain(many[0]!.id);
  });

  it('asks how those ended that a new snapshot lacks', () => {
    const client = new Client();
    client.hear({ type: 'reset' }).hear({ type: 'snapshot', cursor: 9, time: NOW, requests: [copy()], open: 1 });
    const asked = client.effects.flatMap((effect) => (effect.type === 'read' ? [effect.id] : []));
    expect(new Set(asked)).toEqual(new Set(QUEUE.map(({ id }) => id).filter((id) => id !== copy().id)));
  });

  it('never shows as earlier what is known to be later', () => {
    const client = new Client([copy()]).changed(decided('executed')).changed(copy(), 'held');
    expect(client.state.requests.get(copy().id)?.state).toBe('executed');
    client.changed(copy({ revision: 2 }), 'changed');
    expect(client.state.requests.get(copy().id)).toMatchObject({ state: 'open', revision: 2 });
  });
});

describe('under an open prompt', () => {
  it('nothing changes but the last line: not by time, news, decisions, or another size', () => {
    const client = new Client().press('j', '\r', 'a', WHY);
    const before = lines(client).slice(0, -1);
    client
      .tick(NOW + 90_000)
      .changed(fresh('HP-0000NEW1'), 'opened')
      .changed(decided('denied', 'aiko'));
    client.happen({ type: 'size', columns: 120, rows: 50 }).hear({ type: 'lost', since: NOW, tries: 0 });
    expect(lines(client).slice(0, -1)).toEqual(before);
    expect(last(client)).toMatch(/Not live since 14:05:48/);
    client.press('\x1b');
    expect(lines(client)).toHaveLength(50);
  });

  it('sends what was shown when it was opened, whatever came meanwhile', () => {
    const client = new Client([copy()]).press('\r', 'a', WHY);
    client.changed(copy({ revision: 2, digest_tag: 'd2' }), 'changed');
    expect(last(client)).toContain('was judged again');
    client.press('\r', '7KQ4', '\r');
    expect(client.effects).toMatchObject([{ type: 'decide', body: { digest: 'd1', revision: 1, rationale: WHY } }]);
  });

  it('a card that was changed says so, and what came back is shown as approved again', () => {
    const why = 'what its names stand for is something else now';
    const client = new Client([copy()])
      .press('\r')
      .changed(copy({ revision: 2, changed: { at: NOW, why } }), 'changed');
    expect(lines(client).join('\n')).toContain('Changed: decided again.');
    const of = (state: string, updated: number) => copy({ revision: 2, state, updated });
    client.changed(of('released', NOW + 1), 'released').changed(of('approved', NOW + 2), 'returned');
    expect(client.state.requests.get(copy().id)?.state).toBe('approved');
    client.changed(of('released', NOW + 1), 'released');
    expect(client.state.requests.get(copy().id)?.state).toBe('approved');
  });

  it('a line that is lost keeps what was typed, and sends nothing', () => {
    const client = new Client([copy()])
      .press('\r', 'd', WHY, '\r', '7kq4')
      .hear({ type: 'lost', since: NOW, tries: 0 })
      .press('\r');
    expect(client.effects).toEqual([]);
    expect(lines(client).join('\n')).toContain('Deciding is off until the line is back.');
    client.hear({ type: 'health', cursor: 2, time: NOW, recording: true }).press('\r');
    expect(client.effects).toMatchObject([{ type: 'decide', body: { decision: 'deny', rationale: WHY } }]);
  });

  it('Esc goes back one question, then out; the words are there again', () => {
    const client = new Client([copy()]).press('\r', 'a', WHY, '\r', 'x', '\x1b', '\x1b');
    expect(client.state.prompt).toBeNull();
    expect(lines(client.press('a')).join('\n')).toContain(`> ${WHY}`);
  });

  it('a paste is one answer and never an Enter; beside a prompt it is nothing', () => {
    const paste = '\x1b[200~a\nday\r7kq4\r\x1b[201~';
    expect(new Client([copy()]).press('\r', paste).state.prompt).toBeNull();
    const client = new Client([copy()]).press('\r', 'd', paste);
    expect(client.state.prompt).toMatchObject({ step: 0, answers: ['a day 7kq4 ', ''] });
    expect(client.effects).toEqual([]);
  });
});

describe('deciding', () => {
  it('says what the server said, and nothing before it', () => {
    const client = approving();
    expect(last(client)).toBe(' Sent. Waiting for the server: nothing has been decided.              Esc queue');
    client.happen({ type: 'answered', id: copy().id, request: decided('released'), refused: null });
    expect(last(client)).toBe(' Approved by you at 14:05:49. 2 of 2. Running...                      Esc queue');
    client.changed({
      ...decided('executed'),
      outcome: { tag: 'COPY 212408', sqlstate: null, rows: 212_408, bytes: 38_100_000, duration_ms: 4_200 },
    });
    expect(last(client)).toBe(' Ran: COPY 212408, 38.1 MB, 4.2 s.                                    Esc queue');
  });

  it('a refusal is the server’s sentence', () => {
    const text = 'Not counted: aiko denied this 4 s ago.';
    const client = approving().happen({
      type: 'answered',
      id: copy().id,
      request: decided('denied', 'aiko'),
      refused: text,
    });
    expect(last(client)).toContain(text);
  });

  it('without an answer it does not know, asks, and lets nobody decide again', () => {
    const client = approving().happen({ type: 'unknown', id: copy().id });
    expect(client.effects.at(-1)).toEqual({ type: 'read', id: copy().id, checks: 1 });
    expect(last(client)).toContain('We do not know yet. Do not decide again; checking.');
    expect(client.press('a').state.prompt).toBeNull();
    for (let checks = 1; checks < 5; checks += 1) {
      client.happen({ type: 'read', request: copy(), checks });
      expect(client.effects.at(-1)).toMatchObject({ checks: checks + 1 });
    }
    client.happen({ type: 'read', request: copy(), checks: 5 });
    expect(last(client)).toContain('It did not arrive. The request is still open.');
    const counted = approving().happen({ type: 'unknown', id: copy().id });
    counted.happen({ type: 'read', request: decided('released'), checks: 1 });
    expect(last(counted)).toContain('Approved by you at 14:05:49.');
  });

  it.each([
    [
      'one’s own',
      { view: { can_decide: { may: false, own: true, text: 'You are the sponsor.' } } },
      'a',
      'You are the sponsor.',
    ],
    ['what has ended', { state: 'expired' }, 'd', 'Nobody decided'],
    ['what the console alone decides', { ask: { channel: 'console' as const } }, 'a', 'in the console'],
    ['a shape without a permit', {}, 's', 'No permit'],
  ] as const)('begins no prompt for %s, and says why', (_, change, key, words) => {
    const client = new Client([copy()])
      .press('\r')
      .changed(copy({ updated: NOW + 1, ...change }))
      .press(key);
    expect(client.state.prompt).toBeNull();
    expect(last(client)).toContain(words);
  });

  it('a log that cannot be written switches it off', () => {
    const client = new Client([copy()])
      .press('\r')
      .hear({ type: 'health', cursor: 1, time: NOW, recording: false })
      .press('a');
    expect(client.state.prompt).toBeNull();
    expect(last(client)).toContain('The audit log cannot be written.');
  });

  it('asks with a second Enter, and approves a shape within its bounds', () => {
    const asking = new Client([copy()]).press('\r', 'r', 'Who gets it?', '\r');
    expect(asking.effects).toEqual([]);
    expect(asking.press('\r').effects).toEqual([{ type: 'ask', id: copy().id, text: 'Who gets it?' }]);
    const permit = { for_ms: 7 * 86_400_000, uses: 100, rows: 1_000, writes: false, free: [], free_parameters: [] };
    const shape = new Client([copy({ view: { permit } })]).press('\r', 's', '\r', '\x15', '101', '\r');
    expect(lines(shape).join('\n')).toContain('A whole number from 1 to 100.');
    shape.press('\x15', '20', '\r', '\r', WHY, '\r', '7kq4', '\r');
    expect(shape.effects).toMatchObject([
      { type: 'decide', body: { decision: 'approve', rationale: WHY, permit: { for: '7d', uses: 20, rows: 1_000 } } },
    ]);
  });

  it('a terminal that is too small takes no key but q', () => {
    const client = new Client([copy()]).press('\r').happen({ type: 'size', columns: 79, rows: 24 });
    expect(lines(client)[0]).toBe('Needs 80 by 24; this is 79 by 24.');
    expect(client.press('a').state.prompt).toBeNull();
    expect(client.press('q').effects).toEqual([{ type: 'quit' }]);
  });
});

describe('keys as they come', () => {
  it('in pieces, as sequences, and alone', () => {
    expect(keysOf('\x1b[')).toEqual({ keys: [], rest: '\x1b[' });
    expect(keysOf('\x1b[A').keys).toEqual([{ type: 'press', name: 'up' }]);
    expect(keysOf('\x1b').rest).toBe('\x1b');
    expect(keysOf('\x1b', true).keys).toEqual([{ type: 'press', name: 'escape' }]);
    expect(keysOf('\x1b\x1b[B').keys).toEqual([
      { type: 'press', name: 'escape' },
      { type: 'press', name: 'down' },
    ]);
    expect(keysOf('\x1b[99;5u\x1b[<0;1;1M').keys).toEqual([]);
    expect(keysOf('\x1b[200~abc').keys).toEqual([]);
  });
});
