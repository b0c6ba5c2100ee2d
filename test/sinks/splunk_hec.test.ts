import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { encodeBatch, envelopeEncoder } from '../../sinks/splunk_hec/encode.ts';
import splunkHec from '../../sinks/splunk_hec/index.ts';
import { BatchRefused, Unavailable, z } from '../../src/sink.ts';
import {
  deliverAll,
  live,
  makeCertificates,
  marks,
  optionsOf,
  someContext,
  someEvents,
  TOKEN,
  world,
} from './hec-fixtures.ts';

describe('the envelope', () => {
  test('is exactly this', () => {
    const [event] = someEvents(1);
    assert(event);
    assert.equal(
      envelopeEncoder({ host: 'forwarder-1', index: 'idv' })(event),
      '{"time":1727005080.107,"host":"forwarder-1","source":"transmit:mosaic:verify","sourcetype":"transmitsecurity:mosaic:idv","index":"idv",' +
        `"event":${event.json},` +
        '"fields":{"idv_event_id":"event-0","idv_activity":"page_loaded","idv_code":"page_loaded.start","idv_severity":"informational"}}',
    );
  });

  test('names the other stream types, and what the options say', () => {
    const [event] = someEvents(1, 'e', 'cis/siem');
    assert(event);
    const plain = JSON.parse(envelopeEncoder({ host: 'h' })(event));
    assert.deepEqual([plain.source, plain.sourcetype], ['transmit:mosaic:cis', 'transmitsecurity:mosaic:cis']);
    assert(!('index' in plain));
    const told = JSON.parse(envelopeEncoder({ host: 'h', source: 's', sourcetype: 't', index: 'i' })(event));
    assert.deepEqual([told.source, told.sourcetype, told.index], ['s', 't', 'i']);
  });

  test('has a time with milliseconds, also far away, before 1970 and where there is none', () => {
    const [event] = someEvents(1);
    assert(event);
    const timeOf = (timestamp: string) => {
      const document = { ...event.document, '@timestamp': timestamp };
      return /"time":([^,]+),/.exec(envelopeEncoder({ host: 'h' })({ ...event, document }))?.[1];
    };
    assert.equal(timeOf('2024-09-22T11:38:00Z'), '1727005080.000');
    assert.equal(timeOf('1969-12-31T23:59:59.999Z'), '-0.001');
    assert.equal(timeOf('+012345-01-01T00:00:00.001Z'), '327403382400.001');
    assert.equal(timeOf('nonsense'), '1727005140.000', 'the time of receipt');
  });

  test('keeps indexed fields short and never blank', () => {
    const [event] = someEvents(1);
    assert(event);
    const strange = { ...event, code: 'x'.repeat(3000), document: { ...event.document, event: { severity: 10 } } };
    const { fields } = JSON.parse(envelopeEncoder({ host: 'h' })(strange));
    assert.deepEqual(Object.keys(fields), ['idv_event_id', 'idv_code', 'idv_severity']);
    assert.equal(fields.idv_code.length, 256);
  });

  test('a batch is objects one after another, and `map` has the same encoder', () => {
    const events = someEvents(2);
    const lines = encodeBatch(events, envelopeEncoder({ host: hostname() }))
      .toString()
      .split('\n');
    assert.deepEqual(
      lines,
      events.map((event) => splunkHec.encode?.['hec']?.(event)),
    );
  });
});

describe('options', () => {
  const mistakes = (options: object) =>
    splunkHec.options.safeParse({ token: TOKEN, ...options }).error?.issues.map((issue) => issue.path.join('.'));
  test('defaults', () => {
    const options = splunkHec.options.parse({ token: TOKEN, url: 'https://splunk.example.com:8088' });
    assert.deepEqual([options.acknowledgement, options.acknowledgement_timeout], [false, 300_000]);
  });
  test('mistakes, all at once and without the value', () => {
    assert.deepEqual(mistakes({}), ['url']);
    assert.deepEqual(mistakes({ url: 'https://a', urls: ['https://b'] }), ['url']);
    assert.deepEqual(mistakes({ url: 'splunk.example.com:8088' }), ['url']);
    assert.deepEqual(mistakes({ url: 'https://user:secret@splunk.example.com' }), ['url']);
    assert.deepEqual(mistakes({ url: 'https://a', index: 'Main', acknowledgement_timeout: '5' }), [
      'index',
      'acknowledgement_timeout',
    ]);
    assert.deepEqual(mistakes({ url: 'https://a', acknowledgement_timeout: '0s' }), ['acknowledgement_timeout']);
    const { error } = splunkHec.options.safeParse({ url: 'https://a', token: 'sec ret' });
    assert.doesNotMatch(inspect(error, { depth: 9 }), /sec ret/);
  });
  test('the README names each option with its description and default', () => {
    const readme = readFileSync(new URL('../../sinks/splunk_hec/README.md', import.meta.url), 'utf8');
    const schema = z.toJSONSchema(splunkHec.options, { io: 'input' });
    for (const [name, option] of Object.entries(schema.properties ?? {})) {
      assert(typeof option === 'object');
      const row = readme.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
      assert(row, name);
      assert(row.includes(String(option.description)), `${name}: ${row}`);
      if (option.default !== undefined) assert(row.includes(`\`${option.default}\``), `${name}: ${row}`);
    }
  });
});

describe('without acknowledgement', { concurrency: true }, () => {
  test('what is answered 200 is delivered, and stored once in order', async () => {
    await using it = await world({ index: 'idv' });
    const events = someEvents(500);
    const outcomes = await it.sink.deliver(events, live());
    assert.equal(marks(outcomes), 'd'.repeat(500));
    assert.deepEqual(
      it.hec.stored.map((one) => one.fields?.['idv_event_id']),
      events.map((event) => event.id),
    );
    assert.deepEqual(it.hec.stored[0]?.event, events[0]?.document);
    assert.deepEqual(await it.sink.deliver([], live()), []);
    assert.equal(it.hec.calls.length, 1, 'nothing is sent for nothing');
  });

  type Expected = string | { unavailable: RegExp; reopen?: boolean } | { refused: RegExp; tooLarge?: boolean };
  const held = (code: number, reopen = false): Expected => ({ unavailable: new RegExp(`code ${code}: `), reopen });
  const table: [status: number, code: number, number: number | undefined, expected: Expected][] = [
    [200, 0, undefined, 'dddd'],
    [403, 1, undefined, held(1, true)],
    [401, 2, undefined, held(2, true)],
    [401, 3, undefined, held(3, true)],
    [403, 4, undefined, held(4, true)],
    [400, 5, undefined, held(5)],
    [400, 6, 0, 'xuuu'],
    [400, 6, 2, 'ddxu'],
    [400, 6, 3, 'dddx'],
    [400, 6, 4, { refused: /code 6/ }],
    [400, 6, -1, { refused: /code 6/ }],
    [400, 6, 1.5, { refused: /code 6/ }],
    [400, 6, undefined, { refused: /code 6/ }],
    [400, 7, 2, held(7)],
    [500, 8, undefined, held(8)],
    [503, 9, undefined, held(9)],
    [400, 10, undefined, 'uuuu'],
    [400, 11, undefined, 'uuuu'],
    [400, 12, 1, 'dxuu'],
    [400, 13, 1, 'dxuu'],
    [400, 14, undefined, held(14)],
    [400, 15, 1, 'dxuu'],
    [400, 16, undefined, held(16)],
    [200, 17, undefined, held(17)],
    [503, 18, undefined, held(18)],
    [503, 19, undefined, held(19)],
    [503, 20, undefined, held(20)],
    [400, 21, undefined, held(21, true)],
    [400, 22, undefined, held(22, true)],
    [503, 23, undefined, held(23)],
    [200, 24, undefined, 'dddd'],
    [200, 25, undefined, 'dddd'],
    [429, 26, undefined, held(26)],
    [429, 27, undefined, held(27)],
    [400, 28, undefined, 'uuuu'],
    [400, 29, 1, held(29)],
    [500, 6, 1, held(6)],
    [503, 0, undefined, held(0)],
    [413, 6, 1, { refused: /413/, tooLarge: true }],
  ];
  for (const [status, code, number, expected] of table) {
    test(`answer ${status}, code ${code}, number ${number}`, async () => {
      await using it = await world({}, { dials: { status, code, number, retryAfter: '7' } });
      const delivery = it.sink.deliver(someEvents(4), live());
      if (typeof expected === 'string') return assert.equal(marks(await delivery), expected);
      await assert.rejects(delivery, (error: Error) => {
        assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), new RegExp(TOKEN));
        if ('refused' in expected) {
          assert(error instanceof BatchRefused, String(error));
          assert.match(error.message, expected.refused);
          assert.equal(error.tooLarge, expected.tooLarge ?? false);
          return true;
        }
        assert(error instanceof Unavailable, String(error));
        assert.match(error.message, expected.unavailable);
        assert.equal(error.reopen, expected.reopen ?? false);
        assert.equal(error.retryAfterMs, 7000);
        return true;
      });
    });
  }

  for (const status of [200, 201, 204, 301, 307, 400, 401, 403, 404, 405, 407, 408, 429, 500, 502, 503, 504]) {
    test(`answer ${status} with a page for people holds the events`, async () => {
      await using it = await world({}, { dials: { status, retryAfter: '3' } });
      await assert.rejects(it.sink.deliver(someEvents(2), live()), (error: Error) => {
        assert(error instanceof Unavailable, String(error));
        assert.equal(error.reopen, status === 401 || status === 403);
        assert.equal(error.retryAfterMs, 3000);
        return true;
      });
      assert.equal(it.hec.count, 0);
    });
  }

  test('a page in place of an answer, an answer cut off and a lost one are no success', async () => {
    await using it = await world({}, { dials: { html: true } });
    await assert.rejects(it.sink.deliver(someEvents(1), live()), Unavailable);
    it.hec.dials.html = false;
    it.hec.dials.cutAnswer = true;
    await assert.rejects(it.sink.deliver(someEvents(1), live()), { name: 'Unavailable', message: /cut off/ });
    it.hec.dials.cutAnswer = false;
    it.hec.dials.loseAnswer = true;
    await assert.rejects(it.sink.deliver(someEvents(1), live()), {
      name: 'Unavailable',
      message: /^no .* http:/,
    });
    it.hec.dials.loseAnswer = false;
    it.hec.dials.down = true;
    await assert.rejects(it.sink.deliver(someEvents(1), live()), Unavailable);
    it.hec.dials.down = false;
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'd');
  });

  test('an answer in drips is an answer; one that takes too long is none', async () => {
    await using it = await world({}, { dials: { drip: 1 } }, { timeoutMs: 2000 });
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'd');
    it.hec.dials.drip = 1000;
    await assert.rejects(it.sink.deliver(someEvents(1), live()), Unavailable);
  });

  test('events that are refused one by one are rejected, the others stored once', async () => {
    const bad = new Set(['event-3', 'event-4', 'event-19']);
    await using it = await world(
      {},
      { dials: { refuse: (event) => bad.has((event as { event: { id: string } }).event.id) } },
    );
    const deliveries = await deliverAll(it.sink, someEvents(20));
    assert.equal(deliveries, 3);
    assert.equal(it.hec.count, 17);
    assert.deepEqual([...it.hec.ledger.values()], Array(17).fill(1));
  });

  test('a request over the cap of Splunk Cloud does not condemn its first event', async () => {
    await using it = await world();
    const [event] = someEvents(1);
    assert(event);
    const large = { ...event, json: JSON.stringify({ message: 'x'.repeat(3 * 2 ** 20) }) };
    await assert.rejects(it.sink.deliver([large, large], live()), { name: 'BatchRefused', tooLarge: true });
    assert.equal(marks(await it.sink.deliver([large], live())), 'd');
    const larger = { ...event, json: JSON.stringify({ message: 'x'.repeat(6 * 2 ** 20) }) };
    assert.equal(marks(await it.sink.deliver([larger], live())), 'x');
  });

  test('a token that acknowledges wants a channel, and gets one', async () => {
    await using it = await world({}, { acknowledgement: true });
    assert.equal(marks(await it.sink.deliver(someEvents(2), live())), 'uu');
    assert.equal(marks(await it.sink.deliver(someEvents(2), live())), 'dd');
    assert.deepEqual(
      it.hec.calls.map((call) => [call.path, typeof call.channel]),
      [
        ['/services/collector/event', 'undefined'],
        ['/services/collector/event', 'string'],
      ],
    );
  });

  test('batches that were refused together, for one channel, only change it', async () => {
    await using it = await world({}, { acknowledgement: true });
    const deliveries = await Promise.all([1, 2, 3].map(() => it.sink.deliver(someEvents(1), live())));
    assert.equal(deliveries.map(marks).join(''), 'uuu');
  });

  test('a channel that is refused again and again is an outage, not a loop', async () => {
    await using it = await world({}, { dials: { code: 11 } });
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'u');
    await assert.rejects(it.sink.deliver(someEvents(1), live()), { name: 'Unavailable', message: /code 11/ });
    it.hec.dials.code = undefined;
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'd');
    it.hec.dials.code = 11;
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'u');
  });

  test('an abort ends a delivery at once, with its reason', async () => {
    await using it = await world({}, { dials: { delayMs: 60_000 } }, { timeoutMs: 120_000 });
    const abort = new AbortController();
    const delivery = it.sink.deliver(someEvents(1), abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 100);
    await assert.rejects(delivery, { message: 'enough' });
    it.hec.dials.delayMs = 0;
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'd', 'only that one');
  });

  test('an abort in the middle of the answer is an abort, not an outage', async () => {
    await using it = await world({}, { dials: { drip: 5000 } });
    const abort = new AbortController();
    const delivery = it.sink.deliver(someEvents(1), abort.signal);
    setTimeout(() => abort.abort(new Error('enough')), 200);
    await assert.rejects(delivery, { message: 'enough' });
  });

  test('close ends what is under way', async () => {
    await using it = await world({}, { dials: { delayMs: 60_000 } }, { timeoutMs: 120_000 });
    const delivery = assert.rejects(it.sink.deliver(someEvents(1), live()));
    setTimeout(() => void it.sink.close(), 100);
    await delivery;
  });
});

describe('several urls', () => {
  test('are taken in turn', async () => {
    await using it = await world({}, [{}, {}, {}]);
    for (let delivery = 0; delivery < 6; delivery += 1) await it.sink.deliver(someEvents(1), live());
    assert.deepEqual(
      it.hecs.map((hec) => hec.count),
      [2, 2, 2],
    );
  });

  test('one that fails is left out, told once, and comes back', async () => {
    await using it = await world({}, [{}, { dials: { down: true } }]);
    for (const prefix of ['a', 'b', 'c', 'd', 'e', 'f']) await deliverAll(it.sink, someEvents(3, prefix));
    assert.equal(it.hec.count, 18);
    assert.equal(it.logged.length, 1);
    assert.match(it.logged[0] ?? '', /^warn no .* http:.*the other urls go on$/);
    it.hec.dials.down = true;
    for (const hec of it.hecs.slice(1)) hec.dials.down = false;
    assert.equal(
      await deliverAll(it.sink, someEvents(3, 'g')).catch(() => 0),
      0,
      'the first fails, and none is known to be good',
    );
    await deliverAll(it.sink, someEvents(3, 'h'));
    assert.equal(it.hecs[1]?.count, 3);
    assert.match(it.logged.at(-1) ?? '', /^info http.* takes events again$/);
  });

  test('many batches that fail there together are told once', async () => {
    await using it = await world({}, [{}, { dials: { status: 503 } }]);
    await Promise.all(['a', 'b', 'c', 'd'].map((prefix) => deliverAll(it.sink, someEvents(2, prefix))));
    assert.equal(it.hec.count, 8);
    assert.equal(it.logged.length, 1);
  });

  test('with all of them down the sink is down', async () => {
    await using it = await world({}, [{ dials: { status: 503 } }, { dials: { code: 9, status: 503 } }]);
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'u');
    await assert.rejects(it.sink.deliver(someEvents(1), live()), Unavailable);
    await assert.rejects(it.sink.deliver(someEvents(1), live()), Unavailable);
    assert.deepEqual(
      it.hecs.map((hec) => hec.calls.length),
      [2, 1],
      'both are tried',
    );
  });

  test('a refused token is told, not tried elsewhere', async () => {
    await using it = await world({}, [{ dials: { status: 403, code: 4 } }, {}]);
    await assert.rejects(it.sink.deliver(someEvents(1), live()), { name: 'Unavailable', reopen: true });
  });
});

describe('TLS', () => {
  test('a CA of its own is trusted where it is named, and only there', async (context) => {
    const { ca, cert, key, remove } = makeCertificates();
    context.after(remove);
    const tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    await using it = await world({}, { tls }, { tls: { ca } });
    assert.equal(marks(await it.sink.deliver(someEvents(2), live())), 'dd');
    const stranger = await splunkHec.open(optionsOf({ url: it.hec.url }), someContext(), live());
    // Opened anew it reads its files again, which may have been mended.
    const told = { name: 'Unavailable', message: /certificate/, reopen: true };
    await assert.rejects(stranger.deliver(someEvents(1), live()), told);
    await stranger.close();
    assert.equal(it.hec.count, 2);
  });

  test('a receiver that ends a connection before its first answer may have refused our certificate', async (context) => {
    const { ca, cert, key, remove } = makeCertificates();
    context.after(remove);
    const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end());
    }).listen(0, '127.0.0.1');
    context.after(() => server.close());
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const sink = await splunkHec.open(optionsOf({ url }), someContext({ tls: { ca } }), live());
    const told = { name: 'Unavailable', message: /see tls\.cert and tls\.key/, reopen: true };
    await assert.rejects(sink.deliver(someEvents(1), live()), told);
    await sink.close();
  });

  test('a receiver that is down is not opened anew: what waits for an acknowledgement goes on waiting', async () => {
    await using it = await world();
    it.hec.dials.down = true;
    const told = { name: 'Unavailable', message: /no (answer|connection)/, reopen: false };
    await assert.rejects(it.sink.deliver(someEvents(1), live()), told);
  });
});

describe('probe', () => {
  const probe = async (url: string, options: object = {}) => {
    const report = await splunkHec.probe?.(optionsOf({ url, ...options }), someContext(), live());
    assert(report);
    assert.doesNotMatch(report.lines.join(), new RegExp(TOKEN));
    return `${report.ok} ${report.lines.join(' | ')}`;
  };
  test('says what works and what does not, and writes nothing', async () => {
    await using it = await world({}, [
      {},
      { token: 'another' },
      { acknowledgement: true },
      { dials: { status: 403, code: 1 } },
      { dials: { html: true } },
    ]);
    const [plain, wrong, acknowledging, disabled, page] = it.hecs.map((hec) => hec.url) as [
      string,
      string,
      string,
      string,
      string,
    ];
    assert.match(await probe(plain), /^true http.*: the token works$/);
    assert.match(
      await probe(plain, { acknowledgement: true }),
      /^false .*the token works \| .*code 14: ACK is disabled/,
    );
    assert.match(
      await probe(acknowledging, { acknowledgement: true }),
      /^true .*the token works \| .*the token acknowledges$/,
    );
    assert.match(await probe(wrong), /^false .*403, code 4: Invalid token; check the token$/);
    assert.match(await probe(disabled), /^false .*code 1: Token disabled/);
    assert.match(await probe(page), /^false .*not as a HEC does/);
    assert.match(await probe('http://127.0.0.1:1'), /^false no .* http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
    assert.deepEqual(
      it.hecs.map((hec) => hec.count),
      [0, 0, 0, 0, 0],
    );
  });
});
