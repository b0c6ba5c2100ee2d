import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  allSettled,
  assertArrived,
  assertBooks,
  assertNoSecret,
  gapsBy,
  STREAM,
  type Surroundings,
  surroundings,
} from '../fixtures/surroundings.ts';

describe('SIGTERM', () => {
  it('in full flow ends with status 0, and the next start counts no possible gap and loses nothing', async (t) => {
    const all = await surroundings(t, { batchSize: 200 });
    const { mosaic, daemon } = all;
    mosaic.dials.delayMs = 20;
    const flow = all.flow(500);
    const seconds: number[] = [];
    for (let stop = 1; stop <= 4; stop += 1) {
      const target = mosaic.ledger.batches.length + 3;
      daemon.start();
      await daemon.until('activities flow', () => mosaic.ledger.batches.length >= target, { everyMs: 2 });
      await sleep(Math.random() * 100);
      seconds.push(await stopped(all));
    }
    assert.ok(mosaic.ledger.books(STREAM).waiting > 0, 'activities flowed when it was stopped');
    flow.stop();
    daemon.start();
    await allSettled(all);
    t.diagnostic(`ended within ${seconds.map((one) => one.toFixed(1)).join(', ')} s`);
    assert.ok(Math.max(...seconds) < 20, 'within shutdown_timeout');
    await assertNothingLost(all);
    assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
    assert.doesNotMatch(daemon.log, /did not stop cleanly|possible gap/);
  });

  it('waits for a sink that does not answer no longer than shutdown_timeout', async (t) => {
    const all = await surroundings(t, { more: 'shutdown_timeout: 2s' });
    const { hec, daemon } = all;
    hec.dials.delayMs = 60_000;
    const flow = all.flow(500);
    daemon.start();
    await daemon.ready();
    await daemon.until('the other sinks get events', () => all.ids('soc').size > 500);
    const seconds = await stopped(all);
    t.diagnostic(`ended within ${seconds.toFixed(1)} s`);
    assert.ok(seconds > 1.5 && seconds < 5, `${seconds} s`);
    assert.match(daemon.log, / stopped; .*\bsplunk: [\d,]+\b.* waiting, sent again at the next start\n$/);
    hec.dials.delayMs = 0;
    flow.stop();
    daemon.start();
    await allSettled(all);
    await assertNothingLost(all);
    assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
  });

  it('a second time ends at once; the next start counts a possible gap and delivers what is stored', async (t) => {
    const all = await surroundings(t);
    const { hec, mosaic, daemon } = all;
    hec.dials.delayMs = 60_000;
    const flow = all.flow(500);
    daemon.start();
    await daemon.ready();
    await daemon.until('the other sinks get events', () => all.ids('soc').size > 500);
    daemon.signal('SIGTERM');
    await sleep(1_000);
    const began = performance.now();
    daemon.signal('SIGTERM');
    const { code } = await daemon.ended();
    const seconds = (performance.now() - began) / 1000;
    t.diagnostic(`ended ${seconds.toFixed(2)} s after the second one`);
    assert.equal(code, 0);
    assert.ok(seconds < 2, `${seconds} s`);
    assert.match(daemon.log, /stopped at once: the next start counts a possible gap/);
    hec.dials.delayMs = 0;
    flow.stop();
    daemon.start();
    await allSettled(all);
    assert.equal(mosaic.maximumParallelCollects, 1);
    await assertNothingLost(all);
    assert.deepEqual(gapsBy((await daemon.status()).gaps), { crash: 1 });
    assert.match(daemon.log, /the last run did not stop cleanly: a possible gap is counted for each stream/);
  });
});

describe('a second process on the same spool', () => {
  it('ends with status 1 and says who has it; the first goes on', async (t) => {
    const all = await surroundings(t);
    const { mosaic, daemon } = all;
    const flow = all.flow(200);
    daemon.start();
    await daemon.ready();
    const { pid } = await daemon.status();
    const calls = mosaic.calls['POST token'];
    const second = await daemon.run('run');
    assert.equal(second.status, 1);
    assert.equal(second.stdout, '');
    const sentence = new RegExp(`^mosaic-siem: the spool in .* is in use by process ${pid} on .*: stop it first.*\n$`);
    assert.match(second.stderr, sentence);
    assert.equal(mosaic.calls['POST token'], calls, 'the second asked Mosaic for nothing');
    flow.stop();
    await allSettled(all);
    await assertNothingLost(all);
  });
});

/** Ends the process with one SIGTERM and sees that it ends well. How long that took, in s. */
async function stopped({ daemon }: Surroundings): Promise<number> {
  const began = performance.now();
  daemon.signal('SIGTERM');
  const { code, signal, stderr } = await daemon.ended();
  assert.deepEqual([code, signal], [0, null], stderr);
  assert.match(
    stderr,
    /stopping: what is in flight is finished[\s\S]* stopped(; .* waiting, sent again at the next start)?\n$/,
  );
  return (performance.now() - began) / 1000;
}

async function assertNothingLost(all: Surroundings): Promise<void> {
  const { completed, spoilt } = all.mosaic.ledger.keys();
  assert.deepEqual(spoilt, []);
  assert.equal(all.mosaic.ledger.books(STREAM).enqueued, completed.length);
  assertArrived(all, completed);
  await assertBooks(all.daemon, completed.length);
  assertNoSecret(all.daemon.log);
}
