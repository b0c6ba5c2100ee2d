/** The contract of a sink, held by real servers in place of the simulated one. */
import { after, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import type { SinkContext, SinkDefinition } from '../../src/sink.ts';
import { type Receiver, sinkContract } from '../contract/contract.ts';
import { APPLICANT, withFields } from '../contract/events.ts';
import { ADMIN, type Cluster, DOCUMENTED, newApiKey, roleOf, startCluster } from './cluster.ts';
import { startRelay } from './relay.ts';
import { lacking } from './servers.ts';

interface Way {
  /** Options of the sink, and what refuses them. */
  readonly options: Readonly<Record<string, unknown>>;
  unwelcome?(on: boolean): Promise<void>;
}

let receivers = 0;

/** A namespace of its own is empty; the relay is what the network does. */
async function start(cluster: Cluster, way: (cluster: Cluster) => Promise<Way>): Promise<Receiver> {
  receivers += 1;
  const namespace = `contract_${receivers}`;
  const { options, unwelcome } = await way(cluster);
  const relay = await startRelay(cluster.server.port);
  const streams = `logs-transmit_security.*-${namespace}`;
  return {
    options: { ...options, url: `${cluster.certificates ? 'https' : 'http'}://127.0.0.1:${relay.port}`, namespace },
    held: async () =>
      (await cluster.documents(streams)).map(({ id, source }) => ({ id, content: withoutNamespace(source) })),
    close: () => relay.close(),
    down: (on) => relay.down(on),
    ...(unwelcome && { unwelcome }),
    loseAnswer: (on) => relay.loseAnswer(on),
    slow: (on) => relay.slow(on),
    // The server's own words then hold the value.
    refuse: (event) => withFields(event, { source: { ip: APPLICANT } }),
  };
}

/** Each receiver has another. */
function withoutNamespace(source: Readonly<Record<string, unknown>>): unknown {
  const { namespace: _, ...stream } = source['data_stream'] as Readonly<Record<string, unknown>>;
  return { ...source, data_stream: stream };
}

function contractOn(name: string, cluster: Cluster, way: (cluster: Cluster) => Promise<Way>, lacks = {}) {
  sinkContract(name, {
    definition: elasticsearch as SinkDefinition<unknown>,
    start: () => start(cluster, way),
    refused: [{ url: 'es.example.com:9200' }],
    lacks: { putOff: 'a real server puts off what the load makes it put off, not one event of a test', ...lacks },
    expected: ({ json }) => ({
      ...JSON.parse(json),
      data_stream: { type: 'logs', dataset: 'transmit_security.idv' },
    }),
    context: contextOf(cluster),
    patienceMs: 20_000,
  });
}

function contextOf({ certificates }: Cluster): Partial<SinkContext> {
  return certificates ? { tls: { ca: certificates.path('ca.pem') } } : {};
}

/** Its template and mappings, or no data stream would be made: these servers lack Elasticsearch's own. */
async function installed(cluster: Cluster): Promise<Cluster> {
  const options = elasticsearch.options.parse({ url: cluster.server.url, ...(cluster.certificates && ADMIN) });
  const base = { name: 'install', timeoutMs: 30_000, tls: {}, version: '0.0.0', log: () => undefined };
  const admin = { ...base, ...contextOf(cluster), dryRun: false };
  const steps = elasticsearch.install?.(options, admin, new AbortController().signal);
  if (steps) for await (const _ of steps);
  return cluster;
}

const apiKey = async (cluster: Cluster): Promise<Way> => {
  const { id, key } = await newApiKey(cluster, DOCUMENTED);
  const allow = (privileges: readonly string[]) =>
    cluster.must('PUT', `/_security/api_key/${id}`, { role_descriptors: { forwarder: roleOf(privileges) } });
  return { options: { api_key: key }, unwelcome: async (on) => void (await allow(on ? ['read'] : DOCUMENTED)) };
};

// Both before the first test is registered: when the tests that there are have ended, nobody waits for more of them.
const lack = await lacking('elasticsearch9', 'elasticsearch8');
if (lack) test('sink contract: elasticsearch', { skip: lack }, () => undefined);
else {
  const [nine, eight] = await Promise.all([
    startCluster({ after }, 'elasticsearch9').then(installed),
    startCluster({ after }, 'elasticsearch8', { security: true }).then(installed),
  ]);
  contractOn('elasticsearch 9 without security', nine, async () => ({ options: {} }), {
    unwelcome: 'this server has no security',
  });
  contractOn('elasticsearch 8 over TLS, with an API key that loses its privileges', eight, apiKey);
}
