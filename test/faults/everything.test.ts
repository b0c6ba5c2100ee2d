import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import type { Fault } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import {
  allSettled,
  assertArrived,
  assertBooks,
  assertContent,
  assertNoSecret,
  gapsBy,
  STREAM,
  type Surroundings,
  surroundings,
} from '../fixtures/surroundings.ts';

const EVENTS = 2_000;
const KILLS = 3;

/** One by one, with calls that go well between them. */
const FAULTS: readonly (Fault | undefined)[] = [
  { kind: 'reset', consume: true },
  { kind: 'answer', status: 502, body: '<html>Bad gateway</html>', consume: true },
  { kind: 'answer', status: 503, body: '{"message":"later"}' },
  { kind: 'answer', status: 429, headers: { 'retry-after': '1' }, body: '{}' },
  { kind: 'reset', consume: false },
].flatMap((fault) => [fault as Fault, undefined, undefined, undefined]);

test('every end in trouble at once, kill -9 between, and in the middle of a replay: nothing is lost, the books add up', async (t) => {
  const all = await surroundings(t, { batchSize: 100, soc: 'timeout: 5s', mosaic: 'timeout: 20s' });
  const { mosaic, daemon } = all;
  const activities = activitySource({ seed: 21, rate: 500 }).take(EVENTS);
  all.enqueue(activities);
  const refused = trouble(all);
  mosaic.dials.collect.next.push(...FAULTS);

  const lastBeforeKill = new Set<Batch>();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const target = Math.floor((kill / (KILLS + 1)) * (EVENTS / 100));
    daemon.start();
    await daemon.until('activities flow', () => mosaic.ledger.batches.length >= target, { everyMs: 2 });
    await sleep(Math.random() * 100);
    await daemon.kill();
    lastBeforeKill.add(mosaic.ledger.batches.at(-1) as Batch);
  }
  daemon.start();
  await allSettled(all, 60_000);

  const there = all.ids('soc');
  const kept = mosaic.ledger.batches.filter((batch) => {
    const present = batch.keys.filter((key) => there.has(all.expected(key).id)).length;
    const may = !batch.completed || lastBeforeKill.has(batch);
    assert.ok(present === batch.count || (may && present === 0), `${present} of an answer of ${batch.count}`);
    return present > 0;
  });
  const keys = kept.flatMap((batch) => batch.keys);
  const buried = new Set(keys.map((key) => all.expected(key).id).filter((id) => refused.has(id)));
  t.diagnostic(
    `${keys.length} of ${EVENTS} activities reached the process; ${buried.size} are dead letters at two sinks`,
  );
  assertArrived(all, keys, ['soc']);
  assertArrived(
    all,
    keys.filter((key) => !refused.has(all.expected(key).id)),
    ['elastic', 'splunk'],
  );
  await assertBooks(daemon, keys.length, { elastic: buried.size, splunk: buried.size });
  const gaps = gapsBy((await daemon.status()).gaps);
  assert.equal(gaps['crash'], KILLS);
  // A kill between the answer and the note of its gap leaves the gap of the kill.
  assert.ok((gaps['no_answer'] ?? 0) + (gaps['gateway'] ?? 0) + KILLS >= 2, JSON.stringify(gaps));
  assert.ok(
    mosaic.ledger.batches.filter((batch) => !kept.includes(batch)).length <= 2 + KILLS,
    'no other answer is lost',
  );

  all.hec.dials.refuse = undefined;
  all.elasticsearch.dials.itemStatus = undefined;
  const ordered = await daemon.run('dead-letters', 'replay', '--no-wait');
  assert.equal(ordered.status, 0, ordered.stderr);
  await sleep(Math.random() * 600);
  await daemon.kill();
  daemon.start();
  await daemon.ready();
  await daemon.until('no dead letter is left', async () =>
    (await daemon.status()).sinks.every(({ dead_letters: dead }) => dead === 0),
  );
  assertArrived(all, keys);
  assertContent(all, keys, 20);
  await assertBooks(daemon, keys.length);
  assert.equal(mosaic.maximumParallelCollects, 1);
  assert.equal(mosaic.ledger.books(STREAM).waiting, 0);
  assertNoSecret(daemon.log);
});

/** Sets the dials of the sinks; the ids of the events that two of them refuse for ever. */
function trouble({ hec, elasticsearch, syslog }: Surroundings): ReadonlySet<string> {
  const refused = new Set<string>();
  const isRefused = (document: unknown) => {
    const { id } = (document as { event: { id: string } }).event;
    if (Number.parseInt(id.slice(0, 8), 16) % 100 >= 2) return false;
    refused.add(id);
    return true;
  };
  Object.assign(hec.dials, { loseAnswer: true, everyNth: 5, busyEvery: 7, refuse: isRefused });
  elasticsearch.dials.everyNth = { n: 4, status: 429 };
  elasticsearch.dials.itemErrorType = 'document_parsing_exception';
  elasticsearch.dials.itemStatus = (document) => (isRefused(document) ? 400 : undefined);
  // Less than what is sent at once: only a sink that sends little after trouble gets any of it confirmed.
  syslog.dials.closeAfter = { messages: 700, how: 'reset' };
  return refused;
}
