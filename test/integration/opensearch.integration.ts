/** OpenSearch is not supported, and that is told. What it takes all the same is what `install` would send, and plain bulk requests. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeBulk } from '../../sinks/elasticsearch/encode.ts';
import type { InstallStep } from '../../src/sink.ts';
import { someEvents } from '../contract/events.ts';
import { type Cluster, type Json, startCluster } from './cluster.ts';
import { startPath } from './path.ts';
import { lacking, shared } from './servers.ts';

describe('OpenSearch', { skip: await lacking('opensearch') }, () => {
  const cluster = shared((context) => startCluster(context, 'opensearch'));
  const config = () => `  elastic: { type: elasticsearch, url: "${cluster().server.url}" }`;

  test('check --connect says that it is not supported, and no event gets there', async (context) => {
    const path = await startPath(context, config);
    const { status, stdout } = await path.daemon.run('check', '--connect');
    assert.equal(status, 1);
    assert.match(stdout, /it is not Elasticsearch \(OpenSearch is not supported\)/);
    path.daemon.start();
    await path.daemon.ready();
    const flow = path.flow(200);
    const sink = async () => (await path.daemon.status()).sinks[0];
    await path.daemon.until('events wait', async () => ((await sink())?.waiting ?? 0) > 200, { state: sink });
    flow.stop();
    assert.equal((await sink())?.state, 'down');
    assert.equal((await sink())?.delivered, 0);
    assert.equal((await sink())?.dead_letters, 0);
    assert.deepEqual(await cluster().documents('logs-transmit_security.*'), [], 'nothing was written');
  });

  test('it takes what install sends, as plain requests, and documents by plain bulk', async (context) => {
    const { daemon } = await startPath(context, config);
    const { status, stdout } = await daemon.run('install', 'elastic', '--dry-run', '--json');
    assert.equal(status, 0);
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as InstallStep)
      // It has its own way to manage indices.
      .filter(({ request, body }) => body !== undefined && !/-lifecycle$|\/_options$/.test(request));
    assert.equal(steps.length, 12);
    for (const step of steps) await send(cluster(), step);
    const events = someEvents('opensearch', 20);
    const { body } = await cluster().must('POST', '/_bulk', encodeBulk(events, 'default'));
    assert.equal(body['errors'] as unknown, false, JSON.stringify(body).slice(0, 1_000));
    const hits = await cluster().documents('logs-transmit_security.idv-default');
    assert.equal(hits.length, events.length);
    for (const { id, document } of events) {
      const { data_stream: _, ...stored } = hits.find((hit) => hit.id === id)?.source ?? {};
      const { ingested, ...event } = stored['event'] as Record<string, unknown>;
      assert.ok(Number.isFinite(Date.parse(String(ingested))), 'the pipeline has set event.ingested');
      assert.deepEqual({ ...stored, event }, document);
    }
  });
});

async function send(cluster: Cluster, { request, body }: InstallStep): Promise<void> {
  const [method = '', path = ''] = request.split(' ');
  const { _meta: meta, ...rest } = inItsWords(body as Json) as Record<string, unknown>;
  await cluster.must(method, path, path.startsWith('/_ingest/') ? rest : { ...rest, _meta: meta });
}

/** Without what OpenSearch has not: Elastic's own components, `flattened`, optional components, the failure store, geoip, and a pipeline's `_meta`. */
function inItsWords(body: Json): unknown {
  return JSON.parse(JSON.stringify(body), (key, value) => {
    if (key === 'composed_of') return (value as string[]).filter((name) => name.endsWith('-mappings'));
    if (key === 'processors') return (value as object[]).filter((processor) => !('geoip' in processor));
    if (key === 'ignore_missing_component_templates' || key === 'data_stream_options') return undefined;
    if (value?.type === 'flattened') return { type: 'flat_object' };
    return value;
  });
}
