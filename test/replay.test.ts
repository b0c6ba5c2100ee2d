import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { News } from '../src/news.ts';
import { Unavailable } from '../src/sink.ts';
import type { Cursor, NewDeadLetter, Order, Outcome, SecurityEvent, Span, Spool } from '../src/types.ts';
import { delivered, rig } from './fixtures/forward.ts';
import { appendPage, folder, names, newSpool, newsIn, until } from './fixtures/plain.ts';
import { booksOf, difference, withSql } from './fixtures/spool.ts';

const T0 = Date.parse('2026-03-01T12:00:00Z');
const MINUTE = 60_000;
const ALL: Span = { from: new Date(T0 - MINUTE), to: new Date(T0 + 1_000 * MINUTE) };
const rejected: Outcome = { status: 'rejected', reason: 'too old' };

const orderNews = (news: readonly News[]) => news.flatMap((each) => (each.what === 'order' ? [each] : []));
const done = (news: readonly News[]) => orderNews(news).length > 0;
const unfinished = async (spool: Spool) => (await spool.orders('one'))[0] as Order;

/** Pages of ten events, `p1-0` to `p1-9` and so on, received a minute apart, settled by sink `one`. */
async function settledSpool(path: string, pages: number, dead: readonly Cursor[] = [], options = {}): Promise<Spool> {
  const spool = newSpool(path, { retentionMs: 1e12, ...options });
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  for (let page = 1; page <= pages; page += 1) {
    await appendPage(spool, names(`p${page}`, 0, 10), 'verify/siem', new Date(T0 + page * MINUTE));
    const letters = dead.filter((each) => each.page === page).map(letterAt);
    await spool.commit('one', { page: page + 1, index: 0 }, [
      { page, delivered: 10 - letters.length, filtered: 0, dead: letters },
    ]);
  }
  return spool;
}

function letterAt(position: Cursor): NewDeadLetter {
  const id = `p${position.page}-${position.index}`;
  const receivedAt = new Date(T0 + position.page * MINUTE);
  const activity = {
    stream: 'verify/siem',
    receivedAt,
    position,
    ordinal: 0,
    raw: Buffer.from(JSON.stringify(id)),
  } as const;
  return { eventId: id, code: 'bad', reason: 'refused', activity };
}

function minutes(from: number, to: number): Span {
  return { from: new Date(T0 + from * MINUTE), to: new Date(T0 + to * MINUTE) };
}

test('a replay of a span sends its pages, without dead letters and discarded ones, and changes nothing in the books', async (t) => {
  const dead = [0, 1, 2].map((index) => ({ page: 4, index }));
  const spool = await settledSpool(folder(t), 6, dead);
  t.after(() => spool.close(false));
  const it = await rig(t, () => delivered, { spool, selects: ({ id }) => !id.endsWith('-9') });
  await spool.order({ kind: 'discard', sink: 'one', filter: { ids: [1] } });
  await until(() => done(it.news));
  const before = await booksOf(spool);
  // From page 3 on, page 6 left out: its time is where the span ends.
  await spool.order({ kind: 'replay', sink: 'one', span: minutes(3, 6) });
  assert.equal((await unfinished(spool)).total, 27);
  await until(() => orderNews(it.news).length === 2);
  const wanted = [3, 4, 5].flatMap((page) => names(`p${page}`, 0, 9)).filter((id) => !/^p4-[012]$/.test(id));
  assert.deepEqual(it.got, wanted);
  assert.deepEqual(await booksOf(spool), before);
  assert.equal((await it.dead()).length, 2);
  const { order } = orderNews(it.news)[1] ?? assert.fail();
  assert.deepEqual([order.delivered, order.refused, order.filtered, order.pagesGone], [24, 0, 3, 0]);
  const [kept] = (await spool.report()).orders.filter(({ kind }) => kind === 'replay');
  assert.deepEqual([kept?.delivered, kept?.filtered, kept?.finishedAt !== undefined], [24, 3, true]);
});

test('a replay of single events sends these and no others of their pages', async (t) => {
  const spool = await settledSpool(folder(t), 5);
  t.after(() => spool.close(false));
  const it = await rig(t, () => delivered, { spool });
  const events = [
    { page: 4, index: 7 },
    { page: 2, index: 3 },
    { page: 2, index: 0 },
  ];
  await spool.order({ kind: 'replay', sink: 'one', span: ALL, events });
  await until(() => done(it.news));
  assert.deepEqual(it.got, ['p2-0', 'p2-3', 'p4-7']);
});

test('what is refused in a replay is counted and told with its reason; the order goes on, and there is no dead letter', async (t) => {
  const spool = await settledSpool(folder(t), 4);
  t.after(() => spool.close(false));
  const it = await rig(t, ({ id }) => (id.startsWith('p2') ? rejected : delivered), { spool });
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  await until(() => done(it.news));
  const [{ order, reasons } = assert.fail()] = orderNews(it.news);
  assert.deepEqual([order.delivered, order.refused, reasons], [30, 10, ['too old']]);
  assert.deepEqual(await it.dead(), []);
  assert.deepEqual(newsIn(it.news, 'sink_suspected'), []);
  for (const row of await booksOf(spool)) assert.deepEqual([difference(row), row.delivered, row.dead], [0, 40, 0]);
});

test('live events go first, and a replay goes on when they are sent', async (t) => {
  const spool = await settledSpool(folder(t), 40);
  t.after(() => spool.close(false));
  let down = true;
  const it = await rig(t, () => (down ? new Unavailable('503') : delivered), { spool, concurrency: 1, maxEvents: 10 });
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  await until(() => newsIn(it.news, 'sink_down').length >= 2);
  for (let page = 0; page < 5; page += 1) await appendPage(spool, names(`live${page}`, 0, 10));
  down = false;
  await until(() => done(it.news));
  const isLive = (id: string) => id.startsWith('live');
  const first = it.got.findIndex(isLive);
  const between = it.got.slice(first, first + 50);
  assert.ok(first <= 10, `the batch that was tried before may go first: ${first}`);
  assert.ok(between.every(isLive), 'nothing of the replay goes between live events');
  assert.equal(it.got.length, 450);
});

test('a replay that is cut off anywhere goes on where it was, and repeats at most the batch that was under way', async (t) => {
  const path = folder(t);
  const spool = await settledSpool(path, 60);
  t.after(() => spool.close(false));
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  const sent: string[] = [];
  const take = ({ id }: SecurityEvent) => {
    sent.push(id);
    return delivered;
  };
  let cuts = 0;
  for (; cuts < 8 && (await unfinished(spool)); cuts += 1) {
    const from = sent.length;
    const it = await rig(t, take, { spool, maxEvents: 25 });
    await until(() => sent.length > from + 40 || done(it.news));
    await it.abort();
  }
  const last = await rig(t, take, { spool, maxEvents: 25 });
  await until(async () => !(await unfinished(spool)));
  await last.stop();
  assert.ok(cuts > 4, `it was cut off ${cuts} times`);
  assert.equal(new Set(sent).size, 600, 'nothing is missing');
  assert.ok(sent.length <= 600 + 25 * cuts, `${sent.length - 600} again in ${cuts} cuts`);
});

test('a stop in order records what was under way: nothing is sent again', async (t) => {
  const spool = await settledSpool(folder(t), 30);
  t.after(() => spool.close(false));
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  const sent: string[] = [];
  const take = ({ id }: SecurityEvent) => {
    sent.push(id);
    return delivered;
  };
  const it = await rig(t, take, { spool, maxEvents: 20 });
  await until(() => sent.length >= 60);
  await it.stop();
  const again = await rig(t, take, { spool, maxEvents: 20 });
  await until(() => done(again.news));
  assert.equal(sent.length, 300);
});

test('that a batch is settled is recorded until it succeeds, and the events are not sent again', async (t) => {
  const spool = await settledSpool(folder(t), 5);
  t.after(() => spool.close(false));
  let failures = 2;
  const wrap = (inner: Spool): Spool =>
    new Proxy(inner, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== 'function') return value;
        if (key !== 'replayed') return value.bind(target);
        return async (...parameters: Parameters<Spool['replayed']>) => {
          if (failures-- > 0) throw new Error('disk full');
          return target.replayed(...parameters);
        };
      },
    });
  const it = await rig(t, () => delivered, { spool, wrap });
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  await until(() => done(it.news));
  assert.equal(it.got.length, 50);
  assert.equal(newsIn(it.news, 'spool_error').length, 2);
  const [order] = (await spool.report()).orders;
  assert.deepEqual([order?.delivered, order?.total], [50, 50]);
  // Recorded once more, as after a commit whose answer was lost: it counts once.
  await spool.replayed(order?.id ?? 0, { after: 5, delivered: 50, refused: 0, filtered: 0, finished: true });
  assert.equal((await spool.report()).orders[0]?.delivered, 50);
});

test('a damaged page is passed over and told', async (t) => {
  const path = folder(t);
  const spool = await settledSpool(path, 4);
  t.after(() => spool.close(false));
  withSql(path, (db) => db.exec('UPDATE bodies SET zstd = zeroblob(20) WHERE page = 2'));
  const it = await rig(t, () => delivered, { spool });
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  await until(() => done(it.news));
  assert.equal(it.got.length, 30);
  const [damaged] = newsIn(it.news, 'damaged');
  assert.equal(damaged?.what === 'damaged' && damaged.page, 2);
  const [{ order } = assert.fail()] = orderNews(it.news);
  assert.deepEqual([order.total, order.delivered], [40, 30]);
});

test('pages that a replay needs are kept past retention, and go when it is done; one that will never be done holds nothing', async (t) => {
  const clock = { now: T0 };
  const path = folder(t);
  const spool = await settledSpool(path, 10, [], { retentionMs: 60 * MINUTE, now: () => new Date(clock.now) });
  const numbers = () =>
    withSql(path, (db) =>
      db
        .prepare('SELECT number FROM pages')
        .all()
        .map(({ number }) => number),
    );
  await spool.order({ kind: 'replay', sink: 'one', span: minutes(4, 7) });
  await spool.order({ kind: 'replay', sink: 'one', span: ALL, events: [{ page: 9, index: 1 }] });
  clock.now += 1_000 * MINUTE;
  await spool.trim();
  assert.deepEqual(numbers(), [4, 5, 6, 9]);
  await spool.replayed(1, { after: 4, delivered: 10, refused: 0, filtered: 0, finished: false });
  await spool.trim();
  assert.deepEqual(numbers(), [5, 6, 9], 'what is done is no longer needed');
  const it = await rig(t, () => delivered, { spool });
  await until(() => orderNews(it.news).length === 2);
  assert.deepEqual(it.got, [...names('p5', 0, 10), ...names('p6', 0, 10), 'p9-1']);
  await spool.trim();
  assert.deepEqual(numbers(), []);
  await it.stop();

  await appendPage(spool, ['x-1'], 'verify/siem', new Date(T0));
  await spool.commit('one', { page: 12, index: 0 }, [{ page: 11, delivered: 1, filtered: 0, dead: [] }]);
  await spool.order({ kind: 'replay', sink: 'one', span: ALL });
  await spool.close(true);
  const next = newSpool(path, { retentionMs: 60 * MINUTE, now: () => new Date(clock.now) });
  t.after(() => next.close(false));
  await next.start([{ name: 'other', start: 'latest' }], ['verify/siem']);
  await next.trim();
  assert.deepEqual(numbers(), [], 'the sink is no longer configured');
});

test('a full spool takes the pages of a replay last, but takes them; the order says how many', async (t) => {
  const path = folder(t);
  const KiB = 1024;
  const spool = newSpool(path, { retentionMs: 1e12, maxSize: 600 * KiB });
  t.after(() => spool.close(false));
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  const incompressible = () =>
    Buffer.from(Array.from({ length: 30 * KiB }, () => Math.random() * 256)).toString('base64');
  const append = async (minute: number) => {
    const reservation = await spool.reserve(100 * KiB);
    assert.ok(reservation, 'collecting goes on');
    const body = Buffer.from(JSON.stringify([`m${minute}-${incompressible()}`]));
    const page = { stream: 'verify/siem', receivedAt: new Date(T0 + minute * MINUTE), partial: false, body } as const;
    const number = await spool.append(page, reservation);
    await spool.counted(number, 1);
    await spool.commit('one', { page: number + 1, index: 0 }, [{ page: number, delivered: 1, filtered: 0, dead: [] }]);
  };
  const numbers = () =>
    withSql(path, (db) =>
      db
        .prepare('SELECT number FROM pages')
        .all()
        .map(({ number }) => number),
    );
  for (let minute = 1; minute <= 8; minute += 1) await append(minute);
  await spool.order({ kind: 'replay', sink: 'one', span: minutes(1, 5) });
  for (let minute = 9; minute <= 14; minute += 1) await append(minute);
  assert.ok(
    [1, 2, 3, 4].every((page) => numbers().includes(page)),
    `${numbers()}: later pages go before those of the replay`,
  );
  await spool.commit('one', { page: 15, index: 0 }, []);
  // Nothing but the replay's own pages and one that is not settled: now they go.
  const big = await spool.reserve(400 * KiB);
  assert.ok(big, 'collecting does not stop for a replay');
  big.release();
  const gone = [1, 2, 3, 4].filter((page) => !numbers().includes(page)).length;
  assert.ok(gone > 0);
  const it = await rig(t, () => delivered, { spool });
  await until(() => done(it.news));
  const [{ order } = assert.fail()] = orderNews(it.news);
  assert.deepEqual([order.pagesGone, order.delivered], [gone, 4 - gone]);
});
