/** What operators leave in a spool, and what it shows to those who look into it. The two loops need none of the reports. */
import type { Cursor, DeadLetterFilter, GapReason, Page, StreamName } from './types.ts';

/** Times of receipt: `from` is in it, `to` is not. */
export interface Span {
  readonly from: Date;
  readonly to: Date;
}

/** Work that an operator left for the running process: rows, so they survive a restart. */
export type NewOrder =
  | { readonly kind: 'revive' | 'discard'; readonly sink: string; readonly filter: DeadLetterFilter }
  | NewReplay;
/** Retained pages once more: what this sink has settled of the span, or only `events`, which lie in it. */
export interface NewReplay {
  readonly kind: 'replay';
  readonly sink: string;
  readonly span: Span;
  readonly events?: readonly Cursor[];
}
export interface Order {
  readonly id: number;
  readonly kind: NewOrder['kind'];
  readonly sink: string;
  /** Of a replay: empty. */
  readonly filter: DeadLetterFilter;
  /** Of a replay only. */
  readonly span?: Span;
  readonly createdAt: Date;
  readonly finishedAt?: Date;
  /** The last dead letter that was handled, and the last that existed when the order was given. Of a replay: pages. */
  readonly after: number;
  readonly upTo: number;
  /** Events that a replay is about; as many are delivered, refused and filtered as were still there. */
  readonly total: number;
  readonly delivered: number;
  readonly refused: number;
  readonly filtered: number;
  readonly discarded: number;
  /** Pages that a full spool had to drop before a replay came to them. */
  readonly pagesGone: number;
}
/** A page that a replay comes to, and which of its events it is about. */
export interface ReplayPage {
  readonly page: Page;
  /** They are so many, or fewer. */
  readonly most: number;
  wants(index: number): boolean;
}
/** What became of the pages of a replay up to `after`. */
export interface Replayed {
  readonly after: number;
  readonly delivered: number;
  readonly refused: number;
  readonly filtered: number;
  readonly finished: boolean;
}
export interface Revived {
  readonly after: number;
  readonly delivered: readonly number[];
  readonly refused: readonly { readonly id: number; readonly reason: string }[];
  readonly finished: boolean;
}

/** How operators' orders are left and carried out. */
export interface Orders {
  order(order: NewOrder): Promise<number>;
  /** The unfinished ones of a sink, oldest first. */
  orders(sink: string): Promise<readonly Order[]>;
  revive(order: number, revived: Revived): Promise<void>;
  discard(order: number): Promise<number>;
  /** The first page of a replay behind `after`. */
  replayPage(order: number, after: number): Promise<ReplayPage | undefined>;
  replayed(order: number, done: Replayed): Promise<void>;
}

export interface Gap {
  readonly stream: StreamName;
  readonly reason: GapReason;
  readonly count: number;
  readonly lastAt: Date;
}

/** One line of the books: what became of the activities that one stream brought in one hour of receipt, at one sink. */
export interface BookRow {
  readonly stream: StreamName;
  readonly sink: string;
  /** The start of the hour. */
  readonly hour: Date;
  readonly collected: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly damaged: number;
  readonly waiting: number;
}
export interface BookFilter {
  readonly sink?: string;
  readonly from?: Date;
  readonly to?: Date;
}

/** What could be saved of a spool that was damaged. */
export interface Salvage {
  /** The damaged file, under its new name. */
  readonly file: string;
  /** Those whose bytes are there. */
  readonly pages: number;
  /** Those whose bytes are lost. */
  readonly damagedPages: readonly number[];
  readonly deadLetters: number;
  readonly deadLettersLost: number;
  /** Their cursors were lost: they go on where the books end, or begin at the oldest page. */
  readonly sinks: readonly string[];
  /** The tables of which something could not be read. */
  readonly broken: readonly string[];
}

/** What a spool tells by itself, because nobody has asked for it. */
export type SpoolAlarm =
  | { readonly what: 'spool_damaged'; readonly reason: string }
  | { readonly what: 'spool_salvaged'; readonly salvage: Salvage };

export interface SinkReport {
  readonly sink: string;
  readonly configured: boolean;
  readonly cursor: Cursor;
  /** Of the pages that it has to settle. As far as the books reach, like `discarded` and `damaged`. */
  readonly collected: number;
  readonly waiting: number;
  /** Receipt of the oldest page that is not settled. */
  readonly waitingSince?: Date;
  readonly delivered: number;
  readonly filtered: number;
  readonly deadLetters: number;
  readonly discarded: number;
  readonly damaged: number;
}
export interface StreamReport {
  readonly stream: StreamName;
  /** Activities, as far as the books reach. */
  readonly collected: number;
}
export interface SpoolReport {
  readonly bytes: number;
  readonly limit: number;
  readonly pages: number;
  /** Damaged pages, whose bytes are set aside as far as there are any. */
  readonly setAside: number;
  readonly oldestPageAt?: Date;
  readonly newestPageAt?: Date;
  readonly gaps: readonly Gap[];
  readonly streams: readonly StreamReport[];
  readonly sinks: readonly SinkReport[];
  readonly orders: readonly Order[];
}
