import type { BookRow, Cursor, DeadLetterFilter, GapReason, Order, SinkStart, StreamName } from '../../src/types.ts';

const HOUR_MS = 3_600_000;
const BOOKS_MS = 90 * 24 * HOUR_MS;

export interface ReferencePage {
  readonly number: number;
  readonly stream: StreamName;
  readonly receivedAt: number;
  readonly partial: boolean;
  readonly body: Buffer;
  /** What collect has counted: known to the process, and stored. */
  collected?: number;
  stored: boolean;
  damaged: boolean;
  kept: boolean;
}
interface Tally {
  delivered: number;
  filtered: number;
  dead: number;
  discarded: number;
  damaged: number;
}
interface ReferenceSink {
  configured: boolean;
  cursor: Cursor;
  readonly first: number;
  delivered: number;
  filtered: number;
  /** By page, as long as it is kept. */
  readonly tallies: Map<number, Tally>;
}
export interface ReferenceLetter {
  readonly id: number;
  sink: string;
  readonly eventId: string;
  reason: string;
  readonly page: number;
  readonly index: number;
  readonly raw: string;
}
type Told =
  | 'id'
  | 'kind'
  | 'sink'
  | 'filter'
  | 'after'
  | 'upTo'
  | 'delivered'
  | 'refused'
  | 'discarded'
  | 'total'
  | 'pagesGone';
type ReferenceOrder = Pick<Order, Told> & { readonly finished: boolean };
/** Of a replay: the times of receipt, or the single events that it is about. */
interface About {
  readonly from: number;
  readonly to: number;
  readonly events?: readonly Cursor[];
}
type Mutable<T> = { -readonly [key in keyof T]: T[key] };
type Row = Omit<Mutable<BookRow>, 'hour'> & { hour: number };
const NEW_ORDER = { delivered: 0, refused: 0, discarded: 0, total: 0, pagesGone: 0, finished: false };
/** What a sink is told to have made of the activities of a page, each by its index; a damaged page has none. */
export interface Step {
  readonly page: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: readonly Omit<ReferenceLetter, 'id' | 'sink' | 'page'>[];
  readonly damaged: number;
}

/** What a spool has to do, in plain arrays and without a file. Nothing here looks at the spool, but for which pages it dropped. */
export class SpoolReference {
  readonly retentionMs: number;
  readonly count: (body: Uint8Array) => number;
  pages: ReferencePage[] = [];
  readonly sinks = new Map<string, ReferenceSink>();
  letters: ReferenceLetter[] = [];
  readonly orders: Mutable<ReferenceOrder>[] = [];
  readonly discards: { readonly order: ReferenceOrder; readonly at: Cursor }[] = [];
  readonly #about = new Map<number, About>();
  readonly gaps = new Map<string, number>();
  folded: Row[] = [];
  running = false;
  now: number;
  #letterId = 0;

  constructor(now: number, retentionMs: number, count: (body: Uint8Array) => number) {
    this.now = now;
    this.retentionMs = retentionMs;
    this.count = count;
  }

  get end(): number {
    return this.pages.length + 1;
  }
  get kept(): ReferencePage[] {
    return this.pages.filter(({ kept }) => kept);
  }
  get oldest(): number {
    return this.kept[0]?.number ?? this.end;
  }
  page(number: number): ReferencePage {
    return this.pages[number - 1] as ReferencePage;
  }
  sink(name: string): ReferenceSink {
    return this.sinks.get(name) as ReferenceSink;
  }
  get configured(): string[] {
    return [...this.sinks].filter(([, { configured }]) => configured).map(([name]) => name);
  }

  /** Counts ride on each transaction of the process. */
  flush(): void {
    for (const page of this.pages) page.stored ||= page.collected !== undefined;
  }

  /** What only the process knew is gone. */
  die(): void {
    for (const page of this.pages) if (!page.stored) delete page.collected;
  }

  start(sinks: readonly SinkStart[], streams: readonly StreamName[]): { newSinks: string[]; uncleanStop: boolean } {
    const uncleanStop = this.running;
    if (uncleanStop) for (const stream of streams) this.gap(stream, 'crash');
    this.running = true;
    for (const page of this.kept)
      if (!page.stored) page.collected = this.count(page.damaged ? Buffer.alloc(0) : page.body);
    this.flush();
    for (const { name, was } of sinks) if (was !== undefined && !this.sinks.has(name)) this.#rename(was, name);
    for (const sink of this.sinks.values()) sink.configured = false;
    const newSinks: string[] = [];
    for (const { name, start } of sinks) {
      if (!this.sinks.has(name)) {
        newSinks.push(name);
        const first = start === 'earliest' ? this.oldest : this.end;
        const cursor = { page: first, index: 0 };
        this.sinks.set(name, { configured: true, cursor, first, delivered: 0, filtered: 0, tallies: new Map() });
      }
      const sink = this.sink(name);
      sink.configured = true;
      if (sink.cursor.page < this.oldest) sink.cursor = { page: this.oldest, index: 0 };
    }
    return { newSinks, uncleanStop };
  }

  #rename(was: string, name: string): void {
    const sink = this.sinks.get(was);
    if (!sink) return;
    this.sinks.delete(was);
    this.sinks.set(name, sink);
    for (const row of [...this.folded, ...this.letters, ...this.orders]) if (row.sink === was) row.sink = name;
  }

  append(page: Pick<ReferencePage, 'stream' | 'receivedAt' | 'partial' | 'body'>): number {
    this.flush();
    const number = this.end;
    this.pages.push({ ...page, number, stored: false, damaged: false, kept: true });
    return number;
  }

  commit(name: string, cursor: Cursor, steps: readonly Step[]): void {
    this.flush();
    const sink = this.sink(name);
    sink.cursor = cursor;
    for (const { page, delivered, filtered, dead, damaged } of steps) {
      const tally = sink.tallies.get(page) ?? { delivered: 0, filtered: 0, dead: 0, discarded: 0, damaged: 0 };
      tally.delivered += delivered;
      tally.filtered += filtered;
      tally.dead += dead.length;
      tally.damaged += damaged;
      sink.tallies.set(page, tally);
      sink.delivered += delivered;
      sink.filtered += filtered;
      for (const letter of dead) this.letters.push({ id: ++this.#letterId, sink: name, page, ...letter });
    }
  }

  /** By received time: the pages that may go, those past retention first; last those that a replay has yet to come to. */
  get droppable(): { page: ReferencePage; expired: boolean; needed: boolean }[] {
    const held = Math.min(...this.configured.map((name) => this.sink(name).cursor.page));
    return this.kept
      .filter(({ number, stored }) => number < held && stored)
      .map((page) => ({ page, needed: this.#needing(page).length > 0 }))
      .map((one) => ({ ...one, expired: !one.needed && one.page.receivedAt < this.now - this.retentionMs }))
      .sort(
        (one, other) =>
          Number(one.needed) - Number(other.needed) ||
          one.page.receivedAt - other.page.receivedAt ||
          one.page.number - other.page.number,
      );
  }

  /** The replays that have yet to come to a page. */
  #needing(page: ReferencePage): Mutable<ReferenceOrder>[] {
    const unfinished = this.orders.filter(({ kind, finished }) => kind === 'replay' && !finished);
    return unfinished.filter(
      (order) =>
        this.sink(order.sink).configured &&
        page.number > order.after &&
        page.number <= order.upTo &&
        this.#isAbout(order.id, page),
    );
  }

  #isAbout(id: number, { number, receivedAt }: ReferencePage): boolean {
    const { from, to, events } = this.#about.get(id) as About;
    if (events) return events.some((event) => event.page === number);
    return receivedAt >= from && receivedAt < to;
  }

  drop(dropped: readonly ReferencePage[]): void {
    for (const page of dropped) {
      for (const order of this.#needing(page)) order.pagesGone += 1;
      for (const row of this.#entries(page)) {
        const { waiting, ...settled } = row;
        this.#fold({ ...settled, collected: row.collected - waiting, waiting: 0 });
      }
      page.kept = false;
      for (const { tallies } of this.sinks.values()) tallies.delete(page.number);
    }
    if (dropped.length > 0) this.folded = this.folded.filter(({ hour }) => hour >= this.now - BOOKS_MS);
  }

  #fold(row: Row): void {
    const same = this.folded.find((one) => one.stream === row.stream && one.sink === row.sink && one.hour === row.hour);
    if (same) addTo(same, row);
    else this.folded.push(row);
  }

  #entries(page: ReferencePage): Row[] {
    const { number, stream, receivedAt, stored, collected: known = 0 } = page;
    const collected = stored ? known : 0;
    const hour = Math.floor(receivedAt / HOUR_MS) * HOUR_MS;
    return [...this.sinks]
      .filter(([, { first }]) => number >= first)
      .map(([sink, { cursor, tallies }]) => {
        const tally = tallies.get(number) ?? { delivered: 0, filtered: 0, dead: 0, discarded: 0, damaged: 0 };
        const { delivered, filtered, dead, discarded, damaged } = tally;
        const open = collected - delivered - filtered - dead - discarded - damaged;
        const waiting = number < cursor.page ? 0 : Math.max(0, open);
        return { stream, sink, hour, collected, ...tally, waiting };
      });
  }

  books(): Row[] {
    const rows: Row[] = [];
    for (const row of [...this.folded, ...this.kept.flatMap((page) => this.#entries(page))]) {
      const same = rows.find((one) => one.stream === row.stream && one.sink === row.sink && one.hour === row.hour);
      if (same) addTo(same, row);
      else rows.push({ ...row });
    }
    const key = ({ hour, stream, sink }: Row) => `${String(hour).padStart(20)} ${stream} ${sink}`;
    return rows.sort((one, other) => (key(one) < key(other) ? -1 : 1));
  }

  gap(stream: StreamName, reason: GapReason): void {
    this.flush();
    const key = `${stream} ${reason}`;
    this.gaps.set(key, (this.gaps.get(key) ?? 0) + 1);
  }

  order(kind: 'revive' | 'discard', sink: string, filter: DeadLetterFilter): number {
    const upTo = Math.max(0, ...this.letters.filter((letter) => letter.sink === sink).map(({ id }) => id));
    const id = this.orders.length + 1;
    this.orders.push({ ...NEW_ORDER, id, kind, sink, filter, after: filter.after ?? 0, upTo });
    return id;
  }

  /** Up to the last page that the sink has settled as a whole. */
  replay(sink: string, about: About): number {
    const id = this.orders.length + 1;
    this.#about.set(id, about);
    const { cursor, tallies } = this.sink(sink);
    const pages = this.kept.filter((page) => this.#isAbout(id, page) && (about.events || page.number < cursor.page));
    const totalOf = ({ number, stored, collected = 0 }: ReferencePage) => {
      const tally = tallies.get(number);
      return tally ? tally.delivered + tally.filtered : stored ? collected : 0;
    };
    const total = about.events?.length ?? pages.reduce((sum, page) => sum + totalOf(page), 0);
    const [first, last] = [pages[0]?.number ?? 1, pages.at(-1)?.number ?? 0];
    this.orders.push({ ...NEW_ORDER, id, kind: 'replay', sink, filter: {}, after: first - 1, upTo: last, total });
    return id;
  }

  /** The next page that a replay comes to, and which of so many events it is about. */
  replayPage(order: ReferenceOrder): { page: number; wants(index: number): boolean } | undefined {
    const { events } = this.#about.get(order.id) as About;
    const page = this.kept.find(
      (one) => one.number > order.after && one.number <= order.upTo && this.#isAbout(order.id, one),
    );
    if (!page) return undefined;
    const isAt = (one: Cursor, index: number) => one.page === page.number && one.index === index;
    const left = [...this.letters.filter(({ sink }) => sink === order.sink), ...this.#discarded(order.sink)];
    const wants = (index: number) =>
      events ? events.some((one) => isAt(one, index)) : !left.some((one) => isAt(one, index));
    return { page: page.number, wants };
  }

  #discarded(sink: string): Cursor[] {
    return this.discards.filter(({ order }) => order.sink === sink).map(({ at }) => at);
  }

  lettersOf({
    sink,
    filter,
    after,
    upTo,
  }: Pick<ReferenceOrder, 'sink' | 'filter' | 'after' | 'upTo'>): ReferenceLetter[] {
    return this.letters.filter(
      (letter) =>
        letter.sink === sink &&
        letter.id > after &&
        letter.id <= upTo &&
        (!filter.ids || filter.ids.includes(letter.id)) &&
        (!filter.reason || letter.reason.toLowerCase().includes(filter.reason.toLowerCase())),
    );
  }

  remove(id: number, sink: string, became: 'delivered' | 'discarded'): boolean {
    const letter = this.letters.find((one) => one.id === id && one.sink === sink);
    if (!letter) return false;
    this.letters = this.letters.filter((one) => one !== letter);
    const { stream, receivedAt } = this.page(letter.page);
    const hour = Math.floor(receivedAt / HOUR_MS) * HOUR_MS;
    const tally =
      this.sink(sink).tallies.get(letter.page) ??
      this.folded.find((row) => row.stream === stream && row.sink === sink && row.hour === hour);
    if (tally) tally.dead -= 1;
    if (tally) tally[became] += 1;
    return true;
  }
}

/** What of an order is compared. */
export function orderOf(order: Order): ReferenceOrder {
  const { id, kind, sink, filter, after, upTo, delivered, refused, discarded, total, pagesGone, finishedAt } = order;
  const done = { delivered, refused, discarded, pagesGone, finished: finishedAt !== undefined };
  return { id, kind, sink, filter, after, upTo, total, ...done };
}

function addTo(sum: Row, row: Row): void {
  for (const key of ['collected', 'delivered', 'filtered', 'dead', 'discarded', 'damaged', 'waiting'] as const)
    sum[key] += row[key];
}
