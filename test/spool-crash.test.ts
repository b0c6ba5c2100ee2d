import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lockSpool } from '../src/spool.ts';
import { activitiesIn, booksOf, difference, newFolder, newSpool, readAll, STREAM } from './fixtures/spool.ts';

const CHILD = fileURLToPath(new URL('./fixtures/spool-child.ts', import.meta.url));
const SINK = { name: 'splunk', start: 'earliest' } as const;

async function startChild(t: TestContext, path: string, notes: string): Promise<ChildProcess> {
  const before = notesIn(notes).length;
  const child = spawn(process.execPath, [CHILD, path, notes], { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  while (
    !notesIn(notes)
      .slice(before)
      .some(([what]) => what === 'started')
  ) {
    assert.equal(child.exitCode, null, errors);
    await sleep(5);
  }
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  assert.deepEqual(await closed, [null, 'SIGKILL'], 'the child lived until it was killed');
}

/** Lines that were written to their end. */
function notesIn(file: string): [string, number, number][] {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  return lines
    .map((line) => line.split(' '))
    .map(([what = '', first, second]) => [what, Number(first), Number(second)]);
}

test('kill -9 at random moments, 20 times: what was promised is there, and the books add up', async (t) => {
  const path = newFolder(t);
  const notes = `${path}.notes`;
  for (let round = 1; round <= 20; round++) {
    const child = await startChild(t, path, notes);
    // Every other life gets as far as a few commits, however slow the machine is.
    const commits = () => notesIn(notes).filter(([what]) => what === 'committed').length;
    const before = commits();
    while (round % 2 === 0 && commits() < before + 3) await sleep(5);
    await sleep(Math.random() * 60);
    await kill(child);

    const { spool } = newSpool(t, { path });
    assert.equal((await spool.start([SINK], [STREAM])).uncleanStop, true);
    const cursor = await spool.cursor('splunk');
    const said = (...what: string[]) => notesIn(notes).filter(([word]) => what.includes(word));
    const [committed, committing] = [said('committed', 'started').at(-1), said('committing').at(-1)];
    const from = (note = ['', 1, 0]) => note.slice(1).join(' ');
    assert.ok([from(committed), from(committing)].includes(`${cursor.page} ${cursor.index}`), 'cursor');

    const pages = new Map((await readAll(spool)).map((page) => [page.number, page]));
    for (const [, number, activities] of said('stored')) {
      const page = pages.get(number);
      if (page || number >= cursor.page) assert.equal(page && activitiesIn(page.body), activities, `page ${number}`);
    }
    const rows = await booksOf(spool);
    for (const row of rows) assert.equal(difference(row), 0, JSON.stringify(row));
    const collected = rows.reduce((sum, row) => sum + row.collected, 0);
    const promised = said('stored').reduce((sum, [, , activities]) => sum + activities, 0);
    assert.ok(
      collected >= promised && collected <= promised + 50 * round,
      `${collected} in the books, ${promised} stored`,
    );
    const dead = rows.reduce((sum, row) => sum + row.dead, 0);
    assert.equal((await Array.fromAsync(spool.deadLetters({}))).length, dead);
    // Killed once more, as far as the next child can tell.
    await spool.close(false);
  }
  const { spool } = newSpool(t, { path });
  assert.equal((await spool.report()).gaps[0]?.count, 39);
  assert.ok(notesIn(notes).filter(([what]) => what === 'committed').length > 20);
});

test('a second owner is refused and told who the first is; kill -9 of the first frees the spool', async (t) => {
  const path = newFolder(t);
  const child = await startChild(t, path, `${path}.notes`);
  const inUse = new RegExp(`the spool in .* is in use by process ${child.pid} on .+, since 20.*: stop it first`);
  assert.throws(() => lockSpool(path), inUse);
  assert.throws(() => lockSpool(path), inUse);
  await kill(child);
  const lock = lockSpool(path);
  assert.throws(() => lockSpool(path), new RegExp(`in use by process ${process.pid} on`));
  lock.release();
  lock.release();
  lockSpool(path).release();
});

test('the lock is taken before there is a spool, and where it cannot be made that is said', (t) => {
  const path = newFolder(t);
  const lock = lockSpool(path);
  assert.equal(existsSync(join(path, 'spool.db')), false);
  lock.release();
  assert.throws(
    () => lockSpool(join(path, 'lock.db', 'data')),
    /the spool could not be locked: .*a file stands where a folder is needed/,
  );
});
