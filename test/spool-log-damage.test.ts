import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { recoverSpool } from '../src/spool.ts';
import { body, collect, readAll, withSql } from './fixtures/spool.ts';
import { BLOCK, damagedOf, filesLike, filled, reopened, salvageOf } from './fixtures/spool-damage.ts';

const FRAME = BLOCK + 24;

/** What a kill has left: 60 pages in the file, ten more in its log. */
async function killed(t: TestContext) {
  const { path, bodies } = await filled(t);
  const { spool } = await reopened(t, path);
  for (let n = 0; n < 10; n++) {
    const bytes = body(7 + n);
    bodies.set(await collect(spool, bytes), bytes);
  }
  const [file, log] = ['spool.db', 'spool.db-wal'].map((name) => readFileSync(join(path, name)));
  const copy = join(dirname(path), 'copy');
  mkdirSync(copy);
  const put = (changed: Buffer) => {
    for (const name of filesLike(copy, /^spool/)) rmSync(join(copy, name));
    writeFileSync(join(copy, 'spool.db'), file ?? '');
    writeFileSync(join(copy, 'spool.db-wal'), changed);
  };
  return { copy, bodies, log: log ?? Buffer.of(), put };
}

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 0x55;
  return changed;
}

test('one wrong byte in the log costs nothing of what was committed behind it', async (t) => {
  const { copy, bodies, log, put } = await killed(t);
  const frames = Math.floor(log.length / FRAME);
  for (let frame = 0; frame < frames - 12; frame += 3) {
    put(flipped(log, 32 + frame * FRAME + ((frame * 977) % FRAME)));
    const { spool, alarms } = await reopened(t, copy);
    const pages = await readAll(spool);
    assert.equal(pages.length, 70, `frame ${frame} of ${frames}`);
    assert.ok(damagedOf(pages, bodies).length <= 1);
    assert.match(alarms[0]?.what === 'spool_damaged' ? alarms[0].reason : '', /its log, is damaged before its end/);
    assert.ok(salvageOf(alarms));
    await spool.close(true);
  }
  put(flipped(log, 32 + 5 * FRAME + 100));
  assert.equal(recoverSpool({ path: copy, sinks: ['splunk', 'elastic'] }).salvage?.pages, 70, 'by hand too');
});

test('what a torn write leaves, or a run before, is no damage', async (t) => {
  const { copy, log, put } = await killed(t);
  const last = log.length - FRAME;
  const stale = Buffer.from(log.subarray(32));
  for (let at = 0; at < stale.length; at += FRAME) stale[at + 8] = (stale[at + 8] ?? 0) ^ 1;
  const logs = {
    'cut off anywhere': log.subarray(0, last - 1_000),
    'the last frame is torn': flipped(log, last + 2_000),
    'behind the end lies what a run before has left': Buffer.concat([log, stale]),
    'an end of noise': Buffer.concat([log, Buffer.alloc(3 * FRAME, 7)]),
  };
  for (const [name, changed] of Object.entries(logs)) {
    put(changed);
    const { spool, alarms } = await reopened(t, copy);
    assert.deepEqual(alarms, [], name);
    assert.ok((await spool.report()).pages >= 68, name);
    await spool.close(true);
    assert.equal(
      withSql(copy, (db) => db.prepare('PRAGMA integrity_check').get()?.['integrity_check']),
      'ok',
      name,
    );
  }
});
