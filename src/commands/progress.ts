import { decimal, span } from '../words.ts';

/** A line on the terminal that shows how far a command has come; nothing where standard error is none. */
export interface Progress {
  show(done: number, total: number, what: string): void;
  /** Takes the line away, before anything else is printed. */
  clear(): void;
}

const WIDTH = 30;
const EVERY_MS = 100;

export function newProgress(stream: NodeJS.WriteStream = process.stderr, clock = () => performance.now()): Progress {
  const from = clock();
  let [shown, last] = [false, Number.NEGATIVE_INFINITY];
  return {
    show(done, total, what) {
      const now = clock();
      if (!stream.isTTY || (now - last < EVERY_MS && done < total)) return;
      last = now;
      shown = true;
      stream.write(`\r\x1b[2K${fitting(bar(done, total, what, now - from), stream.columns)}`);
    },
    clear() {
      if (shown) stream.write('\r\x1b[2K');
      shown = false;
    },
  };
}

/** A line that wraps could not be taken away. The numbers say more than the bar, and the last column stays free. */
function fitting(line: string, columns: number | undefined): string {
  if (!columns || line.length < columns) return line;
  return line.replace(/^\[.*\] /, '').slice(0, columns - 1);
}

function bar(done: number, total: number, what: string, tookMs: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 1;
  const full = Math.round(share * WIDTH);
  const left = done > 0 && share < 1 ? `, ${span((tookMs / share) * (1 - share))} left` : '';
  return `[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${decimal(done)} of ${decimal(total)} ${what}${left}`;
}
