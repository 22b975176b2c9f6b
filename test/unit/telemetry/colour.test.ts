import { expect, it } from 'vitest';
import { red } from '../../../src/telemetry/colour.ts';

it('is red where there are colours, and the text alone elsewhere', () => {
  expect(red('mode', { isTTY: true, hasColors: () => true })).toBe('\u001b[1;31mmode\u001b[0m');
  expect(red('mode', { isTTY: true, hasColors: () => false })).toBe('mode');
  expect(red('mode', { isTTY: false, hasColors: () => true })).toBe('mode');
});
