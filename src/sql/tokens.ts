// A statement's tokens as bytes, for its digest (docs/digest.md): their count, then each one's length and bytes; numbers are 32 bits,
// big-endian.

export function encodeWords(words: readonly Uint8Array[]): Uint8Array {
  const size = words.reduce((sum, { length }) => sum + 4 + length, 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, words.length);
  let at = 4;
  for (const word of words) {
    view.setUint32(at, word.length);
    bytes.set(word, at + 4);
    at += 4 + word.length;
  }
  return bytes;
}
