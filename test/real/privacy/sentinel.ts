// Texts that stand nowhere else, put where people put what is private, and every spelling in which a file might show one. `{}` in a template is
// a text, `{#}` a number, `{x}` the text in hex.

const WORD = 'zqprivatesentinel';
const DIGITS = '770077007700';
/** Bytes before and behind a place that is shown of a leak. */
const AROUND = 160;

let made = 0;

/** Another one each time: a word of letters and digits, in lower case. */
export const sentinel = (): string => `${WORD}${(made++).toString(36).padStart(6, '0')}`;

/** Fits 64 bits. */
const number = (): string => `${DIGITS}${String(made++ % 1_000_000).padStart(6, '0')}`;

export const count = (): number => made;

/** The template with a sentinel of its own in each place. */
export const filled = (template: string): string =>
  template.replaceAll(/\{([#x]?)\}/g, (_, kind: string) =>
    kind === '#' ? number() : kind === 'x' ? Buffer.from(sentinel()).toString('hex') : sentinel(),
  );

/** What all sentinels have in common, as a file might have it. Of base64 what does not depend on what stands around it. */
const FORMS: readonly (readonly [string, Buffer])[] = [
  ['as it is', Buffer.from(WORD)],
  ['as a number', Buffer.from(DIGITS)],
  ['in hex', Buffer.from(Buffer.from(WORD).toString('hex'))],
  ['in UTF-16', Buffer.from(WORD, 'utf16le')],
  ...[0, 1, 2].map((before): [string, Buffer] => {
    const base64 = Buffer.concat([Buffer.alloc(before), Buffer.from(WORD)]).toString('base64');
    return ['in base64', Buffer.from(base64.slice(4, 20).toLowerCase())];
  }),
];

/** Where a sentinel stands in it, each by what stands around; upper and lower case are the same. */
export const leaksIn = (name: string, bytes: Buffer): string[] => {
  const lower = Buffer.from(bytes.toString('latin1').toLowerCase(), 'latin1');
  const found: string[] = [];
  for (const [how, form] of FORMS) {
    for (let at = lower.indexOf(form); at >= 0; at = lower.indexOf(form, at + form.length))
      found.push(`${name}, ${how}: ${bytes.toString('latin1', Math.max(0, at - AROUND), at + AROUND)}`);
  }
  return found;
};
