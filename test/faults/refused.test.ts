import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activitySource } from '../../src/simulator/sessions.ts';
import {
  allSettled,
  assertArrived,
  assertBooks,
  assertContent,
  assertNoSecret,
  gapsBy,
  spoolOf,
  surroundings,
} from '../fixtures/surroundings.ts';

const EVENTS = 6_000;

test('3 % of the events refused for ever at two sinks: dead letters with reasons, all else delivered, then replayed', async (t) => {
  const all = await surroundings(t);
  const { hec, elasticsearch, daemon } = all;
  const activities = activitySource({ seed: 3, rate: 500 }).take(EVENTS);
  all.enqueue(activities);
  const keys = activities.map(({ key }) => key);
  const refused = new Set(keys.map((key) => all.expected(key).id).filter((id) => isRefused(id)));
  const isOne = (document: unknown) => refused.has((document as { event: { id: string } }).event.id);
  hec.dials.refuse = isOne;
  elasticsearch.dials.itemErrorType = 'document_parsing_exception';
  elasticsearch.dials.itemStatus = (document) => (isOne(document) ? 400 : undefined);

  const began = performance.now();
  daemon.start();
  await daemon.ready();
  await allSettled(all);
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`${refused.size} of ${EVENTS} events became dead letters at two sinks within ${seconds.toFixed(1)} s`);
  assert.ok(refused.size > EVENTS / 50 && refused.size < EVENTS / 20, `${refused.size} are refused`);
  assertArrived(all, keys, ['soc']);
  const taken = keys.filter((key) => !refused.has(all.expected(key).id));
  assertArrived(all, taken, ['elastic', 'splunk']);
  await assertBooks(daemon, EVENTS, { elastic: refused.size, splunk: refused.size });

  const letters = lettersIn((await daemon.run('dead-letters', 'list', '--json')).stdout);
  assert.equal(letters.length, 2 * refused.size);
  for (const [sink, reason] of [
    ['splunk', /Invalid data format/],
    ['elastic', /document_parsing_exception/],
  ] as const) {
    const own = letters.filter((letter) => letter.sink === sink);
    assert.deepEqual(new Set(own.map(({ event_id: id }) => id)), refused, `dead letters of ${sink}`);
    for (const letter of own) assert.match(letter.reason, reason);
  }

  hec.dials.refuse = undefined;
  elasticsearch.dials.itemStatus = undefined;
  const replay = await daemon.run('dead-letters', 'replay', '--json');
  assert.equal(replay.status, 0, replay.stderr);
  const orders = replay.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(orders.map(({ sink, delivered, refused: again }) => [sink, delivered, again]).sort(), [
    ['elastic', refused.size, 0],
    ['splunk', refused.size, 0],
  ]);
  const left = await daemon.run('dead-letters', 'list', '--json');
  assert.deepEqual([left.status, left.stdout], [0, '']);
  assertArrived(all, keys);
  assertContent(all, keys);
  await assertBooks(daemon, EVENTS);
  assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
  assertNoSecret(daemon.log, JSON.stringify(letters));
});

test('an acknowledgement withheld each tenth time: what it was for is sent again, until everything is acknowledged', async (t) => {
  const batches: string[][] = [];
  const withheld: string[][] = [];
  let current: string[] = [];
  const all = await surroundings(t, {
    acknowledgement: true,
    splunk: 'acknowledgement_timeout: 2s, batch: { max_events: 50 }',
    hecDials: {
      // Called for each event of a request, and then, before anything else is read, once for its acknowledgement.
      refuse: (event) => {
        current.push((event as { event: { id: string } }).event.id);
        return false;
      },
      withholdAck: (count) => {
        const batch = current;
        current = [];
        batches.push(batch);
        if (count % 10 !== 9) return false;
        withheld.push(batch);
        return true;
      },
    },
  });
  const { hec, daemon } = all;
  const activities = activitySource({ seed: 4, rate: 500 }).take(4_000);
  all.enqueue(activities);
  daemon.start();
  await daemon.ready();
  await allSettled(all);
  const keys = activities.map(({ key }) => key);
  t.diagnostic(
    `${withheld.length} of ${batches.length} acknowledgements withheld; ${hec.count} arrivals of 4000 events`,
  );
  assert.ok(withheld.length >= 8, `${withheld.length} withheld`);
  assertArrived(all, keys);
  for (const batch of withheld) {
    const once = batch.filter((id) => (hec.ledger.get(id) ?? 0) < 2);
    assert.deepEqual(once, [], 'each event of a batch without acknowledgement was sent again');
  }
  const acknowledged = new Set(batches.filter((batch) => !withheld.includes(batch)).flat());
  assert.equal(acknowledged.size, keys.length, 'each event was in a batch that was acknowledged');
  await assertBooks(daemon, keys.length);
  const { books } = await spoolOf(daemon);
  assert.equal(books['splunk']?.delivered, keys.length);
  assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
  assertNoSecret(daemon.log);
});

/** Chance by the id: the same at both ends. */
function isRefused(id: string): boolean {
  return Number.parseInt(id.slice(0, 8), 16) % 100 < 3;
}

interface Letter {
  readonly sink: string;
  readonly event_id: string;
  readonly reason: string;
}

function lettersIn(lines: string): readonly Letter[] {
  return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Letter]));
}
