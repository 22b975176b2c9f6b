// Red, for what nobody at a terminal may overlook. Pipes, NO_COLOR and terminals without colours get the text alone.

type Out = Pick<NodeJS.WriteStream, 'isTTY' | 'hasColors'>;

export const red = (text: string, out: Out = process.stdout): string =>
  out.isTTY && out.hasColors() ? `\u001b[1;31m${text}\u001b[0m` : text;
