import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { STREAM_MAPPINGS, VENDOR_FIELD_TYPES } from '../src/normalize/mapping.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import type { SecurityEvent, StreamName } from '../src/types.ts';
import { assertEcs } from './ecs-check.ts';
import {
  at,
  type Golden,
  goldenNames,
  mapActivity,
  mapPage,
  pageOf,
  plain,
  RECEIVED,
  readGolden,
} from './normalize.fixtures.ts';

for (const name of goldenNames()) {
  test(`golden: ${name}`, () => {
    const { stream, receivedAt, page } = readGolden<Golden>(`${name}/input.json`);
    const events = [...normalizer(DEFAULT_EVENT_OPTIONS).events(pageOf(page, stream, receivedAt))];
    assert.deepEqual(events.map(plain), readGolden(`${name}/expected.json`));
    for (const event of events) assertEcs(plain(event));
  });
}

interface ExpectedRow {
  readonly activity: string;
  readonly parameter?: string;
  readonly value?: string;
  readonly category: readonly string[];
  readonly type: readonly string[];
  readonly outcome: string | null;
  readonly severity: string;
  readonly ecs: number;
  readonly level: string;
  readonly code: string;
  readonly reason: string | null;
  readonly message: string;
}

for (const expected of readGolden<readonly ExpectedRow[]>('verify-rows.json')) {
  test(`row: ${expected.code}`, () => {
    const { activity, parameter, value } = expected;
    const inputs = [undefined, (text: string) => text.toUpperCase()].map((change) => ({
      activity,
      ...(parameter && value && { additionalParams: { [parameter]: change ? change(value) : value } }),
    }));
    for (const input of inputs) {
      const event = mapActivity(input);
      const document = plain(event);
      assert.deepEqual(
        {
          category: at(document, 'event.category') ?? [],
          type: at(document, 'event.type') ?? [],
          outcome: at(document, 'event.outcome') ?? null,
          severity: at(document, 'transmit_security.idv.severity'),
          ecs: at(document, 'event.severity'),
          level: at(document, 'log.level'),
          code: at(document, 'event.code'),
          reason: at(document, 'event.reason') ?? null,
          message: document['message'],
          action: at(document, 'event.action'),
        },
        {
          category: expected.category,
          type: expected.type,
          outcome: expected.outcome,
          severity: expected.severity,
          ecs: expected.ecs,
          level: expected.level,
          code: expected.code,
          reason: expected.reason,
          message: expected.message,
          action: activity,
        },
      );
      assert.deepEqual([event.code, event.severity], [expected.code, expected.severity]);
      const isUnmapped = expected.code.endsWith('.unknown') ? ['idv_unmapped_value'] : [];
      const unmapped = expected.code === 'unknown' ? ['idv_unmapped_activity'] : isUnmapped;
      assert.deepEqual((document['tags'] as string[]).slice(3), unmapped);
    }
  });
}

test('a known activity without its value is told as unknown, without a tag', () => {
  const event = mapActivity({ activity: 'verification_status_updated' });
  assert.equal(event.code, 'verification_status_updated.unknown');
  assert.deepEqual(event.document['tags'], ['transmit_security', 'idv', 'forwarded']);
});

test('the ids of the other stream types', () => {
  const cases = readGolden<{ stream: StreamName; ordinal: number; activity: unknown; id: string }[]>('other-ids.json');
  for (const { stream, ordinal, activity, id } of cases) {
    const events = [...normalizer(DEFAULT_EVENT_OPTIONS).events(pageOf(Array(ordinal + 1).fill(activity), stream))];
    assert.equal(events[ordinal]?.id, id);
    assert.equal(events[ordinal]?.code, `${stream.split('/')[0]}.unknown`);
    for (const event of events) assertEcs(plain(event));
  }
});

test('the vendor fields of a verification have the types that dashboards rely on', () => {
  const declared = Object.entries(VENDOR_FIELD_TYPES).filter(([field]) => field.startsWith('transmit_security.idv.'));
  assert.deepEqual(Object.fromEntries(declared), readGolden('verify-field-types.json'));
});

test('no value in a row is free text from an activity: messages are fixed', () => {
  const secret = 'maria@example.com';
  const page = [
    { activity: secret },
    ...[...STREAM_MAPPINGS.verify.activities].map(([activity, { parameter = 'x' }]) => ({
      activity,
      [parameter]: secret,
    })),
  ];
  for (const event of mapPage(page)) {
    for (const path of ['message', 'tags', 'event.code', 'event.reason']) {
      assert.ok(!JSON.stringify(at(event.document, path) ?? '').includes(secret), `${event.code} ${path}`);
    }
  }
});

function assertSameAlone(events: readonly SecurityEvent[], sameDocument = true): void {
  const normalize = normalizer(DEFAULT_EVENT_OPTIONS);
  for (const event of events) {
    const { stream, receivedAt, position, ordinal, raw } = event.source;
    const alone = normalize.one({ stream, receivedAt, position, ordinal, raw: Uint8Array.from(raw) });
    assert.equal(alone.id, event.id);
    if (sameDocument) assert.deepEqual(plain(alone), plain(event));
  }
}

test('an activity alone gives the same event as in its page', () => {
  for (const name of goldenNames()) {
    const { stream, receivedAt, page } = readGolden<Golden>(`${name}/input.json`);
    assertSameAlone([...normalizer(DEFAULT_EVENT_OPTIONS).events(pageOf(page, stream, receivedAt))]);
  }
  assertSameAlone(mapPage('[{"b":1,"a":2}, {"a":2,"b":1} ,{"a":2,"b":1.0},7,"x",null,[1],7]'));
  assertSameAlone(mapPage('{"items":[{"activity":"redirect"},{"activity":"redirect"}]}'));
  assertSameAlone(mapPage('[{"a":1},{bad},{bad},{"a":1}'));
});

test('what is wrong with the place of an activity changes no id', () => {
  assertSameAlone(mapPage('[{"a":1}]{"a":1}'), false);
  assertSameAlone(mapPage('{"activity":"redirect"}'), false);
  assertSameAlone(mapPage('no JSON at all'), false);
  assertSameAlone(mapPage('[{"a":1},{"a"'), false);
});

test('equal activities of one page get ids of their own, in whatever order their keys stand', () => {
  const events = mapPage('[{"b":1,"a":2},{"a":2,"b":1},{"a":2,"b":1}]');
  assert.deepEqual(
    events.map((event) => event.source.ordinal),
    [0, 1, 2],
  );
  assert.equal(new Set(events.map((event) => event.id)).size, 3);
});

test('raw is the activity byte for byte, and json is made once', () => {
  const texts = ['{ "activity" : "redirect","n":1.50 }', '{"activity":"\\u0065rror","ü":"日本"}'];
  const events = mapPage(`\uFEFF[ ${texts.join('\n,  ')} ]`);
  assert.deepEqual(
    events.map((event) => Buffer.from(event.source.raw).toString()),
    texts,
  );
  assert.equal(events[1]?.document.event.action, 'error');
  assert.equal(events[0]?.json, JSON.stringify(events[0]?.document));
});

const anyBody = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 80 }).map((text) => Buffer.from(text)),
  fc.array(fc.jsonValue(), { maxLength: 5 }).map((value) => Buffer.from(JSON.stringify(value))),
);

test('page throws on nothing, and what it makes is ECS', () => {
  const streams = fc.constantFrom<StreamName>('verify/a', 'cis/a', 'admin/a', 'risk/a');
  const normalize = normalizer({ ...DEFAULT_EVENT_OPTIONS, original: true });
  fc.assert(
    fc.property(anyBody, streams, (body, stream) => {
      for (const event of [...normalize.events(pageOf(body, stream))]) assertEcs(plain(event));
    }),
    { numRuns: 500 },
  );
});

const PARAMETER_NAMES = Object.keys({ ...STREAM_MAPPINGS.verify.parameters, ...STREAM_MAPPINGS.admin.parameters });
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const anyName = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...PARAMETER_NAMES, ...PARAMETER_NAMES.map(camel), 'status', 'email') },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('__proto__', 'constructor', 'toString', '0', ''),
    ),
  },
);
const someValue = fc.oneof(
  fc.constantFrom(
    'error',
    'redirect',
    'user',
    '1.1.1.1',
    'fe80::1%eth0',
    'https://u:p@h:1/p?q=s#f',
    'javascript:x',
    '/a?b',
    '999',
    '-1',
  ),
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.bigInt().map(Number),
  fc.jsonValue(),
  fc.record({ prev: fc.jsonValue(), current: fc.jsonValue() }),
);
const members = fc.array(fc.tuple(anyName, someValue), { maxLength: 12 }).map((pairs) => Object.fromEntries(pairs));

test('whatever the fields of an activity hold, the document is ECS and one() agrees', () => {
  const streams = fc.constantFrom<StreamName>('verify/a', 'cis/a', 'admin/a', 'risk/a');
  const normalize = normalizer(DEFAULT_EVENT_OPTIONS);
  const activity = fc
    .tuple(members, members, fc.constantFrom('additionalParams', 'additional_params'))
    .map(([outer, inner, key]) => ({ ...outer, [key]: inner }));
  fc.assert(
    fc.property(activity, streams, (value, stream) => {
      const events = [...normalize.events(pageOf([value, value], stream))];
      assert.equal(events.length, 2);
      for (const event of events) {
        assert.equal(event.document.event['kind'], 'event', JSON.stringify(event.document['error']));
        assertEcs(plain(event));
        assert.equal(event.document['@timestamp'].length, RECEIVED.length);
      }
      assertSameAlone(events);
    }),
    { numRuns: 1000 },
  );
});
