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
