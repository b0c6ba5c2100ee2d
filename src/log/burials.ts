import type { Say } from '../log.ts';
import type { NewDeadLetter } from '../types.ts';
import { decimal } from '../words.ts';

interface Kind {
  readonly sink: string;
  readonly reason: string;
  more: number;
}

const KINDS = 200;

/** The first dead letter of each sink and reason gets a line; what comes after it is counted until the next summary. */
export function createBurials(warn: Say) {
  const kinds = new Map<string, Kind>();
  return {
    bury: (sink: string, dead: NewDeadLetter): void => {
      const reason = withoutValues(dead.reason);
      // Reasons that differ only in numbers are one kind; past a bound there is one more for all others.
      const own = `${sink} ${reason.replace(/\d+/g, '#')}`;
      const key = kinds.has(own) || kinds.size < KINDS ? own : `${sink} and others`;
      const kind = kinds.get(key);
      if (kind) kind.more += 1;
      else kinds.set(key, { sink, reason, more: 0 });
      if (!kind)
        warn(first(sink, dead, reason), { what: 'dead_letter', sink, code: dead.code, event_id: dead.eventId, reason });
    },
    sumUp: (): void => {
      for (const [key, kind] of kinds) {
        if (kind.more === 0) {
          kinds.delete(key);
          continue;
        }
        const { sink, reason, more } = kind;
        warn(`sink ${sink} has ${decimal(more)} more dead letters: ${reason}`, {
          what: 'dead_letters',
          sink,
          count: more,
          reason,
        });
        kind.more = 0;
      }
    },
  };
}

function first(sink: string, { code }: NewDeadLetter, reason: string): string {
  return `sink ${sink} has a dead letter (${code}): ${reason}; see mosaic-siem dead-letters list --sink ${sink}`;
}

/** A SIEM's words may quote the event: what stands in quotes is left out of the log, and so is what follows "preview of". */
function withoutValues(reason: string): string {
  const bare = reason.replace(/\bpreview of\b.*$/is, '…').replace(/"[^"]*"|'[^']*'/g, "'…'");
  return bare.length > 300 ? `${bare.slice(0, 300)}…` : bare;
}
