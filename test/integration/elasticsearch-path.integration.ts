/** The real process, with what `install` puts in place, and what real servers have stored of all four types of stream. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { EcsDocument } from '../../src/types.ts';
import type { Daemon } from '../fixtures/process.ts';
import { type Cluster, DOCUMENTED, type Json, newApiKey, startCluster } from './cluster.ts';
import { assertAllThere, assertNoneDead, awkwardActivities, type Path, startPath } from './path.ts';
import { startRelay } from './relay.ts';
import { lacking, shared } from './servers.ts';

const DATASETS = ['idv', 'cis', 'admin', 'risk'];
const ALL = 'logs-transmit_security.*';

/** A sink as the README shows it. */
function elastic({ server, certificates }: Cluster, more: string, port = server.port, host = '127.0.0.1'): string {
  const tls = certificates ? `, tls: { ca: "${certificates.path('ca.pem')}" }` : '';
  const scheme = certificates ? 'https' : 'http';
  return `  elastic: { type: elasticsearch, url: "${scheme}://${host}:${port}"${tls}, ${more} }`;
}

async function succeeds(daemon: Daemon, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await daemon.run(...words);
  assert.equal(status, 0, `${words.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/**
 * With the privileges that the README names, and `monitor`: this server lacks all ingest processors, and may only then be asked.
 * Twice, since the second time has nothing left to do.
 */
async function install(cluster: Cluster, daemon: Daemon): Promise<void> {
  const words = ['install', 'elastic', '--json'];
  if (cluster.certificates) {
    const privileges = ['manage_index_templates', 'manage_ingest_pipelines', 'manage_ilm', 'monitor'];
    const indices = [{ names: ['logs-transmit_security.*-*'], privileges: ['manage'] }];
    const role_descriptors = { installer: { cluster: privileges, indices } };
    const { body } = await cluster.must('POST', '/_security/api_key', { name: 'installer', role_descriptors });
    const file = join(cluster.server.folder, 'admin.key');
    writeFileSync(file, `${body['encoded']}\n`);
    words.push('--admin-key-file', file);
  }
  const results = (out: string) =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { request: string; result: string })
      // Kibana is left out, which is told.
      .filter(({ request }) => !request.includes('/api/'))
      .map(({ result }) => result);
  assert.deepEqual([...new Set(results(await succeeds(daemon, ...words)))], ['created']);
  assert.deepEqual([...new Set(results(await succeeds(daemon, ...words)))], ['unchanged']);
}

/** Runs one path over the cluster from installing to the end, and gives it back while its process still lives. */
async function fullPath(context: TestContext, cluster: Cluster, longest: number): Promise<Path> {
  const credentials = cluster.certificates ? `api_key: "${(await newApiKey(cluster, DOCUMENTED)).key}"` : '';
  const path = await startPath(context, () => elastic(cluster, credentials));
  await install(cluster, path.daemon);
  const check = await succeeds(path.daemon, 'check', '--connect');
  for (const dataset of DATASETS)
    if (cluster.certificates)
      assert.match(check, new RegExp(`logs-transmit_security.${dataset}-default: may be written`));
    else assert.match(check, /security is off/);
  const activities = awkwardActivities(longest);
  path.enqueue(activities);
  path.daemon.start();
  await path.settled();
  await assertNoneDead(path);
  // All of it once more: the same bytes have the same ids.
  for (const [type, again] of Object.entries(activities)) path.mosaic.enqueue(`${type as 'verify'}/siem`, again);
  await path.settled();
  await assertNoneDead(path);
  return path;
}

/** Each document once, whole, in the data stream of its type. Gives the fields that are stored and not indexed. */
async function assertStored(cluster: Cluster, path: Path): Promise<readonly string[]> {
  const hits = await cluster.documents(ALL);
  const documents = hits.map(({ source: { data_stream: stream, ...document }, index, id }) => {
    const event = document['event'] as { id: string; dataset: string };
    assert.equal(id, event.id);
    assert.deepEqual(stream, { type: 'logs', dataset: event.dataset, namespace: 'default' });
    assert.ok(index.startsWith(`.ds-logs-${event.dataset}-default-`), index);
    return document as unknown as EcsDocument;
  });
  const copies = assertAllThere(path, documents, 'Elasticsearch');
  assert.equal(hits.length, copies.size, 'each event is stored once');
  const { sinks } = await path.daemon.status();
  assert.equal(sinks[0]?.delivered, 2 * hits.length, 'and was delivered twice');
  return hits.flatMap(({ ignored }) => ignored);
}

/** What the documents made of the mapping is what the templates say: no field had its type guessed. */
async function assertMapped(cluster: Cluster): Promise<void> {
  for (const dataset of DATASETS) {
    const stream = `logs-transmit_security.${dataset}-default`;
    const { body: template } = await cluster.must('POST', `/_index_template/_simulate_index/${stream}`);
    const wanted = fieldsOf(template['template']?.['mappings'] as Json);
    const { body: indices } = await cluster.must('GET', `/${stream}/_mapping`);
    const [index] = Object.values(indices) as unknown as readonly Json[];
    const found = fieldsOf(index?.['mappings'] as Json);
    assert.ok(found.size > 50, `${stream} has a mapping`);
    const guessed = [...found].filter(([name, type]) => wanted.get(name) !== type);
    assert.deepEqual(guessed, [], `${stream}: fields whose type nobody chose`);
  }
}

function fieldsOf(mapping: Json, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(mapping['properties'] ?? {}).flatMap(([name, field]) => {
      const inner = [...fieldsOf(field as Json, `${prefix}${name}.`)];
      const type = (field as Json)['type'];
      return type === undefined ? inner : [[`${prefix}${name}`, String(type)] as const, ...inner];
    }),
  );
}

const nine = await lacking('elasticsearch9');
test('Elasticsearch 9 stores every event once, as it was mapped', { skip: nine }, async (context) => {
  const cluster = await startCluster(context, 'elasticsearch9');
  const ignored = await assertStored(cluster, await fullPath(context, cluster, 900));
  assert.deepEqual(ignored, []);
  await assertMapped(cluster);
});

describe('Elasticsearch 8 with security', { skip: await lacking('elasticsearch8') }, () => {
  const cluster = shared((context) => startCluster(context, 'elasticsearch8', { security: true }));

  test('Elasticsearch 8 stores every event once over TLS, with a key of the documented privileges', async (context) => {
    const secured = cluster();
    // What is too long for the index is whole in the document all the same.
    const ignored = await assertStored(secured, await fullPath(context, secured, 100 * 1024));
    assert.ok(ignored.includes('transmit_security.idv.platform'));
    await assertMapped(secured);
  });

  test('a key that may not write is told before the first event', async (context) => {
    const secured = cluster();
    const { key } = await newApiKey(secured, ['auto_configure', 'read']);
    const { daemon } = await startPath(context, () => elastic(secured, `api_key: "${key}"`));
    const { status, stdout } = await daemon.run('check', '--connect');
    assert.equal(status, 1);
    for (const dataset of DATASETS) assert.match(stdout, new RegExp(`${dataset}-default: may NOT be written`));
    assert.match(stdout, /create_doc and auto_configure on logs-transmit_security/);
  });

  test('a key that is revoked holds the events, and the new one in its file is taken without a restart', async (context) => {
    const secured = cluster();
    const first = await newApiKey(secured, DOCUMENTED);
    const file = join(secured.server.folder, 'rotated.key');
    writeFileSync(file, first.key);
    const path = await startPath(context, () => elastic(secured, `api_key: "\${file:${file}}", namespace: rotated`));
    path.daemon.start();
    await path.daemon.ready();
    const flow = path.flow(100);
    await path.daemon.until('some are stored', async () => (await path.daemon.status()).sinks[0]?.delivered !== 0);
    await secured.must('DELETE', '/_security/api_key', { ids: [first.id] });
    await path.daemon.until('it is told', async () => (await path.daemon.status()).sinks[0]?.state === 'down');
    assert.match((await path.daemon.status()).sinks[0]?.reason ?? '', /401 .*the api_key, .* not accepted/);
    await path.daemon.until('events wait', async () => ((await path.daemon.status()).sinks[0]?.waiting ?? 0) > 100);
    writeFileSync(file, (await newApiKey(secured, DOCUMENTED)).key);
    flow.stop();
    await path.settled();
    await assertNoneDead(path);
    const hits = await secured.documents('logs-transmit_security.*-rotated');
    assertAllThere(
      path,
      hits.map(({ source: { data_stream: _, ...document } }) => document as unknown as EcsDocument),
      'Elasticsearch',
    );
  });

  test('a certificate for another name, and one of an unknown CA, are refused in clear words', async (context) => {
    const secured = cluster();
    const { key } = await newApiKey(secured, DOCUMENTED);
    // The certificate names localhost and 127.0.0.1.
    const relay = await startRelay(secured.server.port, '127.0.0.2');
    context.after(() => relay.close());
    const elsewhere = await startPath(context, () => elastic(secured, `api_key: "${key}"`, relay.port, '127.0.0.2'));
    const name = await elsewhere.daemon.run('check', '--connect');
    assert.equal(name.status, 1);
    assert.match(name.stdout, /127\.0\.0\.2 is not in the cert's list.* use a name that its certificate holds/);
    const unknown = await startPath(
      context,
      () => `  elastic: { type: elasticsearch, url: "${secured.server.url}", api_key: "${key}" }`,
    );
    const ca = await unknown.daemon.run('check', '--connect');
    assert.equal(ca.status, 1);
    assert.match(ca.stdout, /certificate.*\bca\b/i);
  });
});
