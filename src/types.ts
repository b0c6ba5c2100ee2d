/**
 * The words of this program. There are no synonyms anywhere.
 *
 * activity      one object in a collect answer, as Mosaic wrote it
 * page          the bytes of one collect answer, with its stream, its time of receipt and its position; immutable
 * event         the ECS form of one activity; immutable; the same activity always gives the same `event.id`
 * spool         the durable log of pages
 * position      a place in the spool (page number, index within the page); only grows
 * cursor        the position up to which one sink has settled everything; one per sink
 * outcome       what a sink says about one event in one delivery
 * filtered      left out by a sink's `only` / `except`: counted, never delivered, never a dead letter
 * settled       delivered, filtered, or kept as a dead letter with its reason: exactly one of the three
 * possible gap  a collect call whose answer was lost after Mosaic may have moved the stream on
 */

import type { BookFilter, BookRow, Orders, SpoolReport } from './spool-shape.ts';

export type * from './spool-shape.ts';

export type StreamType = 'verify' | 'cis' | 'admin' | 'risk';
/** `type/id`, as in `verify/siem`. Part of every event id. */
export type StreamName = `${StreamType}/${string}`;
export type Severity = 'informational' | 'low' | 'medium' | 'high' | 'critical';

/** A position. Behind a whole page: `{ page: next, index: 0 }`. */
export interface Cursor {
  readonly page: number;
  readonly index: number;
}

export interface NewPage {
  readonly stream: StreamName;
  readonly receivedAt: Date;
  /** The answer was cut off or too large: the body is what arrived of it. */
  readonly partial: boolean;
  readonly body: Uint8Array;
}

export interface Page extends NewPage {
  readonly number: number;
  /** Set when the stored bytes fail their checksum: what is wrong. The body is then empty. */
  readonly damaged?: string;
  /** How many activities collect counted in it. */
  readonly collected?: number;
}

export interface RawActivity {
  readonly stream: StreamName;
  readonly receivedAt: Date;
  readonly position: Cursor;
  /** 0, 1, 2 … among byte-equal activities of one page: keeps their event ids apart. */
  readonly ordinal: number;
  readonly raw: Uint8Array;
}

/** ECS 9.4.0 plus `transmit_security.*`; only the keys that code reads are spelled out. */
export interface EcsDocument {
  readonly '@timestamp': string;
  readonly message: string;
  readonly event: Readonly<Record<string, unknown>> & { readonly action?: string; readonly severity: number };
  readonly transmit_security: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [field: string]: unknown;
}

export interface SecurityEvent {
  readonly id: string;
  readonly code: string;
  readonly severity: Severity;
  readonly source: RawActivity;
  readonly document: EcsDocument;
  /** The document as compact JSON, encoded once for all sinks. Its length is a lower bound of its size in bytes. */
  readonly json: string;
}

/** Total: neither throws or rejects. The index in the array is `Cursor.index`. */
export interface Normalize {
  page(page: Page): Promise<readonly SecurityEvent[]>;
  /** The same, some at a time, since a page may hold millions. */
  parts(page: Page): AsyncIterable<{ readonly events: readonly SecurityEvent[]; readonly last: boolean }>;
  one(activity: RawActivity): SecurityEvent;
}

/** What a sink says about one event. */
export type Outcome =
  | { readonly status: 'delivered' }
  /** Tried and put off by the SIEM. `held`: for a reason that is not the event's, so it never counts towards `stuck`. */
  | { readonly status: 'retry'; readonly reason: string; readonly held?: boolean }
  /** The SIEM never looked at it: send it again at once. */
  | { readonly status: 'unsent' }
  | { readonly status: 'rejected'; readonly reason: string };

/** An open connection to one SIEM. */
export interface Sink {
  /** One outcome per event, in the same order. May be called again before it has resolved. */
  deliver(batch: readonly SecurityEvent[], signal: AbortSignal): Promise<readonly Outcome[]>;
  close(): Promise<void>;
  /** SIGUSR2: open files anew. */
  reopen?(): Promise<void>;
}

export interface NewDeadLetter {
  readonly eventId: string;
  readonly code: string;
  readonly reason: string;
  readonly activity: RawActivity;
}
export interface DeadLetter extends NewDeadLetter {
  readonly id: number;
  readonly sink: string;
  readonly at: Date;
  /** Set when the stored activity cannot be read: what is wrong. `raw` is then empty. */
  readonly damaged?: string;
}
export interface DeadLetterFilter {
  readonly sink?: string;
  /** Contained in the reason, whatever the case. */
  readonly reason?: string;
  readonly ids?: readonly number[];
  /** Only ids above. */
  readonly after?: number;
}

/** What became of one page's events in one commit. `damaged`: activities of a page whose bytes are lost. */
export interface Settled {
  readonly page: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: readonly NewDeadLetter[];
  readonly damaged?: number;
}

export interface Reservation {
  /** Gives back what `append` did not use; safe to repeat. */
  release(): void;
}
export interface SinkStart {
  readonly name: string;
  readonly start: 'latest' | 'earliest';
  /** The name this sink had before: its cursor and dead letters move here. */
  readonly was?: string;
}
export interface SpoolStart {
  readonly uncleanStop: boolean;
  readonly newSinks: readonly string[];
  readonly goneSinks: readonly { readonly name: string; readonly deadLetters: number }[];
}

export type GapReason = 'no_answer' | 'cut_off' | 'gateway' | 'too_large' | 'crash';
/** The durable log. Every write is one transaction, on disk and synced when its promise resolves. */
export interface Spool extends Orders {
  /** All cursors in one transaction, `was`, and the mark of an unclean stop. Before the first collect. */
  start(sinks: readonly SinkStart[], streams: readonly StreamName[]): Promise<SpoolStart>;
  /** Room for one answer of this size, in the quota and on the disk; undefined while there is none. */
  reserve(bytes: number): Promise<Reservation | undefined>;
  append(page: NewPage, reservation: Reservation): Promise<number>;
  /** How many activities collect saw in a page. Rides on the next transaction; made good on start. */
  counted(page: number, activities: number): Promise<void>;
  /** The first page at or behind the cursor; waits for one. Rejects with the signal's reason. */
  read(at: Cursor, signal: AbortSignal): Promise<Page>;
  cursor(sink: string): Promise<Cursor>;
  /** Cursor, dead letters and books: all or none. */
  commit(sink: string, cursor: Cursor, settled: readonly Settled[]): Promise<void>;
  deadLetters(filter: DeadLetterFilter): AsyncIterable<DeadLetter>;
  books(filter: BookFilter): AsyncIterable<BookRow>;
  gap(stream: StreamName, reason: GapReason): Promise<void>;
  /** Drops pages that every configured sink has settled: those past retention, and more where room is short. */
  trim(): Promise<number>;
  report(): Promise<SpoolReport>;
  /** Clears the mark of an unclean stop, where `clean` is true. */
  close(clean: boolean): Promise<void>;
}
