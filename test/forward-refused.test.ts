import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BatchRefused, Unavailable } from '../src/sink.ts';
import type { Outcome, SecurityEvent } from '../src/types.ts';
import { delivered, type Rig, type RigOptions, rigWith } from './fixtures/forward.ts';
import { appendPage, names, newsIn } from './fixtures/plain.ts';
import { VirtualTime } from './fixtures/virtual-time.ts';

/** What refusals come to in minutes and hours: the real loop and spool, and a clock that jumps. */

const HOUR_MS = 3_600_000;
const refused: Outcome = { status: 'rejected', reason: 'no' };

interface Call {
  readonly number: number;
  readonly time: VirtualTime;
  readonly flying: number;
}
type Answer = (batch: readonly SecurityEvent[], call: Call) => Promise<readonly Outcome[]>;
type Play = (it: Rig & { settled(withinMs?: number): Promise<boolean> }, time: VirtualTime) => Promise<void>;

async function inVirtualTime(context: TestContext, answer: Answer, options: RigOptions, play: Play): Promise<void> {
  const time = new VirtualTime(1);
  let [number, flying] = [0, 0];
  const got: string[] = [];
  const it = await rigWith(
    context,
    async (batch) => {
      number += 1;
      flying += 1;
      try {
        const outcomes = await answer(batch, { number, time, flying });
        got.push(...batch.filter((_, index) => outcomes[index]?.status === 'delivered').map(({ id }) => id));
        return outcomes;
      } finally {
        flying -= 1;
      }
    },
    { maxEvents: 1_000, ...options, clock: () => time.now },
    got,
  );
  const settled = (withinMs = HOUR_MS) => time.until(it.settledAll, withinMs);
  try {
    await play({ ...it, settled }, time);
  } finally {
    const ended = it.abort();
    await time.pass(10_000);
    time.remove();
    await ended;
  }
}

const all = (batch: readonly SecurityEvent[], outcome: Outcome) => batch.map(() => outcome);

/** Each event by itself: the bad ones are refused for ever. */
const perEvent: Answer = async (batch, { time }) => {
  await time.sleep(50);
  return batch.map(({ code }) => (code === 'bad' ? refused : delivered));
};

/** A batch with a bad event is refused as a whole. */
const wholeBatches: Answer = async (batch, { time }) => {
  await time.sleep(50);
  if (batch.some(({ code }) => code === 'bad')) throw new BatchRefused('400');
  return all(batch, delivered);
};

test('a long row of bad events is buried once events behind them are accepted', async (context) => {
  await inVirtualTime(context, perEvent, { maxEvents: 50 }, async (it) => {
    await appendPage(it.spool, names('bad', 0, 120));
    await appendPage(it.spool, names('good', 0, 60));
    assert.ok(await it.settled());
    assert.deepEqual([(await it.dead()).length, it.got.length], [120, 60]);
  });
});

/** Looks no further than to the first bad event, as a HEC does. */
const upToFirst: Answer = async (batch, { time }) => {
  await time.sleep(50);
  const at = batch.findIndex(({ code }) => code === 'bad');
  const after = (index: number): Outcome => (index === at ? refused : { status: 'unsent' });
  return batch.map((_, index) => (at < 0 || index < at ? delivered : after(index)));
};

test('rows of bad events at a sink that looks no further than to the first of them take seconds', async (context) => {
  await inVirtualTime(context, upToFirst, { concurrency: 4, maxEvents: 500 }, async (it, time) => {
    for (const row of [8, 9, 10, 11, 60])
      await appendPage(it.spool, [...names('bad', row * 100, row * 101), ...names('good', row * 100, row * 101)]);
    await time.pass(1_000);
    await appendPage(it.spool, ['good-0']);
    assert.ok(await it.settled(90_000));
    assert.deepEqual([(await it.dead()).length, it.got.length], [98, 99]);
  });
});

test('200 bad events at a sink that refuses whole batches hold up no good one for long', async (context) => {
  await inVirtualTime(context, wholeBatches, { concurrency: 8, maxEvents: 500 }, async (it, time) => {
    await appendPage(it.spool, names('bad', 0, 200));
    let mostWaiting = 0;
    for (let second = 0; second < 120; second += 1) {
      await appendPage(it.spool, [`good-${second}`]);
      await time.pass(1_000);
      mostWaiting = Math.max(mostWaiting, second - it.got.length);
    }
    assert.ok(await it.settled());
    assert.deepEqual([(await it.dead()).length, it.got.length], [200, 120]);
    assert.ok(mostWaiting < 15, `${mostWaiting} good ones waited`);
  });
});

test('ten bad events do not hide the good ones behind very many that are left out', async (context) => {
  const selects = ({ code }: SecurityEvent) => code !== 'other';
  await inVirtualTime(context, perEvent, { concurrency: 1, selects }, async (it) => {
    await appendPage(it.spool, names('bad', 0, 10));
    for (let page = 0; page < 102; page += 1)
      await appendPage(it.spool, names('other', page * 1_000, (page + 1) * 1_000));
    await appendPage(it.spool, names('good', 0, 100));
    assert.ok(await it.settled());
    assert.equal(it.got.length, 100);
  });
});

test('an acceptance of what was sent before a breakdown condemns nothing', async (context) => {
  const breaksDown: Answer = async (batch, { number, time }) => {
    await time.sleep(number === 1 ? 10_000 : 100);
    return all(batch, number === 1 ? delivered : refused);
  };
  await inVirtualTime(context, breaksDown, { concurrency: 2 }, async (it, time) => {
    await appendPage(it.spool, ['early-0']);
    await time.pass(50);
    await appendPage(it.spool, names('late', 0, 500));
    await time.pass(HOUR_MS);
    assert.deepEqual([it.got.length, (await it.dead()).length], [1, 0]);
    assert.ok(newsIn(it.news, 'sink_suspected').length > 0);
  });
});

test('a broken sink that works for a moment condemns few', async (context) => {
  let from = 0;
  const flaps: Answer = async (batch, { time }) => {
    await time.sleep(50);
    if (batch[0]?.code === 'new') from ||= time.now;
    return all(batch, from && time.now - from < 900 ? delivered : refused);
  };
  await inVirtualTime(context, flaps, { concurrency: 1 }, async (it, time) => {
    await appendPage(it.spool, names('old', 0, 1_000));
    await time.pass(5_000);
    for (let count = 0; count < 200; count += 1) {
      await appendPage(it.spool, [`new-${count}`]);
      await time.pass(500);
    }
    await time.pass(HOUR_MS);
    assert.ok(it.got.length > 0, 'it has worked');
    const [dead, got] = [(await it.dead()).length, it.got.length];
    assert.ok(dead < 10 + got && dead < 100, `${dead} of 1,000 are dead letters, ${got} were accepted`);
  });
});

test('an outage between two refusals of a good event does not make it a dead letter', async (context) => {
  const answers: Readonly<Record<number, Outcome>> = { 1: refused, 2: delivered, 4: refused };
  const unlucky: Answer = async (batch, { number, time }) => {
    await time.sleep(50);
    if (number === 3) throw new Unavailable('503', { retryAfterMs: 60_000 });
    return all(batch, answers[number] ?? delivered);
  };
  await inVirtualTime(context, unlucky, { concurrency: 1, maxEvents: 2 }, async (it, time) => {
    for (const name of ['a-0', 'b-0', 'c-0']) {
      await appendPage(it.spool, [name]);
      await time.pass(150);
    }
    assert.ok(await it.settled());
    assert.deepEqual([it.got.length, (await it.dead()).length], [3, 0]);
  });
});

test('while it waits in an outage a sink believes no refusal', async (context) => {
  const unlucky: Answer = async (batch, { number, time }) => {
    await time.sleep(50);
    if (number === 2) throw new Unavailable('503', { retryAfterMs: 30_000 });
    return all(batch, number === 1 || number === 3 ? refused : delivered);
  };
  await inVirtualTime(context, unlucky, { concurrency: 1, maxEvents: 3 }, async (it, time) => {
    await appendPage(it.spool, ['a-0']);
    await time.pass(100);
    await appendPage(it.spool, ['b-0']);
    await time.pass(10_000);
    await appendPage(it.spool, ['c-0']);
    assert.ok(await it.settled());
    assert.deepEqual([it.got.length, (await it.dead()).length], [3, 0]);
  });
});

test('a suspected sink is asked once for each wait, within its limit', async (context) => {
  const sizes: number[] = [];
  const never: Answer = async (batch, { time }) => {
    sizes.push(batch.length);
    await time.sleep(50);
    return all(batch, refused);
  };
  await inVirtualTime(context, never, { concurrency: 1, limit: 10 }, async (it, time) => {
    await appendPage(it.spool, names('a', 0, 5_000));
    await time.pass(HOUR_MS);
    assert.ok(Math.max(...sizes) <= 10);
    assert.ok(sizes.length < 600, `${sizes.length} deliveries in an hour of waits of 15 s on average, two for each`);
    assert.equal((await it.dead()).length, 0);
  });
});

test('a sink that answers 429 to all but three deliveries at a time is kept busy with full batches', async (context) => {
  const crowded: Answer = async (batch, { time, flying }) => {
    await time.sleep(flying > 3 ? 5 : 2_000);
    if (flying > 3) throw new Unavailable('429');
    return all(batch, delivered);
  };
  await inVirtualTime(context, crowded, { concurrency: 8, maxEvents: 100 }, async (it, time) => {
    for (let page = 0; page < 50; page += 1) await appendPage(it.spool, names('a', page * 1_000, (page + 1) * 1_000));
    await time.pass(300_000);
    assert.ok(it.got.length > 40_000, `${it.got.length} of the 45,000 that three at a time can take`);
  });
});

test('dead letters are delivered by an order, keep their place where they are refused again, and can be discarded', async (context) => {
  let refuses = /./;
  const answer: Answer = async (batch, { time }) => {
    await time.sleep(1);
    return batch.map(({ id }) =>
      id.startsWith('good') || !refuses.test(id) ? delivered : { status: 'rejected', reason: `refused by ${refuses}` },
    );
  };
  await inVirtualTime(context, answer, { maxEvents: 50 }, async (it, time) => {
    await appendPage(it.spool, [...names('bad', 0, 60), ...names('good', 0, 59)]);
    await time.pass(1_000);
    await appendPage(it.spool, ['good-59']);
    assert.ok(await it.settled());
    assert.equal((await it.dead()).length, 60);
    refuses = /[05]$/;
    await it.spool.order({ kind: 'revive', sink: 'one', filter: {} });
    assert.ok(await time.until(async () => (await it.spool.orders('one')).length === 0, HOUR_MS));
    const left = await it.dead();
    assert.deepEqual(
      left.map(({ eventId }) => eventId).sort(),
      names('bad', 0, 60)
        .filter((id) => /[05]$/.test(id))
        .sort(),
    );
    for (const { reason } of left) assert.equal(reason, 'refused by /[05]$/');
    await it.spool.order({ kind: 'discard', sink: 'one', filter: { reason: 'REFUSED BY' } });
    assert.ok(await time.until(async () => (await it.dead()).length === 0, HOUR_MS));
    const report = (await it.spool.report()).sinks[0];
    assert.deepEqual([report?.delivered, report?.deadLetters], [108, 0]);
  });
});
