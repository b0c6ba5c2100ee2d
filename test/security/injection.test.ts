/** No field that an applicant fills in makes an extra line, an extra field or a terminal escape, in any format. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { lineOf } from '../../sinks/console/line.ts';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import file from '../../sinks/file/index.ts';
import { encodeBatch, envelopeEncoder } from '../../sinks/splunk_hec/encode.ts';
import splunkHec from '../../sinks/splunk_hec/index.ts';
import syslog from '../../sinks/syslog/index.ts';
import { createCensor } from '../../src/censor.ts';
import { createLog } from '../../src/log.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { startHec } from '../../src/simulator/hec.ts';
import { startSyslog } from '../../src/simulator/syslog.ts';
import type { SinkDefinition } from '../../src/sink.ts';
import type { SecurityEvent, StreamName } from '../../src/types.ts';
import { folder } from '../fixtures/plain.ts';
import { hostileActivities, PAYLOADS, UNSAFE } from './payloads.ts';

const TYPES = ['verify', 'cis', 'admin', 'risk'] as const;
const never = new AbortController().signal;

/** With the raw text in it, so that a payload is there in all its bytes. */
const { events } = normalizer({ ...DEFAULT_EVENT_OPTIONS, original: true });
const EVENTS: readonly SecurityEvent[] = TYPES.flatMap((type) => {
  const stream: StreamName = `${type}/siem`;
  const body = Buffer.from(JSON.stringify(hostileActivities(type)));
  return [...events({ number: 1, stream, receivedAt: new Date(), partial: false, body })];
});
const DOCUMENTS = new Map(EVENTS.map(({ id, json }) => [id, JSON.parse(json)]));

/** Delivers all of them; a strict receiver must have taken each but those that `may` be refused. */
async function deliver<T>(
  t: TestContext,
  definition: SinkDefinition<T>,
  options: unknown,
  may: (reason: string) => boolean = () => false,
): Promise<void> {
  const context = { name: 'x', timeoutMs: 20_000, tls: {}, version: '0', log: () => undefined };
  const sink = await definition.open(definition.options.parse(options), context, never);
  t.after(() => sink.close());
  const outcomes = await sink.deliver(EVENTS, never);
  const refused = outcomes.filter(
    (each) => each.status !== 'delivered' && !(each.status === 'rejected' && may(each.reason)),
  );
  assert.deepEqual(refused, []);
}

it('the payloads reach the events, whole', () => {
  assert.ok(EVENTS.length > 200, String(EVENTS.length));
  assert.equal(DOCUMENTS.size, EVENTS.length, 'all have ids of their own');
  for (const payload of PAYLOADS) {
    const inside = JSON.stringify(payload.toWellFormed()).slice(1, -1);
    assert.ok(EVENTS.filter(({ json }) => json.includes(inside)).length >= TYPES.length, inside);
  }
});

describe('each sink', () => {
  it('splunk_hec: one object for each event, exactly the keys that Splunk knows', async (t) => {
    const hec = await startHec({ token: 't0ken' });
    t.after(() => hec.close());
    await deliver(t, splunkHec, { url: hec.url, token: 't0ken', host: 'forwarder' });
    assert.equal(hec.stored.length, EVENTS.length);
    for (const [index, stored] of hec.stored.entries()) {
      assert.deepEqual(Object.keys(stored).toSorted(), ['event', 'fields', 'host', 'source', 'sourcetype', 'time']);
      const id = String(stored.fields?.['idv_event_id']);
      assert.equal(id, EVENTS[index]?.id);
      assert.deepEqual(stored.event, DOCUMENTS.get(id));
      const names = Object.keys(stored.fields ?? {}).filter((name) => name !== 'idv_activity');
      assert.deepEqual(names, ['idv_event_id', 'idv_code', 'idv_severity']);
    }
    const lines = encodeBatch(EVENTS, envelopeEncoder({ host: 'forwarder' }))
      .toString()
      .split('\n');
    assert.equal(lines.length, EVENTS.length, 'and one line for each');
  });

  it('elasticsearch: one document for each event, in the data stream of its type', async (t) => {
    const server = await startElasticsearch();
    t.after(() => server.close());
    await deliver(t, elasticsearch, { url: server.url });
    assert.deepEqual([...server.stored.keys()], [...DOCUMENTS.keys()]);
    for (const [id, document] of server.stored) {
      const { data_stream: stream, ...rest } = document;
      assert.deepEqual(rest, DOCUMENTS.get(id));
      assert.match((stream as { dataset: string }).dataset, /^transmit_security\.(idv|cis|admin|risk)$/);
    }
  });

  for (const framing of ['octet-counting', 'lf'] as const) {
    it(`syslog, ${framing}: one message for each event, one element of structured data with known names`, async (t) => {
      const receiver = await startSyslog({ protocol: 'tcp' });
      t.after(() => receiver.close());
      const more = { framing, enterprise_number: 12345, max_size: '256KiB', confirm_after: '100ms' };
      await deliver(t, syslog, { address: receiver.address, ...more });
      assert.deepEqual(receiver.violations, []);
      assert.deepEqual(
        receiver.received.map(({ id }) => id),
        EVENTS.map(({ id }) => id),
      );
      const names = new Set(['id', 'session', 'page', 'action', 'image', 'result']);
      for (const { id, document, structuredData, raw, messageId } of receiver.received) {
        assert.deepEqual(document, DOCUMENTS.get(id));
        const [[element, parameters] = ['', {}], ...others] = Object.entries(structuredData);
        assert.match(element, /^(idv|cis|admin|risk)@12345$/);
        assert.deepEqual([others, parameters['id']], [[], id]);
        assert.deepEqual(
          Object.keys(parameters).filter((name) => !names.has(name)),
          [],
        );
        assert.doesNotMatch(raw, UNSAFE);
        assert.match(messageId, /^[!-~]{1,32}$/);
      }
    });
  }

  it('syslog, where little room is: what is left out takes no quote and no bracket with it', async (t) => {
    const receiver = await startSyslog({ protocol: 'tcp', maxSize: 2048 });
    t.after(() => receiver.close());
    const more = { enterprise_number: 12345, max_size: '2KiB', confirm_after: '100ms' };
    await deliver(t, syslog, { address: receiver.address, ...more }, (reason) => reason.includes('2048'));
    assert.deepEqual(receiver.violations, []);
    assert.ok(receiver.received.length > EVENTS.length / 4, String(receiver.received.length));
    for (const { raw, id, document } of receiver.received) {
      assert.doesNotMatch(raw, UNSAFE);
      const whole = Object.keys(DOCUMENTS.get(id));
      assert.deepEqual(
        Object.keys(document).filter((name) => !whole.includes(name)),
        [],
      );
    }
  });

  it('file: one line for each event, and nothing in it that steers the terminal of who looks at it', async (t) => {
    const path = join(folder(t), 'events.ndjson');
    await deliver(t, file, { path });
    const lines = readFileSync(path, 'utf8').split('\n');
    assert.equal(lines.pop(), '');
    assert.equal(lines.length, EVENTS.length);
    for (const [index, line] of lines.entries()) {
      assert.deepEqual(JSON.parse(line), DOCUMENTS.get(EVENTS[index]?.id ?? ''));
      assert.doesNotMatch(line, UNSAFE);
    }
  });

  it('console: one line for each event, of as many words as ever up to its message', () => {
    for (const event of EVENTS) assert.doesNotMatch(lineOf(event, process.stdout), UNSAFE);
  });
});

describe("the daemon's own log", () => {
  /** What was written, line by line. */
  async function logged(format: 'text' | 'json', payload: string): Promise<string[]> {
    let written = '';
    const stream = new PassThrough().on('data', (bytes) => {
      written += String(bytes);
    }) as PassThrough & NodeJS.WriteStream;
    const log = createLog({ level: 'debug', format, outputs: [{ type: 'console' }], stderr: stream });
    const dead = [{ eventId: payload, code: payload, reason: payload, activity: {} as never }];
    log.info(payload, { what: payload });
    log.tell({ what: 'settled', sink: payload, delivered: 0, filtered: 0, dead });
    log.tell({ what: 'sink_down', sink: payload, reason: payload, waitMs: 500 });
    log.tell({ what: 'collect_failed', stream: `verify/${payload}`, result: payload, error: payload, waitMs: 500 });
    log.tell({ what: 'possible_gap', stream: `verify/${payload}`, reason: 'crash', detail: payload });
    log.tell({ what: 'spool_error', doing: payload, error: payload });
    log.tell({ what: 'collecting', on: false, reason: payload });
    await log.close();
    return written.split('\n').slice(0, -1);
  }

  for (const format of ['text', 'json'] as const) {
    it(`as ${format}: what is told stays in its line and in its field`, async () => {
      const plain = await logged(format, 'word');
      assert.ok(plain.length >= 6, plain.join('\n'));
      for (const payload of PAYLOADS) {
        const lines = await logged(format, payload);
        assert.equal(lines.length, plain.length, lines.join('\n'));
        for (const [index, line] of lines.entries()) {
          assert.doesNotMatch(line, UNSAFE);
          if (format === 'text') assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn |info |debug) /);
          else assert.deepEqual(Object.keys(JSON.parse(line)), Object.keys(JSON.parse(plain[index] ?? '')));
        }
      }
    });
  }
});

it('what servers and sinks of others say is made safe on its way to the log, the page and the spool', () => {
  const censor = createCensor(() => []);
  for (const payload of PAYLOADS) assert.doesNotMatch(censor(payload), UNSAFE);
});
