import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { countActivities } from '../src/normalize/elements.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import type { SecurityEvent } from '../src/types.ts';
import { assertEcs } from './ecs-check.ts';
import { at, mapActivity, mapPage, pageOf, plain, RECEIVED } from './normalize.fixtures.ts';

function params(event: SecurityEvent): Record<string, unknown> {
  return at(plain(event), 'transmit_security.idv.params') as Record<string, unknown>;
}

/** A page of one activity, written as JSON text. */
function mapText(members: string): SecurityEvent {
  const [event] = mapPage(`[{"timestamp":"${RECEIVED}",${members}}]`);
  assert.ok(event);
  assertEcs(plain(event));
  assert.equal(at(event.document, 'event.kind'), 'event');
  return event;
}

test('an element that is no object becomes a pipeline_error that tells its kind and its place', () => {
  const page = Array(18).fill({ activity: 'redirect' });
  page[17] = 'maria@example.com';
  const [event] = mapPage(page).slice(17);
  assert.ok(event);
  assertEcs(plain(event));
  const raw = '"maria@example.com"';
  assert.deepEqual(plain(event), {
    '@timestamp': RECEIVED,
    message: 'IDV event could not be mapped',
    ecs: { version: '9.4.0' },
    event: {
      kind: 'pipeline_error',
      action: 'idv_mapping_failed',
      code: 'pipeline_error',
      id: createHash('sha256').update(`verify\nsiem-idv\n0\n${raw}`).digest('hex').slice(0, 32),
      severity: 47,
      module: 'transmit_security',
      dataset: 'transmit_security.idv',
      provider: 'transmit_mosaic',
      created: RECEIVED,
      hash: createHash('sha256').update(raw).digest('hex'),
    },
    error: { type: 'not_an_object', message: 'Array element 17 is a string, expected an object' },
    log: { level: 'warning' },
    observer: {
      vendor: 'Transmit Security',
      product: 'Mosaic Identity Verification',
      type: 'identity-verification',
    },
    transmit_security: { idv: { severity: 'medium', spool_ref: '0000000042/17' } },
    tags: ['transmit_security', 'idv', 'forwarded'],
  });
  assert.deepEqual([event.code, event.severity], ['pipeline_error', 'medium']);
});

test('what cannot be read is told with its reason, and nothing of it', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['<html>maria</html>', ['not_json']],
    ['{"message":"maria"}', ['not_a_list']],
    ['"maria"', ['not_a_list']],
    ['[{"activity":"redirect"},{maria},{"activity":"redirect"}]', ['', 'not_json', '']],
    ['[{"activity":"redirect"},{"maria":', ['', 'cut_off']],
    ['[null,[],1,true]', ['not_an_object', 'not_an_object', 'not_an_object', 'not_an_object']],
  ];
  for (const [text, types] of cases) {
    const events = mapPage(text);
    assert.deepEqual(
      events.map((event) => at(event.document, 'error.type') ?? ''),
      types,
      text,
    );
    for (const event of events) {
      assertEcs(plain(event));
      assert.ok(!event.json.includes('maria'));
    }
  }
});

test('the other stream types have pipeline errors of their own', () => {
  const [event] = mapPage('oops', {}, 'cis/siem');
  assert.equal(event?.code, 'cis.pipeline_error');
  assert.equal(event.document.event.action, 'cis_mapping_failed');
  assert.equal(event.document.message, 'Mosaic event could not be mapped');
});

test('a page that is not JSON has its id from its bytes', () => {
  const body = Buffer.from([0xff, 0x00, 0x7b]);
  const [event] = mapPage(body);
  const expected = createHash('sha256').update('verify\nsiem-idv\n0\n').update(body).digest('hex').slice(0, 32);
  assert.equal(event?.id, expected);
  assert.ok(body.equals(event.source.raw));
});

test('invalid UTF-8 is mapped, with replacement characters', () => {
  const body = Buffer.concat([
    Buffer.from('[{"activity":"error","x":"a'),
    Buffer.from([0xc3, 0xff]),
    Buffer.from('z"}]'),
  ]);
  const [event] = mapPage(body);
  assert.ok(event);
  assert.equal(event.code, 'error');
  assert.equal(params(event)['x'], 'a\uFFFD\uFFFDz');
});

test('__proto__ and constructor are keys like any other', () => {
  const event = mapText(
    '"__proto__":{"polluted":1},"constructor":{"prototype":2},"additionalParams":{"__proto__":3,"toString":"x"}',
  );
  assert.equal(JSON.stringify(params(event)), '{"__proto__":3,"to_string":"x","constructor":{"prototype":2}}');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const nested = mapText('"a":{"__proto__":{"polluted":1}}');
  assert.equal(JSON.stringify(params(nested)), '{"a":{"__proto__":{"polluted":1}}}');
});

test('integers beyond 2^53 and numbers out of range keep their digits', () => {
  const event = mapText(
    '"a":12345678901234567890,"b":[-9007199254740993],"c":1e999,"d":{"e":1E+400},"f":9007199254740991,"g":1.5e3',
  );
  assert.deepEqual(params(event), {
    a: '12345678901234567890',
    b: ['-9007199254740993'],
    c: '1e999',
    d: { e: '1E+400' },
    f: 9007199254740991,
    g: 1500,
  });
  assert.equal(
    at(mapText('"appId":12345678901234567890').document, 'transmit_security.idv.app_id'),
    '12345678901234567890',
  );
});

test('a large number does not change the id', () => {
  const plainId = mapPage('[{"a":12345678901234567890}]')[0]?.id;
  const canonical = 'verify\nsiem-idv\n0\n{"a":12345678901234567000}';
  assert.equal(plainId, createHash('sha256').update(canonical).digest('hex').slice(0, 32));
});

test('keys are sorted by code unit, also those that look like numbers', () => {
  const cases = {
    '{"b":{"9":1,"10":2},"a":"\\u00e9\\/"}': '{"a":"é/","b":{"10":2,"9":1}}',
    '{"\uFFFF":1,"\u{10000}":2}': '{"\u{10000}":2,"\uFFFF":1}',
    '{"b":[{"z":1,"__proto__":{"y":-0,"x":1e2}}],"a":null}': '{"a":null,"b":[{"__proto__":{"x":100,"y":0},"z":1}]}',
  };
  for (const [text, canonical] of Object.entries(cases)) {
    const expected = createHash('sha256').update(`verify\nsiem-idv\n0\n${canonical}`).digest('hex').slice(0, 32);
    assert.equal(mapPage(`[${text}]`)[0]?.id, expected, text);
  }
});

test('absurd times give way to the time of receipt', () => {
  const absurd = [
    '0',
    '1',
    '1727005080',
    '-5',
    '1e300',
    '"yesterday"',
    '"2022-13-01T00:00:00Z"',
    'true',
    '[1]',
    '{}',
    '99999999999999999999',
  ];
  for (const timestamp of absurd) {
    const [event] = mapPage(`[{"activity":"redirect","timestamp":${timestamp}}]`);
    assert.equal(event?.document['@timestamp'], RECEIVED, timestamp);
    assert.ok((event.document['tags'] as string[]).includes('idv_bad_timestamp'), timestamp);
  }
  const [none] = mapPage('[{"activity":"redirect"}]');
  assert.ok(none);
  assert.ok((none.document['tags'] as string[]).includes('idv_bad_timestamp'));
});

test('long texts are kept whole', () => {
  const long = 'ä'.repeat(3000);
  const event = mapActivity({
    activity: long,
    appId: long,
    additionalParams: { pageName: `a\0${long}`, 'x\0y': `\0${long}` },
  });
  assertEcs(plain(event));
  assert.equal(event.document.event.action, long);
  assert.equal(at(event.document, 'transmit_security.idv.page_name'), `a\0${long}`);
  assert.deepEqual(params(event), { x_y: `\0${long}` });
});

test('the flattened field stays within its bounds, and nothing of it is cut', () => {
  const text = `a${'𝒳'.repeat(30_000)}`;
  const key = 'k'.repeat(5000);
  let deep: unknown = 'core';
  for (let level = 0; level < 200; level++) deep = { deeperStill: deep };
  const event = mapActivity({ activity: 'redirect', text, deep, [key]: text });
  assertEcs(plain(event));
  const flat = params(event);
  assert.equal((flat['text'] as string[]).join(''), text);
  assert.ok((flat['text'] as string[]).every((piece) => piece.isWellFormed()));
  assert.match(JSON.stringify(flat['deep']), /core/);
  const [pair] = flat['long_keys'] as string[][];
  assert.deepEqual(JSON.parse(pair?.join('') ?? ''), { [key]: text });
});

test('half surrogate pairs are replaced, so that every receiver can read the document', () => {
  const event = mapText('"activity":"\\ud800x","\\udfffKey":["\\ud83d"],"appId":"\\ud83d\\ude00"');
  assert.ok(event.json.isWellFormed() && !/\\ud[89a-f]/.test(event.json));
  assert.equal(event.document.event.action, '\uFFFDx');
  assert.equal(at(event.document, 'transmit_security.idv.app_id'), '😀');
});

test('ten thousand levels, in a page and alone', () => {
  const deep = `${'{"a":['.repeat(5000)}1${']}'.repeat(5000)}`;
  const body = Buffer.from(`[{"activity":"redirect","x":${deep}},{"activity":"redirect"}]`);
  const normalize = normalizer({ ...DEFAULT_EVENT_OPTIONS, original: true });
  const events = [...normalize.events(pageOf(body))];
  assert.deepEqual(
    events.map((event) => event.code),
    ['pipeline_error', 'redirect'],
  );
  assert.equal(at(events[0]?.document, 'error.type'), 'too_deep');
  assert.equal(events.length, countActivities(body));
  const [deepOne] = events;
  assert.ok(deepOne);
  assert.equal(normalize.one(deepOne.source).id, deepOne.id);
  assertEcs(plain(deepOne));
});

test('nine hundred levels are mapped, their numbers exact', () => {
  const deep = `${'['.repeat(900)}12345678901234567890,"\\ud800"${']'.repeat(900)}`;
  const event = mapText(`"activity":"redirect","x":${deep}`);
  assert.match(event.json, /12345678901234567890/);
});

test('of a repeated key the last one counts', () => {
  assert.equal(mapText('"activity":"error","activity":"redirect"').code, 'redirect');
});

test('a value that is the mark of the table is no value of the table', () => {
  const event = mapActivity({ activity: 'page_loaded', pageName: '*' });
  assert.ok((event.document['tags'] as string[]).includes('idv_unmapped_value'));
});

test('empty texts and nulls are absent', () => {
  const names = ['activity', 'appId', 'userId', 'ip', 'userAgent', 'additionalParams'];
  for (const empty of ['', null]) {
    const event = mapActivity(Object.fromEntries(names.map((name) => [name, empty])));
    assertEcs(plain(event));
    const { source, client, user_agent, user } = event.document as Record<string, unknown>;
    assert.deepEqual([source, client, user_agent, user, event.document.event.action], Array(5).fill(undefined));
  }
  const nulls = Object.keys(plain(mapActivity({ activity: 'error' })));
  const inner = mapActivity({
    activity: 'error',
    additionalParams: { error: null, errorDescription: '', result: null },
  });
  assert.deepEqual(Object.keys(plain(inner)), nulls);
});

test('a list or an object where a text belongs is kept as a parameter', () => {
  const event = mapActivity({
    activity: 'verification_status_updated',
    ip: ['1.1.1.1'],
    userAgent: { a: 1 },
    additionalParams: { result: ['Rejected'], requestProcessingTimeMs: [1], redirectUrl: {} },
  });
  assertEcs(plain(event));
  assert.equal(event.code, 'verification_status_updated.unknown');
  assert.deepEqual(params(event), {
    result: ['Rejected'],
    request_processing_time_ms: [1],
    redirect_url: {},
    ip: ['1.1.1.1'],
    user_agent: { a: 1 },
  });
  assert.deepEqual((event.document['tags'] as string[]).slice(3).sort(), [
    'idv_bad_number',
    'idv_invalid_ip',
    'idv_unmapped_value',
  ]);
});

test('additionalParams wins, and two spellings on one level are both kept', () => {
  const event = mapActivity({
    activity: 'redirect',
    session_id: 'outer',
    retryNo: 1,
    more: 'outer',
    appId: 'a',
    app_id: 'b',
    additionalParams: { sessionId: 'inner', retryNo: 2, retry_no: 3, 'retry-no': 4 },
  });
  assert.equal(at(event.document, 'transmit_security.idv.session_id'), 'inner');
  assert.equal(at(event.document, 'transmit_security.idv.app_id'), 'a');
  assert.deepEqual(params(event), { retry_no: 2, retry_no_2: 3, retry_no_3: 4, more: 'outer', app_id_2: 'b' });
});

test('additionalParams that is no object is a parameter', () => {
  assert.deepEqual(params(mapActivity({ activity: 'redirect', additionalParams: ['x'] })), {
    additional_params: ['x'],
  });
  assert.deepEqual(params(mapActivity({ activity: 'redirect', additional_params: 'x' })), { additional_params: 'x' });
});

test('bad numbers are dropped and told', () => {
  for (const bad of ['-1', '"soon"', '1e999', '1e17', 'true', '"-0.5"', '" "']) {
    const event = mapText(`"activity":"image_uploaded_info","requestProcessingTimeMs":${bad}`);
    assert.ok((event.document['tags'] as string[]).includes('idv_bad_number'), bad);
    assert.equal(event.document.event['duration'], undefined);
  }
  const event = mapText('"activity":"image_uploaded_info","requestProcessingTimeMs":"842.4"');
  assert.equal(event.document.event['duration'], 842_400_000);
  assert.equal(at(event.document, 'transmit_security.idv.request_processing_time_ms'), 842);
});

test('an exception in the mapper becomes a pipeline_error without its words', () => {
  const broken = { ...DEFAULT_EVENT_OPTIONS };
  Object.defineProperty(broken, 'timestampWindow', {
    get: () => {
      throw new Error('maria@example.com');
    },
  });
  const [event] = [...normalizer(broken).events(pageOf('[{"activity":"maria@example.com"}]'))];
  assert.ok(event);
  assert.equal(event.code, 'pipeline_error');
  assert.deepEqual(event.document['error'], { type: 'mapper_failed', message: 'Array element 0 could not be mapped' });
  assert.ok(!event.json.includes('maria'));
});
