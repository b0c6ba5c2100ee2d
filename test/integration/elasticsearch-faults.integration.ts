/** A real Elasticsearch in trouble: each fault has to happen, everything has to arrive, and nobody is blamed for it. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import type { SinkStatus } from '../../src/status/shape.ts';
import type { EcsDocument, StreamType } from '../../src/types.ts';
import { type Cluster, type Json, startCluster } from './cluster.ts';
import { assertAllThere, assertNoneDead, type Path, startPath } from './path.ts';
import { lacking, shared } from './servers.ts';

let paths = 0;

interface Trouble extends Path {
  /** A data stream of its own on a server that tests share. */
  readonly stream: string;
  sink(): Promise<SinkStatus>;
  /** The sink is down for a reason like this, and some events wait. */
  untilDown(reason: RegExp): Promise<void>;
  /** Everything has arrived, once and as it was mapped, and there is no dead letter. */
  allArrived(ms?: number): Promise<void>;
}

async function trouble(context: TestContext, { server, documents }: Cluster, options = ''): Promise<Trouble> {
  paths += 1;
  const namespace = `trouble_${paths}`;
  const stream = `logs-transmit_security.idv-${namespace}`;
  const more = options ? `, ${options}` : '';
  const path = await startPath(
    context,
    () => `  elastic: { type: elasticsearch, url: "${server.url}", namespace: ${namespace}, timeout: 12s${more} }`,
  );
  const installed = await path.daemon.run('install', 'elastic');
  assert.equal(installed.status, 0, installed.stderr);
  const sink = async () => (await path.daemon.status()).sinks[0] ?? assert.fail('no sink');
  path.daemon.start();
  await path.daemon.ready();
  return {
    ...path,
    ...{ stream, sink },
    untilDown: (reason) =>
      path.daemon.until(
        `the sink is down: ${reason}`,
        async () => {
          const { state, reason: said, waiting } = await sink();
          return state === 'down' && waiting > 0 && reason.test(said ?? '');
        },
        { ms: 60_000, everyMs: 100, state: sink },
      ),
    async allArrived(ms = 90_000) {
      await path.settled(ms);
      await assertNoneDead(path);
      const hits = await documents(stream);
      const copies = assertAllThere(path, hits.map(withoutStream), 'Elasticsearch');
      assert.equal(hits.length, copies.size, 'each event is stored once');
    },
  };
}

function withoutStream({
  source: { data_stream: _, ...document },
}: {
  readonly source: Readonly<Record<string, unknown>>;
}) {
  return document as unknown as EcsDocument;
}

function verifications(count: number): Record<StreamType, SimulatedActivity[]> {
  return { verify: activitySource({ rate: 500 }).take(count), cis: [], admin: [], risk: [] };
}

/** What the node itself has counted. */
async function counted({ must }: Cluster, part: string, ...path: string[]): Promise<number> {
  const { body } = await must('GET', `/_nodes/stats/${part}`);
  const [node] = Object.values(body['nodes'] ?? {}) as unknown as readonly Json[];
  return Number([part, ...path].reduce<Json | undefined>((value, name) => value?.[name], node) ?? Number.NaN);
}

const skip = await lacking('elasticsearch9');

test('too little memory for whole requests, and no place in a queue for single items (429)', {
  skip,
}, async (context) => {
  const cluster = await startCluster(context, 'elasticsearch9', {
    more: 'indexing_pressure.memory.limit: 100kb\nthread_pool.write.size: 1\nthread_pool.write.queue_size: 1',
  });
  const path = await trouble(context, cluster, 'concurrency: 32, batch: { max_events: 10 }');
  path.enqueue(verifications(1_500));
  await path.allArrived();
  const requests = await counted(cluster, 'indexing_pressure', 'memory', 'total', 'coordinating_rejections');
  const items = await counted(cluster, 'thread_pool', 'write', 'rejected');
  context.diagnostic(`${requests} requests and ${items} items were refused`);
  assert.ok(requests > 0 && items > 0, 'both were refused');
});

describe('one Elasticsearch after another trouble', { skip }, () => {
  const cluster = shared((context) =>
    startCluster(context, 'elasticsearch9', { more: 'http.max_content_length: 200kb' }),
  );

  test('killed and started again in mid-flow', async (context) => {
    const { server } = cluster();
    const path = await trouble(context, cluster());
    const flow = path.flow(150);
    for (let kills = 0; kills < 2; kills += 1) {
      const before = (await path.sink()).delivered;
      await path.daemon.until('some are delivered', async () => (await path.sink()).delivered > before + 100);
      await server.kill();
      await path.untilDown(/ECONNREFUSED|ECONNRESET|closed|no connection|did not arrive/);
      await server.start();
    }
    flow.stop();
    await path.allArrived();
    context.diagnostic(`${path.ids().size} events over two kills`);
  });

  test('requests over its limit are halved, and one document over it is a dead letter (413)', async (context) => {
    const path = await trouble(context, cluster());
    path.enqueue(verifications(600));
    const [large] = activitySource({ seed: 7 }).take(1);
    assert.ok(large);
    const activity = { ...JSON.parse(large.json), additionalNote: 'x'.repeat(300_000) };
    path.mosaic.enqueue('verify/siem', [{ key: large.key, json: JSON.stringify(activity) }]);
    path.enqueue(verifications(600));
    await path.settled(90_000);
    const { dead_letters: dead, delivered } = await path.sink();
    assert.deepEqual([delivered, dead], [1_200, 1]);
    const { stdout } = await path.daemon.run('dead-letters', 'list', '--json');
    assert.match((JSON.parse(stdout) as { reason: string }).reason, /413.*http\.max_content_length/);
    const hits = await cluster().documents(path.stream);
    assert.equal(assertAllThere(path, hits.map(withoutStream), 'Elasticsearch').size, hits.length);
  });

  test('writing is blocked by hand', async (context) => {
    const path = await trouble(context, cluster());
    path.enqueue(verifications(100));
    await path.settled();
    await cluster().must('PUT', `/${path.stream}/_settings`, { 'index.blocks.write': true });
    path.enqueue(verifications(300));
    await path.untilDown(/cluster_block_exception.*: writing is blocked/);
    assert.equal((await path.sink()).waiting, 300);
    await cluster().must('PUT', `/${path.stream}/_settings`, { 'index.blocks.write': false });
    await path.allArrived();
  });

  test('its disk is full: the flood stage', async (context) => {
    const path = await trouble(context, cluster());
    path.enqueue(verifications(100));
    await path.settled();
    const disk = (low: string | null, high: string | null, flood: string | null) =>
      cluster().must('PUT', '/_cluster/settings', {
        persistent: {
          'cluster.info.update.interval': '10s',
          'cluster.routing.allocation.disk.watermark': { low, high, flood_stage: flood },
        },
      });
    await disk('9999gb', '9998gb', '9997gb');
    const blocked = async () =>
      JSON.stringify((await cluster().must('GET', `/${path.stream}/_settings`)).body).includes(
        'read_only_allow_delete',
      );
    await path.daemon.until('the flood stage is there', blocked, { ms: 60_000, everyMs: 250 });
    path.enqueue(verifications(300));
    await path.untilDown(/cluster_block_exception.*: writing is blocked/);
    assert.equal((await path.sink()).waiting, 300);
    await disk(null, null, null);
    await path.allArrived();
  });
});
