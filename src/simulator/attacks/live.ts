import type { StreamName } from '../../types.ts';
import type { SimulatedMosaic } from '../mosaic.ts';
import type { SimulatedActivity } from '../sessions.ts';

export interface Spread {
  readonly stream: StreamName;
  /** From first to last, however far their own times lie apart. */
  readonly overMs: number;
  readonly ended: () => void;
}

/** Hands activities to a Mosaic in their order, evenly. They keep their times, so rules find in them what they are to find. */
export function playLive(
  mosaic: Pick<SimulatedMosaic, 'enqueue'>,
  activities: readonly SimulatedActivity[],
  { stream, overMs, ended }: Spread,
): { stop(): void } {
  const began = performance.now();
  let played = 0;
  const timer = setInterval(() => {
    const due = Math.ceil((activities.length * (performance.now() - began)) / overMs);
    mosaic.enqueue(stream, activities.slice(played, due));
    played = Math.min(due, activities.length);
    if (performance.now() - began < overMs) return;
    clearInterval(timer);
    ended();
  }, 200);
  return { stop: () => clearInterval(timer) };
}
