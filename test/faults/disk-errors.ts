/** A disk that fails now and then: writes, syncs and reads end with an error for a while, and then work again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import type { Daemon } from '../fixtures/process.ts';
import { surroundings } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS } from './campaign.ts';
import { lacksStrace, spoilt } from './strace.ts';
import { endsOf, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

/** As strace takes them. */
const FAULTS = [
  'fdatasync,fsync:error=EIO',
  'pwrite64:error=EIO',
  'pwrite64:error=ENOSPC',
  'pwrite64:error=EROFS',
  'pwrite64:error=EDQUOT',
  'fdatasync,fsync:error=ENOSPC',
  'pwrite64:error=EIO:when=5+7',
  'fdatasync,fsync:error=EIO:when=2+3',
];

/** Reads are rare, because what was written lately is in memory: a start reads. */
const AT_START = 'pread64:error=EIO:when=40+';

export const diskErrors: Campaign = {
  name: 'disk-errors',
  lacks: lacksStrace,
  async run({ scope, random, tally, progress }) {
    tally.need(...[...FAULTS, AT_START].map((fault) => `spoilt: ${fault}`), 'kills while calls fail');
    const all = await surroundings(scope, {
      batchSize: 100,
      mosaic: 'max_answer_size: 1MiB',
      spool: 'max_size: 16MiB',
    });
    const { mosaic, daemon } = all;
    const lastBefore = new Set<Batch | undefined>();
    let kills = 0;
    const inFlight = watchAnswers(all.mosaic);
    // There is always something to write, whatever fails and for how long.
    const flow = all.flow(300);
    mosaic.dials.delayMs = 20;
    daemon.start();
    await daemon.ready(PATIENCE_MS);
    for (const [number, fault] of FAULTS.entries()) {
      progress(fault);
      const kill = number === 0 || random.chance(0.3);
      const times = await spoilt(daemon, [fault], async (spoiltSoFar) => {
        await daemon.until(`calls are spoilt: ${fault}`, () => spoiltSoFar() > 0, { ms: 20_000 });
        await sleep(random.between(300, 1_500));
        if (!kill) return;
        await daemon.kill();
        kills += 1;
        tally.happened('kills while calls fail');
        lastBefore.add(inFlight());
      });
      tally.happened(`spoilt: ${fault}`, times);
      if (!daemon.running) daemon.start();
      await daemon.ready(PATIENCE_MS);
      const batches = mosaic.ledger.batches.length;
      const flows = () => mosaic.ledger.batches.length > batches;
      await daemon.until('it collects again', flows, { ms: 60_000 });
    }
    await daemon.kill();
    kills += 1;
    lastBefore.add(inFlight());
    const reads = await startSpoilt(daemon, AT_START);
    tally.happened(`spoilt: ${AT_START}`, reads);
    if (!daemon.running) daemon.start();
    await daemon.ready(PATIENCE_MS);
    flow.stop();
    mosaic.dials.delayMs = 0;
    if (!(await settle(all, tally))) return;
    const evidence = { batches: mosaic.ledger.batches, expected: all.expected, spool: daemon.spool, ends: endsOf(all) };
    const { lost } = await judge(tally, { ...evidence, mayBeLost: (batch) => lastBefore.has(batch) });
    tally.happened('batches lost with a dead process', lost.length);
    const { crash = 0, ...other } = await gapsOf(all);
    if (Object.keys(other).length > 0 || crash !== kills)
      tally.fault(`possible gaps counted: ${JSON.stringify({ crash, ...other })}; there were ${kills} kills`);
  },
};

/** It may go on, or end with a sentence: as long as it stands, what is stored is not lost. */
async function startSpoilt(daemon: Daemon, fault: string): Promise<number> {
  daemon.start();
  return await spoilt(daemon, [fault], async (spoiltSoFar) => {
    for (const end = performance.now() + 10_000; daemon.running && performance.now() < end; await sleep(20))
      if (spoiltSoFar() > 0) break;
    await sleep(1_000);
  });
}
