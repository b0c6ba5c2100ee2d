import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSpool } from '../src/spool.ts';
import type { Spool } from '../src/types.ts';
import { smallDisk } from './fixtures/small-disk.ts';
import {
  behind,
  body,
  booksOf,
  collect,
  HOUR_MS,
  letter,
  NOON,
  readAll,
  STREAM,
  settled,
  started,
} from './fixtures/spool.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const DAY_MS = 24 * HOUR_MS;

/** Counts as one activity, and does not become smaller. */
async function collectNoise(spool: Spool, bytes: number): Promise<number> {
  return await collect(spool, randomBytes(bytes));
}

async function settleAll(spool: Spool, upTo: number): Promise<void> {
  for (const sink of ['splunk', 'elastic']) {
    const from = (await spool.cursor(sink)).page;
    const pages = (await readAll(spool)).filter(({ number }) => number >= from && number <= upTo);
    await spool.commit(
      sink,
      behind(upTo),
      pages.map(({ number, collected = 0 }) => settled(number, collected)),
    );
  }
}

async function numbers(spool: Spool): Promise<number[]> {
  return (await readAll(spool)).map(({ number }) => number);
}

test('a reservation takes room from the others until it is released or used', async (t) => {
  const { spool } = await started(t, { maxSize: 10 * MiB });
  const first = await spool.reserve(6 * MiB);
  assert.ok(first);
  assert.equal(await spool.reserve(6 * MiB), undefined);
  first.release();
  first.release();
  const second = await spool.reserve(6 * MiB);
  assert.ok(second);
  assert.equal(await spool.reserve(6 * MiB), undefined, 'releasing twice gives back once');
  await spool.append({ stream: STREAM, receivedAt: new Date(NOON), partial: false, body: body(1) }, second);
  assert.ok(await spool.reserve(6 * MiB), 'append gives back what it did not use');
});

test('an append that fails keeps its reservation', async (t) => {
  const { spool } = await started(t, { maxSize: 10 * MiB });
  const reservation = await spool.reserve(6 * MiB);
  assert.ok(reservation);
  const page = { stream: STREAM, receivedAt: new Date(Number.NaN), partial: false, body: body(1) };
  await assert.rejects(spool.append(page, reservation), /could not store a page/);
  assert.equal(await spool.reserve(6 * MiB), undefined);
});

test('there must be free disk for twice the bytes, and for what others hold', async (t) => {
  let free = 3 * MiB;
  const { spool } = await started(t, { freeDisk: () => free });
  assert.equal(await spool.reserve(2 * MiB), undefined);
  free = 4 * MiB;
  assert.ok(await spool.reserve(2 * MiB));
  assert.equal(await spool.reserve(2 * MiB), undefined);
  free = 6 * MiB;
  assert.ok(await spool.reserve(2 * MiB));
});

test('trim drops what is past retention and settled by every configured sink, nothing else', async (t) => {
  const { spool, clock } = await started(t, { retentionMs: DAY_MS });
  for (let n = 0; n < 200; n++) await collect(spool, body(1), NOON + n * HOUR_MS);
  await settleAll(spool, 100);
  await spool.commit('elastic', behind(150), []);
  clock.now = NOON + 90 * HOUR_MS;
  assert.equal(await spool.trim(), 66);
  assert.equal(await spool.trim(), 0);
  clock.now = NOON + 1_000 * HOUR_MS;
  assert.equal(await spool.trim(), 34);
  assert.equal((await numbers(spool))[0], 101);
});

test('max_size beats retention: settled pages go, oldest first, and no more of them than needed', async (t) => {
  const { spool } = await started(t, { maxSize: 4 * MiB });
  for (let n = 0; n < 30; n++) await collectNoise(spool, 100 * KiB);
  await settleAll(spool, 25);
  assert.equal(await spool.trim(), 0);
  assert.ok(await spool.reserve(1_500 * KiB));
  const kept = await numbers(spool);
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, n) => 31 - kept.length + n),
  );
  assert.ok(kept.length >= 15 && kept.length < 30, `${kept.length} pages kept`);
});

test('a full spool takes no page, but commits, dead letters, gaps and orders; trimming makes room again', async (t) => {
  const { spool } = await started(t, { maxSize: 2 * MiB });
  const reserved = await spool.reserve(10 * KiB);
  reserved?.release();
  let last = 0;
  for (let held = await spool.reserve(300 * KiB); held; held = await spool.reserve(300 * KiB)) {
    const page = { stream: STREAM, receivedAt: new Date(NOON), partial: false, body: randomBytes(300 * KiB) };
    last = await spool.append(page, held);
    await spool.counted(last, 1);
  }
  const { bytes, limit } = await spool.report();
  assert.ok(bytes <= limit && bytes > limit - 400 * KiB, `${bytes} of ${limit} bytes`);
  assert.ok(last > 3);
  assert.equal(await spool.trim(), 0, 'nothing is settled');

  const large = randomBytes(600 * KiB).toString('base64');
  await spool.commit('splunk', behind(last), [settled(last, 0, [letter(last, 0, 'no', large)])]);
  await spool.gap(STREAM, 'gateway');
  await spool.order({ kind: 'discard', sink: 'splunk', filter: {} });
  assert.equal(await spool.reserve(300 * KiB), undefined, 'elastic has settled nothing yet');
  assert.equal((await numbers(spool)).length, last);
  await spool.commit('elastic', behind(last), []);
  assert.ok(await spool.reserve(300 * KiB));
  assert.equal((await Array.fromAsync(spool.deadLetters({}))).length, 1);
});

test('trimming leaves the books as they were, and hours of more than 90 days ago go', async (t) => {
  const { spool, clock } = await started(t, { retentionMs: 0 });
  for (const at of [0, 0, HOUR_MS, 89 * DAY_MS]) await collect(spool, body(10), NOON + at);
  const page = await collect(spool, body(10), NOON, 'risk/siem');
  await settleAll(spool, page - 1);
  await spool.commit('splunk', behind(page), [
    { page, delivered: 5, filtered: 1, dead: [letter(page, 6, 'x')], damaged: 3 },
  ]);
  await spool.commit('elastic', behind(page), [settled(page, 10)]);
  const before = await booksOf(spool);
  clock.now = NOON + 90 * DAY_MS;
  assert.equal(await spool.trim(), page);
  assert.deepEqual(await booksOf(spool), before);
  clock.now = NOON + 91 * DAY_MS;
  const next = await collect(spool, body(1), NOON + 90 * DAY_MS);
  await settleAll(spool, next);
  assert.equal(await spool.trim(), 1);
  const hours = new Set((await booksOf(spool)).map(({ hour }) => (hour.getTime() - NOON) / DAY_MS));
  assert.deepEqual([...hours], [89, 90]);
});

test('a page whose activities are not counted yet is not trimmed', async (t) => {
  const { spool, clock } = await started(t, { retentionMs: 0 });
  const held = await spool.reserve(100);
  assert.ok(held);
  const number = await spool.append(
    { stream: STREAM, receivedAt: new Date(NOON), partial: false, body: body(5) },
    held,
  );
  await settleAll(spool, number);
  clock.now += 1;
  assert.equal(await spool.trim(), 0);
  await spool.counted(number, 5);
  assert.equal(await spool.trim(), 1);
  assert.deepEqual(
    (await booksOf(spool, 'splunk')).map(({ collected }) => collected),
    [5],
  );
});

test('the file gives its space back to the disk', async (t) => {
  const { spool, path, clock } = await started(t, { retentionMs: 0 });
  for (let n = 0; n < 32; n++) await collectNoise(spool, MiB);
  await settleAll(spool, 32);
  clock.now += 1;
  assert.equal(await spool.trim(), 32);
  await spool.close(true);
  const { size } = statSync(join(path, 'spool.db'));
  assert.ok(size < 17 * MiB, `${size} bytes`);
});

test('on a full disk append and commit reject and change nothing; with room again they work', async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const path = join(disk, 'data');
  const { spool } = await started(t, { path });
  const first = await collectNoise(spool, 300 * KiB);
  const filler = join(disk, 'filler');
  assert.throws(() => writeFileSync(filler, randomBytes(8 * MiB)), /ENOSPC/);

  const held = await spool.reserve(MiB);
  assert.ok(held);
  const page = { stream: STREAM, receivedAt: new Date(NOON), partial: false, body: randomBytes(MiB) };
  const noRoom = /could not store a page: .*spool\.db: .*full; make room on its disk/;
  await assert.rejects(spool.append(page, held), noRoom);
  await assert.rejects(spool.append(page, held), noRoom);
  const dead = Array.from({ length: 3 }, (_, n) => letter(first, n, 'no', randomBytes(200 * KiB).toString('hex')));
  const commit = () => spool.commit('splunk', behind(first), [settled(first, 0, dead)]);
  await assert.rejects(commit(), /could not store what is settled: .*make room/);
  assert.deepEqual(await spool.cursor('splunk'), { page: first, index: 0 });
  assert.equal((await spool.report()).pages, 1);

  rmSync(filler);
  const second = await spool.append(page, held);
  assert.equal(second, first + 1);
  await commit();
  await spool.close(true);
  const { spool: again } = await started(t, { path });
  assert.deepEqual(await numbers(again), [first, second]);
  assert.equal((await Array.fromAsync(again.deadLetters({}))).length, 3);
});

test('where the disk is short, settled pages go and their space returns to it', async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const now = () => new Date(NOON);
  const spool = openSpool({ path: join(disk, 'data'), maxSize: 1024 * MiB, retentionMs: DAY_MS, count: () => 1, now });
  t.after(() => spool.close(false));
  await spool.start([{ name: 'splunk', start: 'earliest' }], [STREAM]);
  for (let n = 0; n < 60; n++) {
    const page = await collectNoise(spool, 300 * KiB);
    if (page > 1) await spool.commit('splunk', behind(page - 1), [settled(page - 1, 1)]);
  }
  const kept = await numbers(spool);
  assert.equal(kept.at(-1), 60);
  assert.ok(kept.length > 3 && kept.length < 60, `${kept.length} pages kept`);
  const rows = await booksOf(spool);
  assert.deepEqual(
    rows.map(({ collected, delivered, waiting }) => [collected, delivered, waiting]),
    [[60, 59, 1]],
  );
});

test('a disk that stays short stops collecting, and loses nothing that waits', async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const spool = openSpool({ path: join(disk, 'data'), maxSize: 1024 * MiB, retentionMs: 0, count: () => 1 });
  t.after(() => spool.close(false));
  await spool.start([{ name: 'splunk', start: 'earliest' }], [STREAM]);
  let last = 0;
  for (let held = await spool.reserve(300 * KiB); held; held = await spool.reserve(300 * KiB)) {
    last = await spool.append(
      { stream: STREAM, receivedAt: new Date(NOON), partial: false, body: randomBytes(300 * KiB) },
      held,
    );
    await spool.counted(last, 1);
  }
  assert.ok(last > 15, `${last} pages`);
  assert.equal((await numbers(spool)).length, last);
  await spool.commit('splunk', behind(last - 1), [settled(1, last - 1)]);
  assert.ok(await spool.reserve(300 * KiB));
});
