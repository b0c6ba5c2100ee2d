import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { activitySource } from '../src/simulator/sessions.ts';
import { openSpoolReader } from '../src/spool.ts';
import type { CommandResult } from './fixtures/process.ts';
import {
  allSettled,
  assertArrived,
  assertBooks,
  PLANTED,
  type Surroundings,
  type SurroundingsOptions,
  surroundings,
} from './fixtures/surroundings.ts';

type Row = Readonly<Record<string, unknown>>;

async function settledWorld(t: TestContext, events: number, options: SurroundingsOptions = {}) {
  const all = await surroundings(t, { batchSize: 100, ...options });
  const activities = activitySource({ seed: 8, rate: 500 }).take(events);
  all.enqueue(activities);
  all.daemon.start();
  await allSettled(all);
  const key = join(dirname(all.daemon.config), 'read.key');
  writeFileSync(key, PLANTED.apiKey, { mode: 0o600 });
  const keys = activities.map((each) => each.key);
  return { all, keys, ids: keys.map((each) => all.expected(each).id), key };
}

function rowsOf({ stdout }: CommandResult): Row[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
}

const stored = ({ elasticsearch }: Surroundings) => elasticsearch.stored as Map<string, Row>;

async function orderOf({ daemon }: Surroundings, id: number) {
  const reader = openSpoolReader(daemon.spool);
  try {
    return (await reader.orders()).find((order) => order.id === id) ?? assert.fail(`no order ${id}`);
  } finally {
    await reader.close();
  }
}

test('replay --missing brings back exactly the ten documents that were deleted at the SIEM', async (t) => {
  const { all, keys, ids, key } = await settledWorld(t, 600);
  const replay = (...more: string[]) =>
    all.daemon.run('replay', '--sink', 'elastic', '--missing', '--key-file', key, '--json', ...more);
  const nothing = await replay();
  assert.equal(nothing.status, 0, nothing.stderr);
  assert.match(nothing.stderr, /nothing is missing; nothing is ordered/);

  const lost = ids.filter((_, index) => index % 60 === 11);
  for (const id of lost) stored(all).delete(id);
  const sent = all.elasticsearch.bulkRequests;
  const dry = await replay('--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.deepEqual(
    rowsOf(dry)
      .map(({ event_id: id }) => id)
      .sort(),
    lost.toSorted(),
  );
  assert.deepEqual([all.elasticsearch.bulkRequests, stored(all).size], [sent, 590], 'a dry run sends nothing');

  const result = await replay();
  assert.equal(result.status, 0, result.stderr);
  const order = rowsOf(result).at(-1) ?? assert.fail();
  assert.deepEqual([order['delivered'], order['total'], order['refused'], order['filtered']], [10, 10, 0, 0]);
  assertArrived(all, keys);
  assert.equal(all.elasticsearch.duplicates, 0, 'nothing else is sent');
  await assertBooks(all.daemon, 600);
  assert.ok(![result.stdout, result.stderr].join().includes(PLANTED.apiKey), 'the key is not printed');
});

test('replay of a span goes through the filter of now, and is done by the next run where none is at work', async (t) => {
  const { all, keys, key } = await settledWorld(t, 300);
  const { daemon } = all;
  daemon.signal('SIGTERM');
  await daemon.ended();
  stored(all).clear();
  const config = readFileSync(daemon.config, 'utf8');
  const filter = 'type: elasticsearch, except: { codes: ["page_loaded.*"] }';
  writeFileSync(daemon.config, config.replace('type: elasticsearch', filter));
  const events = keys.map((key) => all.expected(key));
  const wanted = events.filter(({ code }) => !code.startsWith('page_loaded.')).map(({ id }) => id);
  const out = 300 - wanted.length;
  assert.ok(out > 0 && wanted.length > 0, `${out} are left out`);

  const dry = await daemon.run('replay', '--sink', 'elastic', '--from', '1h', '--dry-run', '--json');
  const counts = { events: wanted.length, filtered: out, dead_letters: 0, damaged_pages: 0 };
  assert.deepEqual(rowsOf(dry), [{ sink: 'elastic', pages: 3, ...counts }]);
  const left = await daemon.run('replay', '--sink', 'elastic', '--from', '1h', '--to', '0s');
  assert.equal(left.status, 0, left.stderr);
  assert.match(left.stderr, /300 events for sink elastic: order 1 is left in the spool/);
  assert.match(left.stdout, /order 1 for sink elastic: the running process does it, or the next one/);
  daemon.start();
  const told = `order 1, replay of sink elastic: ${wanted.length} delivered, ${out} left out by only or except`;
  await daemon.until('the replay is done', () => daemon.log.includes(told));
  assert.deepEqual([...stored(all).keys()].sort(), wanted.toSorted());
  await assertBooks(daemon, 300);

  const none = await daemon.run(
    'replay',
    '--sink',
    'elastic',
    '--from',
    '2020-01-01T00:00:00Z',
    '--to',
    '2020-01-02T00:00:00Z',
  );
  assert.match(none.stdout, /order 2 for sink elastic is done: 0 delivered/);
  const wrong = [
    [['--sink', 'nobody', '--from', '1h'], /there is no sink nobody/],
    [['--sink', 'elastic'], /--from TIME --to TIME, or --missing/],
    [['--sink', 'elastic', '--missing'], /--key-file FILE is needed/],
    [['--sink', 'soc', '--missing', '--key-file', key], /cannot be asked which events it holds/],
    [['--sink', 'elastic', '--from', 'yesterday'], /is no time/],
    [['--sink', 'elastic', '--from', '1h', '--to', '2h'], /is not before/],
  ] as const;
  const runs = wrong.map(async ([parameters, says]) => {
    const { status, stderr } = await daemon.run('replay', ...parameters);
    assert.deepEqual([status, says.test(stderr)], [2, true], stderr);
  });
  await Promise.all(runs);
});

test('kill -9 in a replay, again and again: nothing is missing, and each kill repeats one page at most', async (t) => {
  const { all, keys } = await settledWorld(t, 2_000, { elastic: 'batch: { max_events: 100 }' });
  const { daemon, elasticsearch } = all;
  const before = elasticsearch.duplicates;
  elasticsearch.dials.delayMs = 40;
  const left = await daemon.run('replay', '--sink', 'elastic', '--from', '1h', '--no-wait');
  assert.equal(left.status, 0, left.stderr);
  const again = () => elasticsearch.duplicates - before;
  let kills = 0;
  for (let aim = 300; aim < 1_800 && !(await orderOf(all, 1)).finishedAt; aim += 400) {
    await daemon.until('the replay is under way', () => again() >= aim, { everyMs: 2 });
    await sleep(Math.random() * 50);
    await daemon.kill();
    kills += 1;
    daemon.start();
    await daemon.ready();
  }
  await daemon.until('the replay is done', async () => (await orderOf(all, 1)).finishedAt !== undefined);
  t.diagnostic(`${kills} kills, ${again() - 2_000} events once more than ordered`);
  assert.ok(kills >= 3, `${kills} kills`);
  assert.ok(again() >= 2_000, 'each was sent, and was there already');
  assert.ok(again() <= 2_000 + kills * 100, `${again() - 2_000} too many for ${kills} kills`);
  assertArrived(all, keys);
  await assertBooks(daemon, 2_000);
  const { delivered, total } = await orderOf(all, 1);
  assert.deepEqual([delivered, total], [2_000, 2_000]);
});

test('live events are not held up by a replay', async (t) => {
  const { all } = await settledWorld(t, 3_000, { elastic: 'batch: { max_events: 50 }, concurrency: 1' });
  const { daemon, elasticsearch } = all;
  elasticsearch.dials.delayMs = 100;
  await daemon.run('replay', '--sink', 'elastic', '--from', '1h', '--no-wait');
  await daemon.until('the replay is under way', async () => (await orderOf(all, 1)).delivered > 0);
  const live = activitySource({ seed: 99, rate: 500 }).take(500);
  all.enqueue(live);
  await daemon.until('the live events are there', () => live.every(({ key }) => stored(all).has(all.expected(key).id)));
  const { delivered, finishedAt } = await orderOf(all, 1);
  assert.ok(finishedAt === undefined && delivered < 2_000, `the replay is still at it: ${delivered} of 3,000`);
  elasticsearch.dials.delayMs = 0;
  await daemon.until('the replay is done', async () => (await orderOf(all, 1)).finishedAt !== undefined);
});
