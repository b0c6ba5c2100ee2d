import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { type ElasticsearchOptions, startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import type { HeldQuestion } from '../../src/sink.ts';
import { API_KEY, CONTEXT, makeEvent, never } from './elasticsearch-fixture.ts';

const AT = Date.parse('2026-11-01T10:00:00.000Z');
const SECOND = 1_000;

type Asked = Partial<Pick<HeldQuestion, 'received' | 'ids' | 'streams'>>;

/** A server with so many events, received a second apart, and what it is asked. */
async function holding(t: TestContext, count: number, options: ElasticsearchOptions = { apiKey: API_KEY }) {
  const server = await startElasticsearch(options);
  t.after(() => server.close());
  const value = elasticsearch.options.parse({ url: server.url, api_key: API_KEY });
  const sink = await elasticsearch.open(value, CONTEXT, never);
  t.after(() => sink.close());
  const events = Array.from({ length: count }, (_, index) => {
    const { id } = makeEvent(index);
    const created = new Date(AT + index * SECOND).toISOString();
    return makeEvent(index, { event: { id, created, action: 'page_loaded', severity: 10 } });
  });
  for (let from = 0; from < count; from += 5_000) await sink.deliver(events.slice(from, from + 5_000), never);
  const ask = (asked: Asked, key = API_KEY) => {
    const question = { ...CONTEXT, key, streams: ['verify/siem'] as const, ...asked };
    return Array.fromAsync(elasticsearch.held?.(value, question, never) ?? assert.fail('it can be asked'));
  };
  return { server, ids: events.map(({ id }) => id), ask };
}

const span = (from: number, to: number) => ({
  received: { from: new Date(AT + from * SECOND), to: new Date(AT + to * SECOND) },
});

test('more ids than one answer holds come, each once', async (t) => {
  const { server, ids, ask } = await holding(t, 10_001);
  const from = server.requests.length;
  const found = await ask(span(0, 10_001));
  assert.equal(found.length, ids.length);
  assert.deepEqual(new Set(found), new Set(ids));
  assert.equal(server.requests.length - from, 2, 'answers of 10,000');
});

test('of a span what was received at its start and before its end; of ids those that are there, whatever their time', async (t) => {
  const { ids, ask } = await holding(t, 10);
  assert.deepEqual((await ask(span(3, 6))).sort(), ids.slice(3, 6).sort());
  assert.deepEqual(await ask(span(100, 200)), []);
  assert.deepEqual((await ask({ ids: [ids[1] ?? '', 'nobody', ids[8] ?? ''] })).sort(), [ids[1], ids[8]].sort());
});

test('each data stream is asked once, and one that is not there holds nothing', async (t) => {
  const { server, ids, ask } = await holding(t, 5);
  const from = server.requests.length;
  const found = await ask({ ...span(0, 5), streams: ['risk/one', 'verify/siem', 'verify/other'] });
  assert.deepEqual(found.sort(), ids.toSorted());
  assert.deepEqual(server.requests.slice(from), [
    'POST /logs-transmit_security.risk-default/_search',
    'POST /logs-transmit_security.idv-default/_search',
  ]);
});

test('in doubt it throws, so that nothing is called missing: a wrong key, no privilege, a shard, a page of a proxy', async (t) => {
  const { server, ask } = await holding(t, 5);
  const fails = (pattern: RegExp, key?: string) => assert.rejects(ask(span(0, 5), key), pattern);
  await fails(/answered 401 .* the key of --key-file is not accepted$/, 'd3Jvbmc6d3Jvbmc=');
  server.dials.denied = ['logs-transmit_security.idv-default'];
  await fails(
    /answered 403 security_exception .* needs the index privilege read on logs-transmit_security\.idv-default$/,
  );
  server.dials.denied = [];
  server.dials.shardFails = true;
  await fails(/answered 503 search_phase_execution_exception/);
  server.dials.shardFails = false;
  server.dials.html = true;
  await fails(/OpenSearch is not supported|cannot be read|in part only/);
  server.dials.html = false;
  server.dials.down = true;
  await fails(/no answer|connection|ECONNRESET|socket/i);
  server.dials.down = false;
  assert.equal((await ask(span(0, 5))).length, 5);
});
