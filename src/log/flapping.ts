import type { Say } from '../log.ts';
import { decimal, span } from '../words.ts';

interface Flap {
  /** How often it went down since the last summary. */
  times: number;
  reason: string;
  upSince: Date | undefined;
}
export interface FlappingOptions {
  readonly warn: Say;
  readonly info: Say;
  /** Calls with the words of how many wait for the sink. */
  readonly count: (sink: string, say: (waiting: string) => void) => void;
}

/** A sink that goes down again and again within a minute gets one line a minute, and one when that is over. */
export function createFlapping({ warn, info, count }: FlappingOptions) {
  const flaps = new Map<string, Flap>();
  return {
    down: (sink: string, reason: string): void => {
      const times = (flaps.get(sink)?.times ?? 0) + 1;
      flaps.set(sink, { times, reason, upSince: undefined });
    },
    up: (sink: string, at: Date): void => {
      const flap = flaps.get(sink);
      if (flap) flap.upSince = at;
    },
    /** It is said to be down, and that says enough. */
    stays: (sink: string): void => void flaps.delete(sink),
    sumUp: (now: Date): void => {
      for (const [sink, flap] of flaps) {
        const { times, reason, upSince } = flap;
        const fields = { what: 'sink_flaps', sink, times, reason };
        const often = times === 1 ? 'once' : `${decimal(times)} times`;
        if (times > 0) {
          const said = `sink ${sink} comes and goes: down ${often} in the last minute`;
          count(sink, (waiting) => warn(`${said}${waiting}: ${reason}`, fields));
          flap.times = 0;
        } else if (upSince) {
          const steady = span(now.getTime() - upSince.getTime());
          count(sink, (waiting) => info(`sink ${sink} no longer comes and goes: up for ${steady}${waiting}`, fields));
          flaps.delete(sink);
        }
      }
    },
  };
}
