/** The words of a filter, one by one; every engine is held against this predicate. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Filter } from '../sinks/content/detection.ts';
import { matches, valuesOf } from '../sinks/content/matches.ts';

const DOCUMENT = {
  event: { code: 'page_loaded.qr', severity: 10, reason: '', outcome: null },
  tags: ['transmit_security', 'idv'],
  related: { ip: [] },
  user_agent: { original: 'Mozilla/5.0 HeadlessChrome/129' },
  source: [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }],
};

const CASES: readonly (readonly [filter: Filter, expected: boolean])[] = [
  [{ field: 'event.code', is: ['redirect', 'page_loaded.qr'] }, true],
  [{ field: 'event.code', is: ['page_loaded'] }, false],
  [{ field: 'event.code', is: ['PAGE_LOADED.QR'] }, false],
  [{ field: 'event.code', starts: ['image.', 'page_loaded.'] }, true],
  [{ field: 'event.code', starts: ['age_loaded.'] }, false],
  [{ field: 'user_agent.original', contains: ['curl/', 'HeadlessChrome'] }, true],
  [{ field: 'user_agent.original', contains: ['headlesschrome'] }, false],
  [{ field: 'tags', is: ['idv'] }, true],
  [{ field: 'source.ip', is: ['192.0.2.2'] }, true],
  [{ field: 'event.severity', is: ['10'] }, true],
  [{ field: 'event.reason', exists: true }, true],
  [{ field: 'event.outcome', exists: true }, false],
  [{ field: 'related.ip', exists: true }, false],
  [{ field: 'url.domain', exists: true }, false],
  [{ field: 'event.code', exists: true }, true],
  [{ not: { field: 'url.domain', is: ['x'] } }, true],
  [
    {
      all: [
        { field: 'tags', is: ['idv'] },
        { field: 'event.code', starts: ['page'] },
      ],
    },
    true,
  ],
  [
    {
      all: [
        { field: 'tags', is: ['idv'] },
        { field: 'event.code', starts: ['x'] },
      ],
    },
    false,
  ],
  [
    {
      any: [
        { field: 'tags', is: ['x'] },
        { field: 'event.code', starts: ['page'] },
      ],
    },
    true,
  ],
  [
    {
      any: [
        { field: 'tags', is: ['x'] },
        { field: 'event.code', starts: ['x'] },
      ],
    },
    false,
  ],
  [{ all: [] }, true],
  [{ any: [] }, false],
];

for (const [filter, expected] of CASES)
  test(`${JSON.stringify(filter)} is ${expected}`, () => assert.equal(matches(filter, DOCUMENT), expected));

test('the values of a field are texts, each one of a list', () => {
  assert.deepEqual(valuesOf(DOCUMENT, 'tags'), ['transmit_security', 'idv']);
  assert.deepEqual(valuesOf(DOCUMENT, 'event.severity'), ['10']);
  assert.deepEqual(valuesOf(DOCUMENT, 'user.id'), []);
  const inherited = Object.create({ message: 'not its own' });
  assert.deepEqual(valuesOf(inherited, 'message'), []);
});
