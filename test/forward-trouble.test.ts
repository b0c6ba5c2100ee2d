import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchRefused, Unavailable } from '../src/sink.ts';
import type { Outcome, SecurityEvent } from '../src/types.ts';
import { delivered, rig, rigWith } from './fixtures/forward.ts';
import { appendPage, names, newsIn, until } from './fixtures/plain.ts';

/** Sinks that misbehave, and signals that come at a bad moment. */
const never = new Promise<never>(() => {});

test('a sink that fails without waiting for anything is paused, and does not keep the process busy', async (context) => {
  let [calls, down] = [0, true];
  const it = await rigWith(context, (batch) => {
    calls += 1;
    if (down && calls < 10_000) throw new Unavailable('down');
    return Promise.resolve(batch.map(() => delivered));
  });
  await appendPage(it.spool, names('a', 0, 300));
  await until(() => calls > 0);
  await sleep(300);
  assert.ok(calls < 20, `${calls} calls`);
  down = false;
  await until(it.settledAll);
});

test('a delivery that hangs from before an outage, as for an acknowledgement, does not hold up what comes after it', async (context) => {
  const acknowledged = Promise.withResolvers<void>();
  let calls = 0;
  const got: string[] = [];
  const it = await rigWith(
    context,
    async (batch) => {
      calls += 1;
      if (calls === 1) await acknowledged.promise;
      if (calls === 2) throw new Unavailable('the server has died', { retryAfterMs: 50 });
      got.push(...batch.map(({ id }) => id));
      return batch.map(() => delivered);
    },
    // A hundred times as fast.
    { concurrency: 2, maxEvents: 10, clock: () => performance.now() * 100 },
  );
  await appendPage(it.spool, names('a', 0, 60));
  await until(() => got.length === 50);
  assert.ok(!(await it.settledAll()), 'the first ten still wait');
  acknowledged.resolve();
  await until(it.settledAll);
  assert.equal(new Set(got).size, 60);
});

test('while a slow sink has every slot taken, an event that is due again does not keep the loop busy', async (context) => {
  let calls = 0;
  const it = await rigWith(
    context,
    async (batch) => {
      calls += 1;
      if (calls === 1) return [{ status: 'retry', reason: '429' } as Outcome, ...batch.slice(1).map(() => delivered)];
      return never;
    },
    { concurrency: 1, maxEvents: 10 },
  );
  await appendPage(it.spool, names('a', 0, 30));
  await until(() => calls === 2);
  await sleep(1_200);
  const { user, system } = process.cpuUsage();
  await sleep(1_000);
  const after = process.cpuUsage();
  const busyMs = (after.user + after.system - user - system) / 1_000;
  assert.ok(busyMs < 60, `${busyMs} ms of CPU in a second of waiting`);
});

for (const [title, thrown] of [
  ['nothing', undefined],
  ['null', null],
  ['a string', 'gone'],
  ['an unfit Retry-After', Object.assign(new Unavailable('busy'), { retryAfterMs: Number.NaN })],
] as const) {
  test(`a sink that throws ${title} is paused and tried again`, async (context) => {
    let calls = 0;
    const it = await rigWith(context, async (batch) => {
      calls += 1;
      if (calls < 3) throw thrown;
      return batch.map(() => delivered);
    });
    await appendPage(it.spool, names('a', 0, 10));
    await until(it.settledAll);
    assert.equal(newsIn(it.news, 'sink_down').length, 2);
    assert.equal(calls, 3);
  });
}

for (const [title, lie] of [
  ['an unknown status', { status: 'ok' }],
  ['no reason', { status: 'rejected' }],
  ['nothing', undefined],
] as const) {
  test(`an outcome with ${title} is taken for a bug of the sink, and the events are sent again`, async (context) => {
    let calls = 0;
    const it = await rigWith(context, async (batch) => {
      calls += 1;
      const outcomes = batch.map((): Outcome => delivered);
      return calls === 1 ? [...outcomes.slice(1), lie as unknown as Outcome] : outcomes;
    });
    await appendPage(it.spool, names('a', 0, 10));
    await until(it.settledAll);
    assert.match(JSON.stringify(newsIn(it.news, 'sink_down')), /a bug in this sink/);
    assert.equal((await it.dead()).length, 0);
    assert.equal(it.opened(), 2);
  });
}

test('a delivery, an open or a close that never ends does not hold up the end', async (context) => {
  const delivering = await rigWith(context, () => never);
  await appendPage(delivering.spool, names('a', 0, 10));
  const opening = await rig(context, () => delivered, { open: () => never });
  await appendPage(opening.spool, names('a', 0, 10));
  const closing = await rig(context, () => delivered, { close: () => never });
  await appendPage(closing.spool, names('a', 0, 10));
  await until(closing.settledAll);
  const ends = [delivering, opening, closing].map((it) => it.abort());
  assert.equal(await Promise.race([Promise.all(ends).then(() => 'ended'), sleep(4_000, 'hangs')]), 'ended');
  assert.equal((await delivering.spool.report()).sinks[0]?.delivered, 0);
});

test('after abort nothing more is saved; after stop what was in flight is', async (context) => {
  for (const how of ['abort', 'stop'] as const) {
    let calls = 0;
    const it = await rigWith(context, async (batch) => {
      calls += 1;
      await sleep(150);
      return batch.map(() => delivered);
    });
    await appendPage(it.spool, names('a', 0, 100));
    await until(() => calls === 2);
    await it[how]();
    await sleep(200);
    assert.equal((await it.spool.report()).sinks[0]?.delivered, how === 'stop' ? 100 : 0);
    assert.equal(calls, 2, 'nothing new is started');
  }
});

test('a sink that cannot be opened is not started once it opens after stop', async (context) => {
  let [open, calls] = [() => {}, 0];
  const it = await rigWith(
    context,
    async (batch) => {
      calls += 1;
      return batch.map(() => delivered);
    },
    { open: () => new Promise<void>((resolve) => (open = resolve)) },
  );
  await appendPage(it.spool, names('a', 0, 10));
  await until(() => it.opened() === 1);
  const ended = it.stop();
  open();
  await ended;
  assert.equal(calls, 0);
});

test('a sink that refuses whole batches buries nobody, and gets all once it is mended', async (context) => {
  let broken = true;
  const it = await rig(context, () => (broken ? new BatchRefused('400 mapping') : delivered), { maxEvents: 8 });
  await appendPage(it.spool, names('a', 0, 40));
  await until(() => newsIn(it.news, 'sink_suspected').length >= 3);
  assert.equal((await it.dead()).length, 0);
  broken = false;
  await until(it.settledAll);
  assert.deepEqual((await it.dead()).length, 0);
  assert.equal(new Set(it.got).size, 40);
});

test('a suspected sink that goes down in between condemns nobody', async (context) => {
  let answer: Outcome | Error = { status: 'rejected', reason: 'wrong mapping' };
  const it = await rig(context, () => answer, { maxEvents: 10 });
  await appendPage(it.spool, names('a', 0, 30));
  await until(() => newsIn(it.news, 'sink_suspected').length >= 1);
  answer = new Unavailable('503');
  const before = newsIn(it.news, 'sink_down').length;
  await until(() => newsIn(it.news, 'sink_down').length >= before + 2);
  answer = delivered;
  await until(it.settledAll);
  assert.equal((await it.dead()).length, 0);
  assert.equal(new Set(it.got).size, 30);
});

test('a suspected sink has at most as many deliveries in flight as it may', async (context) => {
  let [flying, most] = [0, 0];
  const it = await rigWith(
    context,
    async (batch: readonly SecurityEvent[]) => {
      flying += 1;
      most = Math.max(most, flying);
      await sleep(5);
      flying -= 1;
      return batch.map(() => ({ status: 'rejected', reason: 'no' }));
    },
    { concurrency: 1, maxEvents: 10 },
  );
  await appendPage(it.spool, names('a', 0, 60));
  await until(() => newsIn(it.news, 'sink_suspected').length >= 3);
  assert.equal(most, 1);
});

test('with slow answers every slot is filled as soon as there is something to send', async (context) => {
  let [flying, most] = [0, 0];
  const it = await rigWith(
    context,
    async (batch) => {
      flying += 1;
      most = Math.max(most, flying);
      await sleep(700);
      flying -= 1;
      return batch.map(() => delivered);
    },
    { concurrency: 8, maxEvents: 10 },
  );
  for (let page = 0; page < 10; page += 1) await appendPage(it.spool, names('a', page * 20, page * 20 + 20));
  await sleep(500);
  assert.equal(most, 8);
  await until(it.settledAll);
});

test('one batch that is put off as a whole does not make the sink down; one after the other does', async (context) => {
  let all = false;
  const putOff = new Set(names('a', 50, 100));
  const it = await rigWith(context, async (batch) => {
    await sleep(5);
    const outcome: Outcome =
      all || batch.every(({ id }) => putOff.delete(id)) ? { status: 'retry', reason: 'no acknowledgement' } : delivered;
    return batch.map(() => outcome);
  });
  for (let page = 0; page < 8; page += 1) await appendPage(it.spool, names('a', page * 50, page * 50 + 50));
  await until(it.settledAll);
  assert.equal(newsIn(it.news, 'sink_down').length, 0);
  all = true;
  for (let page = 0; page < 4; page += 1) await appendPage(it.spool, names('b', page * 50, page * 50 + 50));
  await until(() => newsIn(it.news, 'sink_down').length > 0);
  all = false;
  await until(it.settledAll);
});
