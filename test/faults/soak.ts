/** Much traffic, one sink or another failing in every minute, and memory that must not grow. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { activitySource } from '../../src/simulator/sessions.ts';
import { startWorld } from '../../src/simulator/world.ts';
import { newDaemon } from '../fixtures/process.ts';
import { eventOf, PLANTED, STREAM } from '../fixtures/surroundings.ts';
import { type Campaign, PATIENCE_MS, type Stage } from './campaign.ts';
import { gapsOf, settle } from './verdict.ts';

const RATE = 2_000;
const FAILS_FOR_MS = 20_000;
const GROWTH = 0.1;
/**
 * Acknowledgements that are withheld never come: Splunk's sink waits 5 minutes for them, by default, before it sends again. So it may be
 * 10 minutes of traffic behind in the end, and what it has to catch up with comes at some thousands a second.
 */
const SETTLES_WITHIN_MS = 900_000;

export const soak: Campaign = {
  name: 'soak',
  byHand: true,
  async run(stage) {
    const { scope, tally, minutes, progress, random } = stage;
    tally.need('sinks that failed', 'measures of memory');
    const world = await startWorld(STREAM, PLANTED.apiKey);
    scope.after(() => world.close());
    const { mosaic } = world;
    const daemon = await newDaemon(
      scope,
      ({ spool, port }) => `mosaic:
  base_url: ${mosaic.baseUrl}
  client_id: demo
  client_secret: demo-secret
  streams: [{ type: verify, id: siem, poll_interval: 500ms }]
spool: { path: "${spool}", retention: 1m }
status: { listen: "127.0.0.1:${port}" }
sinks:
  splunk: { type: splunk_hec, url: "${world.splunk.url}", token: "${world.splunk.token}", acknowledgement: true }
  elastic: { type: elasticsearch, url: "${world.elastic.url}", api_key: "${PLANTED.apiKey}" }
  soc: { type: syslog, address: "${world.soc.address}", max_size: 64KiB }
`,
    );
    const ids = new Set<string>();
    const source = activitySource({ seed: random.between(1, 2 ** 31), rate: RATE });
    const next = (at?: number) => {
      const activity = source.next(at);
      ids.add(eventOf(activity.json).id);
      return activity;
    };
    daemon.start();
    await daemon.ready(PATIENCE_MS);
    const flow = mosaic.flow(STREAM, RATE, { next, take: (count) => Array.from({ length: count }, () => next()) });
    const memory: number[] = [];
    for (let second = 0; second < minutes * 60; second += 1) {
      await fail(stage, world, second);
      await sleep(1_000);
      memory.push(residentBytes(daemon.pid));
      tally.happened('measures of memory');
      progress(`${minutes * 60 - second} s to go; ${ids.size} events, ${MiB(memory.at(-1) ?? 0)} MiB`);
    }
    await mend(world);
    flow.stop();
    if (!(await settle({ mosaic, daemon }, tally, SETTLES_WITHIN_MS))) return;
    tally.activities = ids.size;
    const ends = {
      splunk: world.splunk.ledger,
      elastic: world.elastic.stored,
      soc: world.soc.ledger,
    } satisfies Record<string, ReadonlyMap<string, unknown>>;
    for (const [sink, there] of Object.entries(ends)) {
      for (const id of ids) if (!there.has(id)) tally.missing += 1;
      for (const id of there.keys()) if (!ids.has(id)) tally.invented += 1;
      tally.happened(`events at ${sink}`, there.size);
    }
    tally.deadFound = (await daemon.status()).sinks.reduce((sum, sink) => sum + sink.dead_letters, 0);
    const gaps = await gapsOf({ daemon });
    if (Object.keys(gaps).length > 0) tally.fault(`possible gaps that nothing can have made: ${JSON.stringify(gaps)}`);
    compare(stage, memory);
  },
};

type World = Awaited<ReturnType<typeof startWorld>>;

/** In every minute another one fails, for a third of it. */
async function fail({ tally }: Stage, world: World, second: number): Promise<void> {
  const at = (second % 60) * 1_000;
  if (at === 10_000) {
    const turn = Math.floor(second / 60) % 4;
    if (turn === 0) world.splunk.dials.down = true;
    if (turn === 1) world.elastic.dials.status = 429;
    if (turn === 2) await world.soc.setDown(true);
    if (turn === 3) world.splunk.dials.withholdAck = () => true;
    tally.happened('sinks that failed');
  }
  if (at === 10_000 + FAILS_FOR_MS) await mend(world);
}

async function mend({ splunk, elastic, soc }: World): Promise<void> {
  Object.assign(splunk.dials, { down: false, withholdAck: undefined });
  elastic.dials.status = undefined;
  await soc.setDown(false);
}

/** The mean of the last third, which is five minutes of fifteen, against that of the first. */
function compare({ tally }: Stage, memory: readonly number[]): void {
  const third = Math.floor(memory.length / 3);
  const mean = (part: readonly number[]) => part.reduce((sum, bytes) => sum + bytes, 0) / part.length;
  const [first, last] = [mean(memory.slice(0, third)), mean(memory.slice(-third))];
  const growth = last / first - 1;
  tally.happened('memory in the first third, MiB', MiB(first));
  tally.happened('memory in the last third, MiB', MiB(last));
  tally.happened('memory at most, MiB', MiB(Math.max(...memory)));
  if (growth > GROWTH) tally.fault(`memory grew by ${Math.round(growth * 100)} %: ${MiB(first)} to ${MiB(last)} MiB`);
}

function residentBytes(pid: number): number {
  return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

function MiB(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
