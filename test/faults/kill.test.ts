import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import {
  allSettled,
  assertArrived,
  assertBooks,
  assertContent,
  assertNoSecret,
  gapsBy,
  SINKS,
  STREAM,
  type Surroundings,
  surroundings,
} from '../fixtures/surroundings.ts';

const EVENTS = 20_000;
const KILLS = 20;
const BATCH = 200;

test(`${EVENTS} events, ${KILLS} times kill -9 while they flow: what the process had is at every sink`, async (t) => {
  const all = await surroundings(t, { batchSize: BATCH });
  const { mosaic, daemon, elasticsearch } = all;
  const { batches } = mosaic.ledger;
  assert.equal((await daemon.run('check')).status, 0);
  mosaic.dials.delayMs = 8;
  all.enqueue(activitySource({ seed: 7, rate: 500 }).take(EVENTS));

  const lastBeforeKill: Batch[] = [];
  let inFlow = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const before = batches.length;
    daemon.start();
    const target = Math.max(before + 1, Math.floor((EVENTS / BATCH / (KILLS + 1)) * (kill - Math.random() / 2)));
    await daemon.until('activities flow', () => batches.length >= target, { everyMs: 2 });
    await sleep(Math.random() * 30);
    if (mosaic.ledger.books(STREAM).waiting > 0) inFlow += 1;
    await daemon.kill();
    lastBeforeKill.push(batches.at(-1) as Batch);
  }
  daemon.start();
  await allSettled(all);

  assert.equal(inFlow, KILLS, 'every kill hit while activities flowed');
  // The next call shows that an answer is stored: only the last one before a kill may not have reached the process.
  const there = all.ids('elastic');
  const lost = lastBeforeKill.filter(({ keys }) => isLost(keys.map((key) => there.has(all.expected(key).id))));
  const completed = lost.filter((batch) => batch.completed);
  const kept = batches.filter((batch) => !lost.includes(batch)).flatMap(({ keys }) => keys);
  t.diagnostic(
    `${inFlow} kills in flow; ${lost.length - completed.length} answers were not given yet, ${completed.length} were ` +
      `given to the network and not stored yet; ` +
      `${SINKS.map((sink) => `${sink} ${arrivals(all, sink)}`).join(', ')} arrivals of ${kept.length} events; ` +
      `elasticsearch refused ${elasticsearch.duplicates} second copies`,
  );
  assertArrived(all, kept);
  assertContent(all, kept);
  assert.ok(elasticsearch.duplicates > 0, 'a kill in the middle of deliveries makes some come again');

  assert.equal(mosaic.maximumParallelCollects, 1);
  const stopping = Object.keys(mosaic.calls).filter((call) => call.startsWith('DELETE'));
  assert.deepEqual(stopping, [], 'nothing is ever stopped or deleted');
  const { gaps, sinks } = JSON.parse((await daemon.run('status', '--json')).stdout);
  assert.deepEqual(gapsBy(gaps), { crash: KILLS });
  for (const sink of sinks) assert.deepEqual([sink.delivered, sink.waiting, sink.dead_letters], [kept.length, 0, 0]);
  await assertBooks(daemon, kept.length);
  assertNoSecret(daemon.log);
});

/** All or nothing: an answer that the process had is stored whole. */
function isLost(present: readonly boolean[]): boolean {
  assert.ok(new Set(present).size === 1, `${present.filter(Boolean).length} of an answer of ${present.length}`);
  return !present[0];
}

function arrivals(all: Surroundings, sink: (typeof SINKS)[number]): number {
  return [...all.ids(sink).values()].reduce((sum, count) => sum + count, 0);
}
