import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAnswer } from '../../sinks/elasticsearch/answer.ts';
import { encodeBulk } from '../../sinks/elasticsearch/encode.ts';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { BatchRefused, type Outcome, Unavailable } from '../../src/sink.ts';
import { API_KEY, CONTEXT, makeEvent, makeEvents, never, openPair, thrownBy } from './elasticsearch-fixture.ts';

const delivered = { status: 'delivered' } as const;

test('an event becomes two lines, with the data stream of its kind and the namespace', () => {
  const [action = '', document = '', end] = encodeBulk([makeEvent(1, {}, 'risk/siem')], 'eu').split('\n');
  const event = makeEvent(1, {}, 'risk/siem');
  assert.deepEqual(JSON.parse(action), { create: { _index: 'logs-transmit_security.risk-eu', _id: event.id } });
  const data_stream = { type: 'logs', dataset: 'transmit_security.risk', namespace: 'eu' };
  assert.deepEqual(JSON.parse(document), { data_stream, ...event.document });
  assert.equal(end, '');
});

test('everything is stored once, also when it is sent again', async (t) => {
  const { server, sink } = await openPair(t);
  const events = makeEvents(300);
  assert.deepEqual(
    await sink.deliver(events, never),
    events.map(() => delivered),
  );
  assert.deepEqual(
    await sink.deliver(events, never),
    events.map(() => delivered),
  );
  assert.equal(server.duplicates, 300);
  for (const { id, document } of events) {
    const { data_stream, ...rest } = server.stored.get(id) as Record<string, unknown>;
    assert.deepEqual(rest, document);
    assert.deepEqual(data_stream, { type: 'logs', dataset: 'transmit_security.idv', namespace: 'default' });
  }
});

test('a lost answer is Unavailable; the events are there and not twice', async (t) => {
  const { server, sink } = await openPair(t);
  const events = makeEvents(5);
  server.dials.loseAnswer = true;
  const { error } = await thrownBy(sink, events);
  assert.ok(error instanceof Unavailable, String(error));
  assert.equal(server.stored.size, 5);
  server.dials.loseAnswer = false;
  assert.deepEqual(
    await sink.deliver(events, never),
    events.map(() => delivered),
  );
  assert.equal(server.stored.size, 5);
});

test('a document that does not fit is rejected, by position, naming the field and never its value', async (t) => {
  const { server, sink } = await openPair(t);
  const events = [
    makeEvent(0),
    makeEvent(1, { source: { ip: 'Jane Doe' } }),
    makeEvent(2),
    makeEvent(3, { event: { severity: 'very Jane' } }),
  ];
  const outcomes = await sink.deliver(events, never);
  assert.deepEqual(outcomes, [
    delivered,
    { status: 'rejected', reason: '400 document_parsing_exception at source.ip' },
    delivered,
    { status: 'rejected', reason: '400 document_parsing_exception at event.severity' },
  ]);
  assert.equal(server.stored.size, 2);
});

test('what only the failure store took is rejected', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.failureStore = true;
  const outcomes = await sink.deliver([makeEvent(0), makeEvent(1, { source: { ip: 'x' } })], never);
  assert.deepEqual(outcomes[0], delivered);
  assert.equal(outcomes[1]?.status, 'rejected');
  assert.match(JSON.stringify(outcomes[1]), /failure store/);
  assert.equal(server.failures.size, 1);
});

const items: readonly (readonly [status: number, type: string, outcome: object])[] = [
  [429, 'es_rejected_execution_exception', { status: 'retry', reason: '429 es_rejected_execution_exception' }],
  [429, 'cluster_block_exception', { status: 'retry', reason: '429 cluster_block_exception: ', held: true }],
  [403, 'cluster_block_exception', { status: 'retry', reason: '403 cluster_block_exception: ', held: true }],
  [403, 'security_exception', { status: 'retry', reason: '403 security_exception: ', held: true }],
  [404, 'index_not_found_exception', { status: 'retry', reason: '404 index_not_found_exception: ', held: true }],
  [400, 'index_closed_exception', { status: 'retry', reason: '400 index_closed_exception: ', held: true }],
  [500, 'exception', { status: 'retry', reason: '500 exception' }],
  [503, 'unavailable_shards_exception', { status: 'retry', reason: '503 unavailable_shards_exception' }],
  [418, 'strange_exception', { status: 'retry', reason: '418 strange_exception' }],
  [409, 'version_conflict_engine_exception', delivered],
  [400, 'illegal_argument_exception', { status: 'rejected', reason: '400 illegal_argument_exception' }],
  [400, 'Jane Doe 1984', { status: 'rejected', reason: '400 error without a type' }],
];
/** Where a hint follows the reason, the table ends at the colon. */
function withoutHint(outcome: Outcome): Outcome {
  return 'reason' in outcome ? { ...outcome, reason: outcome.reason.replace(/: .+/, ': ') } : outcome;
}
for (const [status, type, outcome] of items)
  test(`item ${status} ${type} → ${JSON.stringify(outcome)}, and its neighbours are delivered`, async (t) => {
    const { server, sink } = await openPair(t);
    server.dials.itemErrorType = type;
    server.dials.itemStatus = ({ message }) => (String(message).endsWith(' 1') ? status : undefined);
    const outcomes = await sink.deliver(makeEvents(3), never);
    assert.deepEqual(outcomes.map(withoutHint), [delivered, outcome, delivered]);
  });

test('reasons of real servers: only types and known fields are kept', () => {
  const reasonOf = (error: object) => {
    const body = { items: [{ create: { status: 400, error } }] };
    const [outcome] = readAnswer({ from: 'http://es', status: 200, headers: {}, body }, 1) as readonly object[];
    return outcome;
  };
  const rejected = (reason: string) => ({ status: 'rejected', reason });
  const type = 'document_parsing_exception';
  const cause = { type: 'illegal_argument_exception', reason: "'Jane' is not an IP string literal." };
  assert.deepEqual(
    reasonOf({
      type,
      reason: "[1:25] failed to parse field [client.ip] of type [ip]. Preview: 'Jane'",
      caused_by: cause,
    }),
    rejected(`400 ${type} (illegal_argument_exception) at client.ip`),
  );
  assert.deepEqual(
    reasonOf({ type, reason: 'failed to parse field [jane_doe] of type [ip]' }),
    rejected(`400 ${type}`),
  );
  const immense = 'Document contains at least one immense term in field="event.reason" (whose UTF8 encoding …)';
  assert.deepEqual(reasonOf({ type, reason: immense }), rejected(`400 ${type} at event.reason`));
  assert.deepEqual(reasonOf({ type: 'illegal_argument_exception', reason: 'pipeline with id [p] does not exist' }), {
    status: 'retry',
    reason: '400 illegal_argument_exception: the ingest pipeline of its template is missing',
    held: true,
  });
});

test('where every event is refused for want of privileges, the sink asks to be opened anew', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.itemErrorType = 'security_exception';
  server.dials.itemStatus = () => 403;
  const { error } = await thrownBy(sink, makeEvents(3));
  assert.ok(error instanceof Unavailable && error.reopen, String(error));
  assert.match(error.message, /create_doc and auto_configure/);
});

test('an answer with one item too few is never success', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.shortAnswer = true;
  const { error } = await thrownBy(sink, makeEvents(3));
  assert.ok(error instanceof Unavailable, String(error));
  assert.match(error.message, /answered 2 items to 3 events/);
  server.dials.shortAnswer = false;
  assert.deepEqual(await sink.deliver(makeEvents(3), never), [delivered, delivered, delivered]);
});

test('answers without items, with other items or with half ones are never success', () => {
  const read = (body: unknown) => readAnswer({ from: 'http://es', status: 200, headers: {}, body }, 2);
  const fine = { create: { status: 201 } };
  assert.deepEqual(read({ items: [fine, fine] }), [delivered, delivered]);
  for (const body of [undefined, null, '', 'ok', {}, { items: {} }, { items: [] }, { items: [fine, fine, fine] }])
    assert.throws(() => read(body), Unavailable, JSON.stringify(body));
  for (const item of [null, {}, { index: { status: 201 } }, { create: {} }, { create: { status: '201' } }])
    for (const items of [
      [fine, item],
      [fine, item, fine],
    ])
      assert.throws(() => read({ items }), Unavailable, JSON.stringify(items));
});

type Whole = readonly [status: number, type: string, expected: { refused?: true; tooLarge?: true; reopen?: true }];
const requests: readonly Whole[] = [
  [401, 'security_exception', { reopen: true }],
  [403, 'security_exception', { reopen: true }],
  [302, 'none', {}],
  [404, 'index_not_found_exception', {}],
  [408, 'none', {}],
  [413, 'none', { refused: true, tooLarge: true }],
  [429, 'es_rejected_execution_exception', {}],
  [400, 'cluster_block_exception', {}],
  [400, 'action_request_validation_exception', { refused: true }],
  [400, 'x_content_parse_exception', { refused: true }],
  [500, 'exception', {}],
  [502, 'none', {}],
  [503, 'unavailable_shards_exception', {}],
];
for (const [status, type, expected] of requests)
  test(`a bulk request answered ${status} ${type} → ${JSON.stringify(expected)}; once, without a word of the events`, async (t) => {
    const { server, sink } = await openPair(t, { apiKey: API_KEY });
    Object.assign(server.dials, { status, errorType: type, retryAfter: 7 });
    const { error, text } = await thrownBy(sink, [makeEvent(0, { message: 'Jane Doe' })]);
    if (expected.refused)
      assert.ok(error instanceof BatchRefused && error.tooLarge === (expected.tooLarge ?? false), text);
    else assert.ok(error instanceof Unavailable && error.reopen === (expected.reopen ?? false), text);
    if (status === 429 || status === 503) assert.equal((error as Unavailable).retryAfterMs, 7000);
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:\\d+ answered ${status}`));
    assert.ok(!text.includes('Jane') && !text.includes(API_KEY), text);
    if (status === 302) assert.match(error.message, /redirects are not followed/);
    assert.equal(server.bulkRequests, 1);
  });

test('a 400 that Elasticsearch did not say blames no event', async (t) => {
  const { server, sink } = await openPair(t);
  Object.assign(server.dials, { status: 400, errorType: 'x_content_parse_exception', otherProduct: true });
  assert.ok((await thrownBy(sink, makeEvents(1))).error instanceof Unavailable);
});

test('too large for the server: BatchRefused, and half of it passes', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.maxBytes = 30_000;
  const { error } = await thrownBy(sink, makeEvents(100));
  assert.ok(error instanceof BatchRefused && error.tooLarge, String(error));
  assert.equal((await sink.deliver(makeEvents(50), never)).length, 50);
});

test('a page of a proxy, and a relative of Elasticsearch, are Unavailable', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.html = true;
  const page = await thrownBy(sink, makeEvents(1));
  assert.ok(page.error instanceof Unavailable && !page.text.includes('log in'), page.text);
  server.dials.html = false;
  server.dials.otherProduct = true;
  const relative = await thrownBy(sink, makeEvents(1));
  assert.ok(relative.error instanceof Unavailable, relative.text);
  assert.match(relative.error.message, /OpenSearch is not supported/);
});

test('JSON that is cut, and answers that stop half-way, are Unavailable without a word of the body', async (t) => {
  const answers = ['{"items":[{"create":{"status":201,"x":"Jane', undefined];
  const server = createServer((request, response) => {
    request.resume();
    const text = answers.shift();
    response.setHeader('content-type', 'application/json').setHeader('x-elastic-product', 'Elasticsearch');
    if (text) return void response.end(text);
    response.setHeader('content-length', 1000);
    response.write('{"items":[');
    setTimeout(() => response.destroy(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sink = await elasticsearch.open(elasticsearch.options.parse({ url }), CONTEXT, never);
  t.after(() => sink.close());
  for (const pattern of [/cannot be read/, /did not arrive whole/]) {
    const { error, text } = await thrownBy(sink, makeEvents(1));
    assert.ok(error instanceof Unavailable, text);
    assert.match(error.message, pattern);
    assert.ok(!text.includes('Jane'), text);
  }
});

test('an older server is asked in its own words; nothing is lost on the way', async (t) => {
  for (const [version, tries] of [
    ['8.19.2', 2],
    ['8.15.0', 3],
    ['7.17.0', 4],
  ] as const) {
    const said: string[] = [];
    const { server, sink } = await openPair(t, { dials: { version } }, { log: (_, message) => said.push(message) });
    const events = makeEvents(3);
    for (let turn = 1; turn < tries; turn += 1)
      assert.deepEqual(
        await sink.deliver(events, never),
        events.map(() => ({ status: 'unsent' })),
      );
    assert.deepEqual(
      await sink.deliver(events, never),
      events.map(() => delivered),
    );
    assert.equal(server.bulkRequests, tries);
    assert.equal(said.length, tries - 1);
  }
});

test('several deliveries at once meet an older server: they go down one step at a time', async (t) => {
  const said: string[] = [];
  const log = (_: string, message: string) => said.push(message);
  const { server, sink } = await openPair(t, { dials: { version: '8.15.0', delayMs: 50 } }, { log });
  const batches = [0, 1, 2].map((batch) => [makeEvent(batch)]);
  for (const outcome of [{ status: 'unsent' }, { status: 'unsent' }, delivered]) {
    const outcomes = await Promise.all(batches.map((batch) => sink.deliver(batch, never)));
    assert.deepEqual(outcomes.flat(), [outcome, outcome, outcome]);
  }
  assert.equal(server.bulkRequests, 9);
  assert.equal(said.length, 2, said.join());
});

test('a server that is not there, or gives no answer in time, is Unavailable and named', async (t) => {
  const { server, sink } = await openPair(t, {}, { timeoutMs: 300 });
  server.dials.delayMs = 5000;
  const slow = await thrownBy(sink, makeEvents(1));
  assert.ok(slow.error instanceof Unavailable, slow.text);
  assert.match(slow.error.message, /127\.0\.0\.1:\d+.*within 300 ms/);
  server.dials.down = true;
  assert.ok((await thrownBy(sink, makeEvents(1))).error instanceof Unavailable);
  await server.close();
  const gone = await thrownBy(sink, makeEvents(1));
  assert.ok(gone.error instanceof Unavailable, gone.text);
  assert.match(gone.error.message, /ECONNREFUSED/);
});

test('the signal ends a delivery at once, with its reason, and no other delivery', async (t) => {
  const { server, sink } = await openPair(t);
  server.dials.delayMs = 400;
  const stop = new AbortController();
  const ended = sink.deliver([makeEvent(1)], stop.signal);
  const other = sink.deliver([makeEvent(2)], never);
  const reason = new Error('stop');
  setTimeout(() => stop.abort(reason), 50);
  await assert.rejects(ended, (error) => error === reason);
  assert.deepEqual(await other, [delivered]);
});

test('a node that fails is left out; the others take over', async (t) => {
  const [first, second] = [await startElasticsearch(), await startElasticsearch()];
  t.after(() => Promise.all([first.close(), second.close()]));
  const value = elasticsearch.options.parse({ urls: [first.url, second.url] });
  const sink = await elasticsearch.open(value, CONTEXT, never);
  t.after(() => sink.close());
  first.dials.down = true;
  const results = [];
  for (let turn = 0; turn < 40; turn += 1)
    results.push(
      await sink.deliver([makeEvent(turn)], never).then(
        () => 'delivered',
        (error: Error) => error.name,
      ),
    );
  assert.equal(results.filter((result) => result === 'Unavailable').length, 1, results.join());
  assert.equal(second.stored.size, 39);
});

test('an API key in either form, or a user name and password; anything else is told without the secret', async (t) => {
  const server = await startElasticsearch({ apiKey: API_KEY, username: 'siem', password: 'pass:wörd' });
  t.after(() => server.close());
  const plain = Buffer.from(API_KEY, 'base64').toString();
  for (const accepted of [{ api_key: API_KEY }, { api_key: plain }, { username: 'siem', password: 'pass:wörd' }]) {
    const sink = await elasticsearch.open(
      elasticsearch.options.parse({ url: server.url, ...accepted }),
      CONTEXT,
      never,
    );
    assert.deepEqual(await sink.deliver(makeEvents(1), never), [delivered]);
    await sink.close();
  }
  for (const wrong of [{ api_key: 'wrong-secret' }, { username: 'siem', password: 'wrong-secret' }, {}]) {
    const sink = await elasticsearch.open(elasticsearch.options.parse({ url: server.url, ...wrong }), CONTEXT, never);
    const { error, text } = await thrownBy(sink, makeEvents(1));
    assert.ok(error instanceof Unavailable && error.reopen, text);
    assert.ok(!text.includes('wrong-secret') && !text.includes(Buffer.from('wrong-secret').toString('base64')), text);
    await sink.close();
  }
});

test('TLS: a certificate of an own authority is taken with tls.ca only', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'elasticsearch-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...make, ...subject, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  const server = await startElasticsearch({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
  t.after(() => server.close());
  const value = elasticsearch.options.parse({ url: server.url });
  const trusting = await elasticsearch.open(value, { ...CONTEXT, tls: { ca: cert } }, never);
  assert.deepEqual(await trusting.deliver(makeEvents(1), never), [delivered]);
  await trusting.close();
  const strict = await elasticsearch.open(value, CONTEXT, never);
  const { error } = await thrownBy(strict, makeEvents(1));
  assert.ok(error instanceof Unavailable, String(error));
  assert.match(error.message, /self-signed certificate/);
  await strict.close();
});

test('options: exactly one end, one kind of credentials, no secret in an address', () => {
  const url = 'https://es.example.com:9200';
  const cloud_id = `prod:${Buffer.from('eu.cloud.example.com:9243$abc$def').toString('base64')}`;
  const fine = [
    { url },
    { urls: [url, 'http://other/prefix'] },
    { cloud_id },
    { url, namespace: 'eu_1.prod', api_key: 'k' },
  ];
  for (const options of fine) assert.ok(elasticsearch.options.safeParse(options).success, JSON.stringify(options));
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /exactly one of url, urls and cloud_id/],
    [{ url, cloud_id }, /exactly one/],
    [{ url: 'es.example.com:9200' }, /https:/],
    [{ url: 'ftp://es.example.com' }, /https:/],
    [{ url: 'https://user:hidden@es.example.com' }, /no user name/],
    [{ urls: [url, `${url}/`] }, /each address once/],
    [{ urls: [] }, /urls/],
    [{ cloud_id: 'nonsense' }, /Cloud ID/],
    [{ url, api_key: 'k', username: 'u', password: 'p' }, /not both/],
    [{ url, username: 'u' }, /needs password/],
    [{ url, password: 'p' }, /needs username/],
    [{ url, namespace: 'With-Hyphen' }, /no hyphen/],
    [{ url, index: 'x' }, /index/],
  ];
  for (const [options, pattern] of wrong) {
    const { error } = elasticsearch.options.safeParse(options);
    assert.match(error?.message ?? 'accepted', pattern, JSON.stringify(options));
    assert.ok(!error?.message.includes('hidden'));
  }
});

test('close ends the connections', async (t) => {
  const server = createServer((request, response) => {
    request.resume();
    const headers = { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' };
    request.on('end', () => response.writeHead(200, headers).end('{"items":[{"create":{"status":201}}]}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ended = new Promise((resolve) => server.once('connection', (socket) => socket.once('close', resolve)));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sink = await elasticsearch.open(elasticsearch.options.parse({ url }), CONTEXT, never);
  assert.deepEqual(await sink.deliver(makeEvents(1), never), [delivered]);
  await sink.close();
  await sink.close();
  await ended;
  assert.ok((await thrownBy(sink, makeEvents(1))).error instanceof Unavailable);
});

test('nothing is sent for no events', async (t) => {
  const { server, sink } = await openPair(t);
  assert.deepEqual(await sink.deliver([], never), []);
  assert.equal(server.requests.length, 0);
});
