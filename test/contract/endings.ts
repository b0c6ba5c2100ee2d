/** Checks of how a delivery and a sink end: by the signal, and by close. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { someEvents } from './events.ts';
import { chosen, type World } from './world.ts';

export async function firedBefore(world: World): Promise<void> {
  const batch = someEvents('fired before', 3);
  const answer = await world.within(
    'deliver',
    world.deliver(batch, AbortSignal.abort(new Error('stop'))),
    promptMs(world),
  );
  await world.assertHeld(chosen(batch, answer, 'delivered'));
  assert.equal(chosen(batch, answer, 'rejected').length, 0, 'the signal is no fault of an event');
  await world.works();
}

export async function firedMeanwhile(world: World): Promise<void> {
  const batch = someEvents('fired meanwhile', 3);
  await world.receiver.slow?.(true);
  const controller = new AbortController();
  const delivery = world.deliver(batch, controller.signal);
  await sleep(100);
  controller.abort(new Error('stop'));
  const answer = await world.within('deliver, after its signal,', delivery, promptMs(world));
  await world.receiver.slow?.(false);
  assert.equal(chosen(batch, answer, 'rejected').length, 0, 'the signal is no fault of an event');
  await world.assertHeld(chosen(batch, answer, 'delivered'));
  await world.works();
}

export async function closeTwice(world: World): Promise<void> {
  await world.settle(someEvents('then closed', 2));
  await world.within('close', world.sink.close(), promptMs(world));
  await world.within('close, the second time,', world.sink.close(), promptMs(world));
}

export async function closeMeanwhile(world: World): Promise<void> {
  const batch = someEvents('closed meanwhile', 3);
  await world.receiver.slow?.(true);
  const delivery = world.deliver(batch);
  await sleep(100);
  await world.within('close', world.sink.close());
  const answer = await world.within('deliver, after close,', delivery, promptMs(world));
  await world.receiver.slow?.(false);
  assert.equal(chosen(batch, answer, 'rejected').length, 0, 'close is no fault of an event');
  await world.assertHeld(chosen(batch, answer, 'delivered'));
}

export async function afterClose(world: World): Promise<void> {
  await world.within('close', world.sink.close());
  const batch = someEvents('after close', 2);
  const answer = await world.deliver(batch);
  assert.equal(chosen(batch, answer, 'rejected').length, 0, 'a closed sink is no fault of an event');
  await world.assertHeld(chosen(batch, answer, 'delivered'));
}

/** Well under the bound of a request, so that waiting that one out is not taken for heeding the signal. */
function promptMs(world: World): number {
  return Math.min(2_000, world.patienceMs, 0.6 * world.context.timeoutMs);
}
