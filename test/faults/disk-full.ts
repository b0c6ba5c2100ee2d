/** A disk that another program fills and frees, again and again, with kill -9 while it is full. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import type { Random } from '../../src/simulator/random.ts';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import { STREAM, type Surroundings, surroundings } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Tally } from './campaign.ts';
import { type Disk, lacksMount, mountDisk } from './disk.ts';
import { endsOf, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

const CYCLES = 12;
const MiB = 2 ** 20;

export const diskFull: Campaign = {
  name: 'disk-full',
  lacks: lacksMount,
  async run({ scope, random, tally, progress }) {
    tally.need(
      'times full',
      'writes of an answer that failed',
      'collecting that stopped by itself',
      'kills while full',
    );
    const disk = mountDisk(scope, '24m');
    const all = await surroundings(scope, {
      batchSize: 200,
      mosaic: 'max_answer_size: 1MiB',
      spool: 'max_size: 16MiB',
      spoolFolder: disk.folder,
    });
    const { mosaic, daemon } = all;
    const source = activitySource({ seed: random.between(1, 2 ** 31), rate: 500 });
    const lastBefore = new Set<Batch | undefined>();
    const inFlight = watchAnswers(all.mosaic);
    let kills = 0;
    for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
      progress(`cycle ${cycle} of ${CYCLES}`);
      const more = () => all.enqueue(source.take(2_000).map((activity) => withNoise(activity, random)));
      await live(all, tally);
      if (cycle % 3 === 0) await fillBetweenCalls(all, disk, more);
      else await fillDuringCall(all, disk, more, random);
      tally.happened('times full');
      await sleep(random.between(200, 1_500));
      if (random.chance(0.4)) {
        await daemon.kill();
        kills += 1;
        tally.happened('kills while full');
        lastBefore.add(inFlight());
        if (random.chance(0.5)) await startOnFullDisk(all, tally);
      }
      disk.free();
      if (daemon.running) await sleep(random.between(0, 1_000));
    }
    await live(all, tally);
    mosaic.dials.delayMs = 0;
    if (!(await settle(all, tally))) return;
    await reckon(all, tally, lastBefore, kills);
  },
};

/** There is no room for the answer that is on its way. */
async function fillDuringCall({ mosaic, daemon }: Surroundings, disk: Disk, more: () => void, random: Random) {
  if (mosaic.ledger.books(STREAM).waiting < 3_000) more();
  mosaic.dials.delayMs = 150;
  const before = mosaic.ledger.batches.length;
  await daemon.until('an answer is under way', () => mosaic.ledger.batches.length > before, { ms: PATIENCE_MS });
  disk.fill(random.pick([0, 0, 8_192, 65_536, MiB, 3 * MiB]));
}

/** There is no room for another answer, and the forwarder must not ask for one. */
async function fillBetweenCalls({ mosaic, daemon }: Surroundings, disk: Disk, more: () => void): Promise<void> {
  mosaic.dials.delayMs = 0;
  const drained = () => mosaic.ledger.books(STREAM).waiting === 0;
  await daemon.until('Mosaic has nothing left', drained, { ms: PATIENCE_MS });
  const calls = mosaic.calls['POST collect'] ?? 0;
  const next = () => (mosaic.calls['POST collect'] ?? 0) > calls + 1;
  await daemon.until('the last answer is stored', next, { ms: PATIENCE_MS });
  disk.fill(8_192);
  more();
}

/** As a supervisor does: starts it again for as long as it ends. */
async function live({ daemon }: Surroundings, tally: Tally): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    if (!daemon.running) daemon.start();
    try {
      await daemon.ready(PATIENCE_MS);
      return;
    } catch (error) {
      if (daemon.running) throw error;
      tally.happened('starts that ended by themselves');
      await sleep(500);
    }
  }
  throw new Error('it did not start within 20 attempts');
}

async function startOnFullDisk({ daemon }: Surroundings, tally: Tally): Promise<void> {
  tally.happened('starts on a full disk');
  daemon.start();
  await sleep(2_500);
  if (daemon.running) return;
  const { code, signal, stderr } = await daemon.ended();
  tally.happened('starts that ended by themselves');
  if (code !== 1 || !/full|room/.test(stderr))
    tally.fault(`on a full disk the start ended with ${code ?? signal}: ${stderr.slice(-500)}`);
}

async function reckon(
  all: Surroundings,
  tally: Tally,
  lastBefore: ReadonlySet<Batch | undefined>,
  kills: number,
): Promise<void> {
  const { mosaic, daemon } = all;
  const { lost } = await judge(tally, {
    batches: mosaic.ledger.batches,
    expected: all.expected,
    spool: daemon.spool,
    ends: endsOf(all),
    mayBeLost: (batch) => lastBefore.has(batch),
  });
  tally.happened('batches lost with a dead process', lost.length);
  tally.happened('writes of an answer that failed', count(daemon.log, /the spool fails while storing an answer/g));
  tally.happened('collecting that stopped by itself', count(daemon.log, /collecting has stopped/g));
  const { crash = 0, ...other } = await gapsOf(all);
  tally.happened('possible gaps counted: crash', crash);
  if (Object.keys(other).length > 0) tally.fault(`possible gaps that nothing can have made: ${JSON.stringify(other)}`);
  if (lost.length > crash) tally.fault(`${lost.length} answers were lost, but only ${crash} possible gaps counted`);
  if (crash > kills) tally.fault(`${crash} unclean stops counted, but ${kills} kills`);
}

/** With characters that no compression makes shorter. */
function withNoise({ key, json }: SimulatedActivity, random: Random): SimulatedActivity {
  return { key, json: json.replace('{', `{"noise":"${randomBytes(random.between(100, 600)).toString('base64')}",`) };
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
