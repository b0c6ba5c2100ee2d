/** A disk that is read-only for a while, and a folder that gives no rights: refused with words, and gone on where it was. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { type Surroundings, surroundings } from '../fixtures/surroundings.ts';
import type { Campaign, Tally } from './campaign.ts';
import { lacksMount, mountDisk } from './disk.ts';
import { endsOf, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

/** Root without the right to pass over the rights of files. */
const WITHOUT_RIGHTS = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];

export const readOnly: Campaign = {
  name: 'read-only',
  lacks: lacksMount,
  async run({ scope, random, tally, progress }) {
    const disk = mountDisk(scope, '64m');
    const all = await surroundings(scope, {
      batchSize: 100,
      mosaic: 'max_answer_size: 1MiB',
      spoolFolder: disk.folder,
    });
    const { mosaic, daemon } = all;
    const source = activitySource({ seed: random.between(1, 2 ** 31), rate: 500 });
    const lastBefore = new Set<Batch | undefined>();
    const inFlight = watchAnswers(all.mosaic);
    const places = placesOf(disk.folder, (how) => disk.remount(how));
    tally.need(...places.map(({ name }) => `starts refused: ${name}`), 'rights taken from a folder in use');
    for (const { name, spoil, mend } of places) {
      progress(name);
      await flow(all, () => all.enqueue(source.take(1_500)));
      await daemon.kill();
      lastBefore.add(inFlight());
      spoil();
      try {
        await refusedStart(all, tally, name);
      } finally {
        mend();
      }
    }
    progress('rights taken from a folder in use');
    await flow(all, () => all.enqueue(source.take(1_500)));
    chmodSync(disk.folder, 0o500);
    await sleep(1_500);
    chmodSync(disk.folder, 0o700);
    tally.happened('rights taken from a folder in use');
    if (!(await settle(all, tally))) return;
    const evidence = { batches: mosaic.ledger.batches, expected: all.expected, spool: daemon.spool, ends: endsOf(all) };
    const { lost } = await judge(tally, { ...evidence, mayBeLost: (batch) => lastBefore.has(batch) });
    tally.happened('batches lost with a dead process', lost.length);
    const { crash = 0, ...other } = await gapsOf(all);
    if (Object.keys(other).length > 0 || crash !== places.length)
      tally.fault(`possible gaps counted: ${JSON.stringify({ crash, ...other })}; there were ${places.length} kills`);
  },
};

interface Place {
  readonly name: string;
  spoil(): void;
  mend(): void;
}

function placesOf(folder: string, remount: (how: 'ro' | 'rw') => void): readonly Place[] {
  const rights = (name: string, path: string, before: number, during: number): Place => ({
    name,
    spoil: () => chmodSync(path, during),
    mend: () => chmodSync(path, before),
  });
  return [
    { name: 'a disk mounted read-only', spoil: () => remount('ro'), mend: () => remount('rw') },
    rights('a folder without any rights', folder, 0o700, 0o000),
    rights('a file that may only be read', join(folder, 'spool.db'), 0o600, 0o400),
    rights('a file without any rights', join(folder, 'spool.db'), 0o600, 0o000),
  ];
}

async function flow({ daemon, mosaic }: Surroundings, enqueue: () => void): Promise<void> {
  mosaic.dials.delayMs = 20;
  const before = mosaic.ledger.batches.length;
  enqueue();
  if (!daemon.running) daemon.start({ under: WITHOUT_RIGHTS });
  await daemon.until('activities flow', () => mosaic.ledger.batches.length > before + 3, { ms: 60_000 });
}

/** Ends with 1 and a sentence, and has asked Mosaic for nothing. */
async function refusedStart({ daemon, mosaic }: Surroundings, tally: Tally, name: string): Promise<void> {
  const calls = mosaic.calls['POST collect'];
  daemon.start({ under: WITHOUT_RIGHTS });
  const late = new AbortController();
  const ended = sleep(20_000, undefined, { signal: late.signal }).catch(() => undefined);
  const exit = await Promise.race([daemon.ended(), ended]);
  late.abort();
  if (!exit) {
    tally.fault(`${name}: the start was not refused`);
    await daemon.kill();
    return;
  }
  tally.happened(`starts refused: ${name}`);
  if (exit.code !== 1 || !/the spool could not/.test(exit.stderr) || /\n\s+at /.test(exit.stderr))
    tally.fault(`${name}: the start ended with ${exit.code}: ${exit.stderr.slice(-800)}`);
  if (mosaic.calls['POST collect'] !== calls) tally.fault(`${name}: Mosaic was asked`);
}
