// Bytes of a keyboard as keys (ECMA-48, and what xterm sends for its function keys). Pure; a sequence that has only begun is
// given back, and what no key of ours sends is dropped.

export type Key =
  /** One character; also a space. */
  | { readonly type: 'char'; readonly char: string }
  /** Pasted in one go: never taken for keys. */
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'press'; readonly name: KeyName };

const CONTROLS = {
  '\r': 'enter',
  '\n': 'enter',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x03': 'interrupt',
  '\x04': 'end-of-input',
  '\x01': 'home',
  '\x05': 'end',
  '\x0c': 'redraw',
  '\x0b': 'cut-right',
  '\x15': 'cut-left',
  '\x17': 'cut-word',
} as const;

const SEQUENCES = {
  '[A': 'up',
  OA: 'up',
  '[B': 'down',
  OB: 'down',
  '[C': 'right',
  OC: 'right',
  '[D': 'left',
  OD: 'left',
  '[H': 'home',
  OH: 'home',
  '[1~': 'home',
  '[7~': 'home',
  '[F': 'end',
  OF: 'end',
  '[4~': 'end',
  '[8~': 'end',
  '[3~': 'delete',
  '[5~': 'page-up',
  '[6~': 'page-down',
} as const;

export type KeyName = (typeof CONTROLS)[keyof typeof CONTROLS] | (typeof SEQUENCES)[keyof typeof SEQUENCES] | 'escape';

const PASTE_BEGIN = '\x1b[200~';
const PASTE_END = '\x1b[201~';
/** CSI with parameters, SS3 with one letter. Alt with a character counts as Escape and that character. */
const SEQUENCE = /^(\[[0-?]*[ -/]*[@-~]|O[ -~])/u;
/** Characters of a paste; one that is longer or never ends is dropped. */
const PASTE_CHARS_MAX = 100_000;

/** `rest`: the begin of a sequence, for which the caller waits a moment; `final`: nothing follows any more. */
export function keysOf(text: string, final = false): { readonly keys: readonly Key[]; readonly rest: string } {
  const keys: Key[] = [];
  let rest = text;
  while (rest !== '') {
    if (rest.startsWith(PASTE_BEGIN)) {
      const end = rest.indexOf(PASTE_END);
      if (end < 0) return { keys, rest: final || rest.length > PASTE_CHARS_MAX ? '' : rest };
      keys.push({ type: 'paste', text: rest.slice(PASTE_BEGIN.length, end) });
      rest = rest.slice(end + PASTE_END.length);
      continue;
    }
    if (rest.startsWith('\x1b')) {
      const found = SEQUENCE.exec(rest.slice(1));
      if (!found && !final && /^([[O].*)?$/su.test(rest.slice(1))) return { keys, rest };
      const name = found ? SEQUENCES[found[1] as keyof typeof SEQUENCES] : 'escape';
      if (name) keys.push({ type: 'press', name });
      rest = rest.slice(1 + (found?.[0].length ?? 0));
      continue;
    }
    const char = String.fromCodePoint(rest.codePointAt(0) as number);
    const control = CONTROLS[char as keyof typeof CONTROLS];
    if (control) keys.push({ type: 'press', name: control });
    else if (char >= ' ') keys.push({ type: 'char', char });
    rest = rest.slice(char.length);
  }
  return { keys, rest: '' };
}
