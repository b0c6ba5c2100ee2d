import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Spool } from '../src/types.ts';
import { behind, body, booksOf, collect, HOUR_MS, letter, NOON, STREAM, settled, started } from './fixtures/spool.ts';

/** One page whose activities are all dead letters of splunk. Returns the ids of the letters. */
async function bury(spool: Spool, reasons: readonly string[], receivedAt = NOON): Promise<number[]> {
  const page = await collect(spool, body(reasons.length), receivedAt);
  const dead = reasons.map((reason, index) => letter(page, index, reason, '{"a":1}', receivedAt));
  const known = await idsOf(spool);
  await spool.commit('splunk', behind(page), [settled(page, 0, dead)]);
  await spool.commit('elastic', behind(page), [settled(page, reasons.length)]);
  return (await idsOf(spool)).filter((id) => !known.includes(id));
}

async function idsOf(spool: Spool, filter: Parameters<Spool['deadLetters']>[0] = {}): Promise<number[]> {
  return (await Array.fromAsync(spool.deadLetters(filter))).map(({ id }) => id);
}

/** [collected, delivered, dead, discarded] of splunk over all hours. */
async function totals(spool: Spool): Promise<number[]> {
  const rows = await booksOf(spool, 'splunk');
  const sum = (key: 'collected' | 'delivered' | 'dead' | 'discarded') => rows.reduce((all, row) => all + row[key], 0);
  return [sum('collected'), sum('delivered'), sum('dead'), sum('discarded')];
}

test('a dead letter keeps its activity, byte for byte, small or large', async (t) => {
  const { spool, clock } = await started(t);
  const page = await collect(spool, body(3));
  const dead = ['{"a":1}', 'ä\u0000\u001b[0m"'.repeat(1_000), ''].map((raw, index) =>
    letter(page, index, `no ${index}\u0000x`, raw),
  );
  clock.now += 5;
  await spool.commit('splunk', behind(page), [settled(page, 0, dead)]);
  const found = await Array.fromAsync(spool.deadLetters({}));
  assert.deepEqual(
    found.map(({ id, ...rest }) => ({ ...rest, activity: { ...rest.activity, raw: Buffer.from(rest.activity.raw) } })),
    dead.map((each) => ({ ...each, sink: 'splunk', at: new Date(NOON + 5) })),
  );
});

test('dead letters are found by sink, part of the reason whatever the case, ids, and the last seen', async (t) => {
  const { spool } = await started(t);
  const [one = 0, two = 0, three = 0, four = 0] = await bury(spool, [
    '100% wrong',
    '100 wrong',
    'too_Large',
    'tooXlarge',
  ]);
  assert.deepEqual(await idsOf(spool, { reason: '0% WRONG' }), [one]);
  assert.deepEqual(await idsOf(spool, { reason: 'TOO_L' }), [three]);
  assert.deepEqual(await idsOf(spool, { ids: [four, two, 99] }), [two, four]);
  assert.deepEqual(await idsOf(spool, { ids: [] }), []);
  assert.deepEqual(await idsOf(spool, { after: two }), [three, four]);
  assert.deepEqual(await idsOf(spool, { sink: 'elastic' }), []);
  assert.deepEqual(await idsOf(spool, { sink: 'splunk', reason: 'wrong', after: one }), [two]);
});

test('many dead letters are handed out in order, while others go and come', async (t) => {
  const { spool } = await started(t);
  const ids = await bury(
    spool,
    Array.from({ length: 450 }, (_, n) => `reason ${n}`),
  );
  const seen: number[] = [];
  for await (const { id } of spool.deadLetters({ sink: 'splunk' })) {
    if (seen.push(id) === 150) {
      const order = await spool.order({ kind: 'discard', sink: 'splunk', filter: { ids: ids.slice(300, 400) } });
      await spool.discard(order);
    }
  }
  assert.deepEqual(seen, [...ids.slice(0, 300), ...ids.slice(400)]);
});

test('an order stands for the dead letters of its moment, and stays as a record', async (t) => {
  const { spool, path, clock } = await started(t);
  const ids = await bury(spool, ['a', 'b']);
  const filter = { reason: 'a', ids };
  const id = await spool.order({ kind: 'revive', sink: 'splunk', filter });
  await bury(spool, ['a']);
  const open = { id, kind: 'revive', sink: 'splunk', filter, createdAt: new Date(NOON), after: 0, upTo: ids[1] };
  const zero = { total: 0, delivered: 0, refused: 0, filtered: 0, discarded: 0, pagesGone: 0 };
  assert.deepEqual(await spool.orders('splunk'), [{ ...open, ...zero }]);
  assert.deepEqual(await spool.orders('elastic'), []);
  await spool.close(false);

  const { spool: again } = await started(t, { path, now: () => new Date(clock.now + 60_000) });
  assert.deepEqual(await again.orders('splunk'), [{ ...open, ...zero }]);
  await again.revive(id, { after: 1, delivered: [1], refused: [], finished: true });
  assert.deepEqual(await again.orders('splunk'), []);
  const done = { ...open, ...zero, after: 1, delivered: 1, finishedAt: new Date(NOON + 60_000) };
  assert.deepEqual((await again.report()).orders, [done]);
});

test('revive: what was delivered goes, what was refused stays with its new reason; progress in the same step', async (t) => {
  const { spool, clock } = await started(t);
  const [one = 0, two = 0, three = 0] = await bury(spool, ['a', 'b', 'c']);
  const order = await spool.order({ kind: 'revive', sink: 'splunk', filter: {} });
  clock.now += 1_000;
  const step = { after: two, delivered: [one], refused: [{ id: two, reason: 'still no' }], finished: false };
  await spool.revive(order, step);
  assert.deepEqual(await totals(spool), [3, 1, 2, 0]);
  // The same letter delivered once more counts once.
  await spool.revive(order, { ...step, refused: [] });
  assert.deepEqual(await totals(spool), [3, 1, 2, 0]);
  const [refused, untouched] = await Array.fromAsync(spool.deadLetters({}));
  assert.deepEqual([refused?.id, refused?.reason, refused?.at], [two, 'still no', new Date(NOON + 1_000)]);
  assert.deepEqual([untouched?.id, untouched?.reason, untouched?.at], [three, 'c', new Date(NOON)]);
  const [progress] = await spool.orders('splunk');
  assert.deepEqual([progress?.after, progress?.delivered, progress?.refused], [two, 1, 1]);
  const splunk = (await spool.report()).sinks.find(({ sink }) => sink === 'splunk');
  assert.deepEqual([splunk?.delivered, splunk?.deadLetters], [1, 2]);
  await assert.rejects(spool.revive(99, step), /no order 99/);
});

test('an order touches dead letters of its own sink only', async (t) => {
  const { spool } = await started(t);
  const page = await collect(spool, body(1));
  for (const sink of ['splunk', 'elastic'])
    await spool.commit(sink, behind(page), [settled(page, 0, [letter(page, 0, 'no')])]);
  const order = await spool.order({ kind: 'revive', sink: 'elastic', filter: { sink: 'splunk' } });
  await spool.revive(order, { after: 1, delivered: [1], refused: [{ id: 1, reason: 'x' }], finished: true });
  const discard = await spool.order({ kind: 'discard', sink: 'elastic', filter: { sink: 'splunk' } });
  assert.equal(await spool.discard(discard), 1);
  const left = await Array.fromAsync(spool.deadLetters({}));
  assert.deepEqual(
    left.map(({ sink, reason }) => [sink, reason]),
    [['splunk', 'no']],
  );
});

test('discard takes what matches and was there when it was ordered, and moves it in the books', async (t) => {
  const { spool } = await started(t);
  const ids = await bury(
    spool,
    Array.from({ length: 250 }, (_, n) => (n % 5 === 0 ? 'keep' : 'drop me')),
  );
  const order = await spool.order({ kind: 'discard', sink: 'splunk', filter: { reason: 'drop' } });
  const [late] = await bury(spool, ['drop me']);
  assert.equal(await spool.discard(order), 200);
  assert.deepEqual(await idsOf(spool), [...ids.filter((_, n) => n % 5 === 0), late]);
  assert.deepEqual(await totals(spool), [251, 0, 51, 200]);
  assert.equal(await spool.discard(order), 200, 'a finished order does nothing more');
  const [done] = (await spool.report()).orders;
  assert.deepEqual([done?.discarded, done?.after, done?.upTo], [200, ids.at(-1), ids.at(-1)]);
});

test('a dead letter outlives its page, and moves in the row of its hour then', async (t) => {
  const { spool, clock } = await started(t, { retentionMs: HOUR_MS });
  const [one = 0, two = 0, three = 0] = await bury(spool, ['a', 'b', 'c', 'd']);
  await bury(spool, ['e'], NOON + HOUR_MS);
  clock.now += 3 * HOUR_MS;
  assert.equal(await spool.trim(), 2);
  assert.deepEqual(await totals(spool), [5, 0, 5, 0]);
  const revive = await spool.order({ kind: 'revive', sink: 'splunk', filter: {} });
  await spool.revive(revive, { after: two, delivered: [one, two], refused: [], finished: true });
  await spool.discard(await spool.order({ kind: 'discard', sink: 'splunk', filter: { ids: [three] } }));
  const rows = (await booksOf(spool, 'splunk')).map(({ stream, hour, collected, delivered, dead, discarded }) => {
    return [stream, hour.getTime() - NOON, collected, delivered, dead, discarded];
  });
  assert.deepEqual(rows, [
    [STREAM, 0, 4, 2, 1, 1],
    [STREAM, HOUR_MS, 1, 0, 1, 0],
  ]);
});
