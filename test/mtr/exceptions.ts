// Where a file may answer otherwise through the gateway than directly, and why. A row that matches nothing fails the proof at its full size.
import type { Exception } from '../regress/exceptions.ts';

export const EXCEPTIONS: readonly Exception[] = [];
