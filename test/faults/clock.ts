/** A wall clock that jumps by hours and days, forward and back, in a process that runs and between two lives. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Batch } from '../../src/simulator/ledger.ts';
import { STREAM, type Surroundings, surroundings } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Tally } from './campaign.ts';
import { endsOf, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

const PRELOAD = fileURLToPath(new URL('./clock-shift.ts', import.meta.url));
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Ahead of the true time, in the order in which they come. */
const SHIFTS = [2 * HOUR, -3 * DAY, 30 * DAY, -10 * 365 * DAY, 5 * 365 * DAY, 0] as const;
const RATE = 40;
/** How often settled pages are looked for that may go, and a little. */
const TRIM_MS = 32_000;

export const clock: Campaign = {
  name: 'clock',
  besides: true,
  async run({ scope, tally, progress, random }) {
    const all = await surroundings(scope, { batchSize: 50, spool: 'retention: 1h' });
    const { mosaic, daemon, elasticsearch } = all;
    const file = join(dirname(daemon.config), 'shift');
    const set = (shift: number) => writeFileSync(file, String(shift));
    const life = { environment: { NODE_OPTIONS: `--import ${PRELOAD}`, CLOCK_SHIFT: file } };
    const named = (shift: number) => `${shift / HOUR} hours ${shift < 0 ? 'behind' : 'ahead'}`;
    tally.need(
      ...SHIFTS.map(named),
      'tokens renewed',
      'retention past with a sink down',
      'lives begun in another time',
    );
    const lastBefore = new Set<Batch | undefined>();
    const inFlight = watchAnswers(all.mosaic);
    mosaic.dials.tokenLife = 5;
    set(0);
    daemon.start(life);
    await daemon.ready(PATIENCE_MS);
    const flow = all.flow(RATE);
    for (const shift of SHIFTS) {
      progress(named(shift));
      const tokens = mosaic.calls['POST token'] ?? 0;
      set(shift);
      await sleep(300);
      await calm(all, tally, named(shift));
      await daemon.until('tokens are renewed', () => (mosaic.calls['POST token'] ?? 0) > tokens, { ms: 15_000 });
      tally.happened('tokens renewed', (mosaic.calls['POST token'] ?? 0) - tokens);
      tally.happened(named(shift));
    }
    progress('retention past with a sink down');
    elasticsearch.dials.down = true;
    await sleep(2_000);
    set(60 * DAY);
    await calm(all, tally, 'retention past');
    await sleep(TRIM_MS);
    elasticsearch.dials.down = false;
    tally.happened('retention past with a sink down');
    for (const shift of [-40 * DAY, 3 * DAY]) {
      await daemon.kill();
      lastBefore.add(inFlight());
      set(shift + random.between(0, HOUR));
      daemon.start(life);
      await daemon.ready(PATIENCE_MS);
      await sleep(1_500);
      tally.happened('lives begun in another time');
    }
    flow.stop();
    if (!(await settle(all, tally))) return;
    await judge(tally, {
      batches: mosaic.ledger.batches,
      expected: all.expected,
      spool: daemon.spool,
      ends: endsOf(all),
      mayBeLost: (batch) => lastBefore.has(batch),
    });
    const gaps = await gapsOf(all);
    if (JSON.stringify(gaps) !== '{"crash":2}')
      tally.fault(`possible gaps counted: ${JSON.stringify(gaps)}, not 2 crashes`);
  },
};

/** For three seconds: events keep arriving, and neither the processor nor Mosaic has more to do than before. */
async function calm({ mosaic, daemon, syslog }: Surroundings, tally: Tally, name: string): Promise<void> {
  const seconds = 3;
  const before = { cpu: cpuMs(daemon.pid), calls: mosaic.calls['POST collect'] ?? 0, arrived: syslog.ledger.size };
  await sleep(seconds * 1_000);
  const arrived = syslog.ledger.size - before.arrived;
  const cpu = (cpuMs(daemon.pid) - before.cpu) / seconds / 10;
  const calls = ((mosaic.calls['POST collect'] ?? 0) - before.calls) / seconds;
  if (arrived < RATE / 2) tally.fault(`${name}: only ${arrived} events arrived in ${seconds} s`);
  if (cpu > 70) tally.fault(`${name}: it takes ${cpu.toFixed()} % of a processor`);
  if (calls > 10) tally.fault(`${name}: ${calls.toFixed(1)} collect calls a second for ${STREAM}`);
}

/** Of a process, user and system. Its ticks are 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
