import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { salvage } from '../src/spool/salvage.ts';
import { openSpoolReader } from '../src/spool.ts';
import { behind, body, collect, readAll, settled, started, withSql } from './fixtures/spool.ts';
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

/** A spool at work, which meets damage when it is trimmed: in the oldest bodies, or in all rows and in these tables. */
async function damagedAtWork(t: TestContext, ...tables: readonly string[]) {
  const { spool, path, clock } = await started(t, { retentionMs: 0, sinks: ['splunk', 'elastic'] });
  const bodies = await fill(spool, 300);
  for (const sink of ['splunk', 'elastic']) await spool.commit(sink, behind(200), []);
  withSql(path, (db) => db.exec('PRAGMA wal_checkpoint(TRUNCATE)'));
  const raw = readFileSync(join(path, 'spool.db'));
  const leaves = Array.from({ length: blocksIn(path) }, (_, n) => n + 1).filter(
    (block) => block > 19 && raw[(block - 1) * BLOCK] === 13,
  );
  if (tables.length === 0) smash(path, ...leaves.slice(2, 12));
  else smash(path, ...leaves, ...tables.map((table) => rootOf(path, table)));
  clock.now += 1_000;
  return { spool, path, bodies };
}

test('pages, books and cursors are lost while the owner works: what its sinks have in flight is still settled', async (t) => {
  const { spool, path } = await damagedAtWork(t, 'pages', 'bodies', 'sinks', 'settled', 'folded');
  await assert.rejects(() => spool.trim());
  assert.equal((await spool.report()).pages, 0, 'nothing is left of them');
  for (const sink of ['splunk', 'elastic']) assert.deepEqual(await spool.cursor(sink), behind(200));
  await spool.commit('splunk', { page: 204, index: 2 }, [settled(204, 2)]);
  assert.deepEqual(await spool.cursor('splunk'), { page: 204, index: 2 });
  assert.equal(await collect(spool, body(1)), 301);
  assert.equal((await spool.read(await spool.cursor('splunk'), AbortSignal.timeout(5_000))).number, 301);
  const lost = withSql(path, (db) => db.prepare('SELECT min(page) AS a, max(page) AS b FROM set_aside').get());
  assert.deepEqual({ ...lost }, { a: 201, b: 300 }, 'what nobody will deliver any more is told');
});

test('bodies of the first format that have lost their pages are delivered, whatever is left to tell their stream', async (t) => {
  const { path, bodies } = await filled(t);
  withSql(path, (db) => db.exec('UPDATE bodies SET stream = NULL, received_at = NULL, partial = NULL'));
  const whole = readFileSync(join(path, 'spool.db'));
  for (const [stream, ...lost] of [
    ['verify/siem', 'pages'],
    ['verify/unknown', 'pages', 'dead_letters'],
  ] as const) {
    for (const name of filesLike(path, /^spool/)) rmSync(join(path, name));
    writeFileSync(join(path, 'spool.db'), whole);
    if (lost.length > 1) withSql(path, (db) => db.exec('DELETE FROM dead_letters'));
    smash(path, rootOf(path, 'pages'));
    const { spool, alarms } = await reopened(t, path);
    assert.equal(salvageOf(alarms)?.pages, 60);
    const pages = await readAll(spool);
    assert.deepEqual(
      pages.map((page) => [page.stream, Buffer.from(page.body).equals(bodies.get(page.number) ?? Buffer.of())]),
      pages.map(() => [stream, true]),
    );
    assert.deepEqual(await spool.cursor('elastic'), behind(10));
    await spool.close(true);
  }
});

test('whichever byte is wrong where the tables are listed, the rest is salvaged', async (t) => {
  const { path } = await filled(t);
  const whole = readFileSync(join(path, 'spool.db'));
  const fileHeaderBytes = 100;
  for (let at = fileHeaderBytes; at < fileHeaderBytes + 16; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0x41;
    writeFileSync(join(path, 'spool.db'), changed);
    const { file, pages, damagedPages } = salvage(path, { sinks: ['splunk', 'elastic'], now: () => new Date() });
    assert.deepEqual([pages, damagedPages], [60, []], `byte ${at}`);
    rmSync(file);
  }
});

test('whichever byte of the first 100 is wrong, the start goes on with every page', async (t) => {
  const { path, bodies } = await filled(t);
  const whole = readFileSync(join(path, 'spool.db'));
  for (let at = 0; at < 100; at++) {
    for (const name of filesLike(path, /^spool/)) rmSync(join(path, name));
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    writeFileSync(join(path, 'spool.db'), changed);
    const { spool } = await reopened(t, path);
    const pages = await readAll(spool);
    assert.deepEqual([pages.length, pages.filter(({ damaged }) => damaged).length], [bodies.size, 0], `byte ${at}`);
    await spool.close(true);
  }
});

test('a salvaged file that cannot take its place yet: no empty spool begins meanwhile, and all is there later', async (t) => {
  const { spool, path, bodies } = await damagedAtWork(t);
  putInTheWay(path);
  await assert.rejects(() => spool.trim());
  assert.equal(filesLike(path, /^spool-(damaged|salvaged)-.*\.db$/).length, 2, 'it got as far as that');
  assert.equal(existsSync(join(path, 'spool.db')), false, 'a new spool has begun');
  await assert.rejects(() => collect(spool, body(1)), /not open|finalized/);

  rmSync(join(path, 'spool.db-shm'), { recursive: true });
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 60_000);
  await assert.rejects(() => spool.orders('splunk'), /not open|finalized/);
  assert.equal(await collect(spool, body(1)), 301);
  const pages = (await readAll(spool)).slice(200);
  assert.deepEqual(damagedOf(pages.slice(0, -1), bodies), []);
  assert.equal(pages.at(-1)?.number, 301);
  assert.deepEqual(await spool.cursor('splunk'), behind(200));
  assert.equal(filesLike(path, /^spool-damaged-.*\.db$/).length, 1, 'what is sound is not salvaged again');
  assert.deepEqual(filesLike(path, /salvaged|building/), []);
});

/** Of the last step: a folder that cannot be removed as a file. */
function putInTheWay(path: string): void {
  rmSync(join(path, 'spool.db-shm'));
  mkdirSync(join(path, 'spool.db-shm', 'in the way'), { recursive: true });
}

test('a spool that is closed without a file in its place is opened by nobody: its lock is free for another', async (t) => {
  const { spool, path } = await damagedAtWork(t);
  putInTheWay(path);
  await assert.rejects(() => spool.trim());
  await spool.close(true);
  rmSync(join(path, 'spool.db-shm'), { recursive: true });
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 60_000);
  await assert.rejects(() => spool.orders('splunk'), /not open|finalized/);
  assert.equal(existsSync(join(path, 'spool.db')), false);
});

test('two files that are damaged within one second are both kept', async (t) => {
  const { path } = await filled(t);
  const now = () => new Date('2026-01-02T03:04:05Z');
  const damaged = [0, 1].map(() => {
    smash(path, 1);
    return { bytes: readFileSync(join(path, 'spool.db')), file: salvage(path, { now }).file };
  });
  assert.equal(new Set(damaged.map(({ file }) => file)).size, 2);
  for (const { bytes, file } of damaged) assert.ok(readFileSync(file).equals(bytes), file);
});

test('a file that is empty, or gone, beside its log: the log is salvaged, and thrown away by nobody', async (t) => {
  for (const happen of [(file: string) => truncateSync(file, 0), (file: string) => rmSync(file)]) {
    const { spool, path } = await started(t);
    const page = await collect(spool, body(7));
    await spool.commit('splunk', behind(page), []);
    const copy = join(dirname(path), 'copy');
    mkdirSync(copy);
    for (const part of ['', '-wal']) copyFileSync(join(path, `spool.db${part}`), join(copy, `spool.db${part}`));
    const log = readFileSync(join(copy, 'spool.db-wal'));
    happen(join(copy, 'spool.db'));
    assert.throws(() => openSpoolReader(copy), /the file is empty, though its log is not|there is no spool/);
    assert.ok(readFileSync(join(copy, 'spool.db-wal')).equals(log), 'who only looks must not touch it');

    const { spool: again, alarms } = await reopened(t, copy);
    assert.equal(salvageOf(alarms)?.pages, 1);
    assert.deepEqual(Buffer.from((await again.read({ page, index: 0 }, AbortSignal.timeout(5_000))).body), body(7));
    assert.deepEqual(await again.cursor('splunk'), behind(page));
    await again.close(true);
  }
});

test('a start that died before its file had content is no damage', async (t) => {
  const { path } = await filled(t);
  const early = join(dirname(path), 'early');
  mkdirSync(early);
  writeFileSync(join(early, 'spool.db'), '');
  const { spool, alarms } = await reopened(t, early);
  assert.deepEqual(alarms, []);
  assert.equal(await collect(spool, body(1)), 1);
});
