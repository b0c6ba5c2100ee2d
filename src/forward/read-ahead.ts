import { setImmediate as nextTurn } from 'node:timers/promises';
import { backoffMs, wait } from '../backoff.ts';
import type { ForwardOptions, ForwardTools } from '../forward.ts';
import type { Cursor, Page } from '../types.ts';
import type { Bell } from './bell.ts';
import { newEntry, type Window } from './window.ts';

/** What one sink may hold in memory (an event takes three times its JSON), and what may be sent again after a crash behind an event that is not settled. */
const MAX_OPEN_BYTES = 8 * 1024 * 1024;
const MAX_LENGTH = 100_000;
const LOOK_EVERY_MS = 1_000;

interface Reading {
  readonly arrived: () => void;
  /** Rings when something was settled. */
  readonly room: Bell;
  /** Twice as much may be open: the sink is suspected, and only an event from behind what is held can clear it. */
  readonly further: () => boolean;
  readonly stop: AbortSignal;
}

/** Fills a sink's window from the spool, just ahead of what is sent, until `stop`. */
export async function readAhead(
  tools: ForwardTools,
  options: ForwardOptions,
  window: Window,
  reading: Reading,
): Promise<void> {
  const { stop, room } = reading;
  let at: Cursor | undefined;
  for (let attempt = 0; !stop.aborted; ) {
    try {
      at ??= await tools.spool.cursor(options.name);
      if (!wantsMore(options, window, reading)) await room.heard(LOOK_EVERY_MS, stop);
      else {
        const page = await tools.spool.read(at, stop);
        await enter(tools, options, window, at, page, reading);
        if (stop.aborted) return;
        at = { page: page.number + 1, index: 0 };
        reading.arrived();
        // Reading waits for nothing while there are pages: the others have a turn after each.
        await nextTurn();
      }
      attempt = 0;
    } catch (error) {
      if (stop.aborted) return;
      tools.tell({ what: 'spool_error', doing: 'reading a page', error: (error as Error).message });
      await wait(backoffMs(attempt++), stop);
    }
  }
}

function wantsMore(options: ForwardOptions, window: Window, { further }: Reading): boolean {
  // Events that are left out must not hide the one from behind that clears a suspected sink.
  const tooLong = window.length > MAX_LENGTH && !(further() && window.toSend === 0);
  if (window.toSend > options.maxEvents || tooLong) return false;
  const most = Math.min(MAX_OPEN_BYTES, (options.concurrency + 2) * options.maxBytes);
  return window.openBytes < (further() ? 2 * most : most);
}

/** A page of very many activities comes in parts, each when there is room for it. */
async function enter(
  { normalize, tell }: ForwardTools,
  options: ForwardOptions,
  window: Window,
  at: Cursor,
  page: Page,
  reading: Reading,
): Promise<void> {
  const offset = page.number === at.page ? at.index : 0;
  const { damaged, number } = page;
  if (damaged) {
    tell({ what: 'damaged', sink: options.name, page: number, reason: damaged });
    return window.addPage(number, offset, [], { damaged: (page.collected ?? 0) - offset });
  }
  const { stop } = reading;
  let from = 0;
  for await (const { events, last } of normalize.parts(page)) {
    const entries = events.slice(Math.max(0, offset - from)).map((event) => newEntry(event, options.selects(event)));
    if (entries.length > 0 || last) window.addPage(number, Math.max(from, offset), entries, { last });
    from += events.length;
    if (last) return;
    reading.arrived();
    while (!stop.aborted && !wantsMore(options, window, reading)) await reading.room.heard(LOOK_EVERY_MS, stop);
    if (stop.aborted) return;
  }
}
