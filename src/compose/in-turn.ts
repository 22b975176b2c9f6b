// So many at once, the others in the order in which they came. Must never let one more run, also in the moment in which one ends.

export function inTurn(max: number): <T>(work: () => Promise<T>) => Promise<T> {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (busy < max) busy++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Its place is handed on, and is never free in between: whoever comes in the same moment stands behind.
      const next = waiting.shift();
      if (next === undefined) busy--;
      else next();
    }
  };
}
