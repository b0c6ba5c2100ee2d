import assert from 'node:assert/strict';
import { test } from 'node:test';
import { censoredSink } from '../src/censored-sink.ts';
import { ask } from '../src/forward/answer.ts';
import { BatchRefused, type Outcome, type Sink, Unavailable } from '../src/sink.ts';
import { someEvent } from './fixtures/plain.ts';

const never = new AbortController().signal;
const censor = (text: string) => text.replaceAll('geheim', '***');

function sinkThat(deliver: () => unknown): Promise<Sink> {
  const sink = { deliver: async () => deliver() as readonly Outcome[], close: async () => undefined };
  return censoredSink(async () => sink, censor);
}

function thrown(error: unknown): Promise<Sink> {
  return sinkThat(() => {
    throw error;
  });
}

test('reasons hold no secret, and outcomes are otherwise as they were', async () => {
  const outcomes = [
    { status: 'delivered' },
    { status: 'rejected', reason: 'geheim does not fit' },
    { status: 'retry', reason: 'geheim is busy', held: true },
    null,
  ];
  const sink = await sinkThat(() => outcomes);
  assert.deepEqual(await sink.deliver([someEvent()], never), [
    { status: 'delivered' },
    { status: 'rejected', reason: '*** does not fit' },
    { status: 'retry', reason: '*** is busy', held: true },
    null,
  ]);
  const wrong = await sinkThat(() => undefined);
  assert.equal(await wrong.deliver([someEvent()], never), undefined);
});

test('errors hold no secret and mean what they meant, also those of another copy of the classes', async () => {
  const tooLarge = await ask(await thrown(new BatchRefused('geheim', { tooLarge: true })), [], never);
  assert.ok(tooLarge instanceof BatchRefused);
  assert.deepEqual([tooLarge.message, tooLarge.tooLarge], ['***', true]);
  const foreign = { name: 'Unavailable', message: 'geheim', retryAfterMs: 7, reopen: true };
  const down = await ask(await thrown(foreign), [], never);
  assert.ok(down instanceof Unavailable);
  assert.deepEqual([down.message, down.retryAfterMs, down.reopen], ['***', 7, true]);
  const bug = await ask(await thrown(new TypeError('geheim is not a function')), [], never);
  assert.equal('message' in bug && bug.message, 'TypeError: *** is not a function');
  const harmless = new Error('stop now');
  await assert.rejects((await thrown(harmless)).deliver([], never), (error) => error === harmless);
});

test('nor do errors of opening; a sink that cannot be opened anew still cannot', async () => {
  const opening = censoredSink(async () => {
    throw new Unavailable('geheim is wrong', { reopen: true });
  }, censor);
  await assert.rejects(opening, { name: 'Unavailable', message: '*** is wrong', reopen: true });
  assert.equal((await sinkThat(() => [])).reopen, undefined);
  let reopened = 0;
  const reopen = async () => {
    reopened += 1;
  };
  const sink = { deliver: async () => [], close: async () => undefined, reopen };
  await (await censoredSink(async () => sink, censor)).reopen?.();
  assert.equal(reopened, 1);
});
