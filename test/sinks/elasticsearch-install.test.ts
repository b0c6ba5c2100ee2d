import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { EcsFlat } from '@elastic/ecs';
import FIELDS from '../../sinks/content/fields.json' with { type: 'json' };
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import {
  CONTENT_VERSION,
  mappingsContent,
  pipelineContent,
  templateContent,
} from '../../sinks/elasticsearch/templates.ts';
import { type ElasticsearchOptions, startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import type { AdminContext, InstallStep } from '../../src/sink.ts';
import { API_KEY, CONTEXT, never } from './elasticsearch-fixture.ts';

type Json = Record<string, unknown>;
const ALL = {
  components: undefined,
  processors: undefined,
  failureStore: true,
  policies: true,
  dataStreamLifecycle: true,
};
/** A policy and the component that names it, and three for each kind of stream. */
const STEPS = 2 + 4 * 3;
/** And that Kibana is left out. */
const SAID = STEPS + 1;

async function start(test: TestContext, options: ElasticsearchOptions = {}) {
  const server = await startElasticsearch(options);
  test.after(() => server.close());
  return server;
}

async function install(url: string, admin: Partial<AdminContext> = {}, own: Json = {}): Promise<InstallStep[]> {
  const options = elasticsearch.options.parse({ url, ...own });
  return Array.fromAsync(elasticsearch.install?.(options, { ...CONTEXT, dryRun: false, ...admin }, never) ?? []);
}

/** The mapping of a field, found along its path. */
function fieldAt(mappings: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((found, name) => (found as { properties?: Json })?.properties?.[name], mappings);
}

test('every ECS field has the type, the text field and the limit that ECS gives it', () => {
  const names = Object.keys(FIELDS).filter((name) => !name.startsWith('transmit_security.'));
  assert.ok(names.length > 70);
  const { template } = mappingsContent('idv', ALL).body as { template: { mappings: unknown } };
  for (const name of names) {
    const ecs = EcsFlat[name as keyof typeof EcsFlat] as Json & { multi_fields?: { name: string; type: string }[] };
    assert.ok(ecs, `${name} is not a field of ECS`);
    const texts = ecs.multi_fields?.map((inner) => [inner.name, { type: inner.type }] as const);
    const expected = {
      type: ecs['type'],
      ...(ecs['ignore_above'] !== undefined && { ignore_above: ecs['ignore_above'] }),
      ...(ecs['index'] === false && { index: false }),
      ...(ecs['doc_values'] === false && { doc_values: false }),
      ...(texts && { fields: Object.fromEntries(texts) }),
    };
    assert.deepEqual(fieldAt(template.mappings, name), expected, name);
  }
});

test('every vendor field of a kind is in the component template of that kind, and parameters are flattened', () => {
  const vendor = Object.entries(FIELDS);
  for (const dataset of ['idv', 'cis', 'admin', 'risk'] as const) {
    const { template } = mappingsContent(dataset, ALL).body as { template: { mappings: unknown } };
    const own = vendor.filter(([name]) => name.startsWith(`transmit_security.${dataset}.`));
    assert.ok(own.length > 20, dataset);
    for (const [name, { type }] of own) assert.equal((fieldAt(template.mappings, name) as Json)?.['type'], type, name);
    assert.deepEqual(fieldAt(template.mappings, `transmit_security.${dataset}.params`), {
      type: 'flattened',
      ignore_above: 1024,
    });
    assert.deepEqual(
      Object.keys((fieldAt(template.mappings, 'transmit_security') as { properties: Json }).properties),
      [dataset],
    );
    assert.deepEqual(fieldAt(template.mappings, 'source.ip'), { type: 'ip' });
  }
});

test('install puts a lifecycle, and a pipeline, a component and a template for each kind of stream; a second time changes nothing', async (t) => {
  const server = await start(t);
  const first = await install(server.url);
  assert.deepEqual(first.map(({ request }) => request).slice(0, 5), [
    'PUT /_ilm/policy/transmit_security-lifecycle',
    'PUT /_component_template/transmit_security-lifecycle',
    'PUT /_ingest/pipeline/transmit_security.idv-pipeline',
    'PUT /_component_template/transmit_security.idv-mappings',
    'PUT /_index_template/transmit_security.idv',
  ]);
  assert.deepEqual(
    first.slice(0, STEPS).map(({ result, note }) => [result, note]),
    Array(STEPS).fill(['created', undefined]),
  );
  const template = server.installed.get('/_index_template/transmit_security.idv') as Json;
  assert.deepEqual(template, {
    index_patterns: ['logs-transmit_security.idv-*'],
    priority: 500,
    data_stream: {},
    composed_of: [
      'logs@mappings',
      'logs@settings',
      'transmit_security.idv-mappings',
      'ecs@mappings',
      'transmit_security-lifecycle',
      'transmit_security.idv-custom',
    ],
    ignore_missing_component_templates: ['transmit_security.idv-custom'],
    template: {
      settings: { index: { default_pipeline: 'transmit_security.idv-pipeline' } },
      data_stream_options: { failure_store: { enabled: true } },
    },
    _meta: { managed_by: 'mosaic-siem-forwarder', version: CONTENT_VERSION },
  });
  const second = await install(server.url);
  assert.deepEqual(
    second.map(({ result }) => result),
    Array(SAID).fill('unchanged'),
  );
  assert.equal(server.requests.filter((request) => request.startsWith('PUT')).length, STEPS);
});

test('what was changed by hand is put right, what a newer release put stays, what others put is not touched', async (t) => {
  const server = await start(t);
  await install(server.url);
  const path = '/_index_template/transmit_security.idv';
  const template = server.installed.get(path) as Json;
  const change = async (changed: Json) => {
    await fetch(server.url + path, { method: 'PUT', body: JSON.stringify({ ...template, ...changed }) });
    return (await install(server.url)).filter(({ result }) => result !== 'unchanged').map(({ request }) => request);
  };
  assert.deepEqual(await change({ priority: 7 }), [`PUT ${path}`]);
  assert.deepEqual(await change({ composed_of: ['logs@mappings'] }), [`PUT ${path}`]);
  assert.deepEqual(await change({ composed_of: [...(template['composed_of'] as string[]), 'logs@mappings'] }), [
    `PUT ${path}`,
  ]);
  assert.deepEqual(server.installed.get(path), template);
  const newer = { priority: 900, _meta: { managed_by: 'mosaic-siem-forwarder', version: CONTENT_VERSION + 1 } };
  assert.deepEqual(await change(newer), []);
  assert.equal((server.installed.get(path) as Json)['priority'], 900);
  await assert.rejects(change({ _meta: {} }), /was not made by this program/);
});

test('a dry run sends nothing and shows every body', async (t) => {
  const server = await start(t);
  const steps = await install(server.url, { dryRun: true });
  assert.deepEqual(
    steps.map(({ result }) => result),
    Array(SAID + 2).fill('dry-run'),
  );
  assert.ok(steps.every(({ request, body }) => typeof body === 'object' || request.startsWith('POST ')));
  assert.equal(server.requests.length, 0);
});

test('the administrative key is used, not the one of the config; a refusal says what is needed and no secret', async (t) => {
  const server = await start(t, { apiKey: API_KEY });
  assert.equal((await install(server.url, { adminKey: API_KEY }, { api_key: 'running-key' })).length, SAID);
  assert.equal((await install(server.url, {}, { api_key: API_KEY })).length, SAID);
  await assert.rejects(install(server.url, { adminKey: 'wrong-secret' }), (error: Error) => {
    assert.match(error.message, /401.*manage_index_templates/);
    return !JSON.stringify([error.message, error.stack, error]).includes('wrong-secret');
  });
});

test('before 8.19, and on 9.0, the failure store is not asked for', async (t) => {
  for (const [version, wanted] of [
    ['8.18.3', false],
    ['8.19.0', true],
    ['9.0.4', false],
    ['9.1.0', true],
    ['10.0.0', true],
  ] as const) {
    const server = await start(t, { dials: { version } });
    const steps = await install(server.url);
    const template = server.installed.get('/_index_template/transmit_security.idv') as { template: Json };
    assert.equal('data_stream_options' in template.template, wanted, version);
    assert.equal(/failure store/.test(steps[4]?.note ?? ''), !wanted, version);
  }
});

test('on a server with only the core: nothing names what is not there, and the steps say so', () => {
  const core = {
    ...ALL,
    components: new Set<string>(),
    processors: new Set<string>(),
    policies: false,
    dataStreamLifecycle: false,
  };
  assert.equal(pipelineContent(core), undefined);
  const template = templateContent('idv', core);
  assert.deepEqual(template.body['composed_of'], ['transmit_security.idv-mappings', 'transmit_security.idv-custom']);
  assert.deepEqual(template.body['template'], { data_stream_options: { failure_store: { enabled: true } } });
  assert.match(template.note ?? '', /logs@mappings, logs@settings, ecs@mappings, a pipeline, a lifecycle/);
  const mappings = mappingsContent('idv', core);
  const { template: inner } = mappings.body as { template: { mappings: unknown } };
  assert.deepEqual(fieldAt(inner.mappings, 'url.full'), {
    type: 'keyword',
    fields: { text: { type: 'text' } },
    ignore_above: 1024,
  });
  assert.deepEqual(fieldAt(inner.mappings, 'message'), { type: 'text' });
  assert.deepEqual(fieldAt(inner.mappings, 'data_stream.namespace'), { type: 'keyword', ignore_above: 1024 });
  assert.match(mappings.note ?? '', /ecs@mappings/);
  const some = pipelineContent({ ...core, processors: new Set(['set', 'rename', 'append']) });
  assert.deepEqual(
    ((some?.body['processors'] ?? []) as object[]).map((processor) => Object.keys(processor)[0]),
    ['set', 'rename', 'rename'],
  );
  assert.match(some?.note ?? '', /geoip/);
});

async function probe(url: string, own: Json = {}) {
  const report = await elasticsearch.probe?.(elasticsearch.options.parse({ url, ...own }), CONTEXT, never);
  return { ok: report?.ok, text: report?.lines.join('\n') ?? '' };
}

test('check --connect tells version, privileges and templates, and writes nothing', async (t) => {
  const server = await start(t);
  const before = await probe(server.url);
  assert.equal(before.ok, true);
  assert.match(before.text, /Elasticsearch 9\.5\.3/);
  assert.match(before.text, /logs-transmit_security\.idv-default: may be written/);
  assert.match(before.text, /warning: template transmit_security\.idv is missing/);
  assert.ok(server.requests.every((request) => !/PUT|_bulk/.test(request)));
  await install(server.url);
  assert.match((await probe(server.url)).text, /template transmit_security\.idv is installed/);
});

test('check --connect tells which streams cannot be delivered, and fails where none can', async (t) => {
  const server = await start(t);
  const nameOf = (dataset: string) => `logs-transmit_security.${dataset}-default`;
  server.dials.denied = ['cis', 'risk'].map(nameOf);
  const some = await probe(server.url);
  assert.equal(some.ok, true);
  assert.match(some.text, /idv-default: may be written$/m);
  assert.match(some.text, /cis-default: may NOT be written: events of cis streams cannot be delivered$/m);
  assert.match(some.text, /the key needs/);
  server.dials.denied = ['idv', 'cis', 'admin', 'risk'].map(nameOf);
  const none = await probe(server.url);
  assert.equal(none.ok, false);
  assert.match(none.text, /idv-default: may NOT be written: events of verify streams cannot be delivered$/m);
});

test('check --connect tells a wrong key, a relative of Elasticsearch and a dead port, without a secret', async (t) => {
  const server = await start(t, { apiKey: API_KEY });
  const wrong = await probe(server.url, { api_key: 'wrong-secret' });
  assert.equal(wrong.ok, false);
  assert.match(wrong.text, /401/);
  assert.ok(!wrong.text.includes('wrong-secret'));
  server.dials.otherProduct = true;
  const relative = await probe(server.url, { api_key: API_KEY });
  assert.equal(relative.ok, false);
  assert.match(relative.text, /OpenSearch is not supported/);
  await server.close();
  const dead = await probe(server.url);
  assert.equal(dead.ok, false);
  assert.match(dead.text, /ECONNREFUSED/);
});

/** Answers all requests alike. */
async function answering(context: TestContext, status: number, body: unknown): Promise<string> {
  const headers = {
    'content-type': 'application/json',
    ...(status !== 404 && { 'x-elastic-product': 'Elasticsearch' }),
  };
  const server = createServer((_, response) => {
    response.writeHead(status, headers).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('what a server says when it refuses cannot steer a terminal', async (context) => {
  const url = await answering(context, 403, { error: { type: 'security_exception', reason: 'no\u001b[31m \u202e' } });
  await assert.rejects(
    install(url),
    /\(security_exception: no\\u\{1b\}\[31m \\u\{202e\}\); the administrative key needs/,
  );
});

test('probe takes nothing for Elasticsearch that answers like a web server', async (context) => {
  const stranger = await probe(await answering(context, 404, { text: 'not found' }));
  assert.equal(stranger.ok, false);
  assert.match(stranger.text, /answered 404, and not as Elasticsearch does: is the address right\?$/);
});
