// Strings of strangers on buttons. The server scrubs names; here is what Companion itself would read in them.

const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}]/gu;
/** Emoji and several scripts are joined by these. */
const JOINERS = /[\u200c\u200d]/u;
const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * One harmless line of at most `max` graphemes: no control, bidirectional or invisible characters, no `$(…)` that
 * Companion would expand as a variable, no `\n` that it would break lines at.
 */
export function plain(raw: string, max = 64): string {
  const seen = raw
    .slice(0, max * 16)
    .replace(/[\s\u0085]+/gu, ' ')
    .replace(UNSEEN, (c) => (JOINERS.test(c) ? c : ''))
    .replaceAll('\\', '/')
    .replace(/\$+(?=\(|$)/gu, '');
  let out = '';
  let count = 0;
  for (const { segment } of GRAPHEMES.segment(seen.trim())) {
    if (++count > max) return `${out.trimEnd()}…`;
    // A letter under a hundred combining marks is drawn over its neighbours.
    out += segment.slice(0, 24);
  }
  return out;
}

/** `7` → `0:07`, `3723` → `1:02:03`. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** The last part of a resource's name: `slots/1` → `1`. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
