/** What each sink has to keep to, one check each. The names are what a failing sink's author reads first. */
import assert from 'node:assert/strict';
import { afterClose, closeMeanwhile, closeTwice, firedBefore, firedMeanwhile } from './endings.ts';
import { hostileEvents, someEvents } from './events.ts';
import type { Dials, Fixture } from './fixture.ts';
import { type Answer, chosen, type World } from './world.ts';

export interface Check {
  readonly name: string;
  /** The dial without which it cannot be made. */
  readonly needs?: keyof Dials;
  /** Why it says nothing about this kind of sink. */
  readonly beside?: (fixture: Fixture) => string | undefined;
  readonly run: (world: World) => Promise<void>;
}

export const checks: readonly Check[] = [
  { name: 'each event has one outcome', run: oneOutcomeEach },
  { name: 'delivered means that the receiver holds the event, unchanged', run: deliveredMeansHeld },
  { name: 'the largest batch of the defaults arrives whole', run: largestBatch },
  { name: 'an empty batch is fine and sends nothing', run: emptyBatch },
  { name: 'several deliveries at once do not disturb each other', run: severalAtOnce },
  { name: 'hostile content arrives whole', run: hostileContent },
  { name: 'a batch and its events are left as they were', run: leftAsTheyWere },
  { name: 'an outage holds the events and blames none of them', needs: 'down', run: (world) => holds(world, 'down') },
  { name: 'opening while the receiver is down ends with an error or waits', needs: 'down', run: openingWhileDown },
  { name: 'refused credentials hold the events', needs: 'unwelcome', run: (world) => holds(world, 'unwelcome') },
  { name: 'a lost answer is no success', needs: 'loseAnswer', run: (world) => holds(world, 'loseAnswer') },
  {
    name: 'a refused event is rejected with a reason, in its place, and the others pass',
    needs: 'refuse',
    run: refusal,
  },
  { name: 'an event that is put off is retried, and the others pass', needs: 'putOff', run: puttingOff },
  { name: 'an event that is sent twice is stored once', beside: notIdempotent, run: storedOnce },
  { name: 'a signal that fired before ends a delivery', run: firedBefore },
  { name: 'the signal ends a delivery promptly', needs: 'slow', run: firedMeanwhile },
  { name: 'close ends, also when it is called twice', run: closeTwice },
  { name: 'close ends a delivery under way', needs: 'slow', run: closeMeanwhile },
  { name: 'after close nothing is called delivered that is not there', run: afterClose },
];

async function oneOutcomeEach(world: World): Promise<void> {
  for (const count of [1, 2, 50]) {
    const batch = someEvents(`one outcome, ${count}`, count);
    // A sink may first have to learn how to talk to its receiver: it then says unsent, or throws.
    await world.settle(batch);
    const answer = await world.deliver(someEvents(`one outcome, again ${count}`, count));
    assert.ok('outcomes' in answer, `nothing is wrong, and yet it threw: ${text(answer)}`);
  }
}

async function deliveredMeansHeld(world: World): Promise<void> {
  for (const count of [1, 7, 50]) {
    const batch = someEvents(`delivered ${count}`, count);
    const rejected = await world.settle(batch);
    assert.deepEqual([...rejected.values()], [], 'nothing is wrong with these events');
    await world.assertHeld(batch);
  }
}

/** As far as its bytes allow, and no further than any forwarder goes. */
async function largestBatch(world: World): Promise<void> {
  const { maxEvents, maxBytes } = world.fixture.definition.defaults;
  const bytes = someEvents('largest', 1)[0]?.json.length ?? 1;
  const batch = someEvents('largest', Math.max(1, Math.min(maxEvents, 5_000, Math.floor(maxBytes / (bytes + 8)))));
  const rejected = await world.settle(batch);
  assert.deepEqual([...rejected.values()], [], 'nothing is wrong with these events');
  await world.assertHeld(batch);
}

async function emptyBatch(world: World): Promise<void> {
  const answer = await world.deliver([]);
  assert.deepEqual(answer, { outcomes: [] });
  assert.equal((await world.receiver.held()).length, 0);
}

async function severalAtOnce(world: World): Promise<void> {
  const batches = Array.from({ length: 6 }, (_, index) => someEvents(`at once ${index}`, 5 + index));
  const answers = await Promise.all(batches.map((batch) => world.deliver(batch)));
  await Promise.all(batches.map((batch, index) => world.assertHeld(chosen(batch, must(answers[index]), 'delivered'))));
  for (const [index, batch] of batches.entries()) {
    const answer = must(answers[index]);
    assert.equal(chosen(batch, answer, 'rejected').length, 0, 'nothing is wrong with these events');
    if ('error' in answer) await world.settle(batch);
    else await world.settle(chosen(batch, answer, 'retry', 'unsent'));
  }
  await world.assertHeld(batches.flat());
}

async function hostileContent(world: World): Promise<void> {
  const batch = hostileEvents('hostile');
  const rejected = await world.settle(batch);
  assert.deepEqual([...rejected.values()], [], 'the receiver takes all of this');
  await world.assertHeld(batch);
  const neighbours = [...someEvents('before', 2), ...hostileEvents('in the middle'), ...someEvents('behind', 2)];
  await world.settle(neighbours);
  await world.assertHeld(neighbours);
  const sent = new Set([...batch, ...neighbours].map(({ id }) => id));
  const forged = (await world.receiver.held()).filter(({ id }) => !sent.has(id));
  assert.deepEqual(forged, [], 'the receiver holds only events that were sent');
}

async function leftAsTheyWere(world: World): Promise<void> {
  const batch = someEvents('left alone', 3);
  const before = structuredClone(batch);
  const answer = await world.deliver(batch);
  if ('error' in answer && answer.error instanceof TypeError) throw answer.error;
  await world.settle(batch);
  assert.deepEqual(structuredClone(batch), before, 'the batch was changed');
}

/** As long as the dial is on, nothing is settled in either way; afterwards everything arrives. */
async function holds(world: World, dial: 'down' | 'unwelcome' | 'loseAnswer'): Promise<void> {
  const [before, during] = [someEvents(`${dial}, before`, 3), someEvents(`${dial}, during`, 4)];
  await world.settle(before);
  await world.receiver[dial]?.(true);
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await world.deliver(during);
    const settled = chosen(during, answer, 'delivered', 'rejected');
    assert.equal(settled.length, 0, `${dial}, and yet ${settled.length} events were settled: ${text(answer)}`);
    const reopen = 'error' in answer && (answer.error as { reopen?: unknown } | null)?.reopen === true;
    if (dial === 'unwelcome') assert.ok(reopen, 'Unavailable with reopen: true, or a renewed secret is never read');
  }
  await world.receiver[dial]?.(false);
  const rejected = await world.settle(during);
  assert.deepEqual([...rejected.values()], [], `${dial} is nobody's fault`);
  await world.assertHeld([...before, ...during]);
}

async function openingWhileDown(world: World): Promise<void> {
  await world.receiver.down?.(true);
  const opened = await world.reopen().then(
    () => true,
    (error: unknown) => {
      if (error instanceof assert.AssertionError) throw error;
      return false;
    },
  );
  const batch = someEvents('opened while down', 2);
  if (opened) assert.equal(chosen(batch, await world.deliver(batch), 'delivered', 'rejected').length, 0);
  await world.receiver.down?.(false);
  if (!opened) await world.open();
  await world.settle(batch);
  await world.assertHeld(batch);
}

/** The refused one stands at 1 of 5, so that an order turned round shows. */
async function refusal(world: World): Promise<void> {
  await world.works();
  const events = someEvents('refused', 5);
  const bad = await must(world.receiver.refuse)(must(events[1]));
  const batch = events.map((event) => (event.id === bad.id ? bad : event));
  const others = batch.filter((event) => event !== bad);
  if (world.fixture.definition.promises.perEvent) {
    const answer = await world.deliver(batch);
    const rejected = chosen(batch, answer, 'rejected').map(({ id }) => id);
    assert.deepEqual(rejected, [bad.id], `the second of five is the refused one: ${text(answer)}`);
    await world.assertHeld(chosen(batch, answer, 'delivered'));
  }
  const reasons = await world.settle(batch);
  assert.deepEqual([...reasons.keys()], [bad.id], 'exactly the refused event is refused');
  await world.assertHeld(others);
  assert.ok(!(await world.receiver.held()).some(({ id }) => id === bad.id), 'the receiver refused it');
}

async function puttingOff(world: World): Promise<void> {
  await world.works();
  const batch = someEvents('put off', 5);
  const late = must(batch[1]);
  await world.receiver.putOff?.(late.id);
  const answer = await world.deliver(batch);
  assert.deepEqual(chosen(batch, answer, 'retry'), [late], `the second of five was put off: ${text(answer)}`);
  assert.equal(chosen(batch, answer, 'rejected').length, 0, 'put off is not refused');
  await world.receiver.putOff?.(undefined);
  await world.settle(batch);
  await world.assertHeld(batch);
}

function notIdempotent({ definition }: Fixture): string | undefined {
  return definition.promises.idempotent ? undefined : 'promises.idempotent is false';
}

async function storedOnce(world: World): Promise<void> {
  const batch = someEvents('twice', 5);
  await world.settle(batch);
  await world.settle(batch);
  await world.settle([...batch, ...batch]);
  const held = await world.heldOf(batch);
  for (const { id } of batch) assert.equal(held.get(id)?.length, 1, `${id} is stored ${held.get(id)?.length} times`);
}

function text(answer: Answer): string {
  if ('error' in answer) return String(answer.error);
  return answer.outcomes
    .map((outcome) => ('reason' in outcome ? `${outcome.status} (${outcome.reason})` : outcome.status))
    .join(', ');
}

function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}
