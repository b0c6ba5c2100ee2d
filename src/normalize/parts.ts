import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SecurityEvent } from '../types.ts';

/** So many events are mapped before others have a turn: an answer of Mosaic must not wait for a whole page. */
const AT_ONCE = 100;
/** More than Mosaic puts into one answer. */
const PART = 2_000;

/** `last` comes with the last of them, which may be none. */
export async function* inParts(all: Iterable<SecurityEvent>) {
  let events: SecurityEvent[] = [];
  for (const event of all) {
    if (events.length === PART) {
      yield { events, last: false };
      events = [];
    }
    if (events.push(event) % AT_ONCE === 0) await nextTurn();
  }
  yield { events, last: true };
}
