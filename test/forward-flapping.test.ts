import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '../src/sink.ts';
import { type Deliver, delivered, rigWith } from './fixtures/forward.ts';
import { appendPage, names, newsIn, until } from './fixtures/plain.ts';
import { eventOf, openSink, someDocument, startReceiver } from './sinks/syslog-fixtures.ts';

/** Sinks that work and fail by turns, because of what they are given at once. */

/** Takes one delivery at a time: when two overlap, both are answered 503. */
function oneAtATime() {
  const answers = { ok: 0, busy: 0 };
  const got: string[] = [];
  const flying = new Set<{ crowded: boolean }>();
  const deliver: Deliver = async (batch) => {
    const delivery = { crowded: flying.size > 0 };
    for (const other of flying) other.crowded = true;
    flying.add(delivery);
    await sleep(30);
    flying.delete(delivery);
    answers[delivery.crowded ? 'busy' : 'ok'] += 1;
    if (delivery.crowded) throw new Unavailable('503, code 9: Server is busy');
    got.push(...batch.map(({ id }) => id));
    return batch.map(() => delivered);
  };
  return { answers, got, deliver };
}

test('a sink that takes one delivery at a time gets the log from its head on, and the cursor follows', async (context) => {
  const { answers, got, deliver } = oneAtATime();
  const it = await rigWith(context, deliver, { concurrency: 8, maxEvents: 50 });
  for (let page = 0; page < 10; page += 1) await appendPage(it.spool, names('a', page * 100, page * 100 + 100));
  await until(() => got.length >= 500);
  const half = (await it.spool.report()).sinks[0]?.delivered ?? 0;
  assert.ok(half >= 450, `the cursor has passed ${half} of 500`);
  await until(it.settledAll);
  assert.deepEqual(got, names('a', 0, 1_000));
  assert.ok(answers.busy <= 8 + 2 * answers.ok, JSON.stringify(answers));
});

test('after trouble the deliveries in flight grow again, 1, 2, 4 …, up to what the config says', async (context) => {
  let [calls, flying, accepted] = [0, 0, 0];
  const most: number[] = [];
  const it = await rigWith(
    context,
    async (batch) => {
      calls += 1;
      if (calls <= 8) {
        await sleep(20);
        throw new Unavailable('503');
      }
      flying += 1;
      most[accepted] = Math.max(most[accepted] ?? 0, flying);
      await sleep(20);
      flying -= 1;
      accepted += 1;
      return batch.map(() => delivered);
    },
    { concurrency: 8, maxEvents: 10 },
  );
  for (let page = 0; page < 20; page += 1) await appendPage(it.spool, names('a', page * 50, page * 50 + 50));
  await until(it.settledAll);
  assert.equal(most[0], 1);
  most.forEach((count, already) => {
    assert.ok(count <= already + 1, `${count} in flight after ${already} were accepted`);
  });
  // No call may have begun while so many were accepted: those places are empty.
  assert.equal(Math.max(...most.filter((count) => count !== undefined)), 8);
});

test('a syslog receiver that ends each connection after 10 messages is drained in the end', async (context) => {
  const receiver = await startReceiver(context, { dials: { closeAfter: { messages: 10, how: 'end' } } });
  let sink = await openSink(context, receiver, { confirm_after: '50ms' });
  const sizes: number[] = [];
  const it = await rigWith(
    context,
    (batch, signal) => {
      sizes.push(batch.length);
      const messages = batch.map(({ id }) => eventOf(someDocument(id)));
      return sink.deliver(messages, signal);
    },
    {
      maxEvents: 50,
      open: async () => {
        sink = await openSink(context, receiver, { confirm_after: '50ms' });
      },
    },
  );
  await appendPage(it.spool, names('a', 0, 60));
  await until(it.settledAll);
  assert.deepEqual([...receiver.ledger.keys()].sort(), names('a', 0, 60).sort());
  assert.equal((await it.dead()).length, 0);
  assert.ok(newsIn(it.news, 'sink_down').length < 40, `${sizes}`);
});
