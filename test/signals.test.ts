import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openSpoolReader } from '../src/spool.ts';
import { type Daemon, newDaemon } from './fixtures/process.ts';

/** A sink that takes a while to load, and says when it begins. */
const SLOW = `
import { setTimeout as sleep } from 'node:timers/promises';
console.log('the sink loads');
await sleep(700);
console.log('the sink is loaded');
const { z } = await import(${JSON.stringify(new URL('../src/sink.ts', import.meta.url).href)});
export default {
  type: 'slow',
  summary: 'loads slowly',
  options: z.strictObject({}),
  promises: { acknowledged: false, idempotent: false, perEvent: false },
  defaults: { concurrency: 1, maxEvents: 100, maxBytes: 1_000_000 },
  open: async () => ({ deliver: async () => [], close: async () => undefined }),
};
`;

function daemonWithSlowSink(context: TestContext): Promise<Daemon> {
  return newDaemon(context, ({ folder, spool, port }) => {
    writeFileSync(join(folder, 'slow.mjs'), SLOW);
    return `mosaic: { base_url: "http://127.0.0.1:9/activities/v1", client_id: a, client_secret: b, streams: [{ type: verify, id: siem }] }
spool: { path: ${spool} }
sinks: { slow: { type: ./slow.mjs } }
status: { listen: "127.0.0.1:${port}" }
`;
  });
}

/** Sends the signal as soon as the daemon has said `when`, then sees that a stop still ends it in order. */
async function signalAt(context: TestContext, signal: NodeJS.Signals, when: RegExp): Promise<Daemon> {
  const daemon = await daemonWithSlowSink(context);
  daemon.start();
  await daemon.until(`it says ${when}`, () => when.test(daemon.log), { everyMs: 1 });
  daemon.signal(signal);
  if (signal === 'SIGHUP' || signal === 'SIGUSR2') {
    await daemon.until('it runs', async () => (await daemon.get('/healthz').catch(() => undefined))?.status === 200);
    daemon.signal('SIGTERM');
  }
  const exit = await daemon.ended();
  assert.deepEqual([exit.code, exit.signal], [0, null], exit.stderr);
  return daemon;
}

async function gapsOf({ spool }: Daemon): Promise<number> {
  const reader = openSpoolReader(spool);
  const { gaps } = await reader.report();
  await reader.close();
  return gaps.length;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const;

describe('while the daemon starts', () => {
  for (const signal of SIGNALS)
    it(`${signal} is taken`, async (context) => {
      const daemon = await signalAt(context, signal, /the sink loads/);
      assert.match(daemon.log, /the sink is loaded/);
      const ended =
        signal === 'SIGTERM' || signal === 'SIGINT' ? /stopped before it had started\n$/ : /info {2}stopped\n$/;
      assert.match(daemon.log, ended);
    });
});

describe('on the line of the status page', () => {
  for (const signal of SIGNALS)
    it(`${signal} is taken, and counts no possible gap`, async (context) => {
      const daemon = await signalAt(context, signal, /status page at/);
      assert.match(daemon.log, /stopped\n$/);
      daemon.start();
      await daemon.until('it runs again', () => (daemon.log.match(/status page at/g) ?? []).length === 2);
      daemon.signal('SIGTERM');
      assert.equal((await daemon.ended()).code, 0);
      assert.equal(await gapsOf(daemon), 0);
    });
});
