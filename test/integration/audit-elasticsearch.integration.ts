/** What real Elasticsearch servers are asked by `audit --verify`, and what `replay --missing` brings back to them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import type { EcsDocument } from '../../src/types.ts';
import { type Cluster, DOCUMENTED, type Hit, newApiKey, startCluster } from './cluster.ts';
import { type Path, startPath } from './path.ts';
import { lacking } from './servers.ts';

const EVENTS = 1_500;
const TYPES = ['verify', 'cis', 'admin', 'risk'] as const;
const IDV = 'logs-transmit_security.idv-default';
const ALL = 'logs-transmit_security.*';
type Row = Readonly<Record<string, unknown>>;

const rowsOf = (stdout: string) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
const some = (count: number) =>
  Object.fromEntries(TYPES.map((type) => [type, activitySource({ type, seed: 31 }).take(count)])) as Record<
    (typeof TYPES)[number],
    SimulatedActivity[]
  >;

/** Each event of the verifications is handed out once, a few of them and all others of the streams twice. */
async function filled(context: TestContext, cluster: Cluster): Promise<Path> {
  const { server, certificates } = cluster;
  const end = certificates
    ? `url: "https://127.0.0.1:${server.port}", tls: { ca: "${certificates.path('ca.pem')}" }, api_key: "${(await newApiKey(cluster, DOCUMENTED)).key}"`
    : `url: "http://127.0.0.1:${server.port}"`;
  const path = await startPath(context, () => `  elastic: { type: elasticsearch, ${end} }`);
  const admin = join(server.folder, 'admin.key');
  if (certificates) {
    const role_descriptors = {
      installer: { cluster: ['manage_index_templates', 'manage_ingest_pipelines', 'monitor'] },
    };
    const { body } = await cluster.must('POST', '/_security/api_key', { name: 'installer', role_descriptors });
    writeFileSync(admin, String(body['encoded']));
  }
  const installed = await path.daemon.run('install', 'elastic', ...(certificates ? ['--admin-key-file', admin] : []));
  assert.equal(installed.status, 0, installed.stderr);
  const first = { ...some(100), verify: activitySource({ seed: 32, rate: 500 }).take(EVENTS) };
  path.enqueue(first);
  path.daemon.start();
  await path.settled();
  for (const type of TYPES) path.mosaic.enqueue(`${type}/siem`, first[type].slice(0, 100));
  await path.settled();
  return path;
}

async function remove(cluster: Cluster, hits: readonly Hit[]): Promise<void> {
  for (const { index, id } of hits) await cluster.must('DELETE', `/${index}/_doc/${id}`);
  await cluster.must('POST', `/${ALL}/_refresh`);
}

async function searched({ daemon }: Path, cluster: Cluster, key: string): Promise<void> {
  const audit = (...more: string[]) => daemon.run('audit', '--verify', '--key-file', key, '--json', ...more);
  const whole = await audit();
  assert.equal(whole.status, 0, whole.stderr);
  const [verified] = rowsOf(whole.stdout).filter(({ row }) => row === 'verified');
  const expected = EVENTS + 300;
  assert.deepEqual([verified?.['missing'], verified?.['unknown']], [0, 0]);
  assert.ok(Number(verified?.['expected']) >= expected, `${verified?.['expected']} of ${expected} are looked for`);

  const before = await cluster.documents(IDV.replace('idv', 'cis'));
  const hits = (await cluster.documents(IDV)).filter((_, index) => index % 160 === 7).slice(0, 9);
  const lost = [...hits, before[0] as Hit];
  assert.equal(lost.length, 10);
  await remove(cluster, lost);
  const result = await audit();
  assert.equal(result.status, 1, result.stderr);
  const missing = rowsOf(result.stdout).filter(({ row }) => row === 'missing');
  const ids = lost.map(({ id }) => id).sort();
  assert.deepEqual(missing.map(({ event_id: id }) => id).sort(), ids);

  const replay = await daemon.run('replay', '--sink', 'elastic', '--missing', '--key-file', key, '--json');
  assert.equal(replay.status, 0, replay.stderr);
  assert.equal(rowsOf(replay.stdout).at(-1)?.['delivered'], 10);
  const again = await audit();
  assert.equal(again.status, 0, again.stderr);
}

function assertWhole(path: Path, hits: readonly Hit[]): void {
  const documents = hits.map(({ source: { data_stream: _, ...document } }) => document as unknown as EcsDocument);
  const ids = new Set(documents.map(({ event }) => (event as { id?: string }).id));
  assert.equal(ids.size, documents.length, 'each is there once');
  assert.equal(documents.length, EVENTS);
  for (const document of documents) assert.deepEqual(document, JSON.parse(path.expected(document).json));
}

const nine = await lacking('elasticsearch9');
test('Elasticsearch 9: ten deleted documents are named, and exactly those come back', {
  skip: nine,
}, async (context) => {
  const cluster = await startCluster(context, 'elasticsearch9');
  const path = await filled(context, cluster);
  const key = join(cluster.server.folder, 'read.key');
  writeFileSync(key, 'bm8tc2VjdXJpdHk6aGVyZQ==');
  await searched(path, cluster, key);
  assertWhole(path, await cluster.documents(IDV));
});

const eight = await lacking('elasticsearch8');
test('Elasticsearch 8 with security: the same with a key that may read, and a sentence with one that may not', {
  skip: eight,
}, async (context) => {
  const cluster = await startCluster(context, 'elasticsearch8', { security: true });
  const path = await filled(context, cluster);
  const file = (name: string, key: string) => {
    const place = join(cluster.server.folder, name);
    writeFileSync(place, `${key}\n`);
    return place;
  };
  const writes = file('write.key', (await newApiKey(cluster, DOCUMENTED)).key);
  const denied = await path.daemon.run('audit', '--verify', '--key-file', writes);
  assert.equal(denied.status, 1);
  assert.match(
    denied.stderr,
    /answered 403 security_exception .* needs the index privilege read on logs-transmit_security/,
  );
  assert.doesNotMatch(denied.stdout, /missing at/);
  const wrong = await path.daemon.run('audit', '--verify', '--key-file', file('wrong.key', 'd3Jvbmc6d3Jvbmctd3Jvbmc='));
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /answered 401 .* the key of --key-file is not accepted/);
  await searched(path, cluster, file('read.key', (await newApiKey(cluster, ['read'])).key));
  assertWhole(path, await cluster.documents(IDV));
});
