/** Numbers for people: 1,234. */
export function decimal(value: number): string {
  return value.toLocaleString('en-US');
}

/** A span of time for people: `250 ms`, `12 s`, `3 min 12 s`, `5 h 2 min`. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

interface ReplayCounts {
  readonly total: number;
  readonly delivered: number;
  readonly refused: number;
  readonly filtered: number;
  readonly pagesGone: number;
}

/** What became of the events of a replay that is done. */
export function replayWords({ total, delivered, refused, filtered, pagesGone }: ReplayCounts): string {
  const words = [`${decimal(delivered)} delivered`];
  if (refused > 0) words.push(`${decimal(refused)} refused`);
  if (filtered > 0) words.push(`${decimal(filtered)} left out by only or except`);
  const lost = total - delivered - refused - filtered;
  const gone =
    pagesGone > 0 ? `, ${decimal(pagesGone)} of their pages had to make room` : ', their pages are damaged or gone';
  if (lost > 0) words.push(`${decimal(lost)} could no longer be sent${gone}`);
  return words.join(', ');
}
