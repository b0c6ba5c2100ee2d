/** What operators leave in a spool, and what it shows to those who look into it. The two loops need none of the reports. */
import type { Cursor, DeadLetterFilter, GapReason, StreamName } from './types.ts';

/** Work that an operator left for the running process: rows, so they survive a restart. */
export interface NewOrder {
  readonly kind: 'revive' | 'discard';
  readonly sink: string;
  readonly filter: DeadLetterFilter;
}
export interface Order extends NewOrder {
  readonly id: number;
  readonly createdAt: Date;
  readonly finishedAt?: Date;
  /** The last dead letter that was handled, and the last that existed when the order was given. */
  readonly after: number;
  readonly upTo: number;
  readonly delivered: number;
  readonly refused: number;
  readonly discarded: number;
}
export interface Revived {
  readonly after: number;
  readonly delivered: readonly number[];
  readonly refused: readonly { readonly id: number; readonly reason: string }[];
  readonly finished: boolean;
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
  readonly oldestPageAt?: Date;
  readonly newestPageAt?: Date;
  readonly gaps: readonly Gap[];
  readonly streams: readonly StreamReport[];
  readonly sinks: readonly SinkReport[];
  readonly orders: readonly Order[];
}
