/** A real Elasticsearch pushed into 429, 413 and its flood stage, killed and started again, while the forwarder is killed, too. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '../../src/simulator/ledger.ts';
import { type SimulatedMosaic, startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { type Daemon, newDaemon } from '../fixtures/process.ts';
import { eventOf, PLANTED, STREAM } from '../fixtures/surroundings.ts';
import { type Cluster, type Json, startCluster } from '../integration/cluster.ts';
import { fetchServer } from '../integration/servers.ts';
import { type Campaign, PATIENCE_MS, type Stage } from './campaign.ts';
import { type End, gapsOf, judge, settle, watchAnswers } from './verdict.ts';

const RATE = 120;
const DATA = 'logs-transmit_security.idv-faults';

/** Small enough that requests of the usual size are too large for one limit or the other. */
const LIMITS = 'http.max_content_length: 2mb\nindexing_pressure.memory.limit: 1mb';

export const realElasticsearch: Campaign = {
  name: 'elasticsearch',
  besides: true,
  lacks: () => fetchServer('elasticsearch9'),
  async run(stage) {
    const { scope, tally, progress } = stage;
    tally.need('requests refused for memory (429)', 'kills of the server', 'flood stages', 'kills of the forwarder');
    const cluster = await startCluster(scope, 'elasticsearch9', { more: LIMITS });
    const world = await startWorld(stage, cluster);
    const { daemon, mosaic } = world;
    world.start();
    await daemon.ready(PATIENCE_MS);
    const flow = world.flow();
    progress('requests that are too large');
    world.backlog(2_000);
    await sleep(3_000);
    await world.kill();
    // The flood stage needs an index, and what is too large gets through in ever smaller pieces.
    const delivered = async () => ((await daemon.status()).sinks[0]?.delivered ?? 0) > 0;
    await daemon.until('something is delivered', delivered, { ms: PATIENCE_MS, everyMs: 250 });
    progress('the server is killed');
    for (let round = 0; round < 2; round += 1) {
      await cluster.server.kill();
      tally.happened('kills of the server');
      await sleep(stage.random.between(500, 2_000));
      await world.kill();
      await cluster.server.start();
      await sleep(stage.random.between(500, 3_000));
    }
    progress('the flood stage');
    await flood(world, cluster, stage);
    flow.stop();
    if (!(await settle({ mosaic, daemon }, tally, 2 * PATIENCE_MS))) return;
    tally.happened('requests refused for memory (429)', world.refused + (await refusedForMemory(cluster)));
    await reckon(stage, world, cluster);
  },
};

interface World {
  readonly daemon: Daemon;
  readonly mosaic: SimulatedMosaic;
  readonly known: ReadonlyMap<string, string>;
  readonly lastBefore: ReadonlySet<Batch>;
  /** Counted before the server was killed, which forgets it. */
  refused: number;
  start(): void;
  flow(): { stop(): void };
  backlog(count: number): void;
  /** Kills the forwarder and starts it again. */
  kill(): Promise<void>;
}

async function startWorld({ scope, random, tally }: Stage, { server }: Cluster): Promise<World> {
  const mosaic = await startMosaic({ streams: [STREAM], clientSecret: PLANTED.clientSecret });
  scope.after(() => mosaic.close());
  const daemon = await newDaemon(
    scope,
    ({ spool, port }) => `mosaic:
  base_url: ${mosaic.baseUrl}
  client_id: demo-client
  client_secret: "${PLANTED.clientSecret}"
  streams: [{ type: verify, id: siem, batch_size: 500, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks:
  elastic: { type: elasticsearch, url: "${server.url}", namespace: faults, timeout: 12s }
`,
  );
  const installed = await daemon.run('install', 'elastic');
  if (installed.status !== 0) throw new Error(installed.stderr);
  const known = new Map<string, string>();
  const lastBefore = new Set<Batch>();
  const inFlight = watchAnswers(mosaic);
  const source = activitySource({ seed: random.between(1, 2 ** 31), rate: RATE });
  const next = (at?: number) => {
    const activity = source.next(at);
    known.set(activity.key, activity.json);
    return activity;
  };
  const take = (count: number) => Array.from({ length: count }, () => next());
  return {
    ...{ daemon, mosaic, known, lastBefore, refused: 0 },
    start: () => daemon.start(),
    flow: () => mosaic.flow(STREAM, RATE, { next, take }),
    backlog: (count) => mosaic.enqueue(STREAM, take(count)),
    async kill() {
      await daemon.kill();
      tally.happened('kills of the forwarder');
      const last = inFlight();
      if (last) lastBefore.add(last);
      daemon.start();
      await daemon.ready(PATIENCE_MS);
    },
  };
}

/** The server forbids all writes, for a disk that it takes to be full. */
async function flood(world: World, cluster: Cluster, { tally, random }: Stage): Promise<void> {
  world.refused += await refusedForMemory(cluster);
  const set = (low: string | null, high: string | null, flood_stage: string | null) =>
    cluster.must('PUT', '/_cluster/settings', {
      persistent: {
        'cluster.info.update.interval': '10s',
        'cluster.routing.allocation.disk.watermark': { low, high, flood_stage },
      },
    });
  await set('9999gb', '9998gb', '9997gb');
  try {
    const settings = async () => JSON.stringify((await cluster.must('GET', `/${DATA}/_settings`)).body);
    const blocked = async () => (await settings()).includes('read_only_allow_delete');
    await world.daemon.until('the flood stage is there', blocked, { ms: 90_000, everyMs: 250 });
    tally.happened('flood stages');
    await sleep(random.between(1_000, 3_000));
    await world.kill();
    await sleep(2_000);
  } finally {
    await set(null, null, null);
  }
}

async function refusedForMemory({ must }: Cluster): Promise<number> {
  const { body } = await must('GET', '/_nodes/stats/indexing_pressure');
  const [node] = Object.values(body['nodes'] ?? {}) as unknown as readonly Json[];
  return Number(node?.['indexing_pressure']?.['memory']?.['total']?.['coordinating_rejections'] ?? 0);
}

async function reckon({ tally }: Stage, world: World, cluster: Cluster): Promise<void> {
  const hits = await cluster.documents(DATA);
  const copies = new Map<string, number>();
  for (const { id } of hits) copies.set(id, (copies.get(id) ?? 0) + 1);
  const end: End = {
    sink: 'elastic',
    arrivals: () => copies,
    copies: () => hits.map(({ id, source }) => [id, source]),
  };
  const { daemon, mosaic, known, lastBefore } = world;
  const { lost } = await judge(tally, {
    batches: mosaic.ledger.batches,
    expected: (key, receivedAt) => eventOf(known.get(key) ?? '', receivedAt),
    spool: daemon.spool,
    ends: [end],
    mayBeLost: (batch) => lastBefore.has(batch),
  });
  tally.happened('batches lost with a dead process', lost.length);
  if (copies.size !== hits.length) tally.fault(`${hits.length - copies.size} events are stored twice`);
  const { crash = 0, ...other } = await gapsOf({ daemon });
  if (Object.keys(other).length > 0 || crash < lost.length)
    tally.fault(`possible gaps counted: ${JSON.stringify({ crash, ...other })}; ${lost.length} answers were lost`);
}
