import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Unavailable } from '../src/sink.ts';
import type { Outcome, SecurityEvent, Spool } from '../src/types.ts';
import { delivered, rig } from './fixtures/forward.ts';
import { appendPage, folder, names, newSpool, newsIn, until } from './fixtures/plain.ts';
import { difference, withSql } from './fixtures/spool.ts';

const rejected: Outcome = { status: 'rejected', reason: 'wrong' };
const done = async (spool: Spool) => (await spool.orders('one')).length === 0;

/** A spool whose sink `one` has refused `count` events and taken one. */
async function spoolWithLetters(path: string, count: number, encryptionKey?: Uint8Array): Promise<Spool> {
  const spool = newSpool(path, encryptionKey ? { encryptionKey } : {});
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  const ids = [...names('bad', 0, count), 'good-0'];
  const page = await appendPage(spool, ids);
  const dead = ids.slice(0, count).map((id, index) => ({
    eventId: id,
    code: 'bad',
    reason: 'old reason',
    activity: {
      stream: 'verify/siem' as const,
      receivedAt: new Date(),
      position: { page, index },
      ordinal: 0,
      raw: Buffer.from(JSON.stringify(id)),
    },
  }));
  await spool.commit('one', { page: page + 1, index: 0 }, [{ page, delivered: 1, filtered: 0, dead }]);
  return spool;
}

async function assertBooks(spool: Spool, expected: readonly number[]): Promise<void> {
  const rows = await Array.fromAsync(spool.books({ sink: 'one' }));
  for (const row of rows) assert.equal(difference(row), 0, JSON.stringify(row));
  const sum = (key: 'delivered' | 'dead' | 'discarded') => rows.reduce((total, row) => total + row[key], 0);
  assert.deepEqual([sum('delivered'), sum('dead'), sum('discarded')], expected);
}

test('10,000 dead letters are delivered by one order, each once', async (context) => {
  const spool = await spoolWithLetters(folder(context), 10_000);
  context.after(() => spool.close(false));
  const it = await rig(context, () => delivered, { spool, maxEvents: 500 });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await until(() => done(spool));
  assert.equal(it.got.length, 10_000);
  assert.equal(new Set(it.got).size, 10_000);
  await assertBooks(spool, [10_001, 0, 0]);
});

test('an order given while the sink is down waits for it, and the live events go first', async (context) => {
  const spool = await spoolWithLetters(folder(context), 20);
  context.after(() => spool.close(false));
  let down = true;
  const it = await rig(context, () => (down ? new Unavailable('503') : delivered), { spool, concurrency: 1 });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await until(() => newsIn(it.news, 'sink_down').length >= 2);
  await appendPage(spool, names('live', 0, 20));
  assert.equal((await spool.orders('one'))[0]?.finishedAt, undefined);
  down = false;
  await until(async () => (await done(spool)) && (await it.settledAll()));
  assert.equal(new Set(it.got).size, 40);
  await assertBooks(spool, [41, 0, 0]);
});

test('two orders are done one after the other, and a letter is delivered once', async (context) => {
  const spool = await spoolWithLetters(folder(context), 60);
  context.after(() => spool.close(false));
  const it = await rig(context, () => delivered, { spool });
  await spool.order({ kind: 'revive', sink: 'one', filter: { ids: [1, 2, 3] } });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await spool.order({ kind: 'discard', sink: 'one', filter: {} });
  await until(() => newsIn(it.news, 'order').length === 3);
  assert.ok(await done(spool));
  assert.equal(it.got.length, 60);
  const orders = newsIn(it.news, 'order').map((news) => news.what === 'order' && news.order.delivered);
  assert.deepEqual(orders, [3, 57, 0]);
});

test('an order that is interrupted is taken up by the next run, and what was delivered is not sent again', async (context) => {
  const path = folder(context);
  const spool = await spoolWithLetters(path, 300);
  context.after(() => spool.close(false));
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  const sent: string[] = [];
  const take = ({ id }: SecurityEvent): Outcome => {
    sent.push(id);
    return Number(id.split('-')[1]) % 10 === 0 ? rejected : delivered;
  };
  for (let round = 0; round < 6 && !(await done(spool)); round += 1) {
    const from = sent.length;
    const it = await rig(context, take, { spool, maxEvents: 30 });
    await until(async () => sent.length > from + 40 || (await done(spool)));
    await it.stop();
  }
  const last = await rig(context, take, { spool, maxEvents: 30 });
  await until(() => done(spool));
  await last.stop();
  const good = sent.filter((id) => Number(id.split('-')[1]) % 10 !== 0);
  assert.equal(good.length, new Set(good).size, 'nothing that was delivered is sent again');
  assert.equal(new Set(good).size, 270);
  const left = await last.dead();
  assert.deepEqual([left.length, new Set(left.map(({ reason }) => reason))], [30, new Set(['wrong'])]);
  await assertBooks(spool, [271, 30, 0]);
});

test('a letter that the present filter leaves out stays, and says so', async (context) => {
  const spool = await spoolWithLetters(folder(context), 5);
  context.after(() => spool.close(false));
  const it = await rig(context, () => delivered, { spool, selects: ({ id }) => id !== 'bad-3' });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await until(() => done(spool));
  const left = await it.dead();
  assert.deepEqual(
    left.map(({ eventId, reason }) => [eventId, reason]),
    [['bad-3', 'left out by only or except of this sink']],
  );
  await assertBooks(spool, [5, 1, 0]);
});

test('a letter whose activity is damaged stays, with what is wrong as its reason; the others are delivered', async (context) => {
  const path = folder(context);
  const spool = await spoolWithLetters(path, 3, randomBytes(32));
  context.after(() => spool.close(false));
  withSql(path, (db) =>
    db.exec('UPDATE dead_letters SET raw = (SELECT raw FROM dead_letters WHERE id = 1) WHERE id = 2'),
  );
  const it = await rig(context, () => delivered, { spool });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await until(() => done(spool));
  assert.deepEqual(it.got.toSorted(), ['bad-0', 'bad-2']);
  const left = await Array.fromAsync(spool.deadLetters({}));
  assert.deepEqual(
    left.map(({ id }) => id),
    [2],
  );
  assert.match(left[0]?.reason ?? '', /^the activity of dead letter 2 is damaged: ./);
  await assertBooks(spool, [3, 1, 0]);
});

test('recording what an order has delivered is repeated; the letters are not sent again', async (context) => {
  const spool = await spoolWithLetters(folder(context), 30);
  context.after(() => spool.close(false));
  let failures = 2;
  const wrap = (inner: Spool): Spool =>
    new Proxy(inner, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== 'function') return value;
        if (key !== 'revive') return value.bind(target);
        return async (...parameters: Parameters<Spool['revive']>) => {
          if (failures-- > 0) throw new Error('disk full');
          return target.revive(...parameters);
        };
      },
    });
  const it = await rig(context, () => delivered, { spool, wrap });
  await spool.order({ kind: 'revive', sink: 'one', filter: {} });
  await until(() => done(spool));
  assert.equal(it.got.length, 30);
  assert.equal(newsIn(it.news, 'spool_error').length, 2);
});
