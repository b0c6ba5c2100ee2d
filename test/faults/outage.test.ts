import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import {
  allSettled,
  assertArrived,
  assertBooks,
  assertContent,
  assertNoSecret,
  gapsBy,
  STREAM,
  type Surroundings,
  surroundings,
} from '../fixtures/surroundings.ts';

const DOWN_MS = 10_000;

describe('an outage', () => {
  it('of one sink delays no other; the sink then gets everything, and the log says it once', async (t) => {
    const all = await surroundings(t);
    const { mosaic, hec, daemon } = all;
    const flow = all.flow(300);
    daemon.start();
    await daemon.ready();
    const watch = watchDelays(all);
    await sleep(5_000);
    hec.dials.down = true;
    watch.mark('down');
    await sleep(DOWN_MS);
    const during = await daemon.status();
    const arrivedBefore = hec.ledger.size;
    hec.dials.down = false;
    watch.mark('after');
    await daemon.until('splunk gets events again', () => hec.ledger.size > arrivedBefore);
    flow.stop();
    await allSettled(all);
    const [before, down] = [watch.stop('before'), watch.stop('down')];
    t.diagnostic(
      `answer to the other sinks: median ${median(before)} ms before, ${median(down)} ms while splunk was down; ` +
        `worst ${Math.max(...down)} ms`,
    );
    assert.ok(before.length >= 3 && down.length >= 6, `${before.length} and ${down.length} answers were watched`);
    assert.ok(median(down) <= 2 * median(before) + 200, 'the others are not slower');
    assert.deepEqual(
      during.sinks.map(({ sink, state }) => [sink, state]),
      [
        ['splunk', 'down'],
        ['elastic', 'up'],
        ['soc', 'up'],
      ],
    );
    const { completed } = mosaic.ledger.keys();
    assert.equal(mosaic.ledger.books(STREAM).enqueued, completed.length);
    assertArrived(all, completed);
    assertContent(all, completed, 10);
    await assertBooks(daemon, completed.length);
    assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
    assert.equal(count(daemon.log, /sink splunk is down/g), 1, daemon.log);
    assert.equal(count(daemon.log, /sink splunk is up again after/g), 1, daemon.log);
    assert.equal(count(daemon.log, /sink (elastic|soc) is down/g), 0, daemon.log);
    assertNoSecret(daemon.log);
  });

  it('of all sinks fills the spool: collecting stops, says so, and goes on alone; nothing is lost', async (t) => {
    const all = await surroundings(t, {
      mosaic: 'max_answer_size: 512KiB',
      spool: 'max_size: 1536KiB',
      batchSize: 200,
    });
    const { mosaic, hec, elasticsearch, syslog, daemon } = all;
    const sinksDown = async (down: boolean) => {
      hec.dials.down = down;
      elasticsearch.dials.down = down;
      await syslog.setDown(down);
    };
    await sinksDown(true);
    all.enqueue(activitySource({ seed: 11, rate: 500 }).take(12_000).map(withNoise));
    daemon.start();
    await daemon.until('the spool is full', () => daemon.log.includes('collecting has stopped: the spool is full'), {
      state: async () => (await daemon.status()).spool,
    });
    const ready = await daemon.get('/readyz');
    assert.equal(ready.status, 503);
    assert.match(ready.text, /collecting is off: the spool is full/);
    assert.equal((await daemon.get('/healthz')).status, 200);
    const full = await daemon.status();
    assert.equal(full.collecting.on, false);
    assert.ok((full.spool?.bytes ?? 0) <= 1536 * 1024, `${full.spool?.bytes} bytes in a spool of 1536 KiB`);
    const calls = mosaic.calls['POST collect'];
    await sleep(2_500);
    assert.equal(mosaic.calls['POST collect'], calls, 'nothing is collected while there is no room');
    const { waiting } = mosaic.ledger.books(STREAM);
    assert.ok(waiting > 0 && waiting < 12_000, `${waiting} wait at Mosaic`);

    await sinksDown(false);
    await allSettled(all, 45_000);
    assert.match(daemon.log, /collecting goes on after .*: the spool has room again/);
    assert.equal((await daemon.get('/readyz')).status, 200);
    const { completed, spoilt } = mosaic.ledger.keys();
    assert.deepEqual([completed.length, spoilt.length], [12_000, 0]);
    assertArrived(all, completed);
    await assertBooks(daemon, 12_000);
    assert.deepEqual(gapsBy((await daemon.status()).gaps), {});
    assertNoSecret(daemon.log);
  });
});

/** With 400 characters that no compression makes shorter. */
function withNoise({ key, json }: SimulatedActivity): SimulatedActivity {
  return { key, json: json.replace('{', `{"noise":"${randomBytes(300).toString('base64')}",`) };
}

/** From when Mosaic gave an answer until its last event is at Elasticsearch and at the syslog receiver, in ms. */
function watchDelays({ mosaic, elasticsearch, syslog, expected }: Surroundings) {
  const delays: Record<string, number[]> = { before: [] };
  let phase = 'before';
  let seen = 0;
  const open = new Map<string, { at: number; phase: string }>();
  const timer = setInterval(() => {
    for (const batch of mosaic.ledger.batches.slice(seen)) {
      open.set(expected(batch.keys.at(-1) ?? '').id, { at: batch.at.getTime(), phase });
      seen += 1;
    }
    for (const [id, { at, phase: began }] of open) {
      if (!elasticsearch.stored.has(id) || !syslog.ledger.has(id)) continue;
      delays[began]?.push(Date.now() - at);
      open.delete(id);
    }
  }, 20);
  return {
    mark(name: string): void {
      phase = name;
      delays[name] = [];
    },
    stop(name: string): readonly number[] {
      clearInterval(timer);
      return delays[name] ?? [];
    },
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
