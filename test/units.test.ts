import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, parseDuration, parseSize, size } from '../src/units.ts';

test('durations are ms', () => {
  const texts = ['500ms', '30s', '5m', '24h', '7d', '1.5s', '0s'];
  assert.deepEqual(texts.map(parseDuration), [500, 30_000, 300_000, 86_400_000, 604_800_000, 1500, 0]);
});

test('sizes are bytes', () => {
  const texts = ['500KiB', '10GiB', '5MB', '1.5kB', '7B'];
  assert.deepEqual(texts.map(parseSize), [512_000, 10_737_418_240, 5_000_000, 1500, 7]);
});

test('a bare number and anything else is a mistake', () => {
  for (const text of ['30', '', 's', '-5s', '5 s', '5S', '1e3s', '5mm', '5s5', 'Infinitys', '99999999999999999d']) {
    assert.equal(parseDuration(text), undefined, text);
    assert.equal(duration.safeParse(text).success, false, text);
  }
  for (const text of ['30', '', 'GiB', '-5B', '5 GiB', '5gib', '5G', '99999999999999TiB']) {
    assert.equal(parseSize(text), undefined, text);
    assert.equal(size.safeParse(text).success, false, text);
  }
});

test('the schemas give the number, or one sentence that says what is wanted', () => {
  assert.equal(duration.parse('5m'), 300_000);
  assert.equal(size.parse('5MB'), 5_000_000);
  for (const value of [30, '30', null, 'soon']) {
    const messages = duration.safeParse(value).error?.issues.map((issue) => issue.message);
    assert.deepEqual(messages, ['expected a duration with a unit, as in 500ms, 30s, 5m, 24h or 7d']);
  }
});
