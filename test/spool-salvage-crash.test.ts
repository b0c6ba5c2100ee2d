import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { smallDisk } from './fixtures/small-disk.ts';
import { behind, collect, newSpool, readAll, settled, started } from './fixtures/spool.ts';
import { damagedOf, filesLike, reopened, rootOf, smash } from './fixtures/spool-damage.ts';

const CHILD = fileURLToPath(new URL('./fixtures/salvage-child.ts', import.meta.url));
const KILLS = 8;

/** Some MB, so that a salvage takes a moment. */
async function large(t: Parameters<typeof started>[0], path: string, pages: number) {
  const { spool } = await started(t, { path });
  const bodies = new Map<number, Buffer>();
  for (let n = 0; n < pages; n++) {
    const bytes = randomBytes(60_000);
    bodies.set(await collect(spool, bytes), bytes);
  }
  await spool.commit('splunk', behind(5), [settled(5, 1)]);
  await spool.close(true);
  return bodies;
}

test('kill -9 during a salvage, at random moments: the next start makes it good, and the damaged file is kept', async (t) => {
  const { path } = newSpool(t);
  const whole = join(dirname(path), 'whole');
  const bodies = await large(t, whole, 150);
  smash(whole, 1, rootOf(whole, 'bodies'));
  const damaged = readFileSync(join(whole, 'spool.db'));
  let early = 0;
  const copy = join(dirname(path), 'copy');
  for (let round = 0; round < KILLS; round++) {
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(copy);
    writeFileSync(join(copy, 'spool.db'), damaged);
    early += Number(await killed(copy, round));
    const { spool } = await reopened(t, copy);
    assert.deepEqual(damagedOf(await readAll(spool), bodies), [], `round ${round}`);
    assert.deepEqual(await spool.cursor('splunk'), behind(5));
    await spool.close(true);
    const kept = filesLike(copy, /^spool-damaged-.*\.db$/);
    assert.deepEqual(
      kept.map((name) => readFileSync(join(copy, name)).equals(damaged)),
      [true],
      `round ${round}: ${kept}`,
    );
    assert.deepEqual(filesLike(copy, /building|salvaged/), []);
  }
  assert.ok(early > 0, 'no kill came before the salvage was complete');
});

/** Whether the process was killed before it had salvaged the spool. */
async function killed(path: string, round: number): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  while (!said.includes('opening')) await sleep(1);
  await sleep(round * 10);
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
  return !said.includes('salvaged');
}

test('a disk without room for a second spool: the salvage says so and changes nothing', async (t) => {
  const disk = smallDisk(t);
  if (!disk) return;
  const path = join(disk, 'data');
  const bodies = await large(t, path, 50);
  writeFileSync(join(disk, 'filler'), randomBytes(3 * 1024 * 1024));
  smash(path, 1);
  const damaged = readFileSync(join(path, 'spool.db'));
  const said = /could not be salvaged: .*spool-building\.db: .*full.*make room on its disk/;
  assert.throws(() => newSpool(t, { path }), said);
  assert.deepEqual(readdirSync(path), ['spool.db']);
  assert.ok(readFileSync(join(path, 'spool.db')).equals(damaged));
  const elsewhere = join(dirname(newSpool(t).path), 'roomy');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'spool.db'), damaged);
  const { spool } = await reopened(t, elsewhere);
  assert.deepEqual(damagedOf(await readAll(spool), bodies), []);
});
