import { setTimeout as sleep } from 'node:timers/promises';
import type { Config, SinkConfig } from '../config.ts';
import { selector } from '../forward/select.ts';
import { sinkContext } from '../loops.ts';
import { normalizer } from '../normalize.ts';
import type { HeldQuestion } from '../sink.ts';
import type { PageRead, SpoolReader } from '../spool.ts';
import type { SecurityEvent, Span, StreamName } from '../types.ts';
import { readVersion } from '../version.ts';
import { decimal } from '../words.ts';
import { slowly } from './stand-back.ts';

/** An event that the books call delivered and the SIEM does not hold. */
export interface Missing {
  readonly eventId: string;
  readonly code: string;
  readonly stream: StreamName;
  readonly receivedAt: Date;
  readonly page: number;
  readonly index: number;
}
export interface Verified {
  /** Events that the SIEM must hold. */
  readonly expected: number;
  readonly missing: number;
  /** Ids that the SIEM holds of this time of receipt, and that no retained page knows. */
  readonly unknown: number;
  /** Missing ones that may have been discarded: which they were was not recorded then. */
  readonly perhapsDiscarded: number;
  /** Pages of which the present `only` and `except` select another number of events than the sink settled. */
  readonly otherFilter: number;
  readonly damagedPages: number;
  /** Delivered events that cannot be asked for, because their pages are no longer kept. */
  readonly gone: number;
}
/** What is asked, of which sink, and with which key. */
export interface Question {
  readonly reader: SpoolReader;
  readonly config: Config;
  readonly sink: SinkConfig;
  readonly key: string;
  readonly span: Span;
  /** A daemon may be at work beside it. */
  readonly beside: boolean;
}
interface Asking extends Question {
  onMissing(missing: Missing): void;
  onPage(): void;
  remark(line: string): void;
}

/** Events that are looked for at once. Pages of one moment stay together. */
const SLICE = 20_000;
const IDS_AT_ONCE = 1_000;
/** A document can be found only once its index was refreshed; by default that happens within a second. */
const REFRESHED_AFTER_MS = 5_000;

interface Slice {
  readonly from: Date;
  /** Receipt of its last page. */
  readonly last: Date;
  /** When its last page was read: what was settled by then is looked for. */
  readonly readAt: number;
  readonly expected: Map<string, Missing>;
  readonly known: Set<string>;
  readonly streams: Set<StreamName>;
  /** By page: so many of the missing may have been discarded. */
  readonly allowed: Map<number, number>;
}
type Counts = { -readonly [key in keyof Verified]: Verified[key] };

/** Asks the SIEM, slice by slice of the retained pages, so that memory stays bounded. The sink's definition must have `held`. */
export async function verify(asking: Asking): Promise<Verified> {
  const { reader, config, sink, span, beside } = asking;
  const { events } = normalizer(config.events);
  const selects = selector(sink.only, sink.except);
  const counts: Counts = { ...NOTHING };
  let slice: Slice | undefined;
  const pages = reader.audit.read(span, sink.name);
  for await (const read of beside ? slowly(pages) : pages) {
    if (slice && slice.known.size >= SLICE && read.page.receivedAt > slice.last) {
      await settle(asking, slice, counts);
      slice = newSlice(new Date(slice.last.getTime() + 1), read);
    }
    slice = {
      ...(slice ?? newSlice(read.page.receivedAt, read)),
      last: read.page.receivedAt,
      readAt: performance.now(),
    };
    add(slice, read, events(read.page), selects, counts);
    asking.onPage();
  }
  if (slice) await settle(asking, slice, counts);
  // At last, so that what was dropped before it was read is in it.
  return { ...counts, gone: await reader.audit.gone(sink.name, span) };
}

const NOTHING: Verified = {
  expected: 0,
  missing: 0,
  unknown: 0,
  perhapsDiscarded: 0,
  otherFilter: 0,
  damagedPages: 0,
  gone: 0,
};

function newSlice(from: Date, { page }: PageRead): Slice {
  return {
    from,
    last: page.receivedAt,
    readAt: 0,
    expected: new Map(),
    known: new Set(),
    streams: new Set(),
    allowed: new Map(),
  };
}

function add(
  slice: Slice,
  { page, book }: PageRead,
  events: Iterable<SecurityEvent>,
  selects: (event: SecurityEvent) => boolean,
  counts: Counts,
): void {
  slice.streams.add(page.stream);
  if (page.damaged) counts.damagedPages += 1;
  if (page.damaged) return;
  let selected = 0;
  for (const event of events) {
    const { id, code, source } = event;
    const { index } = source.position;
    slice.known.add(id);
    if (!book?.counts || index >= book.settledTo || !selects(event)) continue;
    selected += 1;
    if (book.deadAt.has(index) || book.discardedAt.has(index)) continue;
    const { stream, receivedAt } = page;
    slice.expected.set(id, { eventId: id, code, stream, receivedAt, page: page.number, index });
  }
  if (!book?.counts) return;
  if (selected !== book.delivered + book.dead + book.discarded) counts.otherFilter += 1;
  const unnamed = book.discarded - book.discardedAt.size;
  if (unnamed > 0) slice.allowed.set(page.number, unnamed);
}

/** What is left of the expected ones after all answers is missing. */
async function settle(asking: Asking, slice: Slice, counts: Counts): Promise<void> {
  const { expected, known, allowed } = slice;
  counts.expected += expected.size;
  const received = { from: slice.from, to: new Date(slice.last.getTime() + 1) };
  for await (const id of ask(asking, slice, { received })) {
    if (!expected.delete(id) && !known.has(id)) counts.unknown += 1;
  }
  if (expected.size > 0) await askAgain(asking, slice);
  for (const missing of expected.values()) {
    const left = allowed.get(missing.page) ?? 0;
    allowed.set(missing.page, left - 1);
    if (left > 0) counts.perhapsDiscarded += 1;
    else {
      counts.missing += 1;
      asking.onMissing(missing);
    }
  }
}

/** By id, whatever their time, once what was settled a moment ago can be found too. */
async function askAgain(asking: Asking, slice: Slice): Promise<void> {
  const waitMs = slice.readAt + REFRESHED_AFTER_MS - performance.now();
  if (waitMs > 0) {
    asking.remark(
      `${decimal(slice.expected.size)} events are not found; asked for by id in ${Math.ceil(waitMs / 1000)} s, since new ones are found late`,
    );
    await sleep(waitMs);
  }
  const ids = [...slice.expected.keys()];
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
    for await (const id of ask(asking, slice, { ids: ids.slice(at, at + IDS_AT_ONCE) })) slice.expected.delete(id);
  }
}

function ask(
  { sink, key, remark }: Asking,
  { streams }: Slice,
  about: Pick<HeldQuestion, 'received' | 'ids'>,
): AsyncIterable<string> {
  const { held, type } = sink.definition;
  if (!held) throw new Error(`a sink of type ${type} cannot be asked`);
  const context = sinkContext(sink, { version: readVersion(), log: { info: remark, warn: remark, error: remark } });
  const signal = new AbortController().signal;
  return held(sink.options() as never, { ...context, key, streams: [...streams], ...about }, signal);
}
