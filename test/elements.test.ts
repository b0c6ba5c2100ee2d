import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { countActivities, isEmptyAnswer, splitElements } from '../src/normalize/elements.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import { pageOf } from './normalize.fixtures.ts';

const normalize = normalizer(DEFAULT_EVENT_OPTIONS);

function slices(text: string): { readonly elements: readonly string[]; readonly tail: string | undefined } {
  const body = Buffer.from(text);
  const { elements, tail } = splitElements(body);
  const read = ({ start, end }: { start: number; end: number }) => body.toString('utf8', start, end);
  return { elements: elements.map(read), tail: tail && read(tail) };
}

/** Collect counts and normalize maps: they must never differ, and neither may throw. */
function assertSameCount(body: Uint8Array): void {
  const events = [...normalize.events(pageOf(body))];
  assert.equal(events.length, countActivities(body), `on ${Buffer.from(body).toString('latin1').slice(0, 300)}`);
}

const SPLITS: readonly (readonly [string, readonly string[], string?])[] = [
  ['[]', []],
  ['[{"a":1},{"a":2}]', ['{"a":1}', '{"a":2}']],
  [' \r\n[ {"a":1} ,\t2 ] \n', ['{"a":1}', '2']],
  ['\uFEFF[1]', ['1']],
  ['[{"a":"],{\\"}\\\\"},{"b":[[],{}]}]', ['{"a":"],{\\"}\\\\"}', '{"b":[[],{}]}']],
  ['[1,,2]', ['1', '2']],
  ['[1,2,]', ['1', '2']],
  ['[{"a":1},{"a":', ['{"a":1}'], '{"a":'],
  ['[{"a":1},{"a":2}', ['{"a":1}', '{"a":2}']],
  ['[{"a":1},', ['{"a":1}']],
  ['[{"a":1}, 23', ['{"a":1}'], '23'],
  ['["a","b', ['"a"'], '"b'],
  ['[1] and more', ['1'], 'and more'],
  ['[{"a":1]},{"b":2}]', ['{"a":1]}', '{"b":2}']],
  ['[', [], '['],
  ['[,]', [], '[,]'],
  ['', [], ''],
  ['{}', [], '{}'],
  ['<html>', [], '<html>'],
  ['{"events":[1,{"a":2}],"more":true}', ['1', '{"a":2}']],
  ['{"events":[1],"eve\\u006ets":[2,3]}', ['2', '3']],
  ['{"x":{"data":[1]},"data":[4]}', ['4']],
  ['{"items":[5],"data":[6]}', ['6']],
  ['{"events":[1]', [], '{"events":[1]'],
];

for (const [text, elements, tail] of SPLITS) {
  test(`splits ${JSON.stringify(text)}`, () => {
    assert.deepEqual(slices(text), { elements, tail });
    assertSameCount(Buffer.from(text));
  });
}

test('an empty answer is told from its bytes', () => {
  const empty = ['', ' \r\n', '[]', ' [ \n ] ', '{}', '{ }', 'null', ' null\n', '\uFEFF[]'];
  for (const text of empty) assert.equal(isEmptyAnswer(Buffer.from(text)), true, JSON.stringify(text));
  const full = ['[1]', '[', ']', '{', '[}', '{"a":1}', 'nul', 'nulll', '0', '""', '[[]]', '[]x', '\0'];
  for (const text of full) assert.equal(isEmptyAnswer(Buffer.from(text)), false, JSON.stringify(text));
});

const list = fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 8 });
const spaces = fc.constantFrom(undefined, 1, '\t', '  ');
const listText = fc.tuple(list, spaces).map(([value, space]) => JSON.stringify(value, undefined, space));
const wrapper = fc.record({
  before: fc.jsonValue({ maxDepth: 2 }),
  key: fc.constantFrom('events', 'data', 'items', 'other'),
  value: list,
  after: fc.dictionary(fc.constantFrom('events', 'data', 'items', 'x'), fc.jsonValue({ maxDepth: 2 })),
});
const wrapperText = wrapper.map(({ before, key, value, after }) => JSON.stringify({ before, [key]: value, ...after }));

test('a valid array has as many elements as JSON.parse says, each of them byte for byte', () => {
  fc.assert(
    fc.property(listText, fc.boolean(), (text, mark) => {
      const { elements, tail } = slices(mark ? `\uFEFF${text}` : text);
      assert.equal(tail, undefined);
      assert.deepEqual(
        elements.map((element) => JSON.parse(element)),
        JSON.parse(text),
      );
      assertSameCount(Buffer.from(text));
    }),
  );
});

test('a body cut at any byte', () => {
  fc.assert(
    fc.property(fc.oneof(listText, wrapperText), fc.nat(), (text, at) => {
      const body = Buffer.from(text);
      assertSameCount(body.subarray(0, at % (body.length + 1)));
    }),
    { numRuns: 500 },
  );
});

test('a wrapper object, with and without what follows it', () => {
  fc.assert(
    fc.property(wrapperText, fc.constantFrom('', ' ', 'x', '{}', '\0'), (text, rest) =>
      assertSameCount(Buffer.from(text + rest)),
    ),
  );
});

test('a wrapper object holds as many as its list, each of them byte for byte', () => {
  fc.assert(
    fc.property(list, spaces, (value, space) => {
      const text = JSON.stringify({ next: '["events":[', events: value, size: 2 }, undefined, space);
      const { elements } = slices(text);
      assert.deepEqual(
        elements.map((element) => JSON.parse(element)),
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});

test('bytes of any kind, and text made of what JSON is made of', () => {
  const jsonish = fc.array(
    fc.constantFrom(...'[]{},:"\\ \n0a1-.eE', 'null', '"events":[', '{"a":', '\uFEFF', '\ud800'),
    {
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (body) => assertSameCount(body)),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.constantFrom('', '[', '{'), jsonish, (first, rest) =>
      assertSameCount(Buffer.from(first + rest.join(''))),
    ),
    { numRuns: 2000 },
  );
});

test('bytes changed in the middle of a valid page', () => {
  fc.assert(
    fc.property(listText, fc.nat(), fc.integer({ min: 0, max: 255 }), (text, at, byte) => {
      const body = Buffer.from(text);
      body[at % body.length] = byte;
      assertSameCount(body);
    }),
    { numRuns: 500 },
  );
});

test('ten thousand levels', () => {
  for (const deep of ['[', '{"a":']) {
    const open = deep.repeat(10_000);
    const close = (deep === '[' ? ']' : '}').repeat(10_000);
    assertSameCount(Buffer.from(`[${open}1${close},{}]`));
    assertSameCount(Buffer.from(`[${open}`));
    assertSameCount(Buffer.from(`${open}1${close}`));
  }
});
