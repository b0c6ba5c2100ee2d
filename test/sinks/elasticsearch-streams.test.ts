/** What `install` does with data streams that are there, and what `uninstall` leaves. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { CONTENT_VERSION } from '../../sinks/elasticsearch/templates.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import type { AdminContext, InstallStep } from '../../src/sink.ts';
import { CONTEXT, never } from './elasticsearch-fixture.ts';

const STREAM = 'logs-transmit_security.idv-default';
const TEMPLATE = '/_index_template/transmit_security.idv';
const META = { managed_by: 'mosaic-siem-forwarder', version: CONTENT_VERSION };

async function start(test: TestContext) {
  const server = await startElasticsearch();
  test.after(() => server.close());
  const run = async (verb: 'install' | 'uninstall', admin: Partial<AdminContext> = {}): Promise<InstallStep[]> => {
    const options = elasticsearch.options.parse({ url: server.url });
    const all = { ...CONTEXT, dryRun: false, ...admin };
    const steps = await Array.fromAsync(elasticsearch[verb]?.(options, all, never) ?? []);
    return steps.filter(({ request }) => !request.includes('/api/'));
  };
  return { server, run };
}

const about = (steps: readonly InstallStep[], what: string) =>
  steps.filter(({ request }) => request.includes(what)).map(({ request, result, note }) => ({ request, result, note }));

test('a data stream whose newest index an older template made is rolled over once, and gets the failure store', async (t) => {
  const { server, run } = await start(t);
  const old = { name: `.ds-${STREAM}-000001` };
  server.streams.set(STREAM, { template: 'transmit_security.idv', indices: [old] });
  const first = await run('install');
  const [rollover, options] = about(first, STREAM);
  assert.equal(rollover?.request, `POST /${STREAM}/_rollover`);
  assert.equal(rollover?.result, 'updated');
  assert.equal(options?.result, 'updated');
  const stream = server.streams.get(STREAM);
  assert.deepEqual(stream?.indices, [old, { name: `.ds-${STREAM}-000002`, meta: META }]);
  assert.deepEqual(stream?.options, { failure_store: { enabled: true } });
  const second = await run('install');
  assert.deepEqual([...new Set(second.map(({ result }) => result))], ['unchanged']);
  assert.equal(stream?.indices.length, 2);
});

test('a template that was put right rolls its data streams over, and no others', async (t) => {
  const { server, run } = await start(t);
  const made = (name: string) => ({ indices: [{ name: `.ds-${name}-000001`, meta: META }], options: {} });
  const other = 'logs-transmit_security.cis-eu';
  server.streams.set(STREAM, { template: 'transmit_security.idv', ...made(STREAM) });
  server.streams.set(other, { template: 'transmit_security.cis', ...made(other) });
  await run('install');
  const [before, beforeOther] = [STREAM, other].map((name) => server.streams.get(name)?.indices.length ?? 0);
  const template = server.installed.get(TEMPLATE) as Record<string, unknown>;
  const body = JSON.stringify({ ...template, priority: 7 });
  await fetch(server.url + TEMPLATE, { method: 'PUT', body });
  await run('install');
  assert.equal(server.streams.get(STREAM)?.indices.length, (before ?? 0) + 1);
  assert.equal(server.streams.get(other)?.indices.length, beforeOther);
});

test('what a newer release made, what another template serves and what was switched off stay, and are told', async (t) => {
  const { server, run } = await start(t);
  const newer = { name: 'a', meta: { ...META, version: CONTENT_VERSION + 1 } };
  const off = { failure_store: { enabled: false } };
  server.streams.set(STREAM, { template: 'transmit_security.idv', indices: [newer], options: off });
  const foreign = 'logs-transmit_security.risk-default';
  server.streams.set(foreign, { template: 'mine', indices: [{ name: 'b' }] });
  server.streams.set('logs-transmit_security.other-default', { template: 'x', indices: [{ name: 'c' }] });
  const steps = await run('install');
  assert.deepEqual(about(steps, `${STREAM}/_rollover`)[0]?.result, 'unchanged');
  assert.match(about(steps, `${STREAM}/_options`)[0]?.note ?? '', /switched off/);
  assert.match(about(steps, `${foreign}/_rollover`)[0]?.note ?? '', /template mine serves it/);
  assert.deepEqual(about(steps, 'other-default'), []);
  assert.deepEqual(server.streams.get(STREAM)?.indices, [newer]);
});

test('a phase that a user has put to the policy stays, over releases too', async (t) => {
  const { server, run } = await start(t);
  await run('install');
  const path = '/_ilm/policy/transmit_security-lifecycle';
  const deletes = { min_age: '90d', actions: { delete: {} } };
  const { policy } = server.installed.get(path) as { policy: { phases: object } };
  const theirs = { ...policy.phases, delete: deletes };
  const older = { policy: { phases: theirs, _meta: { ...META, version: CONTENT_VERSION - 1 } } };
  await fetch(server.url + path, { method: 'PUT', body: JSON.stringify(older) });
  const steps = await run('install');
  assert.deepEqual(
    steps.filter(({ result }) => result === 'updated').map(({ request }) => request),
    [`PUT ${path}`],
  );
  assert.deepEqual(server.installed.get(path), { policy: { phases: theirs, _meta: META } });
  assert.ok((await run('install')).every(({ result }) => result === 'unchanged'));
});

test('without policies the lifecycle is that of data streams; nothing is ever deleted by either', async (t) => {
  const { server, run } = await start(t);
  await run('install');
  const path = '/_component_template/transmit_security-lifecycle';
  assert.deepEqual(server.installed.get(path), {
    template: {
      settings: { index: { lifecycle: { name: 'transmit_security-lifecycle' } } },
      lifecycle: { enabled: true },
    },
    _meta: META,
  });
  assert.doesNotMatch(JSON.stringify([...server.installed]), /"delete"|data_retention/);
  const serverless = await start(t);
  serverless.server.dials.noPolicies = true;
  await serverless.run('install');
  const { template } = serverless.server.installed.get(path) as { template: unknown };
  assert.deepEqual(template, { lifecycle: { enabled: true } });
  assert.equal(serverless.server.installed.has('/_ilm/policy/transmit_security-lifecycle'), false);
  const removed = await serverless.run('uninstall');
  assert.ok(removed.every(({ result }) => result === 'removed'));
  assert.equal(serverless.server.installed.size, 0);
  const old = await start(t);
  old.server.dials.version = '8.13.4';
  await old.run('install');
  assert.doesNotMatch(JSON.stringify(old.server.installed.get(path)), /"enabled"/);
});

test('uninstall takes all of it away, but neither what others made nor a component named -custom', async (t) => {
  const { server, run } = await start(t);
  await run('install');
  const put = (path: string, body: unknown) => fetch(server.url + path, { method: 'PUT', body: JSON.stringify(body) });
  await put('/_component_template/transmit_security.idv-custom', { template: {} });
  await put('/_ingest/pipeline/transmit_security.cis-pipeline', { processors: [] });
  const dry = await run('uninstall', { dryRun: true });
  assert.equal(dry.length, 14);
  const steps = await run('uninstall');
  assert.deepEqual(
    steps.filter(({ result }) => result !== 'removed').map(({ request, note }) => [request, note]),
    [['DELETE /_ingest/pipeline/transmit_security.cis-pipeline', 'was not made by this program: stays']],
  );
  assert.deepEqual([...server.installed.keys()].sort(), [
    '/_component_template/transmit_security.idv-custom',
    '/_ingest/pipeline/transmit_security.cis-pipeline',
  ]);
  assert.deepEqual(
    (await run('uninstall')).filter(({ note }) => note !== 'is not there').map(({ note }) => note),
    ['was not made by this program: stays'],
  );
});

test('uninstall leaves data streams, and with them what they need, and says why', async (t) => {
  const { server, run } = await start(t);
  server.streams.set(STREAM, { template: 'transmit_security.idv', indices: [{ name: 'a' }] });
  await run('install');
  const steps = await run('uninstall');
  const stayed = steps.filter(({ result }) => result === 'unchanged');
  assert.deepEqual(
    stayed.map(({ request }) => request),
    [
      `DELETE ${TEMPLATE}`,
      'DELETE /_component_template/transmit_security.idv-mappings',
      'DELETE /_ingest/pipeline/transmit_security.idv-pipeline',
      'DELETE /_component_template/transmit_security-lifecycle',
      'DELETE /_ilm/policy/transmit_security-lifecycle',
    ],
  );
  assert.match(stayed[0]?.note ?? '', /^stays: .*in use by data stream \[logs-transmit_security\.idv-default\]/);
  assert.ok(stayed.slice(1).every(({ note }) => /^stays with/.test(note ?? '')));
  assert.equal(server.streams.get(STREAM)?.indices.length, 2);
  assert.ok(server.installed.has(TEMPLATE));
  assert.equal(server.installed.has('/_index_template/transmit_security.cis'), false);
});
