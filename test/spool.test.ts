import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../src/spool/database.ts';
import { lockSpool, openSpoolReader } from '../src/spool.ts';
import type { Page } from '../src/types.ts';
import {
  behind,
  body,
  booksOf,
  collect,
  difference,
  ELASTIC,
  HOUR_MS,
  letter,
  NOON,
  newFolder,
  newSpool,
  readAll,
  SPLUNK,
  STREAM,
  settled,
  started,
  withSql,
} from './fixtures/spool.ts';

const never = new AbortController().signal;

test('a page comes back byte for byte, whatever the bytes are', async (t) => {
  const { spool } = await started(t);
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([0, 255, 254, 0]),
    body(1_000, 'x'.repeat(1_000)),
    Buffer.from('[{"cut'),
  ];
  for (const bytes of bodies) await collect(spool, bytes);
  const pages = await readAll(spool);
  assert.deepEqual(
    pages.map((page) => Buffer.from(page.body)),
    bodies,
  );
  assert.equal(pages[2]?.collected, 1_000);
});

test('a page keeps its stream, its time and that it is partial', async (t) => {
  const { spool } = await started(t);
  const reservation = await spool.reserve(10);
  assert.ok(reservation);
  const page = {
    stream: 'risk/a b' as const,
    receivedAt: new Date(NOON + 1),
    partial: true,
    body: Buffer.from('{"x":'),
  };
  const number = await spool.append(page, reservation);
  const read = await spool.read({ page: 0, index: 0 }, never);
  assert.deepEqual({ ...read, body: Buffer.from(read.body) }, { ...page, number });
});

test('the folder is 0700 and the files in it 0600', async (t) => {
  const { spool, path } = await started(t);
  await collect(spool, body(1));
  const mode = (name: string) => statSync(join(path, name)).mode & 0o777;
  assert.equal(statSync(path).mode & 0o777, 0o700);
  for (const name of ['spool.db', 'spool.db-wal', 'spool.db-shm']) assert.equal(mode(name), 0o600, name);
});

test('the file is made for a log: WAL, incremental vacuum, its format; every write is synced', async (t) => {
  const { path, spool } = await started(t);
  const pragma = (name: string) => withSql(path, (db) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  assert.equal(pragma('journal_mode'), 'wal');
  assert.equal(pragma('auto_vacuum'), 2);
  assert.equal(pragma('user_version'), 2);
  await spool.close(true);
  const db = createDatabase(path);
  t.after(() => db.close());
  assert.equal(db.prepare('PRAGMA synchronous').get()?.['synchronous'], 2);
  assert.equal(db.prepare('PRAGMA wal_autocheckpoint').get()?.['wal_autocheckpoint'], 4096);
});

test('a format of a newer version is refused, and left as it is', async (t) => {
  const { path, spool } = await started(t);
  await spool.close(true);
  withSql(path, (db) => db.exec('PRAGMA user_version = 7'));
  const before = readFileSync(join(path, 'spool.db'));
  const refused = /spool\.db has format 7, .* up to 2: use the version that wrote it/;
  assert.throws(() => newSpool(t, { path }), refused);
  assert.throws(() => openSpoolReader(path), refused);
  assert.deepEqual(readFileSync(join(path, 'spool.db')), before);
});

test('a folder that cannot be made is refused with a sentence', (t) => {
  const file = newFolder(t);
  writeFileSync(file, '');
  assert.throws(
    () => newSpool(t, { path: join(file, 'data') }),
    /the spool could not be opened: .*a file stands where a folder is needed/,
  );
});

test('read waits for a page, and several readers get the same one', async (t) => {
  const { spool } = await started(t);
  const reads = Array.from({ length: 20 }, () => spool.read({ page: 1, index: 0 }, never));
  const number = await collect(spool, body(2));
  for (const page of await Promise.all(reads)) assert.equal(page.number, number);
});

test('read behind the end waits while older pages are there', async (t) => {
  const { spool } = await started(t);
  const first = await collect(spool, body(1));
  const next = spool.read(behind(first), never);
  assert.equal(await Promise.race([next, sleep(20, 'waiting')]), 'waiting');
  const second = await collect(spool, body(1));
  assert.equal((await next).number, second);
});

test('read rejects with the reason of the signal, before and while it waits', async (t) => {
  const { spool } = await started(t);
  const reason = new Error('stop');
  await assert.rejects(spool.read({ page: 1, index: 0 }, AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const read = spool.read({ page: 1, index: 0 }, controller.signal);
  controller.abort(reason);
  await assert.rejects(read, reason);
});

test('a read that waits ends when the spool is closed', async (t) => {
  const { spool } = await started(t);
  const read = spool.read({ page: 1, index: 0 }, never);
  const ended = assert.rejects(read, /not open/);
  await spool.close(true);
  await ended;
  await spool.close(true);
});

test('commit moves the cursor only forward, and never beyond the end', async (t) => {
  const { spool } = await started(t);
  const page = await collect(spool, body(10));
  await spool.commit('splunk', { page, index: 4 }, [settled(page, 4)]);
  await assert.rejects(
    spool.commit('splunk', { page, index: 3 }, [settled(page, 1)]),
    /splunk cannot go from page 1, activity 4/,
  );
  await assert.rejects(spool.commit('splunk', { page: page + 1, index: 1 }, [settled(page, 1)]), /cannot go/);
  await assert.rejects(spool.commit('splunk', { page: page + 2, index: 0 }, [settled(page, 1)]), /cannot go/);
  await assert.rejects(spool.commit('nobody', { page, index: 0 }, []), /no cursor of nobody/);
  await assert.rejects(spool.cursor('nobody'), /no cursor of nobody/);
  assert.deepEqual(await spool.cursor('splunk'), { page, index: 4 });
  assert.deepEqual(await spool.cursor('elastic'), { page, index: 0 });
  assert.equal((await booksOf(spool, 'splunk'))[0]?.delivered, 4);
});

test('a commit is all or nothing', async (t) => {
  const { spool } = await started(t);
  const page = await collect(spool, body(10));
  const broken = { ...letter(page, 1, 'second'), reason: null as unknown as string };
  await assert.rejects(spool.commit('splunk', behind(page), [settled(page, 8, [letter(page, 0, 'first'), broken])]));
  assert.deepEqual(await spool.cursor('splunk'), { page, index: 0 });
  assert.deepEqual(await Array.fromAsync(spool.deadLetters({})), []);
  assert.equal((await booksOf(spool, 'splunk'))[0]?.waiting, 10);
});

test('the books add up, per stream, sink and hour of receipt', async (t) => {
  const { spool } = await started(t);
  const [one, two] = [await collect(spool, body(10)), await collect(spool, body(20), NOON + HOUR_MS + 5)];
  const three = await collect(spool, body(5), NOON + 7, 'risk/siem');
  await spool.commit('splunk', { page: two, index: 3 }, [
    { page: one, delivered: 6, filtered: 3, dead: [letter(one, 9, 'bad')] },
    { page: two, delivered: 3, filtered: 0, dead: [] },
  ]);
  await spool.commit('splunk', behind(three), [
    settled(two, 17),
    { page: three, delivered: 0, filtered: 0, dead: [], damaged: 5 },
  ]);
  const nothing = { delivered: 0, filtered: 0, dead: 0, discarded: 0, damaged: 0, waiting: 0 };
  const row = { ...nothing, stream: STREAM, hour: new Date(NOON) };
  const later = new Date(NOON + HOUR_MS);
  assert.deepEqual(await booksOf(spool), [
    { ...row, stream: 'risk/siem', sink: 'elastic', collected: 5, waiting: 5 },
    { ...row, stream: 'risk/siem', sink: 'splunk', collected: 5, damaged: 5 },
    { ...row, sink: 'elastic', collected: 10, waiting: 10 },
    { ...row, sink: 'splunk', collected: 10, delivered: 6, filtered: 3, dead: 1 },
    { ...row, sink: 'elastic', hour: later, collected: 20, waiting: 20 },
    { ...row, sink: 'splunk', hour: later, collected: 20, delivered: 20 },
  ]);
  const inSpan = await Array.fromAsync(spool.books({ sink: 'splunk', from: new Date(NOON + HOUR_MS + 1) }));
  assert.deepEqual(
    inSpan.map(({ hour }) => hour),
    [later],
  );
  const before = await Array.fromAsync(spool.books({ sink: 'elastic', to: later }));
  assert.deepEqual(
    before.map(({ hour }) => hour.getTime()),
    [NOON, NOON],
  );
});

/** Runs it without any right to the folder, also where the tests run as root. */
function withoutRights<T>(path: string, work: () => T): T {
  chmodSync(path, 0);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(path, 0o700);
  }
}

test('a spool that may not be read is told from one that is not there; no place is said twice', async (t) => {
  const { spool, path } = await started(t);
  await spool.close(true);
  const rights =
    /^the spool could not be (\w+): [^']*: permission denied \(EACCES\); the user of this process must be able to write there$/;
  const failed = (work: () => unknown) =>
    withoutRights(path, () => {
      try {
        work();
      } catch (error) {
        return (error as Error).message;
      }
      return 'it worked';
    });
  assert.equal(rights.exec(failed(() => openSpoolReader(path)))?.[1], 'opened');
  assert.equal(rights.exec(failed(() => lockSpool(path)))?.[1], 'locked');
  assert.equal(rights.exec(failed(() => lockSpool(join(path, 'below'))))?.[1], 'locked');
  assert.throws(() => openSpoolReader(`${path}-none`), /^Error: there is no spool in .*-none: check spool\.path/);
});

test('where no folder can be made is said at once', { skip: !existsSync('/proc/self') && 'no /proc here' }, () => {
  const said =
    '/proc/nope: no such file or directory (ENOENT); no folder can be made there: check spool.path in the config';
  assert.throws(() => lockSpool('/proc/nope/data/deep'), { message: `the spool could not be locked: ${said}` });
});

test('a file in the place of the folder is told', (t) => {
  const path = newFolder(t);
  writeFileSync(path, 'text');
  const said = `${path}: file already exists (EEXIST); a file stands where a folder is needed: check spool.path in the config`;
  assert.throws(() => lockSpool(path), { message: `the spool could not be locked: ${said}` });
});

test('the report says of each sink how far it is, what waits, and since when', async (t) => {
  const { spool } = await started(t);
  const pages: number[] = [];
  for (let n = 0; n < 4; n++) pages.push(await collect(spool, body(10), NOON + n));
  const [one = 0, two = 0, three = 0] = pages;
  await spool.commit('splunk', behind(one), [{ page: one, delivered: 7, filtered: 2, dead: [letter(one, 9, 'no')] }]);
  await spool.commit('splunk', { page: two, index: 4 }, [settled(two, 4)]);
  await spool.commit('elastic', { page: two, index: 10 }, [settled(one, 10), settled(two, 10)]);
  const sink = { configured: true, collected: 40, filtered: 0, deadLetters: 0, discarded: 0, damaged: 0 };
  assert.deepEqual((await spool.report()).sinks, [
    {
      ...sink,
      ...{ sink: 'elastic', cursor: { page: two, index: 10 }, delivered: 20 },
      ...{ waiting: 20, waitingSince: new Date(NOON + 2) },
    },
    {
      ...sink,
      ...{ sink: 'splunk', cursor: { page: two, index: 4 }, delivered: 11, filtered: 2, deadLetters: 1 },
      ...{ waiting: 26, waitingSince: new Date(NOON + 1) },
    },
  ]);
  const last = behind(three + 1);
  await spool.commit('elastic', last, [settled(three, 10), settled(three + 1, 10)]);
  assert.deepEqual((await spool.report()).sinks[0], {
    ...sink,
    sink: 'elastic',
    cursor: last,
    delivered: 40,
    waiting: 0,
  });
});

test('what is missing behind a cursor is not called waiting: the books do not add up', async (t) => {
  const { spool } = await started(t);
  const page = await collect(spool, body(10));
  await spool.commit('splunk', behind(page), [settled(page, 7)]);
  const [row] = await booksOf(spool, 'splunk');
  assert.ok(row);
  assert.equal(row.waiting, 0);
  assert.equal(difference(row), 3);
});

test('a count that a crash lost is made good at the next start', async (t) => {
  const { spool, path } = await started(t);
  const reservation = await spool.reserve(1_000);
  assert.ok(reservation);
  await spool.append({ stream: STREAM, receivedAt: new Date(NOON), partial: false, body: body(12) }, reservation);
  await spool.close(false);
  const again = await started(t, { path });
  assert.equal((await again.spool.report()).sinks[0]?.waiting, 12);
});

test('a count rides on the next transaction, and survives one that fails', async (t) => {
  const { spool, path } = await started(t);
  const stored = () => withSql(path, (db) => db.prepare('SELECT collected FROM pages').get()?.['collected']);
  await collect(spool, body(12));
  assert.equal(stored(), null);
  await assert.rejects(spool.commit('nobody', { page: 1, index: 0 }, []));
  assert.equal(stored(), null);
  await spool.gap(STREAM, 'gateway');
  assert.equal(stored(), 12);
  withSql(path, (db) => db.exec('UPDATE pages SET collected = 13'));
  await spool.gap(STREAM, 'gateway');
  assert.equal(stored(), 13, 'it is written once');
});

test('an unclean stop counts one possible gap per stream; a clean one none', async (t) => {
  const { spool, path, clock } = await started(t);
  await spool.close(false);
  const second = newSpool(t, { path, now: () => new Date(clock.now + 5_000) });
  const streams = [STREAM, 'risk/siem'] as const;
  assert.equal((await second.spool.start([SPLUNK], streams)).uncleanStop, true);
  const gap = { reason: 'crash', count: 1, lastAt: new Date(NOON + 5_000) };
  assert.deepEqual((await second.spool.report()).gaps, [
    { stream: 'risk/siem', ...gap },
    { stream: STREAM, ...gap },
  ]);
  await second.spool.close(true);
  const third = newSpool(t, { path });
  assert.equal((await third.spool.start([SPLUNK], streams)).uncleanStop, false);
  assert.equal((await third.spool.report()).gaps.length, 2);
});

test('possible gaps are counted per stream and reason, over restarts', async (t) => {
  const { spool, path, clock } = await started(t);
  await spool.gap(STREAM, 'no_answer');
  clock.now += 60_000;
  await spool.gap(STREAM, 'no_answer');
  await spool.gap(STREAM, 'cut_off');
  await spool.close(true);
  const { gaps } = await (await started(t, { path })).spool.report();
  const lastAt = new Date(NOON + 60_000);
  assert.deepEqual(gaps, [
    { stream: STREAM, reason: 'cut_off', count: 1, lastAt },
    { stream: STREAM, reason: 'no_answer', count: 2, lastAt },
  ]);
});

test('a new sink begins at the end, or with what is kept; what it has not to do is not in its books', async (t) => {
  const { spool, path } = await started(t);
  const first = await collect(spool, body(3));
  await collect(spool, body(4));
  await spool.close(true);
  const again = newSpool(t, { path });
  const sinks = [SPLUNK, ELASTIC, { name: 'late', start: 'latest' }, { name: 'early', start: 'earliest' }] as const;
  assert.deepEqual((await again.spool.start(sinks, [])).newSinks, ['late', 'early']);
  assert.deepEqual(await again.spool.cursor('late'), { page: 3, index: 0 });
  assert.deepEqual(await again.spool.cursor('early'), { page: first, index: 0 });
  await collect(again.spool, body(5));
  assert.deepEqual(
    (await booksOf(again.spool, 'late')).map(({ collected, waiting }) => [collected, waiting]),
    [[5, 5]],
  );
  assert.deepEqual(
    (await booksOf(again.spool, 'early')).map(({ collected, waiting }) => [collected, waiting]),
    [[12, 12]],
  );
});

test('a sink that has gone holds no pages; when it is back it goes on with the oldest kept', async (t) => {
  const { spool, path } = await started(t);
  const [one, two, three] = [
    await collect(spool, body(3)),
    await collect(spool, body(4)),
    await collect(spool, body(5)),
  ];
  await spool.commit('elastic', { page: one, index: 2 }, [settled(one, 1, [letter(one, 1, 'bad')])]);
  await spool.commit('splunk', behind(two), [settled(one, 3), settled(two, 4)]);
  assert.equal(await spool.trim(), 0);
  await spool.close(true);

  const without = newSpool(t, { path, retentionMs: 0, now: () => new Date(NOON + 1) });
  const start = await without.spool.start([SPLUNK], [STREAM]);
  assert.deepEqual(start, { uncleanStop: false, newSinks: [], goneSinks: [{ name: 'elastic', deadLetters: 1 }] });
  assert.equal(await without.spool.trim(), 2);
  const [gone] = (await without.spool.report()).sinks;
  assert.deepEqual([gone?.configured, gone?.deadLetters], [false, 1]);
  await without.spool.close(true);

  const { spool: back } = await started(t, { path });
  assert.deepEqual(await back.cursor('elastic'), { page: three, index: 0 });
  assert.equal((await Array.fromAsync(back.deadLetters({ sink: 'elastic' }))).length, 1);
  const [row] = await booksOf(back, 'elastic');
  assert.ok(row);
  assert.deepEqual([row.collected, row.delivered, row.dead, row.waiting], [7, 1, 1, 5]);
});

test('was: the new name takes over cursor, dead letters, orders and books, once', async (t) => {
  const { spool, path } = await started(t);
  const page = await collect(spool, body(3));
  await spool.commit('splunk', { page, index: 2 }, [settled(page, 1, [letter(page, 1, 'bad')])]);
  const order = await spool.order({ kind: 'revive', sink: 'splunk', filter: {} });
  await spool.close(true);

  const sinks = [
    { name: 'splunk', start: 'latest' },
    { name: 'cloud', start: 'latest', was: 'splunk' },
    ELASTIC,
  ] as const;
  const { spool: renamed } = newSpool(t, { path });
  const start = await renamed.start(sinks, []);
  assert.deepEqual(start, { uncleanStop: false, newSinks: ['splunk'], goneSinks: [] });
  assert.deepEqual(await renamed.cursor('cloud'), { page, index: 2 });
  assert.deepEqual(
    (await renamed.orders('cloud')).map(({ id }) => id),
    [order],
  );
  assert.equal((await Array.fromAsync(renamed.deadLetters({ sink: 'cloud' }))).length, 1);
  const [row] = await booksOf(renamed, 'cloud');
  assert.deepEqual([row?.delivered, row?.dead, row?.waiting], [1, 1, 1]);
  await renamed.commit('cloud', behind(page), [settled(page, 1)]);
  await renamed.close(true);

  const { spool: again } = newSpool(t, { path });
  await again.start(sinks, []);
  assert.deepEqual(await again.cursor('cloud'), behind(page));
  assert.deepEqual(await again.cursor('splunk'), { page: 2, index: 0 });
});

test('damage of one page is told, with what it held; the other pages are read', async (t) => {
  const { spool, path } = await started(t);
  const numbers: number[] = [];
  for (let n = 0; n < 4; n++) numbers.push(await collect(spool, body(100, String(n))));
  await spool.gap(STREAM, 'gateway');
  withSql(path, (db) => {
    const blob = db.prepare('SELECT zstd FROM bodies WHERE page = 2').get()?.['zstd'] as Uint8Array;
    blob[blob.length - 3] = (blob[blob.length - 3] ?? 0) ^ 1;
    db.prepare('UPDATE bodies SET zstd = ? WHERE page = 2').run(blob);
    db.exec('UPDATE bodies SET sha256 = zeroblob(32) WHERE page = 3; DELETE FROM bodies WHERE page = 4');
  });
  const pages: Page[] = await readAll(spool);
  assert.deepEqual(
    pages.map(({ number }) => number),
    numbers,
  );
  assert.equal(pages[0]?.damaged, undefined);
  for (const page of pages.slice(1)) {
    assert.match(page.damaged ?? '', new RegExp(`^page ${page.number} of the spool is damaged: .`));
    assert.deepEqual([page.body.length, page.collected], [0, 100]);
  }
  assert.match(pages[2]?.damaged ?? '', /do not match their checksum/);
});

test('a page that is damaged before its count is stored still has that count', async (t) => {
  const { spool, path } = await started(t);
  const number = await collect(spool, body(3));
  withSql(path, (db) => db.exec('UPDATE bodies SET sha256 = zeroblob(32)'));
  const page = await spool.read({ page: number, index: 0 }, AbortSignal.timeout(1_000));
  assert.deepEqual([page.damaged !== undefined, page.collected], [true, 3]);
  withSql(path, (db) => assert.equal(db.prepare('SELECT collected FROM set_aside').get()?.['collected'], 3));
});

test('numbers go on after everything was trimmed and the spool was opened again', async (t) => {
  const { spool, path, clock } = await started(t, { retentionMs: 0 });
  for (let n = 0; n < 100; n++) await collect(spool, body(1));
  for (const sink of ['splunk', 'elastic']) await spool.commit(sink, behind(100), []);
  clock.now += 1;
  assert.equal(await spool.trim(), 100);
  await spool.close(true);
  const { spool: again } = await started(t, { path });
  assert.deepEqual(await again.cursor('splunk'), behind(100));
  assert.equal(await collect(again, body(1)), 101);
  assert.equal((await again.read(await again.cursor('splunk'), never)).number, 101);
});

test('a reader needs a spool that is there, and makes none', (t) => {
  const path = newFolder(t);
  assert.throws(() => openSpoolReader(path), /no spool in .*check spool\.path/);
  assert.equal(existsSync(path), false);
});

test('a reader sees and orders while the owner works, and when nobody does', async (t) => {
  const { spool, path } = await started(t, { maxSize: 12_345_678 });
  const page = await collect(spool, body(3));
  await spool.commit('splunk', behind(page), [settled(page, 2, [letter(page, 2, 'bad')])]);
  const reader = openSpoolReader(path);
  t.after(() => reader.close());
  const report = await reader.report();
  assert.deepEqual(report, await spool.report());
  assert.deepEqual([report.limit, report.pages, report.oldestPageAt], [12_345_678, 1, new Date(NOON)]);
  const order = await reader.order({ kind: 'discard', sink: 'splunk', filter: { reason: 'BAD' } });
  assert.deepEqual(
    (await spool.orders('splunk')).map(({ id }) => id),
    [order],
  );
  assert.equal(await spool.discard(order), 1);
  assert.ok((await reader.orders())[0]?.finishedAt);
  await spool.close(true);
  assert.equal((await booksOf(reader, 'splunk'))[0]?.discarded, 1);
  assert.deepEqual(await Array.fromAsync(reader.deadLetters({})), []);
});
