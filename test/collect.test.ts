import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { collect } from '../src/collect.ts';
import type { CollectAnswer } from '../src/mosaic.ts';
import type { News } from '../src/news.ts';
import { countActivities, isEmptyAnswer } from '../src/normalize/elements.ts';
import type { Spool } from '../src/types.ts';
import { folder, newSpool, newsIn, until } from './fixtures/plain.ts';

const page = (count: number, extra: Partial<Extract<CollectAnswer, { status: 'answer' }>> = {}): CollectAnswer => ({
  status: 'answer',
  receivedAt: new Date(),
  body: Buffer.from(JSON.stringify(Array.from({ length: count }, (_, index) => ({ activity: 'redirect', index })))),
  ...extra,
});
const empty = (body: string): CollectAnswer => ({ status: 'answer', receivedAt: new Date(), body: Buffer.from(body) });
const refused = (extra: Partial<Extract<CollectAnswer, { status: 'refused' }>> = {}): CollectAnswer => ({
  status: 'refused',
  result: 'server_error',
  error: '500',
  ...extra,
});

/** The real loop and a real spool; Mosaic answers from a list and then with nothing. */
async function rig(
  context: TestContext,
  answers: readonly (CollectAnswer | Error)[],
  wrap: (spool: Spool) => Spool = (spool) => spool,
  answerMs = 2,
) {
  const spool = newSpool(folder(context), { count: countActivities, maxSize: 50 * 1024 * 1024 });
  await spool.start([{ name: 'one', start: 'earliest' }], ['verify/siem']);
  const news: News[] = [];
  const calls: number[] = [];
  const [stop, abort] = [new AbortController(), new AbortController()];
  let parallel = 0;
  const ended = collect(
    {
      spool: wrap(spool),
      count: countActivities,
      isEmpty: isEmptyAnswer,
      tell: (item) => news.push(item),
      collect: async (_, signal) => {
        assert.equal(++parallel, 1, 'one call at a time');
        calls.push(performance.now());
        await new Promise((resolve) => setTimeout(resolve, answerMs));
        parallel -= 1;
        const answer = answers[calls.length - 1];
        if (!answer) signal.throwIfAborted();
        if (!answer) return empty('[]');
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    { name: 'verify/siem', type: 'verify', id: 'siem', batchSize: 100, pollIntervalMs: 20, maxAnswerSize: 1024 * 1024 },
    { stop: stop.signal, abort: abort.signal },
  );
  const end = async (controller: AbortController) => {
    stop.abort(new Error('stop'));
    controller.abort(new Error('stop'));
    await ended;
  };
  context.after(() => end(abort));
  const pages = async () => {
    const report = await spool.report();
    return Promise.all(
      Array.from({ length: report.pages }, (_, index) => spool.read({ page: index + 1, index: 0 }, abort.signal)),
    );
  };
  return { spool, news, calls, pages, stop: () => end(stop), abort: () => end(abort) };
}

test('a full answer is followed at once, a short one after a second, an empty one after the poll interval', async (context) => {
  const it = await rig(context, [page(100), page(100), page(7)]);
  await until(() => it.calls.length >= 5);
  const gaps = it.calls.slice(1).map((at, index) => at - (it.calls[index] as number));
  assert.ok((gaps[2] as number) >= 990, `after the short one: ${gaps[2]}`);
  assert.ok((gaps[0] as number) < 900 && (gaps[1] as number) < 900 && (gaps[3] as number) < 900, `${gaps}`);
  assert.deepEqual(
    (await it.pages()).map(({ collected }) => collected),
    [100, 100, 7],
  );
});

test('answers that say nothing make no page', async (context) => {
  const it = await rig(context, ['', '[]', '{}', 'null', ' [ ] \n'].map(empty));
  await until(() => it.calls.length >= 7);
  assert.equal((await it.spool.report()).pages, 0);
  assert.equal(newsIn(it.news, 'collected').length >= 6, true);
});

test('what is not JSON is kept byte for byte', async (context) => {
  const bytes = Buffer.from([0x5b, 0xff, 0x00, 0xfe, 0x22]);
  const it = await rig(context, [page(100, { body: bytes })]);
  await until(async () => (await it.spool.report()).pages === 1);
  assert.deepEqual(Buffer.from((await it.pages())[0]?.body ?? []), bytes);
});

test('a cut-off answer keeps what arrived and counts a possible gap', async (context) => {
  const it = await rig(context, [
    page(3, { partial: 'cut_off' }),
    page(3, { partial: 'too_large' }),
    page(0, { partial: 'cut_off', body: Buffer.alloc(0) }),
  ]);
  await until(async () => (await it.spool.report()).gaps.reduce((sum, { count }) => sum + count, 0) === 3);
  assert.deepEqual((await it.spool.report()).gaps.map(({ reason, count }) => [reason, count]).sort(), [
    ['cut_off', 2],
    ['too_large', 1],
  ]);
  assert.deepEqual(
    (await it.pages()).map(({ partial }) => partial),
    [true, true],
  );
});

test('a lost answer is a possible gap, a refused one is not; Retry-After is kept', async (context) => {
  const it = await rig(context, [refused({ gap: 'no_answer' }), refused({ retryAfterMs: 300 }), new Error('a bug')]);
  await until(() => it.calls.length >= 4);
  assert.ok((it.calls[2] as number) - (it.calls[1] as number) >= 290);
  assert.deepEqual(
    (await it.spool.report()).gaps.map(({ reason, count }) => [reason, count]),
    [['no_answer', 2]],
  );
});

test('an answer that cannot be written is held until it can; Mosaic is not asked meanwhile', async (context) => {
  let failures = 3;
  const wrap = (spool: Spool): Spool => ({
    ...spool,
    reserve: (bytes) => spool.reserve(bytes),
    counted: (...parameters) => spool.counted(...parameters),
    gap: (...parameters) => spool.gap(...parameters),
    append: async (...parameters) => {
      if (failures-- > 0) throw new Error('ENOSPC');
      return spool.append(...parameters);
    },
  });
  const it = await rig(context, [page(100)], wrap);
  await until(() => newsIn(it.news, 'spool_error').length === 3);
  assert.equal(it.calls.length, 1);
  await until(async () => (await it.spool.report()).pages === 1);
});

test('a full spool stops collecting, says so once, and collecting goes on alone', async (context) => {
  let full = true;
  const wrap = (spool: Spool): Spool => ({
    ...spool,
    append: (...parameters) => spool.append(...parameters),
    counted: (...parameters) => spool.counted(...parameters),
    gap: (...parameters) => spool.gap(...parameters),
    reserve: async (bytes) => (full ? undefined : spool.reserve(bytes)),
  });
  const it = await rig(context, [page(100)], wrap);
  await until(() => newsIn(it.news, 'collecting').length === 1);
  assert.equal(it.calls.length, 0);
  full = false;
  await until(async () => (await it.spool.report()).pages === 1);
  assert.deepEqual(
    newsIn(it.news, 'collecting').map((news) => news.what === 'collecting' && news.on),
    [false, true],
  );
});

test('stop lets the call in flight end and stores its answer', async (context) => {
  const it = await rig(context, [page(5)]);
  await until(() => it.calls.length === 1);
  await it.stop();
  assert.equal((await it.spool.report()).pages, 1);
  assert.equal(it.calls.length, 1);
});

test('an answer that has arrived when everything is to end at once is still stored', async (context) => {
  const it = await rig(context, [page(5, { partial: 'cut_off' })], undefined, 50);
  await until(() => it.calls.length === 1);
  await it.abort();
  const report = await it.spool.report();
  assert.equal(report.pages, 1);
  assert.deepEqual(
    report.gaps.map(({ reason }) => reason),
    ['cut_off'],
  );
});

test('an answer that cannot be written holds up the stop, and is given up only when everything is to end at once', async (context) => {
  let full = true;
  const wrap = (spool: Spool): Spool => ({
    ...spool,
    reserve: (bytes) => spool.reserve(bytes),
    counted: (...parameters) => spool.counted(...parameters),
    gap: (...parameters) => spool.gap(...parameters),
    append: async (...parameters) => {
      if (full) throw new Error('ENOSPC');
      return spool.append(...parameters);
    },
  });
  const mended = await rig(context, [page(100)], wrap);
  await until(() => newsIn(mended.news, 'spool_error').length > 0);
  const stopped = mended.stop();
  await until(() => newsIn(mended.news, 'spool_error').length > 2);
  full = false;
  await stopped;
  assert.equal((await mended.spool.report()).pages, 1);
  full = true;
  const lost = await rig(context, [page(100)], wrap);
  await until(() => newsIn(lost.news, 'spool_error').length > 0);
  await lost.abort();
  assert.equal((await lost.spool.report()).pages, 0);
});
