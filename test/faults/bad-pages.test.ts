import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countActivities } from '../../src/normalize/elements.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { newSpool, readAll } from '../fixtures/spool.ts';
import { assertBooks, assertNoSecret, gapsBy, SINKS, STREAM, spoolOf, surroundings } from '../fixtures/surroundings.ts';

const LIMIT = 64 * 1024;
const CUT_AT = 1_500;

const good = activitySource({ seed: 5, rate: 50, startAt: Date.now() - 60_000 });
const activity = () => good.next().json;
const withField = (field: string) => activity().replace('{', `{${field},`);

/** Answers of status 2xx that no connector should meet, and one that is right. */
const BODIES: Readonly<Record<string, string | Buffer>> = {
  'no JSON': 'this is no JSON at all',
  'an HTML page': '<!doctype html><html><title>Log in</title></html>',
  'an object': '{"message":"hello"}',
  'a number': '42',
  'what is no object': `[1,"two",null,true,[3],${activity()}]`,
  'a broken element in the middle': `[${activity()},{"activity":},${activity()}]`,
  'invalid UTF-8': Buffer.concat([Buffer.from('['), latin(withField('"note":"\xff\xfe\xc3("')), Buffer.from(']')]),
  'a byte order mark': `\ufeff[${activity()}]`,
  'keys of the prototype': `[${withField('"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}')}]`,
  'an object in an object, 5,000 deep': `[${withField(`"deep":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`)}]`,
  'a list in a list, 30,000 deep': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
  'long strings, NUL, half a surrogate pair': `[${withField(`"note":"${'x'.repeat(3_000)}\\u0000\\ud800\\u001b[2J\\u202e"`)}]`,
  'numbers out of range': `[${withField('"big":1e999,"long":12345678901234567890123,"small":-0.0000001e-300')}]`,
  'absurd times': `[{"activity":"page_loaded","timestamp":1e300},{"activity":"page_loaded","timestamp":"the 5th of never"},{"activity":"page_loaded","timestamp":-1}]`,
  'wrong types everywhere':
    '[{"activity":{"a":1},"timestamp":[],"ip":{"x":2},"userId":7,"userAgent":false,"additionalParams":"none"}]',
  'the same activity three times': `[${Array(3).fill(activity()).join(',')}]`,
  'empty objects and empty names': '[{},{"":""},{"activity":""}]',
  'text behind the array': `[${activity()}] and more`,
  'an activity, as it should be': `[${activity()}]`,
};

test('every bad answer is kept as it came and is at every sink as an event; the process stays ready', async (t) => {
  // Every answer counts as a full one, so that the next call follows at once.
  const all = await surroundings(t, { mosaic: `max_answer_size: ${LIMIT}B`, batchSize: 1 });
  const { mosaic, daemon } = all;
  const { next } = mosaic.dials.collect;
  const sent = Object.values(BODIES).map((body) => Buffer.from(body));
  next.push(...sent.map((body) => ({ kind: 'answer', status: 201, body }) as const));
  const tooLarge = Buffer.from(`[${Array.from({ length: 300 }, activity).join(',')}]`);
  assert.ok(tooLarge.length > 2 * LIMIT);
  next.push({ kind: 'answer', status: 200, body: tooLarge });
  sent.push(tooLarge.subarray(0, LIMIT));
  next.push({ kind: 'cut', bytes: CUT_AT });
  const cut = Array.from({ length: 10 }, activity).join(',');
  all.enqueue([{ key: 'ten in one answer', json: cut }]);
  sent.push(Buffer.from(`[${cut}]`).subarray(0, CUT_AT));
  // What says that there is nothing must not become an event.
  for (const body of ['', ' \n', '[ ]', '{}', 'null']) next.push({ kind: 'answer', status: 200, body });

  daemon.start();
  await daemon.ready();
  const collected = sent.reduce((sum, body) => sum + countActivities(body), 0);
  await daemon.until(
    'each page is at each sink',
    async () => {
      assert.equal((await daemon.get('/healthz')).status, 200);
      return next.length === 0 && SINKS.every((sink) => all.ids(sink).size >= collected);
    },
    { everyMs: 200, state: () => SINKS.map((sink) => [sink, all.ids(sink).size, collected]) },
  );
  await daemon.until('each sink has settled them', async () => {
    const { sinks } = await daemon.status();
    return sinks.every(({ waiting, delivered }) => waiting === 0 && delivered === collected);
  });
  assert.equal((await daemon.get('/readyz')).status, 200);
  assert.equal((await daemon.get('/')).status, 200);
  const { gaps, streams } = await daemon.status();
  // An array with text behind it looks cut off, too.
  assert.deepEqual(gapsBy(gaps), { cut_off: 2, too_large: 1 });
  assert.equal(streams[0]?.state, 'ok');
  await assertBooks(daemon, collected);
  assertNoSecret(daemon.log);
  assert.doesNotMatch(daemon.log, /TypeError|RangeError|SyntaxError|\n {4}at /);
  daemon.signal('SIGTERM');
  assert.equal((await daemon.ended()).code, 0);
  assert.equal((await spoolOf(daemon)).report.pages, sent.length);

  const pages = await readAll(newSpool(t, { path: daemon.spool }).spool);
  const names = [...Object.keys(BODIES), 'too large', 'cut off'];
  const { events: normalize } = normalizer(DEFAULT_EVENT_OPTIONS);
  for (const [index, page] of pages.entries()) {
    const name = names[index];
    assert.ok(Buffer.from(page.body).equals(sent[index] ?? Buffer.alloc(0)), `${name} is kept byte for byte`);
    for (const event of normalize(page)) {
      for (const sink of SINKS) {
        assert.equal(all.ids(sink).get(event.id), 1, `${name} at ${sink}`);
        const { data_stream: _, ...document } = all.document(sink, event.id) ?? {};
        assert.deepEqual(document, JSON.parse(event.json), `${name} at ${sink}`);
      }
    }
  }
  const kinds = pages.flatMap((page) => [...normalize(page)]).map(({ document }) => document.event['kind']);
  assert.ok(kinds.filter((kind) => kind === 'pipeline_error').length >= 12, `${kinds}`);
  assert.equal(mosaic.ledger.books(STREAM).waiting, 0);
  assert.deepEqual(all.syslog.violations, []);
});

/** One byte a character. */
function latin(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
