import assert from 'node:assert/strict';
import { type Forwarder, type ForwardOptions, forward } from '../../src/forward.ts';
import type { News } from '../../src/news.ts';
import { openSpool } from '../../src/spool.ts';
import type { Cursor, Revived, Settled, Spool, StreamName } from '../../src/types.ts';
import { plainNormalize } from '../fixtures/plain.ts';
import { activitiesIn, booksOf, difference, NOON, withSql } from '../fixtures/spool.ts';
import { VirtualTime } from '../fixtures/virtual-time.ts';
import type { Happening, Scenario } from './forward-scenarios.ts';
import { Life, type Said, ScriptedSink } from './forward-sink.ts';
import { newPlace } from './runs.ts';
import { diskFull } from './statements.ts';

const SINK = 'one';
const STREAMS: readonly StreamName[] = ['verify/siem', 'admin/siem'];
const HOUR_MS = 3_600_000;
const UNCONTRADICTED = 9;
const NOTHING_ELSE_MS = 30_000;

interface Running {
  readonly life: Life;
  readonly loop: Forwarder;
  readonly stop: AbortController;
  readonly abort: AbortController;
}

/** The real loop on a real spool, with a scripted sink and a clock that jumps; each step that it takes is checked. */
export class ForwardDriver {
  readonly #scenario: Scenario;
  readonly #place = newPlace();
  readonly #time: VirtualTime;
  readonly #sink: ScriptedSink;
  readonly #spool: Spool;
  readonly #note: (happened: string) => void;
  readonly #violations: string[] = [];
  readonly #failing = new Map<string, number>();
  /** By page number. */
  readonly #pages = new Map<number, string[]>();
  readonly #damaged = new Set<number>();
  /** What a cursor has passed, what of it was in damaged pages, and what was a dead letter once. */
  readonly #passed = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #buried = new Set<string>();
  /** When a replay of it was ordered. */
  readonly #replayedAt = new Map<string, number>();
  #events = 0;
  #isSuspected = false;
  #running: Running | undefined;

  constructor(scenario: Scenario, note: (happened: string) => void) {
    this.#scenario = scenario;
    this.#note = note;
    this.#time = new VirtualTime(scenario.seed);
    this.#sink = new ScriptedSink(scenario, this.#time, (what) => this.#violations.push(what), note);
    this.#spool = openSpool({
      path: this.#place.folder('spool'),
      maxSize: 2 ** 30,
      retentionMs: 1_000 * HOUR_MS,
      count: activitiesIn,
      now: () => new Date(NOON + this.#time.now),
    });
  }

  async run(): Promise<void> {
    await this.#spool.start([{ name: SINK, start: 'earliest' }], STREAMS);
    this.#start();
    for (const happening of this.#scenario.happenings) {
      await this.#pass(happening.afterMs);
      await this.#happen(happening);
      this.#assertNoViolation();
    }
    this.#sink.makeWell();
    this.#failing.clear();
    await this.#append('last', 60, 0);
    await this.#append('last', 20, 1);
    const settled = (await this.#settle()) || (await this.#settleBehindBadOnes());
    this.#assertNoViolation();
    assert.ok(settled, 'once the sink is well everything is settled');
    await this.#end('stop');
    await this.#compare();
  }

  #settle(): Promise<boolean> {
    return this.#time.until(() => this.#violations.length > 0 || this.#isDone(), 2 * HOUR_MS);
  }

  /** Ten bad events or more with nothing behind them wait, as decided, for the next one that is accepted. */
  async #settleBehindBadOnes(): Promise<boolean> {
    if (!this.#isSuspected) return false;
    this.#note('bad events wait for a good one');
    await this.#append('last', 1, 0);
    return await this.#settle();
  }

  async close(): Promise<void> {
    this.#running?.stop.abort();
    this.#running?.abort.abort();
    await this.#time.pass(10_000);
    this.#time.remove();
    await this.#spool.close(false);
    this.#place.remove();
  }

  async #pass(ms: number): Promise<void> {
    await this.#time.until(() => this.#violations.length > 0, ms);
    this.#assertNoViolation();
  }

  #assertNoViolation(): void {
    assert.deepEqual(this.#violations, []);
  }

  async #isDone(): Promise<boolean> {
    const { page } = await this.#spool.cursor(SINK);
    return page > this.#pages.size && (await this.#spool.orders(SINK)).length === 0;
  }

  async #happen(happening: Happening): Promise<void> {
    if (happening.what === 'append') await this.#append('event', happening.events, happening.stream);
    if (happening.what === 'spool fails') this.#failing.set(happening.call, happening.times);
    if (happening.what === 'open fails') this.#failing.set('open', happening.times);
    if (happening.what === 'order') await this.#order(happening.kind);
    if (happening.what === 'damage') await this.#damage();
    if (happening.what === 'restart') {
      await this.#end(happening.how);
      this.#start();
    }
  }

  async #append(name: string, events: number, stream: number): Promise<void> {
    const ids = Array.from({ length: events }, () => `${name}-${this.#events++}`);
    const body = Buffer.from(JSON.stringify(ids));
    const reservation = await this.#spool.reserve(body.length);
    assert.ok(reservation);
    const receivedAt = new Date(NOON + this.#time.now);
    const page = { stream: STREAMS[stream] as StreamName, receivedAt, partial: false, body };
    const number = await this.#spool.append(page, reservation);
    await this.#spool.counted(number, events);
    this.#pages.set(number, ids);
  }

  async #order(kind: 'revive' | 'discard' | 'replay'): Promise<void> {
    const span = { from: new Date(0), to: new Date(NOON + this.#time.now + 1) };
    await this.#spool.order(kind === 'replay' ? { kind, sink: SINK, span } : { kind, sink: SINK, filter: {} });
    if (kind !== 'replay') return;
    const { page } = await this.#spool.cursor(SINK);
    for (const [number, ids] of this.#pages) {
      if (number >= page) continue;
      for (const id of ids) this.#sink.replayed.add(id);
      for (const id of ids) this.#replayedAt.set(id, this.#time.now);
    }
  }

  /** The newest page: what was read before is delivered all the same. */
  async #damage(): Promise<void> {
    const number = this.#pages.size;
    if (number === 0) return;
    // What was counted is stored with this; damage before that is a matter of the spool alone.
    await this.#spool.report();
    this.#damaged.add(number);
    withSql(this.#place.folder('spool'), (db) =>
      db.prepare('UPDATE bodies SET sha256 = zeroblob(32) WHERE page = ?').run(number),
    );
  }

  #start(): void {
    const { concurrency, maxEvents, maxBytes, limit } = this.#scenario;
    const life = new Life();
    const [stop, abort] = [new AbortController(), new AbortController()];
    const options: ForwardOptions = {
      name: SINK,
      concurrency,
      maxEvents,
      maxBytes,
      limit,
      selects: ({ id }) => this.#sink.natureOf(id) !== 'filtered',
      open: async () => {
        await this.#time.sleep(3);
        this.#fail('open');
        return this.#sink.open(life);
      },
    };
    const tools = {
      spool: this.#watched(life),
      normalize: plainNormalize,
      tell: ({ what }: News) => {
        if (what === 'sink_suspected' || what === 'sink_up') this.#isSuspected = what === 'sink_suspected';
      },
      clock: () => this.#time.now,
    };
    this.#running = { life, loop: forward(tools, options, { stop: stop.signal, abort: abort.signal }), stop, abort };
  }

  async #end(how: 'stop' | 'abort'): Promise<void> {
    const running = this.#running;
    if (!running) return;
    let ended = false;
    void running.loop.ended.then(() => {
      ended = true;
    });
    if (running.life.flying > 0) this.#note(`${how} with events in flight`);
    if (how === 'abort') running.life.aborted = true;
    if (how === 'abort') running.abort.abort(new Error('abort'));
    running.stop.abort(new Error('stop'));
    const withinMs = how === 'abort' ? 5_000 : 180_000;
    assert.ok(await this.#time.until(() => ended, withinMs), `${how} ends the loop`);
    running.life.ended = true;
    this.#assertNoViolation();
  }

  #fail(call: string): void {
    const times = this.#failing.get(call) ?? 0;
    if (times === 0) return;
    this.#failing.set(call, times - 1);
    throw diskFull();
  }

  /** The spool as the loop has it. A violation is kept aside: the loop would take it for a failure of the spool. */
  #watched(life: Life): Spool {
    const spool = this.#spool;
    const alive = (doing: string) => {
      if (life.ended) this.#violations.push(`${doing} after the end`);
    };
    const calls: Partial<Spool> = {
      cursor: async (sink) => {
        this.#fail('cursor');
        return await spool.cursor(sink);
      },
      read: async (at, signal) => {
        this.#fail('read');
        this.#checkReadAhead(life, at);
        return await spool.read(at, signal);
      },
      commit: async (sink, cursor, settled) => {
        alive('commit');
        this.#checkCommit(life, await spool.cursor(sink), cursor, settled);
        this.#fail('commit');
        await spool.commit(sink, cursor, settled);
      },
      orders: async (sink) => {
        this.#fail('orders');
        return await spool.orders(sink);
      },
      replayed: async (order, done) => {
        alive('replayed');
        this.#fail('replayed');
        await spool.replayed(order, done);
      },
      revive: async (order, revived) => {
        alive('revive');
        await this.#checkRevived(life, revived);
        this.#fail('revive');
        await spool.revive(order, revived);
      },
    };
    return new Proxy(spool, {
      get: (target, key) => {
        const own = calls[key as keyof Spool];
        if (own) return own;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** It reads on only while it has no more to send than a batch. */
  #checkReadAhead(life: Life, at: Cursor): void {
    const read = [...this.#pages].filter(([number]) => number < at.page && !this.#damaged.has(number));
    const waiting = read.flatMap(([, ids]) => ids.filter((id) => this.#isFresh(life, id)));
    if (waiting.length > this.#scenario.maxEvents) {
      this.#violations.push(`${waiting.length} events wait in memory, and it reads on`);
    }
  }

  #isFresh(life: Life, id: string): boolean {
    return !life.sent.has(id) && !this.#passed.has(id) && this.#sink.natureOf(id) !== 'filtered';
  }

  /** The cursor goes over settled events only, each of which has become what the books say. */
  #checkCommit(life: Life, from: Cursor, to: Cursor, settled: readonly Settled[]): void {
    const pages = [...this.#pages].filter(([number]) => number >= from.page && number <= to.page);
    for (const [number, ids] of pages) {
      const start = number === from.page ? from.index : 0;
      const passed = ids.slice(start, number < to.page ? ids.length : to.index);
      const step = settled.find(({ page }) => page === number);
      if (number === to.page && passed.length === 0) continue;
      if (!step) this.#violations.push(`page ${number} is passed without a word`);
      else if (step.damaged) this.#checkDamaged(step, passed);
      else this.#checkStep(life, step, passed);
      for (const id of passed) this.#passed.add(id);
    }
  }

  #checkDamaged({ page, damaged }: Settled, passed: readonly string[]): void {
    if (!this.#damaged.has(page) || damaged !== passed.length)
      this.#violations.push(`page ${page}: ${damaged} damaged`);
    for (const id of passed) this.#lost.add(id);
    this.#note('a damaged page is passed');
  }

  #checkStep(life: Life, step: Settled, passed: readonly string[]): void {
    const dead = new Set(step.dead.map(({ eventId }) => eventId));
    const become = (fate: string) => passed.filter((id) => this.#fateOf(life, id, dead.has(id)) === fate);
    const { page, delivered, filtered } = step;
    const found = { page, delivered: become('delivered').length, filtered: become('filtered').length };
    if (become('open').length > 0) this.#violations.push(`${become('open')} of page ${page} passed, and not settled`);
    if (found.delivered !== delivered || found.filtered !== filtered || become('dead').length !== dead.size) {
      this.#violations.push(`the books say ${JSON.stringify(step)}, and it is ${JSON.stringify(found)}`);
    }
    for (const { eventId, reason } of step.dead) {
      this.#buried.add(eventId);
      this.#checkBurial(life, eventId, reason);
    }
  }

  #fateOf(life: Life, id: string, dead: boolean): 'filtered' | 'dead' | 'delivered' | 'open' {
    const { delivered } = life.of(id);
    if (this.#sink.natureOf(id) === 'filtered') return 'filtered';
    if (dead) return delivered ? 'open' : 'dead';
    return delivered ? 'delivered' : 'open';
  }

  /** Only what the sink said of this event can condemn it: beside others that it took, or twice; and few are believed while it takes nothing. */
  #checkBurial(life: Life, id: string, reason: string): void {
    const said = life.of(id);
    if (reason.startsWith('stuck: ')) return void this.#checkStuck(said, id, reason);
    if (!said.refusals.includes(reason)) this.#violations.push(`${id} was never refused for ${reason}`);
    if (said.besideOthers) return void this.#note('an event is buried, others pass');
    if (said.refusals.length < 2) this.#violations.push(`${id} was refused once, alone, and is buried`);
    if (this.#time.now - said.contradictedAt >= NOTHING_ELSE_MS)
      return void this.#note('an event is buried, others are waited for');
    this.#note('an event is buried, alone');
    const since = life.believed.get(said.acceptedBefore) ?? new Set();
    life.believed.set(said.acceptedBefore, since.add(id));
    if (since.size > UNCONTRADICTED + life.taken)
      this.#violations.push(`${since.size} refusals are believed, ${life.taken} accepted`);
  }

  #checkStuck(said: Said, id: string, reason: string): void {
    const forMs = this.#time.now - said.firstPutOffAt;
    const isStuck = said.putOffs.includes(reason.slice('stuck: '.length)) && said.tries >= 20 && forMs >= 600_000;
    if (!isStuck) this.#violations.push(`${id} is no stuck one: ${said.tries} tries in ${forMs} ms`);
    this.#note('an event is stuck');
  }

  /** What an order did is what the sink said of those dead letters. */
  async #checkRevived(life: Life, { delivered, refused }: Revived): Promise<void> {
    const ids = [...delivered, ...refused.map(({ id }) => id)];
    const letters = await Array.fromAsync(this.#spool.deadLetters({ ids }));
    const said = new Map(letters.map(({ id, eventId }) => [id, life.of(eventId)]));
    const lies = delivered.filter((id) => said.get(id)?.delivered === false);
    if (lies.length > 0) this.#violations.push(`dead letters ${lies} were not delivered`);
    for (const { id, reason } of refused) {
      const reasons = said.get(id)?.refusals.concat(said.get(id)?.putOffs.map((why) => `stuck: ${why}`) ?? []);
      if (reasons && !reasons.includes(reason))
        this.#violations.push(`dead letter ${id} was not refused for ${reason}`);
    }
    if (delivered.length > 0) this.#note('a dead letter is delivered');
  }

  /** At the end: each event was left out, delivered, is a dead letter, or is one of the lost that the books know of. */
  async #compare(): Promise<void> {
    const rows = await booksOf(this.#spool);
    for (const row of rows) assert.equal(difference(row), 0, `does not add up: ${JSON.stringify(row)}`);
    const sum = (key: 'collected' | 'waiting' | 'dead' | 'discarded') =>
      rows.reduce((total, row) => total + row[key], 0);
    const all = [...this.#pages.values()].flat();
    const dead = (await Array.fromAsync(this.#spool.deadLetters({}))).map(({ eventId }) => eventId);
    assert.deepEqual([sum('collected'), sum('waiting'), sum('dead')], [all.length, 0, dead.length]);
    const accounted = new Set([...dead, ...this.#sink.delivered, ...this.#lost]);
    const missing = all.filter((id) => this.#sink.natureOf(id) !== 'filtered' && !accounted.has(id));
    assert.deepEqual(
      missing.filter((id) => !this.#buried.has(id)),
      [],
      'lost',
    );
    this.#compareReplayed();
    assert.ok(missing.length <= sum('discarded'), `${missing.length} missing, ${sum('discarded')} discarded`);
  }

  /** Since it was ordered again, the sink was given it again. Dead letters are left out, and what is damaged cannot be read. */
  #compareReplayed(): void {
    const damaged = new Set([...this.#damaged].flatMap((page) => this.#pages.get(page) ?? []));
    const wanted = [...this.#replayedAt].filter(
      ([id]) => this.#sink.natureOf(id) !== 'filtered' && !damaged.has(id) && !this.#buried.has(id),
    );
    const forgotten = wanted.filter(([id, at]) => (this.#sink.lastSaid.get(id) ?? -1) < at);
    assert.deepEqual(forgotten, [], 'ordered again, and not sent again');
    if (wanted.length > 0) this.#note('an event is replayed');
  }
}
