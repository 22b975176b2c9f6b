// Length-encoded integers where they lie, for those who read many and keep none: no object, no exception.
// Source: MySQL Server Doxygen, "Protocol::LengthEncodedInteger".

/** The number at `at`; -1: it is none (0xFB is NULL, 0xFF begins an error), it does not end before `to`, or it is over 2^53. */
export const lenencAt = (buffer: Buffer, at: number, to: number): number => {
  if (at >= to) return -1;
  const first = buffer[at] as number;
  if (first < 0xfb) return first;
  if (at + lenencBytes(buffer, at) > to) return -1;
  if (first === 0xfc) return buffer.readUInt16LE(at + 1);
  if (first === 0xfd) return buffer.readUIntLE(at + 1, 3);
  if (first !== 0xfe) return -1;
  const high = buffer.readUInt32LE(at + 5);
  return high >= 2 ** 21 ? -1 : high * 2 ** 32 + buffer.readUInt32LE(at + 1);
};

/** How many bytes the number at `at` has. */
export const lenencBytes = (buffer: Buffer, at: number): number => {
  const first = buffer[at] as number;
  return first < 0xfc ? 1 : first === 0xfc ? 3 : first === 0xfd ? 4 : 9;
};

/** Behind the length-encoded string at `at`; -1: it does not end before `to`. */
export const behindString = (buffer: Buffer, at: number, to: number): number => {
  const length = lenencAt(buffer, at, to);
  if (length < 0) return -1;
  const end = at + lenencBytes(buffer, at) + length;
  return end > to ? -1 : end;
};
