import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { salvage } from '../src/spool/salvage.ts';
import { openSpoolReader } from '../src/spool.ts';
import type { BookRow } from '../src/types.ts';
import {
  behind,
  body,
  booksOf,
  collect,
  difference,
  newFolder,
  readAll,
  settled,
  started,
  withSql,
} from './fixtures/spool.ts';
import {
  BLOCK,
  blocksIn,
  damagedOf,
  filesLike,
  fill,
  filled,
  reopened,
  rootOf,
  salvageOf,
  smash,
} from './fixtures/spool-damage.ts';

const never = new AbortController().signal;
const DAMAGED_FILE = /^spool-damaged-\d{8}T\d{6}Z\.db$/;
const sumOf = (rows: readonly BookRow[], key: 'collected' | 'delivered' | 'dead' | 'damaged') =>
  rows.reduce((sum, row) => sum + row[key], 0);

test('the bytes of a damaged page are set aside once, and its number stays for the books', async (t) => {
  const { path, bodies } = await filled(t);
  const stored = withSql(path, (db) => {
    const blob = db.prepare('SELECT zstd FROM bodies WHERE page = 50').get()?.['zstd'] as Uint8Array;
    blob[blob.length - 3] = (blob[blob.length - 3] ?? 0) ^ 1;
    db.prepare('UPDATE bodies SET zstd = ? WHERE page = 50').run(blob);
    return blob;
  });
  const { spool, alarms } = await reopened(t, path);
  const why: (string | undefined)[] = [];
  for (let n = 0; n < 3; n++) why.push((await spool.read({ page: 50, index: 0 }, never)).damaged);
  assert.equal(new Set(why).size, 1, 'the same is said each time');
  assert.match(why[0] ?? '', /^page 50 of the spool is damaged: ./);
  const aside = withSql(path, (db) => db.prepare('SELECT * FROM set_aside').all());
  assert.deepEqual(
    aside.map((row) => [row['page'], row['stream'], row['collected'], Buffer.from(row['bytes'] as Uint8Array)]),
    [[50, 'verify/siem', 3, Buffer.from(stored)]],
  );
  assert.equal(
    withSql(path, (db) => db.prepare('SELECT 1 FROM bodies WHERE page = 50').get()),
    undefined,
  );
  assert.equal((await spool.report()).setAside, 1);
  assert.deepEqual(damagedOf(await readAll(spool), bodies), [50]);
  assert.deepEqual(alarms, [], 'the file itself is sound');
});

test('the count of a page is lost, and its bytes are damaged: what a sink has settled of it was in it', async (t) => {
  const { spool, path } = await started(t);
  const page = await collect(spool, body(5));
  await spool.commit('splunk', { page, index: 3 }, [settled(page, 3)]);
  await spool.close(false);
  withSql(path, (db) => db.exec('UPDATE pages SET collected = NULL; UPDATE bodies SET sha256 = zeroblob(32)'));
  const { spool: again } = await started(t, { path });
  const { collected, damaged } = await again.read({ page, index: 3 }, AbortSignal.timeout(5_000));
  assert.match(damaged ?? '', /checksum/);
  assert.equal(collected, 3, 'a loop that goes on behind the third must not find fewer than these');
  const [row] = await booksOf(again, 'splunk');
  assert.deepEqual([row?.collected, row?.delivered, row && difference(row)], [3, 3, 0]);
});

test('where room is short, what is left of damaged pages goes first, and no page for it', async (t) => {
  const KiB = 1024;
  const { spool, path } = await started(t, { maxSize: 1_600 * KiB });
  for (let n = 0; n < 4; n++) await collect(spool, randomBytes(300 * KiB));
  for (const sink of ['splunk', 'elastic']) await spool.commit(sink, behind(2), []);
  withSql(path, (db) => db.exec('UPDATE bodies SET sha256 = zeroblob(32) WHERE page = 3'));
  assert.ok((await spool.read({ page: 3, index: 0 }, never)).damaged);
  assert.ok(await spool.reserve(500 * KiB));
  const { pages, setAside } = await spool.report();
  assert.deepEqual([pages, setAside], [4, 1]);
  assert.equal(
    withSql(path, (db) => db.prepare('SELECT bytes FROM set_aside').get()?.['bytes']),
    null,
  );
});

test('the first block of the file is gone: nothing is lost, the damaged file is kept, the owner goes on', async (t) => {
  const { path, bodies } = await filled(t);
  const { spool: before } = await reopened(t, path);
  const books = await booksOf(before);
  const letters = await Array.fromAsync(before.deadLetters({}));
  const cursors = await Promise.all(['splunk', 'elastic'].map((sink) => before.cursor(sink)));
  await before.close(true);
  smash(path, 1);
  const smashed = readFileSync(join(path, 'spool.db'));

  const { spool, alarms } = await reopened(t, path);
  const [damaged, salvaged] = alarms;
  assert.ok(damaged?.what === 'spool_damaged' && salvaged?.what === 'spool_salvaged');
  assert.match(damaged.reason, /could not be opened: .*spool\.db: file is not a database/);
  const { file, ...rest } = salvaged.salvage;
  assert.deepEqual(rest, { pages: 60, damagedPages: [], deadLetters: 5, deadLettersLost: 0, sinks: [], broken: [] });
  assert.deepEqual(readFileSync(file), smashed);
  assert.deepEqual([dirname(file), filesLike(path, DAMAGED_FILE).length], [path, 1]);
  for (const name of [file, join(path, 'spool.db')]) assert.equal(statSync(name).mode & 0o777, 0o600);

  assert.deepEqual(damagedOf(await readAll(spool), bodies), []);
  assert.deepEqual(await Promise.all(['splunk', 'elastic'].map((sink) => spool.cursor(sink))), cursors);
  assert.deepEqual(await Array.fromAsync(spool.deadLetters({})), letters);
  assert.deepEqual(await booksOf(spool), books);
  assert.equal(await collect(spool, body(1)), 61);
  await spool.commit('splunk', behind(41), [settled(41, 3)]);
  assert.equal(
    withSql(path, (db) => db.prepare('PRAGMA auto_vacuum').get()?.['auto_vacuum']),
    2,
  );
});

test('whichever block is bad, it costs what lies in it and no more, and no event of another page', async (t) => {
  const { path, bodies } = await filled(t);
  const whole = readFileSync(join(path, 'spool.db'));
  const copy = join(dirname(path), 'copy');
  mkdirSync(copy);
  let lost = 0;
  for (let block = 2; block <= Math.min(60, blocksIn(path)); block++) {
    writeFileSync(join(copy, 'spool.db'), whole);
    smash(copy, block);
    const found = salvage(copy, { sinks: ['splunk', 'elastic'], now: () => new Date() });
    rmSync(found.file);
    const { spool } = await reopened(t, copy);
    const damaged = damagedOf(await readAll(spool), bodies);
    assert.ok(damaged.length <= 2, `block ${block} costs the pages ${damaged}`);
    assert.equal((await spool.report()).pages, 60, `block ${block}`);
    for (const page of found.damagedPages) assert.ok(damaged.includes(page), `block ${block}`);
    lost += damaged.length;
    const [splunk, elastic] = [await spool.cursor('splunk'), await spool.cursor('elastic')];
    const settledLost = found.broken.includes('settled');
    assert.deepEqual([splunk, elastic], [behind(40), behind(10)], `block ${block}: ${found.broken}`);
    const rows = await booksOf(spool);
    if (!settledLost) assert.deepEqual(rows.map(difference), [0, 0], `the books after block ${block}`);
    assert.ok(found.deadLetters + found.deadLettersLost === 5, `block ${block}`);
    assert.equal((await Array.fromAsync(spool.deadLetters({}))).length, found.deadLetters);
    assert.equal(await collect(spool, body(1)), 61, `block ${block}`);
    await spool.close(true);
  }
  assert.ok(lost > 10, `the blocks held ${lost} bodies: some must have been hit`);
});

test('after noise in many places what is there is as it was, what is lost is told, and no place is skipped', async (t) => {
  const { path, bodies } = await filled(t);
  const whole = readFileSync(join(path, 'spool.db'));
  const blocks = blocksIn(path);
  const copy = join(dirname(path), 'copy');
  mkdirSync(copy);
  for (let round = 0; round < 15; round++) {
    writeFileSync(join(copy, 'spool.db'), whole);
    const hit = Array.from({ length: 1 + round * 2 }, () => 1 + Math.floor(Math.random() * blocks));
    smash(copy, ...hit);
    const said = `blocks ${hit}`;
    const found = salvage(copy, { sinks: ['splunk', 'elastic'], end: 61, now: () => new Date() });
    rmSync(found.file);
    const { spool } = await reopened(t, copy);
    const pages = await readAll(spool);
    damagedOf(pages, bodies);
    const [splunk, elastic] = [await spool.cursor('splunk'), await spool.cursor('elastic')];
    assert.ok(
      splunk.page <= 41 && elastic.page <= 11,
      `${said}: no cursor goes ahead: ${splunk.page} ${elastic.page} ${JSON.stringify(found)}`,
    );
    const there = new Set(pages.map(({ number }) => number));
    const missing = [...bodies.keys()].filter((number) => number >= elastic.page && !there.has(number));
    for (const number of missing) assert.ok(found.damagedPages.includes(number), `${said}: ${number}`);
    assert.equal(
      withSql(copy, (db) => db.prepare('PRAGMA integrity_check').get()?.['integrity_check']),
      'ok',
      said,
    );
    for (const { activity } of await Array.fromAsync(spool.deadLetters({}))) {
      assert.match(Buffer.from(activity.raw).toString(), /^\{"n":\d+,"noise":"[\da-f]{6000}"\}$/, said);
    }
    assert.equal(await collect(spool, body(1)), 61, said);
    await spool.close(true);
  }
});

test("the first 64 KiB are zeros, with every table's beginning and the map of the blocks: the rest is found by its look", async (t) => {
  const { path, bodies } = await filled(t);
  const bytes = readFileSync(join(path, 'spool.db'));
  writeFileSync(join(path, 'spool.db'), bytes.fill(0, 0, 16 * BLOCK));
  const { spool, alarms } = await reopened(t, path);
  const found = salvageOf(alarms);
  assert.deepEqual([found?.pages, found?.damagedPages, found?.sinks], [60, [], ['elastic', 'splunk']]);
  assert.deepEqual(damagedOf(await readAll(spool), bodies), []);
  assert.equal((await Array.fromAsync(spool.deadLetters({}))).length, 5);
  assert.deepEqual(
    await spool.cursor('elastic'),
    { page: 1, index: 0 },
    'its books lay there too: better twice than never',
  );
  assert.equal(await collect(spool, body(1)), 61);
});

test('what lies in the log and not yet in the file is salvaged too', async (t) => {
  const { path } = await filled(t);
  const { spool } = await reopened(t, path);
  const page = await collect(spool, body(7));
  await spool.commit('splunk', behind(40), []);
  const copy = join(dirname(path), 'copy');
  mkdirSync(copy);
  for (const part of ['', '-wal']) copyFileSync(join(path, `spool.db${part}`), join(copy, `spool.db${part}`));
  smash(copy, 1, rootOf(path, 'bodies'), rootOf(path, 'settled'));
  tear(join(copy, 'spool.db-wal'));
  const { file, damagedPages } = salvage(copy, { now: () => new Date() });
  assert.deepEqual([existsSync(`${file}-wal`), damagedPages], [true, []]);
  const { spool: again } = await reopened(t, copy);
  assert.deepEqual(Buffer.from((await again.read({ page, index: 0 }, AbortSignal.timeout(5_000))).body), body(7));
});

/** A log whose last frames are torn: what was committed before them counts. */
function tear(log: string): void {
  writeFileSync(log, Buffer.concat([readFileSync(log), randomBytes(100)]));
}

test('the cursors are lost: they are taken from the books; a sink that the books do not know begins at the oldest page', async (t) => {
  const { path } = await filled(t);
  const { spool: before } = await reopened(t, path);
  await before.commit('splunk', { page: 41, index: 2 }, [settled(41, 2)]);
  await before.close(true);
  smash(path, rootOf(path, 'sinks'));
  const sinks = ['splunk', 'elastic', 'soc'];
  const { spool, alarms } = await reopened(t, path, { sinks });
  assert.deepEqual(salvageOf(alarms)?.sinks, sinks.toSorted());
  assert.deepEqual(await spool.cursor('splunk'), { page: 41, index: 2 });
  assert.deepEqual(await spool.cursor('elastic'), behind(10));
  assert.deepEqual(await spool.cursor('soc'), { page: 1, index: 0 });
  assert.deepEqual((await booksOf(spool)).map(difference), [0, 0, 0]);
  const { sinks: reports } = await spool.report();
  assert.deepEqual(
    reports.map(({ sink, delivered }) => [sink, delivered]),
    [
      ['elastic', 30],
      ['soc', 0],
      ['splunk', 117],
    ],
  );
});

test('dead letters that are lost are damaged in the books, which add up', async (t) => {
  const { path } = await filled(t);
  const { spool: before } = await reopened(t, path);
  const rows = await booksOf(before);
  await before.close(true);
  smash(path, rootOf(path, 'dead_letters'));
  for (let block = 19; block <= blocksIn(path); block++) smashLetters(path, block);
  const found = salvage(path, { now: () => new Date() });
  assert.ok(found.deadLettersLost > 0);
  const { spool } = await reopened(t, path);
  const after = await booksOf(spool);
  assert.deepEqual(after.map(difference), [0, 0]);
  assert.equal(sumOf(after, 'collected'), sumOf(rows, 'collected'));
  assert.equal(sumOf(after, 'dead') + sumOf(after, 'damaged'), sumOf(rows, 'dead'));
  assert.equal(sumOf(after, 'damaged'), found.deadLettersLost);
});

/** Leaves of dead letters hold their reason in plain text. */
function smashLetters(path: string, block: number): void {
  const bytes = readFileSync(join(path, 'spool.db')).subarray((block - 1) * BLOCK, block * BLOCK);
  if (bytes.includes('event-7-0')) smash(path, block);
}

test('a copy that VACUUM has made is salvaged without its first block, though its tables begin elsewhere', async (t) => {
  const { path, bodies } = await filled(t);
  const copy = join(dirname(path), 'vacuumed');
  mkdirSync(copy);
  withSql(path, (db) => db.exec(`VACUUM INTO '${join(copy, 'spool.db')}'`));
  assert.notEqual(rootOf(copy, 'bodies'), rootOf(path, 'bodies'));
  smash(copy, 1);
  const { spool, alarms } = await reopened(t, copy);
  const found = salvageOf(alarms);
  assert.deepEqual([found?.pages, found?.damagedPages, found?.broken], [60, [], []]);
  assert.deepEqual(damagedOf(await readAll(spool), bodies), []);
  assert.deepEqual(await spool.cursor('splunk'), behind(40));
});

test('a file that is no spool at all makes room for a new one, and is kept', async (t) => {
  const path = newFolder(t);
  mkdirSync(path);
  const notes = 'these are the notes of somebody else, by no means a database\n'.repeat(100);
  writeFileSync(join(path, 'spool.db'), notes);
  assert.throws(() => openSpoolReader(path), /could not be opened: .*no spool: check spool\.path in the config/);
  const { spool, alarms } = await reopened(t, path);
  assert.equal(readFileSync(salvageOf(alarms)?.file ?? '', 'utf8'), notes);
  assert.equal(await collect(spool, body(1)), 1);
});

test('a crash at any step of a salvage is made good at the next start', async (t) => {
  const { path, bodies } = await filled(t);
  const whole = readFileSync(join(path, 'spool.db'));
  const { spool: before } = await reopened(t, path);
  await before.commit('splunk', behind(41), [settled(41, 3)]);
  // Played into another file than its own it would move the cursor there, or worse.
  const log = readFileSync(join(path, 'spool.db-wal'));
  await before.close(true);
  writeFileSync(join(path, 'spool.db'), whole);
  smash(path, 1, rootOf(path, 'bodies'));
  const smashed = readFileSync(join(path, 'spool.db'));
  const { file } = salvage(path, { now: () => new Date('2026-01-02T03:04:05Z') });
  const [sound, damaged] = [readFileSync(join(path, 'spool.db')), join(path, 'spool-damaged-20260102T030405Z.db')];
  assert.equal(file, damaged);
  const built = join(path, 'spool-salvaged-20260102T030405Z.db');
  const steps: readonly (readonly [string, () => void])[] = [
    ['half built', () => writeFileSync(join(path, 'spool-building.db'), sound.subarray(0, 5 * BLOCK))],
    ['complete', () => writeFileSync(built, sound)],
    [
      'complete, with a log of the damaged one',
      () => {
        writeFileSync(built, sound);
        writeFileSync(join(path, 'spool.db-wal'), log);
      },
    ],
    [
      'the damaged one has moved',
      () => {
        writeFileSync(built, sound);
        writeFileSync(join(path, 'spool.db-shm'), randomBytes(5_000));
        renameSync(join(path, 'spool.db'), damaged);
      },
    ],
    [
      'the damaged one and its log have moved, and a log is there again',
      () => {
        writeFileSync(built, sound);
        for (const name of ['spool.db-wal', `${basename(damaged)}-wal`]) writeFileSync(join(path, name), log);
        renameSync(join(path, 'spool.db'), damaged);
      },
    ],
  ];
  for (const [step, happen] of steps) {
    for (const name of filesLike(path, /^spool/)) rmSync(join(path, name));
    writeFileSync(join(path, 'spool.db'), smashed);
    happen();
    const { spool } = await reopened(t, path);
    assert.deepEqual(damagedOf(await readAll(spool), bodies), [], step);
    assert.deepEqual(await spool.cursor('splunk'), behind(40), step);
    const kept = filesLike(path, DAMAGED_FILE);
    assert.deepEqual(
      kept.map((name) => readFileSync(join(path, name)).equals(smashed)),
      [true],
      step,
    );
    assert.deepEqual(filesLike(path, /building|salvaged/), [], step);
    await spool.close(true);
  }
  assert.ok(existsSync(damaged));
});

test('damage that the running owner meets is salvaged, and the call works when it is repeated', async (t) => {
  const { spool, path, clock } = await started(t, { retentionMs: 0, sinks: ['splunk', 'elastic'] });
  const bodies = await fill(spool, 300);
  for (const sink of ['splunk', 'elastic']) await spool.commit(sink, behind(200), []);
  withSql(path, (db) => db.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  // The leaves of the oldest bodies: long out of the cache, and needed when they are trimmed.
  const raw = readFileSync(join(path, 'spool.db'));
  const leaf = Array.from({ length: blocksIn(path) }, (_, n) => n + 1).filter(
    (block) => block > 19 && raw[(block - 1) * BLOCK] === 13,
  );
  smash(path, ...leaf.slice(2, 12));
  clock.now += 1_000;
  await assert.rejects(() => spool.trim(), /damaged|malformed/);
  assert.equal(filesLike(path, DAMAGED_FILE).length, 1, 'the file was salvaged');
  assert.equal(await collect(spool, body(1)), 301);
  assert.equal(await spool.trim(), 200, 'those whose row was lost are counted again');
  const pages = await readAll(spool, 201);
  assert.deepEqual(
    damagedOf(
      pages.filter(({ number }) => number <= 300),
      bodies,
    ),
    [],
  );
  assert.deepEqual(await spool.cursor('splunk'), behind(200));
});
