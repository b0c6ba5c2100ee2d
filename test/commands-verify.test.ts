import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verify } from '../src/commands/verify.ts';
import type { SinkConfig } from '../src/config.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import type { HeldQuestion } from '../src/sink.ts';
import { openSpoolReader } from '../src/spool.ts';
import { behind, body, collect, HOUR_MS, NOON, settled, started } from './fixtures/spool.ts';

const EVER = { from: new Date(0), to: new Date(NOON + 1_000 * HOUR_MS) };

/** A SIEM that holds these documents: the time of receipt by id. */
function sinkWith(documents: ReadonlyMap<string, number>, name = 'splunk'): SinkConfig {
  async function* held(_options: unknown, { received, ids }: HeldQuestion) {
    for (const [id, time] of documents) {
      const inSpan = received !== undefined && time >= received.from.getTime() && time < received.to.getTime();
      if (inSpan || ids?.includes(id)) yield id;
    }
  }
  const definition = { type: 'fake', held };
  return { name, definition, options: () => ({}), timeoutMs: 1_000 } as unknown as SinkConfig;
}

function asking(t: { after(work: () => Promise<void>): void }, path: string, sink: SinkConfig) {
  const reader = openSpoolReader(path);
  t.after(() => reader.close());
  const places: string[] = [];
  return {
    ...{ reader, sink, span: EVER, key: '', beside: false, places },
    config: { events: DEFAULT_EVENT_OPTIONS } as never,
    onMissing: ({ page, index }: { page: number; index: number }) => void places.push(`${page}.${index}`),
    onPage: () => undefined,
    remark: () => undefined,
  };
}

test('activities that came twice have one document: it is found for both, and where it is gone both places are named once', async (t) => {
  const { spool, path } = await started(t);
  const large = body(20_000);
  for (const hour of [0, 1]) {
    const page = await collect(spool, hour === 0 ? large : body(2), NOON + hour * HOUR_MS);
    await spool.commit('splunk', behind(page), [settled(page, hour === 0 ? 20_000 : 2)]);
  }
  const first = await normalizer(DEFAULT_EVENT_OPTIONS).page(await spool.read({ page: 1, index: 0 }, t.signal));
  const documents = new Map(first.map(({ id }) => [id, NOON]));
  // What was settled long ago is asked for again at once.
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() * 1_000_000);

  documents.delete(first[1]?.id ?? '');
  const search = asking(t, path, sinkWith(documents));
  const { expected, missing, unknown } = await verify(search);
  assert.deepEqual([expected, missing, unknown], [20_002, 2, 0]);
  assert.deepEqual(search.places, ['1.1', '2.1']);
});

test('a page that is dropped before the audit has come to it is counted among those that cannot be asked for', async (t) => {
  const { spool, path, clock } = await started(t, { retentionMs: HOUR_MS });
  for (let n = 0; n < 3; n++) {
    const page = await collect(spool, body(4), NOON + n * HOUR_MS);
    for (const sink of ['splunk', 'elastic']) await spool.commit(sink, behind(page), [settled(page, 4)]);
  }
  const { page } = normalizer(DEFAULT_EVENT_OPTIONS);
  const documents = new Map<string, number>();
  for (const number of [1, 2, 3]) {
    const read = await spool.read({ page: number, index: 0 }, t.signal);
    for (const { id } of await page(read)) documents.set(id, read.receivedAt.getTime());
  }
  clock.now = NOON + 3 * HOUR_MS - 1;
  let trimmed = 0;
  const search = asking(t, path, sinkWith(documents));
  const { audit } = search.reader;
  async function* read(...of: Parameters<typeof audit.read>) {
    trimmed = await spool.trim();
    yield* audit.read(...of);
  }
  const found = await verify({ ...search, reader: { ...search.reader, audit: { ...audit, read } } });
  assert.equal(trimmed, 2);
  assert.deepEqual([found.expected, found.missing, found.gone], [4, 0, 8]);
});
