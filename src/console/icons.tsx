// The drawings of the console, once in the page and used by name. Risk is a shape and a word as well as a colour.
import type { Level } from '../review/schemas.ts';

export function Sprite() {
  return (
    <svg class="sprite" width="0" height="0" aria-hidden="true">
      <defs>
        <symbol id="i-logo" viewBox="0 0 20 20">
          <path d="M3 2v16M7.5 2v16" stroke="currentColor" stroke-width="2.4" />
          <path d="M12.5 2v16M17 2v16" stroke="currentColor" stroke-width="2.4" stroke-dasharray="4 2" />
        </symbol>
        <symbol id="r-critical" viewBox="0 0 14 14">
          <path d="M4.3.8h5.4l3.5 3.5v5.4l-3.5 3.5H4.3L.8 9.7V4.3z" fill="currentColor" />
          <path d="M4 7h6" stroke="var(--surface)" stroke-width="1.8" />
        </symbol>
        <symbol id="r-high" viewBox="0 0 14 14">
          <path d="M7 1 13.6 12.8H.4z" fill="currentColor" />
        </symbol>
        <symbol id="r-medium" viewBox="0 0 14 14">
          <path d="M7 .9 13.1 7 7 13.1.9 7z" fill="none" stroke="currentColor" stroke-width="1.6" />
          <path d="M7 1v12L1 7z" fill="currentColor" />
        </symbol>
        <symbol id="r-low" viewBox="0 0 14 14">
          <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" stroke-width="1.8" />
        </symbol>
        <symbol id="i-check" viewBox="0 0 16 16">
          <path d="M3 8.5 6.5 12 13 4.5" />
        </symbol>
        <symbol id="i-x" viewBox="0 0 16 16">
          <path d="m4 4 8 8m0-8-8 8" />
        </symbol>
        <symbol id="i-clock" viewBox="0 0 16 16">
          <circle cx="8" cy="8" r="6" />
          <path d="M8 4.5V8l2.5 1.5" />
        </symbol>
        <symbol id="i-dots" viewBox="0 0 16 16">
          <circle cx="8" cy="8" r="6" stroke-dasharray="2.4 2.3" />
        </symbol>
        <symbol id="i-search" viewBox="0 0 16 16">
          <circle cx="7" cy="7" r="4.2" />
          <path d="m10.2 10.2 3.3 3.3" />
        </symbol>
        <symbol id="i-lock" viewBox="0 0 16 16">
          <rect x="3.5" y="7" width="9" height="6.5" rx="1" />
          <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
        </symbol>
        <symbol id="i-copy" viewBox="0 0 16 16">
          <rect x="5.5" y="5.5" width="8" height="8" rx="1" />
          <path d="M10.5 3.5v-1h-8v8h1" />
        </symbol>
        <symbol id="i-back" viewBox="0 0 16 16">
          <path d="M10 3 5 8l5 5" />
        </symbol>
        <symbol id="i-eye" viewBox="0 0 16 16">
          <path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z" />
          <circle cx="8" cy="8" r="1.8" />
        </symbol>
        <symbol id="i-menu" viewBox="0 0 16 16">
          <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />
        </symbol>
        <symbol id="i-pause" viewBox="0 0 16 16">
          <path d="M5.5 3v10M10.5 3v10" />
        </symbol>
        <symbol id="i-key" viewBox="0 0 16 16">
          <circle cx="5.5" cy="10.5" r="3" />
          <path d="m7.7 8.3 5.3-5.3M11 5l2 2" />
        </symbol>
      </defs>
    </svg>
  );
}

export type IconName =
  | 'check'
  | 'x'
  | 'clock'
  | 'dots'
  | 'search'
  | 'lock'
  | 'copy'
  | 'back'
  | 'eye'
  | 'menu'
  | 'pause'
  | 'key';

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="i" aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  );
}

export function Shape({ level }: { readonly level: Level }) {
  return (
    <svg class={`shape ${level}`} aria-hidden="true">
      <use href={`#r-${level}`} />
    </svg>
  );
}

export const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
};
