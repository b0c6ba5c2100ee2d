import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { SpoolKeys } from '../../src/spool/seal.ts';
import { openSpool } from '../../src/spool.ts';
import type {
  Cursor,
  DeadLetterFilter,
  NewDeadLetter,
  Page,
  Reservation,
  SinkStart,
  Spool,
  StreamName,
} from '../../src/types.ts';
import { activitiesIn, HOUR_MS, letter, NOON, withSql } from '../fixtures/spool.ts';
import { compare, comparePage, readAll } from './spool-comparison.ts';
import { type Attempt, Lives } from './spool-lives.ts';
import type { Operation, Trouble } from './spool-operations.ts';
import { type ReferenceLetter, SpoolReference, type Step } from './spool-reference.ts';

const KiB = 1024;
const MAX_SIZE = 500 * KiB;
const RETENTION_MS = 24 * HOUR_MS;
const MUCH = 2 ** 40;
const STREAMS: readonly StreamName[] = ['verify/siem', 'admin/siem'];
const SINKS = ['one', 'two', 'three', 'four'] as const;
const REASONS = ['mapping conflict', 'Field too long', 'no'];
type Of<What extends Operation['what']> = Extract<Operation, { what: What }>;

/** A real spool and the reference, side by side: both do what they are told, and are compared. */
export class SpoolDriver {
  readonly #reference = new SpoolReference(NOON, RETENTION_MS, activitiesIn);
  readonly #lives: Lives;
  readonly #note: (happened: string) => void;
  #held: { bytes: number; reservation: Reservation }[] = [];
  #wanted = 0;
  #freeDisk = MUCH;
  #letters = 0;
  #key = 0;

  /** @param note is told what hard case has happened */
  constructor(note: (happened: string) => void) {
    this.#note = note;
    this.#lives = new Lives((path) =>
      openSpool({
        path,
        ...keys(this.#key),
        maxSize: MAX_SIZE,
        retentionMs: RETENTION_MS,
        count: activitiesIn,
        freeDisk: () => this.#freeDisk,
        now: () => new Date(this.#reference.now),
      }),
    );
  }

  get #spool(): Spool {
    return this.#lives.spool;
  }

  async begin(): Promise<void> {
    await this.#start([
      { name: 'one', start: 'earliest' },
      { name: 'two', start: 'latest' },
    ]);
  }

  async end(): Promise<void> {
    await this.#lives.end();
  }

  async compare(): Promise<void> {
    await compare(this.#spool, this.#reference);
  }

  async do(operation: Operation): Promise<void> {
    const reference = this.#reference;
    const { trouble } = operation;
    if (operation.what === 'append') await this.#append(operation, trouble);
    if (operation.what === 'count') await this.#count(operation);
    if (operation.what === 'commit') await this.#commit(operation, trouble);
    if (operation.what === 'commit wrongly') await this.#commitWrongly(operation);
    if (operation.what === 'wait for a page') await this.#waitForPage(operation.arrives);
    if (operation.what === 'trim') await this.#trim(trouble);
    if (operation.what === 'reserve') await this.#hold(operation.kib * KiB);
    if (operation.what === 'release') this.#held.shift()?.reservation.release();
    if (operation.what === 'order') await this.#order(operation, trouble);
    if (operation.what === 'carry out') await this.#carryOut(operation, trouble);
    if (operation.what === 'gap') await this.#gap(operation.stream, trouble);
    if (operation.what === 'damage') this.#damage(operation);
    if (operation.what === 'time') reference.now += operation.hours * HOUR_MS;
    if (operation.what === 'disk') this.#freeDisk = operation.full ? 0 : MUCH;
    if (operation.what === 'restart') await this.#restart(operation, trouble);
    if (operation.look) await this.compare();
  }

  /** One transaction. Where it is refused, or the process dead before its end, nothing may have changed: then it is not done. */
  async #write<T>(trouble: Trouble | undefined, work: () => Promise<T>): Promise<{ done: boolean; result?: T }> {
    const { met, result } = await this.#attempt(trouble, work);
    return { done: !met, ...(result !== undefined && { result }) };
  }

  async #attempt<T>(trouble: Trouble | undefined, work: () => Promise<T>): Promise<Attempt<T>> {
    const attempt = await this.#lives.attempt(trouble, work);
    if (attempt.met) this.#note(`${trouble?.how} in a write`);
    if (attempt.died) {
      this.#forget();
      await this.#start(this.#reference.configured.map((name) => ({ name, start: 'latest' })));
    }
    return attempt;
  }

  /** What only the former process knew is gone. */
  #forget(): void {
    this.#reference.die();
    this.#held = [];
    this.#wanted = 0;
  }

  async #start(sinks: readonly SinkStart[], trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const work = () => this.#spool.start(sinks, STREAMS);
    const { met, result } = await this.#lives.attempt(trouble, work);
    const started = met || !result ? await work() : result;
    const expected = reference.start(sinks, STREAMS);
    assert.deepEqual({ newSinks: started.newSinks, uncleanStop: started.uncleanStop }, expected);
    const gone = [...reference.sinks].filter(([, { configured }]) => !configured).map(([name]) => name);
    assert.deepEqual(
      started.goneSinks.map(({ name }) => name),
      gone.sort(),
    );
    for (const { name, deadLetters } of started.goneSinks) {
      assert.equal((await Array.fromAsync(this.#spool.deadLetters({ sink: name }))).length, deadLetters);
    }
  }

  async #restart(operation: Of<'restart'>, trouble?: Trouble): Promise<void> {
    const { how } = operation;
    const starts = this.#startsOf(operation);
    this.#key = operation.key;
    if (how === 'killed') await this.#lives.kill();
    else await this.#lives.stop(how === 'clean');
    if (how !== 'killed') this.#reference.flush();
    if (how === 'clean') this.#reference.running = false;
    this.#forget();
    for (const start of starts) this.#noteHandOver(start);
    await this.#start(starts, trouble);
  }

  /** The config lets a name be handed over only by a sink that is no longer in it, and only once. */
  #startsOf({ sinks, earliest, was }: Of<'restart'>): SinkStart[] {
    const names = SINKS.filter((_, bit) => sinks & (1 << bit));
    const former = SINKS.filter((name) => !names.includes(name));
    const taker = names.find((name) => !this.#reference.sinks.has(name)) ?? names[0];
    return names.map((name) => {
      const start = { name, start: earliest ? ('earliest' as const) : ('latest' as const) };
      return name === taker && was < former.length ? { ...start, was: pick(former, was) } : start;
    });
  }

  #noteHandOver({ name, was }: SinkStart): void {
    const { sinks, orders } = this.#reference;
    if (!was || !sinks.has(was) || sinks.has(name)) return;
    this.#note('a name is handed over');
    if (orders.some(({ sink, finished }) => sink === was && !finished)) this.#note('an order is handed over');
  }

  async #append(operation: Of<'append'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const number = reference.end;
    const body = bodyOf(number, operation.activities, operation.kib * KiB);
    const reservation = await this.#reserve(body.length);
    if (!reservation) return;
    const receivedAt = reference.now - operation.minutesAgo * 60_000;
    const stream = pick(STREAMS, operation.stream);
    const page = { stream, receivedAt, partial: operation.activities === 5, body };
    const { done, result } = await this.#write(trouble, () =>
      this.#spool.append({ ...page, receivedAt: new Date(receivedAt) }, reservation),
    );
    if (!done) return reservation.release();
    assert.equal(result, number, 'a number is given once, and none is left out');
    reference.append(page);
    if (operation.counted) await this.#countPage(number);
  }

  async #count({ page }: Of<'count'>): Promise<void> {
    const uncounted = this.#reference.kept.filter(({ collected }) => collected === undefined);
    const one = uncounted[page % uncounted.length];
    if (one) await this.#countPage(one.number);
  }

  async #countPage(number: number): Promise<void> {
    const page = this.#reference.page(number);
    page.collected = activitiesIn(page.body);
    await this.#spool.counted(number, page.collected);
  }

  /** As forward does it: reads from the cursor on, over some whole pages and a part of the next. */
  async #commit(operation: Of<'commit'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const name = pick(reference.configured, operation.sink);
    const from = await this.#spool.cursor(name);
    assert.deepEqual(from, reference.sink(name).cursor);
    const { steps, cursor } = await this.#settleFrom(name, from, operation);
    if (!cursor) return;
    const settled = steps.map(({ dead, ...step }) => ({
      ...step,
      dead: dead.map((one) => this.#deadLetter(step.page, one)),
    }));
    const { done } = await this.#write(trouble, () => this.#spool.commit(name, cursor, settled));
    if (!done) return;
    reference.commit(name, cursor, steps);
    if (steps.some(({ damaged }) => damaged > 0)) this.#note('a damaged page is settled');
    if (cursor.index > 0) this.#note('a page is settled in part');
  }

  async #settleFrom(name: string, from: Cursor, { pages, more, fates }: Of<'commit'>) {
    const { kept } = this.#reference;
    // Collect counts a page before anybody else has a turn.
    const counted = kept.slice(0, kept.findIndex(({ collected }) => collected === undefined) >>> 0);
    const ahead = counted.filter(({ number }) => number >= from.page);
    const steps: Step[] = [];
    let cursor: Cursor | undefined;
    for (const [nth, { number }] of ahead.slice(0, pages + 1).entries()) {
      const at = nth === 0 ? from : { page: number, index: 0 };
      const page = await this.#spool.read(at, AbortSignal.timeout(5_000));
      assert.equal(page.number, number, 'the first page that is kept at the cursor or behind it');
      comparePage(page, this.#reference);
      const offset = number === from.page ? from.index : 0;
      const length = page.damaged ? (page.collected ?? 0) : activitiesIn(page.body);
      const whole = nth < pages || page.damaged !== undefined;
      const upTo = whole ? length : Math.min(length, offset + more);
      if (!whole && upTo === offset) break;
      steps.push(this.#stepOver(name, page, offset, upTo, fates));
      cursor = upTo === length ? { page: number + 1, index: 0 } : { page: number, index: upTo };
      if (upTo < length) break;
    }
    return { steps, cursor };
  }

  #stepOver(name: string, { number, damaged }: Page, from: number, to: number, fates: number): Step {
    if (damaged) return { page: number, delivered: 0, filtered: 0, dead: [], damaged: to - from };
    const indexes = Array.from({ length: to - from }, (_, n) => from + n);
    const fateOf = (index: number) => (fates >> ((number * 5 + index * 2 + name.length) % 16)) & 3;
    const refused = indexes.filter((index) => fateOf(index) === 3);
    const filtered = indexes.filter((index) => fateOf(index) === 2).length;
    const dead = refused.map((index) => {
      const reason = pick(REASONS, this.#letters++);
      return { index, eventId: `event-${number}-${index}`, reason, raw: rawOf(number, index) };
    });
    return { page: number, delivered: indexes.length - dead.length - filtered, filtered, dead, damaged: 0 };
  }

  #deadLetter(page: number, { index, reason, raw }: Step['dead'][number]): NewDeadLetter {
    const { receivedAt, stream } = this.#reference.page(page);
    const { activity, ...rest } = letter(page, index, reason, raw, receivedAt);
    return { ...rest, activity: { ...activity, stream } };
  }

  async #commitWrongly({ sink, to }: Of<'commit wrongly'>): Promise<void> {
    const name = pick(this.#reference.configured, sink);
    const { page, index } = this.#reference.sink(name).cursor;
    const before = index > 0 ? { page, index: index - 1 } : { page: page - 1, index: 3 };
    const cursor = to === 'before' ? before : { page: this.#reference.end, index: 1 };
    const settled = [{ page, delivered: 1, filtered: 0, dead: [] }];
    await assert.rejects(this.#spool.commit(name, cursor, settled), /cannot go from/);
  }

  async #waitForPage(arrives: boolean): Promise<void> {
    const number = this.#reference.end;
    const stop = new AbortController();
    const waiting = this.#spool.read({ page: number, index: 0 }, stop.signal).catch((error: Error) => error);
    const one = { look: false, stream: 0, activities: 1, kib: 0, minutesAgo: 0, counted: true } as const;
    if (arrives) await this.#append({ what: 'append', ...one });
    const arrived = this.#reference.end > number;
    // A page that has arrived is handed out without the signal.
    if (!arrived) stop.abort(new Error('enough'));
    const got = await waiting;
    if (got instanceof Error) assert.equal(got.message, 'enough');
    assert.equal(got instanceof Error ? undefined : got.number, arrived ? number : undefined);
  }

  async #hold(bytes: number): Promise<void> {
    const reservation = await this.#reserve(bytes);
    if (reservation) this.#held.push({ bytes, reservation });
  }

  async #isShort(wanted: number): Promise<boolean> {
    const { bytes } = await this.#spool.report();
    this.#reference.flush();
    const reserved = this.#held.reduce((sum, held) => sum + held.bytes, 0);
    return bytes + reserved + wanted > MAX_SIZE || this.#freeDisk < 2 * wanted + reserved;
  }

  async #reserve(bytes: number): Promise<Reservation | undefined> {
    const short = await this.#isShort(bytes);
    const may = this.#reference.droppable;
    const reservation = await this.#spool.reserve(bytes);
    const gone = await this.#dropped(may);
    this.#wanted = reservation ? 0 : bytes;
    if (!short) assert.equal(gone, 0, 'there is room, and yet something went');
    const stillShort = await this.#isShort(bytes);
    assert.equal(reservation === undefined, stillShort, 'room for it is given where there is room');
    if (stillShort) assert.equal(gone, may.length, 'before it is refused all goes that may');
    if (short && !stillShort) this.#note('room is made');
    if (stillShort) this.#note('there is no room');
    return reservation;
  }

  async #trim(trouble?: Trouble): Promise<void> {
    const short = await this.#isShort(this.#wanted);
    const may = this.#reference.droppable;
    const expired = may.filter((one) => one.expired).length;
    const { met } = await this.#attempt(trouble, () => this.#spool.trim());
    const gone = await this.#dropped(may);
    if (met) return;
    if (short) assert.ok(gone >= expired, 'what is past retention goes');
    else assert.equal(gone, expired, 'what is past retention goes, and no more');
    if (await this.#isShort(this.#wanted)) assert.equal(gone, may.length, 'while room is short all goes that may');
  }

  /** Which pages went is taken from the spool: it may be only some, the oldest, of those that may go. */
  async #dropped(may: SpoolReference['droppable']): Promise<number> {
    const reference = this.#reference;
    const kept = new Set((await readAll(this.#spool)).map(({ number }) => number));
    const gone = may.filter(({ page }) => !kept.has(page.number)).map(({ page }) => page);
    assert.equal(kept.size + gone.length, reference.kept.length, 'nothing goes that a sink has yet to settle');
    const oldest = may.slice(0, gone.length).map(({ page }) => page);
    assert.deepEqual(gone, oldest, 'the oldest go first');
    reference.drop(gone);
    if (gone.length > 0) this.#note('pages are dropped');
    return gone.length;
  }

  async #order({ kind, sink, filter: choice }: Of<'order'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const name = pick([...reference.sinks.keys()], sink);
    if (kind === 'replay') return await this.#orderReplay(name, choice, trouble);
    const ids = reference.letters.filter(({ id }) => id % 2 === 0).map(({ id }) => id);
    const filters: DeadLetterFilter[] = [{}, {}, { reason: 'FIELD' }, { ids }, { after: 2 }];
    const filter = pick(filters, choice);
    const { done, result } = await this.#write(trouble, () => this.#spool.order({ kind, sink: name, filter }));
    if (done) assert.equal(result, reference.order(kind, name, filter));
  }

  async #orderReplay(sink: string, choice: number, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const [from, to] = [choice % 2 === 0 ? 0 : reference.now - 2 * HOUR_MS, reference.now + HOUR_MS];
    const settled = reference.kept.filter(({ number }) => number < reference.sink(sink).cursor.page);
    const some = settled.filter(({ number }) => number % 2 === 0).map(({ number }) => ({ page: number, index: 0 }));
    const events = choice % 3 === 2 && some.length > 0 ? { events: some } : {};
    const span = { from: new Date(from), to: new Date(to) };
    const order = { kind: 'replay', sink, span, ...events } as const;
    const { done, result } = await this.#write(trouble, () => this.#spool.order(order));
    if (done) assert.equal(result, reference.replay(sink, { from, to, ...events }));
  }

  async #carryOut(operation: Of<'carry out'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const open = reference.orders.filter(({ finished }) => !finished);
    const order = open[operation.order % open.length];
    if (!order) return;
    const [first] = await this.#spool.orders(order.sink);
    assert.equal(first?.id, open.find(({ sink }) => sink === order.sink)?.id, 'the oldest comes first');
    if (order.kind === 'revive') return await this.#revive(order, operation, trouble);
    if (order.kind === 'replay') return await this.#replay(order, operation, trouble);
    const letters = reference.lettersOf(order);
    const discard = () => this.#spool.discard(order.id);
    const { done, result } = await this.#write(trouble, discard);
    // It is more than one transaction: what it had done before the trouble stays done.
    assert.equal(done ? result : await discard(), letters.length);
    reference.flush();
    for (const { id, page, index } of letters) {
      reference.remove(id, order.sink, 'discarded');
      reference.discards.push({ order, at: { page, index } });
    }
    Object.assign(order, { discarded: letters.length, finished: true, after: order.upTo });
    if (letters.length > 0) this.#note('dead letters are discarded');
    this.#noteOutlived(letters);
  }

  async #revive(order: SpoolReference['orders'][number], operation: Of<'carry out'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const { id, sink, filter, after, upTo } = order;
    const found = (await Array.fromAsync(this.#spool.deadLetters({ ...filter, sink, after }))).map((one) => one.id);
    const letters = reference.lettersOf(order);
    const upToThere = found.filter((one) => one <= upTo);
    assert.deepEqual(
      upToThere,
      letters.map((one) => one.id),
    );
    const some = letters.slice(0, operation.count);
    const finished = letters.length === 0;
    const isRefused = (letterId: number) => ((operation.refused >> (letterId % 16)) & 1) === 1;
    const delivered = some.filter((one) => !isRefused(one.id)).map((one) => one.id);
    const refused = some.filter((one) => isRefused(one.id)).map((one) => ({ id: one.id, reason: `again ${one.id}` }));
    const revived = { after: some.at(-1)?.id ?? (finished ? upTo : after), delivered, refused, finished };
    const { done } = await this.#write(trouble, () => this.#spool.revive(id, revived));
    if (!done) return;
    // The process may have died before it knew that this was stored: it says the same again.
    const twice = operation.twice && !finished;
    if (twice) await this.#spool.revive(id, revived);
    reference.flush();
    const gone = delivered.filter((letterId) => reference.remove(letterId, sink, 'delivered')).length;
    reference.sink(sink).delivered += gone;
    order.delivered += gone;
    for (const one of some) if (isRefused(one.id)) one.reason = `again ${one.id}`;
    order.refused += refused.length * (twice ? 2 : 1);
    Object.assign(order, { after: Math.max(after, revived.after), finished });
    if (gone > 0) this.#note('dead letters are delivered');
    this.#noteOutlived(some.filter((one) => delivered.includes(one.id)));
  }

  #noteOutlived(letters: readonly ReferenceLetter[]): void {
    if (letters.some(({ page }) => !this.#reference.page(page).kept)) this.#note('a dead letter outlives its page');
  }

  /** One page, or the end. */
  async #replay(order: SpoolReference['orders'][number], operation: Of<'carry out'>, trouble?: Trouble): Promise<void> {
    const reference = this.#reference;
    const { id, after, upTo } = order;
    const expected = reference.replayPage(order);
    const found = await this.#spool.replayPage(id, after);
    assert.equal(found?.page.number, expected?.page, 'the next page of a replay');
    const wanted = [0, 1, 2, 3, 4].filter((index) => found?.wants(index));
    assert.deepEqual(
      wanted,
      [0, 1, 2, 3, 4].filter((index) => expected?.wants(index)),
    );
    if (found) comparePage(found.page, reference);
    const refused = wanted.filter((index) => ((operation.refused >> index) & 1) === 1).length;
    const counts = { delivered: wanted.length - refused, refused, filtered: 0 };
    const replayed = { ...counts, after: expected?.page ?? upTo, finished: expected === undefined };
    const { done } = await this.#write(trouble, () => this.#spool.replayed(id, replayed));
    if (!done) return;
    if (operation.twice) await this.#spool.replayed(id, replayed);
    reference.flush();
    order.delivered += counts.delivered;
    order.refused += counts.refused;
    Object.assign(order, { after: Math.max(after, replayed.after), finished: replayed.finished });
    if (wanted.length > 0) this.#note('a page is replayed');
  }

  async #gap(choice: number, trouble?: Trouble): Promise<void> {
    const stream = pick(STREAMS, choice);
    const { done } = await this.#write(trouble, () => this.#spool.gap(stream, 'gateway'));
    if (done) this.#reference.gap(stream, 'gateway');
  }

  #damage({ page, how }: Of<'damage'>): void {
    const { kept } = this.#reference;
    const one = kept[page % kept.length];
    if (!one) return;
    one.damaged = true;
    withSql(this.#lives.path, (db) => {
      if (how === 'missing') db.prepare('DELETE FROM bodies WHERE page = ?').run(one.number);
      if (how === 'checksum') db.prepare('UPDATE bodies SET sha256 = zeroblob(32) WHERE page = ?').run(one.number);
      if (how === 'bytes') db.prepare("UPDATE bodies SET zstd = x'28b52ffd00' WHERE page = ?").run(one.number);
    });
  }
}

/** Both are known, whichever is in use. */
function keys(number: number): SpoolKeys {
  const oldKeys = [1, 2].map((fill) => Buffer.alloc(32, fill));
  return number === 0 ? { oldKeys } : { oldKeys, encryptionKey: Buffer.alloc(32, number) };
}

function pick<T>(list: readonly T[], choice: number): T {
  return list[choice % list.length] as T;
}

/** A list of so many activities; the first is as long as wanted, and of noise, so that it does not become smaller. */
function bodyOf(page: number, activities: number, bytes: number): Buffer {
  const noise = bytes === 0 ? '' : createHash('shake256', { outputLength: bytes }).update(`${page}`).digest('base64');
  const list = Array.from({ length: activities }, (_, index) => ({ page, index, ...(index === 0 && { noise }) }));
  return Buffer.from(JSON.stringify(list));
}

/** Some are long enough to be compressed. */
function rawOf(page: number, index: number): string {
  return JSON.stringify({ page, index, text: index === 0 ? 'long '.repeat(600) : '' });
}
