/** `install` and `uninstall` on real servers, as far as these have the parts: no ingest processors, no policies, no options of data streams. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeBulk } from '../../sinks/elasticsearch/encode.ts';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { CONTENT_VERSION } from '../../sinks/elasticsearch/templates.ts';
import type { InstallStep } from '../../src/sink.ts';
import { someEvents } from '../contract/events.ts';
import { ADMIN, type Cluster, startCluster } from './cluster.ts';
import { lacking, shared } from './servers.ts';

const STREAM = 'logs-transmit_security.idv-default';
const TEMPLATE = 'transmit_security.idv';

async function run(cluster: Cluster, verb: 'install' | 'uninstall'): Promise<readonly InstallStep[]> {
  const { server, certificates } = cluster;
  const options = elasticsearch.options.parse({ url: server.url, ...(certificates && ADMIN) });
  const base = { name: 'install', timeoutMs: 30_000, version: '0.0.0', log: () => undefined, dryRun: false };
  const tls = certificates ? { ca: certificates.path('ca.pem') } : {};
  const steps = elasticsearch[verb]?.(options, { ...base, tls }, new AbortController().signal);
  return (await Array.fromAsync(steps ?? [])).filter(({ request }) => !request.includes('/api/'));
}

async function indicesOf(cluster: Cluster): Promise<readonly string[]> {
  const { body } = await cluster.must('GET', `/_resolve/index/${STREAM}`);
  return [body['data_streams']?.[0]?.['backing_indices'] as unknown as string | string[]].flat();
}

async function metaOf(cluster: Cluster, index: string | undefined): Promise<unknown> {
  const { body } = await cluster.must('GET', `/${index}/_mapping`);
  return Object.values(body as unknown as Record<string, { mappings: { _meta?: unknown } }>)[0]?.mappings._meta;
}

async function installsOn(cluster: Cluster): Promise<void> {
  const put = (await run(cluster, 'install')).filter(({ result }) => result === 'created').length;
  assert.ok(put >= 9, `${put} things were put there`);
  const taken = await run(cluster, 'uninstall');
  assert.equal(taken.filter(({ result }) => result === 'removed').length, put);
  assert.ok(taken.every(({ result, note }) => result === 'removed' || note === 'is not there'));

  // As a release before the present one left it: a template of ours, and an index that carries no version.
  const older = { managed_by: 'mosaic-siem-forwarder', version: CONTENT_VERSION - 1 };
  await cluster.must('PUT', `/_index_template/${TEMPLATE}`, {
    index_patterns: ['logs-transmit_security.idv-*'],
    priority: 500,
    data_stream: {},
    _meta: older,
  });
  await cluster.must('POST', '/_bulk', encodeBulk(someEvents('install', 3), 'default'));
  const [first, ...more] = await indicesOf(cluster);
  assert.deepEqual(more, []);
  assert.equal(await metaOf(cluster, first), undefined);

  const steps = await run(cluster, 'install');
  assert.deepEqual(
    steps.filter(({ result }) => result === 'updated').map(({ request }) => request),
    [`PUT /_index_template/${TEMPLATE}`, `POST /${STREAM}/_rollover`],
  );
  const rolled = await indicesOf(cluster);
  assert.equal(rolled.length, 2);
  assert.deepEqual(await metaOf(cluster, rolled.at(-1)), { ...older, version: CONTENT_VERSION });
  assert.equal((await cluster.documents(STREAM)).length, 3, 'what was there is there');

  const custom = '/_component_template/transmit_security.idv-custom';
  await cluster.must('PUT', custom, { template: { lifecycle: { data_retention: '90d' } } });
  const again = await run(cluster, 'install');
  assert.deepEqual([...new Set(again.map(({ result }) => result))], ['unchanged']);
  assert.equal((await indicesOf(cluster)).length, 2);
  const simulated = await cluster.ask('POST', `/_index_template/_simulate_index/${STREAM}`);
  if (simulated.status === 200)
    assert.equal((simulated.body['template']?.['lifecycle']?.['data_retention'] as unknown) ?? '90d', '90d');

  const removed = await run(cluster, 'uninstall');
  const template = removed.find(({ request }) => request === `DELETE /_index_template/${TEMPLATE}`);
  assert.equal(template?.result, 'unchanged');
  assert.match(template?.note ?? '', /^stays: .*in use by.*logs-transmit_security\.idv-default/);
  assert.equal((await cluster.documents(STREAM)).length, 3);
  assert.equal((await cluster.ask('GET', custom)).status, 200);
  assert.equal((await cluster.ask('GET', '/_index_template/transmit_security.cis')).status, 404);
  assert.equal((await cluster.ask('GET', '/_component_template/transmit_security.cis-mappings')).status, 404);
  assert.equal((await run(cluster, 'install')).filter(({ result }) => result === 'created').length, 6);
}

describe('install on Elasticsearch 9', { skip: await lacking('elasticsearch9') }, () => {
  const cluster = shared((context) => startCluster(context, 'elasticsearch9'));
  test('rolls an existing data stream over once, and uninstall leaves it', () => installsOn(cluster()));
});

describe('install on Elasticsearch 8', { skip: await lacking('elasticsearch8') }, () => {
  const cluster = shared((context) => startCluster(context, 'elasticsearch8', { security: true }));
  test('rolls an existing data stream over once, and uninstall leaves it', () => installsOn(cluster()));
});
