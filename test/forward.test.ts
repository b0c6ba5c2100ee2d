import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchRefused, Unavailable } from '../src/sink.ts';
import type { SecurityEvent, Spool } from '../src/types.ts';
import { delivered, rig, rigWith } from './fixtures/forward.ts';
import { appendPage, folder, names, newSpool, newsIn, until } from './fixtures/plain.ts';

const sorted = (list: readonly string[]) => [...list].sort();

test('everything is delivered once, in batches that span pages, and the cursor ends behind the last page', async (context) => {
  const sizes: number[] = [];
  const got: string[] = [];
  const spool = newSpool(folder(context));
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  for (let page = 0; page < 20; page += 1) await appendPage(spool, names('a', page * 30, page * 30 + 30));
  const deliver = async (batch: readonly SecurityEvent[]) => {
    // While the first batch is on its way, further pages are read.
    await new Promise((resolve) => setTimeout(resolve, sizes.length === 0 ? 500 : 5));
    sizes.push(batch.length);
    got.push(...batch.map(({ id }) => id));
    return batch.map(() => delivered);
  };
  const it = await rigWith(context, deliver, { spool, concurrency: 1 });
  await until(it.settledAll);
  assert.deepEqual(sorted(got), sorted(names('a', 0, 600)));
  assert.ok(Math.max(...sizes) > 30, `a batch spans pages: ${sizes}`);
  assert.deepEqual(await it.spool.cursor('one'), { page: 21, index: 0 });
  assert.equal((await it.spool.report()).sinks[0]?.delivered, 600);
});

test('the news tell the time of the newest event that the sink was given, whatever the order', async (context) => {
  const answer = (event: SecurityEvent) =>
    event.id === 'bad-0' ? ({ status: 'rejected', reason: 'no' } as const) : delivered;
  const it = await rig(context, answer, { selects: ({ code }) => code !== 'left' });
  const append = (activity: string, year: number) =>
    appendPage(it.spool, [activity], 'verify/siem', new Date(`${year}`));
  await append('a-0', 2024);
  await append('a-1', 2026);
  await append('a-2', 2025);
  await append('left-0', 2027);
  await append('bad-0', 2028);
  await append('a-3', 2023);
  await until(it.settledAll);
  const newest = newsIn(it.news, 'settled').map((news) => 'newest' in news && news.newest?.getUTCFullYear());
  assert.equal(newest.at(-1), 2026);
  assert.ok(newest.every((year, index) => Number(year) >= Number(newest[index - 1] ?? 0)));
});

test('what the sink refuses while it takes others becomes a dead letter with its reason', async (context) => {
  const bad = (event: SecurityEvent) => Number(event.id.split('-')[1]) % 33 === 0;
  const it = await rig(context, (event) => (bad(event) ? { status: 'rejected', reason: `no ${event.id}` } : delivered));
  for (let page = 0; page < 6; page += 1) await appendPage(it.spool, names('a', page * 100, page * 100 + 100));
  await until(it.settledAll);
  const dead = await it.dead();
  assert.deepEqual(
    sorted(dead.map(({ eventId }) => eventId)),
    sorted(names('a', 0, 600).filter((id) => Number(id.split('-')[1]) % 33 === 0)),
  );
  for (const { reason, eventId, activity } of dead) {
    assert.equal(reason, `no ${eventId}`);
    assert.equal(Buffer.from(activity.raw).toString(), JSON.stringify(eventId));
  }
  assert.equal(it.got.length, 600 - dead.length);
});

test('a refusal of the whole batch is halved until the bad event stands alone', async (context) => {
  const it = await rig(context, ({ id }) =>
    id === 'a-77' || id === 'a-12' ? new BatchRefused(`bad data (${id})`) : delivered,
  );
  await appendPage(it.spool, names('a', 0, 200));
  await until(it.settledAll);
  assert.deepEqual(sorted((await it.dead()).map(({ eventId }) => eventId)), ['a-12', 'a-77']);
  assert.deepEqual(sorted(it.got), sorted(names('a', 0, 200).filter((id) => id !== 'a-77' && id !== 'a-12')));
});

test('a batch that is too large is halved, and the size that passed is remembered', async (context) => {
  const sizes: number[] = [];
  const it = await rigWith(context, async (batch) => {
    sizes.push(batch.length);
    if (batch.length > 12) throw new BatchRefused('413', { tooLarge: true });
    return batch.map(() => delivered);
  });
  for (let page = 0; page < 10; page += 1) await appendPage(it.spool, names('a', page * 50, page * 50 + 50));
  await until(it.settledAll);
  assert.equal((await it.dead()).length, 0);
  assert.ok(sizes.filter((size) => size > 12).length < 20, `not every batch is tried at full size: ${sizes}`);
});

test('an outage holds everything, condemns nothing, and ends by itself', async (context) => {
  let down = true;
  const it = await rig(context, () => (down ? new Unavailable('503 Server is busy', { retryAfterMs: 20 }) : delivered));
  await appendPage(it.spool, names('a', 0, 300));
  await until(() => newsIn(it.news, 'sink_down').length >= 3);
  assert.equal((await it.dead()).length, 0);
  down = false;
  await until(it.settledAll);
  assert.deepEqual(sorted(it.got), sorted(names('a', 0, 300)));
  assert.equal(it.opened(), 1);
});

test('Unavailable with reopen, and any other error, opens nothing anew or everything anew as they say', async (context) => {
  const it = await rig(
    context,
    (_, attempt) =>
      attempt === 1 ? new Unavailable('401', { reopen: true }) : attempt === 2 ? new TypeError('a bug') : delivered,
    {
      concurrency: 1,
    },
  );
  await appendPage(it.spool, names('a', 0, 10));
  await until(it.settledAll);
  assert.equal(it.opened(), 2);
  assert.equal(it.got.length, 10);
});

test('a wrong number of outcomes is never success', async (context) => {
  let wrong = true;
  const got: string[] = [];
  const it = await rigWith(context, async (batch) => {
    if (wrong) {
      wrong = false;
      return batch.slice(1).map(() => delivered);
    }
    got.push(...batch.map(({ id }) => id));
    return batch.map(() => delivered);
  });
  await appendPage(it.spool, names('a', 0, 40));
  await until(it.settledAll);
  assert.deepEqual(sorted(got), sorted(names('a', 0, 40)));
  assert.equal(it.opened(), 2);
  assert.match(
    JSON.stringify(newsIn(it.news, 'sink_down')),
    /a bug in this sink: 40 events were sent, 39 outcomes came back/,
  );
});

test('a sink that refuses everything buries nobody, and delivers all once it is mended', async (context) => {
  let broken = true;
  const it = await rig(context, () => (broken ? { status: 'rejected', reason: 'wrong mapping' } : delivered));
  for (let page = 0; page < 10; page += 1) await appendPage(it.spool, names('a', page * 3, page * 3 + 3));
  await until(() => newsIn(it.news, 'sink_suspected').length >= 2);
  assert.equal((await it.dead()).length, 0);
  broken = false;
  await until(it.settledAll);
  assert.deepEqual(sorted(it.got), sorted(names('a', 0, 30)));
  assert.equal((await it.dead()).length, 0);
});

test('a single refused event with nothing behind it is believed after a while', async (context) => {
  const it = await rig(context, () => ({ status: 'rejected', reason: 'never' }));
  await appendPage(it.spool, ['a-1']);
  await until(it.settledAll);
  assert.deepEqual(
    (await it.dead()).map(({ reason }) => reason),
    ['never'],
  );
});

test('an event that is put off does not hold the others, and is delivered when the SIEM takes it', async (context) => {
  let full = true;
  const it = await rig(context, ({ id }) => (full && id === 'a-5' ? { status: 'retry', reason: '429' } : delivered));
  for (let page = 0; page < 10; page += 1) await appendPage(it.spool, names('a', page * 50, page * 50 + 50));
  await until(() => it.got.length === 499);
  assert.deepEqual(await it.spool.cursor('one'), { page: 1, index: 5 });
  full = false;
  await until(it.settledAll);
  assert.equal(it.got.at(-1), 'a-5');
});

test('unsent events are sent again at once; a sink that never sends any is paused', async (context) => {
  const it = await rig(context, (_, attempt) => (attempt === 1 ? { status: 'unsent' } : delivered));
  await appendPage(it.spool, names('a', 0, 100));
  await until(it.settledAll);
  assert.equal(newsIn(it.news, 'sink_down').length, 0);
  const never = await rig(context, (_, attempt) => (attempt < 5 ? { status: 'unsent' } : delivered), {
    concurrency: 1,
  });
  await appendPage(never.spool, names('a', 0, 10));
  await until(never.settledAll);
  assert.ok(newsIn(never.news, 'sink_down').length >= 3);
});

test('filtered events are counted, never sent, and move the cursor alone', async (context) => {
  const it = await rig(context, () => delivered, { selects: ({ code }) => code === 'yes' });
  await appendPage(it.spool, names('no', 0, 20));
  await appendPage(it.spool, [...names('yes', 0, 5), ...names('no', 20, 25)]);
  await until(it.settledAll);
  assert.equal(it.got.length, 5);
  const report = (await it.spool.report()).sinks[0];
  assert.deepEqual([report?.delivered, report?.filtered], [5, 25]);
});

test('a commit that fails is repeated; the events are not sent again', async (context) => {
  let failures = 3;
  const wrap = (spool: Spool): Spool =>
    new Proxy(spool, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== 'function') return value;
        if (key !== 'commit') return value.bind(target);
        return async (...parameters: Parameters<Spool['commit']>) => {
          if (failures-- > 0) throw new Error('disk full');
          return target.commit(...parameters);
        };
      },
    });
  const it = await rig(context, () => delivered, { wrap });
  await appendPage(it.spool, names('a', 0, 100));
  await until(it.settledAll);
  assert.deepEqual(sorted(it.got), sorted(names('a', 0, 100)));
  assert.equal(newsIn(it.news, 'spool_error').length, 3);
});

test('stopped in the middle and started again: nothing is missing', async (context) => {
  const path = folder(context);
  const seen = new Set<string>();
  const take = ({ id }: SecurityEvent) => {
    seen.add(id);
    return delivered;
  };
  const spool = newSpool(path);
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  for (let page = 0; page < 40; page += 1) await appendPage(spool, names('a', page * 50, page * 50 + 50));
  for (let round = 0; round < 10 && seen.size < 2_000; round += 1) {
    const it = await rig(context, take, { spool, maxEvents: 20 });
    await until(() => it.got.length >= 150 || seen.size === 2_000);
    await (round % 2 ? it.stop() : it.abort());
  }
  const last = await rig(context, take, { spool });
  await until(last.settledAll);
  assert.equal(seen.size, 2_000);
});

test('a limit holds the pace', async (context) => {
  const it = await rig(context, () => delivered, { limit: 200, maxEvents: 20 });
  const from = performance.now();
  await appendPage(it.spool, names('a', 0, 100));
  await until(it.settledAll);
  assert.ok(performance.now() - from >= 350, 'the fifth batch of 20 at 200/s starts after 400 ms');
});

test('a limit below the size of a batch makes the batches smaller', async (context) => {
  const it = await rig(context, () => delivered, { limit: 20, maxEvents: 500 });
  await appendPage(it.spool, names('a', 0, 45));
  await until(() => it.got.length > 0);
  const from = performance.now();
  assert.equal(it.got.length, 20);
  await until(it.settledAll);
  assert.ok(performance.now() - from >= 1_500, 'the third batch starts after two seconds');
});

test('a sink that cannot be opened is tried until it can', async (context) => {
  let failures = 3;
  const it = await rig(context, () => delivered, {
    open: async () => {
      if (failures-- > 0) throw new Unavailable('connect ECONNREFUSED');
    },
  });
  await appendPage(it.spool, names('a', 0, 10));
  await until(it.settledAll);
  assert.equal(it.opened(), 4);
  assert.deepEqual(
    it.news.flatMap(({ what }) => (what === 'sink_up' || what === 'sink_down' ? what : [])).slice(0, 4),
    ['sink_down', 'sink_down', 'sink_down', 'sink_up'],
  );
});
