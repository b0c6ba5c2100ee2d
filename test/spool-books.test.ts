import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cursor, Page, Settled, SinkStart, Spool, StreamName } from '../src/types.ts';
import { body, booksOf, difference, HOUR_MS, letter, newFolder, newSpool } from './fixtures/spool.ts';

const STREAMS: readonly StreamName[] = ['verify/siem', 'risk/siem', 'cis/other'];

/** A small linear congruential generator: the same seed gives the same run. */
function diceOf(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

interface World {
  readonly roll: (sides: number) => number;
  readonly path: string;
  spool: Spool;
  clock: { now: number };
  sinks: SinkStart[];
  /** Of each stored page: how many activities, and whether its bytes are said to be lost. */
  readonly pages: Map<number, { count: number; damaged: boolean }>;
  last: number;
}

async function store(world: World, counted = true): Promise<void> {
  const { roll, spool, clock } = world;
  const count = 1 + roll(12);
  const reservation = await spool.reserve(1_000);
  assert.ok(reservation);
  const receivedAt = new Date(clock.now - roll(3) * HOUR_MS);
  const stream = STREAMS[roll(3)] as StreamName;
  const page = await spool.append({ stream, receivedAt, partial: false, body: body(count) }, reservation);
  world.pages.set(page, { count, damaged: roll(12) === 0 });
  world.last = page;
  if (counted) await spool.counted(page, count);
}

/** Settles some of what lies behind a sink's cursor, as its loop would. */
async function settle(world: World, sink: string): Promise<void> {
  const { roll, spool } = world;
  let at = await spool.cursor(sink);
  const settled: Settled[] = [];
  for (let left = roll(4); left >= 0 && at.page <= world.last; left -= 1) {
    const page = await spool.read(at, AbortSignal.timeout(5_000));
    const known = world.pages.get(page.number);
    assert.ok(known);
    const from = page.number === at.page ? at.index : 0;
    const rest = known.count - from;
    const take = left > 0 || roll(2) ? rest : roll(rest + 1);
    settled.push(known.damaged && take === rest ? lost(page.number, rest) : some(world, page, from, take));
    at = take === rest ? { page: page.number + 1, index: 0 } : ({ page: page.number, index: from + take } as Cursor);
    if (take < rest) break;
  }
  if (settled.length > 0) await spool.commit(sink, at, settled);
}

function lost(page: number, damaged: number): Settled {
  return { page, delivered: 0, filtered: 0, dead: [], damaged };
}

function some({ roll }: World, page: Page, from: number, take: number): Settled {
  const dead = roll(Math.min(3, take + 1));
  const filtered = roll(take - dead + 1);
  const letters = Array.from({ length: dead }, (_, index) => {
    const { activity, ...rest } = letter(page.number, from + index, `no ${roll(3)}`);
    return { ...rest, activity: { ...activity, stream: page.stream, receivedAt: page.receivedAt } };
  });
  return { page: page.number, delivered: take - dead - filtered, filtered, dead: letters };
}

async function obey(world: World, sink: string): Promise<void> {
  const { roll, spool } = world;
  await spool.order({ kind: roll(2) ? 'revive' : 'discard', sink, filter: { reason: `no ${roll(3)}` } });
  for (const order of await spool.orders(sink)) {
    if (order.kind === 'discard') await spool.discard(order.id);
    else {
      const letters = await Array.fromAsync(spool.deadLetters({ ...order.filter, sink }));
      const [delivered, refused] = [letters.filter(({ id }) => id % 3), letters.filter(({ id }) => id % 3 === 0)];
      const outcome = {
        delivered: delivered.map(({ id }) => id),
        refused: refused.map(({ id }) => ({ id, reason: 'no 1' })),
      };
      await spool.revive(order.id, { ...outcome, after: 0, finished: false });
      // As after a crash between the two: what was recorded is recorded once more.
      await spool.revive(order.id, { ...outcome, after: order.upTo, finished: true });
    }
  }
}

/** Another run: a sink has gone, has come back, is new, or has another name. */
async function restart(world: World, context: Parameters<typeof newSpool>[0]): Promise<void> {
  const { roll, path, clock } = world;
  // A crash may take the count of the newest page with it.
  if (roll(2)) await store(world, false);
  await world.spool.close(roll(2) === 0);
  const opened = newSpool(context, { path, retentionMs: 5 * HOUR_MS, count: countOf(world) });
  opened.clock.now = clock.now;
  world.spool = opened.spool;
  world.clock = opened.clock;
  const names = ['one', 'two', 'three'].filter((_, index) => index === 0 || roll(3) > 0);
  world.sinks = names.map((name) => ({ name, start: roll(2) ? 'latest' : 'earliest' }));
  if (roll(4) === 0) world.sinks.push({ name: 'heir', start: 'latest', was: 'three' });
  world.sinks = world.sinks.filter(({ name }) => name !== 'three' || !world.sinks.some(({ was }) => was));
  await world.spool.start(world.sinks, STREAMS);
}

function countOf(world: Pick<World, 'pages'>) {
  return (bytes: Uint8Array): number =>
    bytes.length === 0 ? 1 : (JSON.parse(Buffer.from(bytes).toString()) as unknown[]).length || world.pages.size;
}

for (let seed = 1; seed <= 12; seed += 1) {
  test(`over trims, orders, lost counts, sinks that come and go: the books add up (seed ${seed})`, async (context) => {
    const roll = diceOf(seed);
    const path = newFolder(context);
    const pages: World['pages'] = new Map();
    const opened = newSpool(context, { path, retentionMs: 5 * HOUR_MS, count: countOf({ pages }) });
    const world: World = { ...opened, roll, pages, sinks: [{ name: 'one', start: 'earliest' }], last: 0 };
    await world.spool.start(world.sinks, STREAMS);
    for (let step = 0; step < 250; step += 1) {
      const sink = world.sinks[roll(world.sinks.length)]?.name ?? 'one';
      const dice = roll(20);
      if (dice < 8) await store(world);
      else if (dice < 14) await settle(world, sink);
      else if (dice < 16) await obey(world, sink);
      else if (dice < 18) await world.spool.trim();
      else if (dice < 19) await restart(world, context);
      world.clock.now += roll(40) * 60_000;
      for (const row of await booksOf(world.spool))
        assert.equal(difference(row), 0, `step ${step}: ${JSON.stringify(row)}`);
    }
    const { sinks: reports, streams } = await world.spool.report();
    const rows = await booksOf(world.spool);
    for (const { sink, deadLetters, collected, delivered, filtered, discarded, damaged, waiting } of reports) {
      const sum = (key: 'collected' | 'delivered' | 'filtered' | 'dead' | 'discarded' | 'damaged' | 'waiting') =>
        rows.filter((row) => row.sink === sink).reduce((total, row) => total + row[key], 0);
      assert.deepEqual(
        [sum('delivered'), sum('filtered'), sum('dead'), sum('waiting')],
        [delivered, filtered, deadLetters, waiting],
      );
      assert.deepEqual([sum('collected'), sum('discarded'), sum('damaged')], [collected, discarded, damaged]);
      assert.equal(collected, delivered + filtered + deadLetters + discarded + damaged + waiting);
    }
    const all = [...pages.values()].reduce((total, { count }) => total + count, 0);
    const collected = rows.filter((row) => row.sink === 'one').reduce((total, row) => total + row.collected, 0);
    assert.equal(collected, all, 'the first sink has seen everything');
    assert.equal(
      streams.reduce((total, stream) => total + stream.collected, 0),
      all,
      'and so have the streams',
    );
  });
}
