import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '../../src/sink.ts';
import { deliverAll, live, marks, someEvents, TOKEN, type World, world } from './hec-fixtures.ts';

const ON = { acknowledgement: true };

function callsOf(it: World, path: 'ack' | 'event'): World['hec']['calls'] {
  return it.hec.calls.filter((call) => call.path.endsWith(path));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

describe('with acknowledgement', { concurrency: true }, () => {
  test('what is acknowledged is delivered; many batches wait at once on one channel', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 300 } });
    const batches = Array.from({ length: 8 }, (_, index) => someEvents(10, `${index}-`));
    const outcomes = await Promise.all(batches.map((batch) => it.sink.deliver(batch, live())));
    assert.equal(outcomes.map(marks).join(''), 'd'.repeat(80));
    assert.equal(it.hec.count, 80);
    assert.equal(new Set(it.hec.calls.map((call) => call.channel)).size, 1);
    assert(callsOf(it, 'ack').length < 8, 'one question for all');
  });

  test('it is not delivered before it is acknowledged, and nothing is asked once nothing waits', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 1e9 } });
    let settled = false;
    const delivery = it.sink.deliver(someEvents(1), live()).finally(() => {
      settled = true;
    });
    await until(() => callsOf(it, 'ack').length >= 4);
    assert.equal(settled, false);
    const ended = assert.rejects(delivery, Unavailable);
    await it.sink.close();
    await ended;
    const asked = callsOf(it, 'ack').length;
    await sleep(300);
    assert.equal(callsOf(it, 'ack').length, asked);
  });

  test('polling ends with the last acknowledgement', async () => {
    await using it = await world(ON, { acknowledgement: true });
    await it.sink.deliver(someEvents(1), live());
    const asked = callsOf(it, 'ack').length;
    await sleep(300);
    assert.equal(callsOf(it, 'ack').length, asked);
  });

  test('every third acknowledgement withheld: all is acknowledged in the end, what was withheld was sent again', async () => {
    const withholdAck = (count: number) => count % 3 === 2;
    await using it = await world(
      { ...ON, acknowledgement_timeout: '500ms' },
      { acknowledgement: true, dials: { withholdAck } },
    );
    const batches = Array.from({ length: 9 }, (_, index) => someEvents(10, `${index}-`));
    const deliveries = await Promise.all(batches.map((batch) => deliverAll(it.sink, batch)));
    assert.equal(it.hec.ledger.size, 90, 'none lost');
    const again = deliveries.reduce((sum, count) => sum + count - 1, 0);
    assert(again >= 3, `${again}`);
    assert.equal(it.hec.count, 90 + again * 10, 'what was withheld, and only that');
  });

  test('an acknowledgement that does not come is a retry that says so and never counts against the events', async () => {
    await using it = await world(
      { ...ON, acknowledgement_timeout: '300ms' },
      { acknowledgement: true, dials: { withholdAck: () => true } },
    );
    const outcomes = await it.sink.deliver(someEvents(2), live());
    assert.equal(marks(outcomes), 'rr');
    assert.deepEqual(outcomes[0], {
      status: 'retry',
      reason: `Splunk at ${it.hec.url} took it but did not acknowledge it within 0.3 s`,
      held: true,
    });
  });

  test('questions that fail are borne until the time is up', async () => {
    await using it = await world(ON, { acknowledgement: true });
    const delivery = it.sink.deliver(someEvents(1), live());
    await until(() => it.hec.count === 1);
    it.hec.dials.down = true;
    await until(() => it.logged.length > 0);
    it.hec.dials.down = false;
    it.hec.dials.ackStatus = 503;
    const asked = callsOf(it, 'ack').length;
    await until(() => callsOf(it, 'ack').length > asked);
    it.hec.dials.ackStatus = undefined;
    assert.equal(marks(await delivery), 'd');
    assert.equal(it.logged.length, 1, 'told once');
    assert.match(it.logged[0] ?? '', /^warn cannot ask for acknowledgements: no .* http:/);
  });

  test('a token that is refused while acknowledgements are waited for is told at once', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 1e9 } });
    const delivery = it.sink.deliver(someEvents(1), live());
    await until(() => it.hec.count === 1);
    it.hec.dials.ackStatus = 403;
    await assert.rejects(delivery, { name: 'Unavailable', reopen: true });
  });

  test('a token without acknowledgement is told before any event is sent', async () => {
    await using it = await world(ON);
    await assert.rejects(it.sink.deliver(someEvents(1), live()), {
      name: 'Unavailable',
      message: /code 14: ACK is disabled/,
    });
    assert.equal(it.hec.count, 0);
  });

  test('events in front of a refused one are delivered only with the acknowledgement', async () => {
    const refuse = (event: unknown) => (event as { event: { id: string } }).event.id === 'event-2';
    await using it = await world(
      { ...ON, acknowledgement_timeout: '300ms' },
      { acknowledgement: true, dials: { refuse } },
    );
    assert.equal(marks(await it.sink.deliver(someEvents(5), live())), 'ddxuu');
    it.hec.dials.withholdAck = () => true;
    assert.equal(marks(await it.sink.deliver(someEvents(5), live())), 'rrxuu');
    assert.equal(marks(await it.sink.deliver(someEvents(5).slice(2), live())), 'xuu', 'nothing to wait for');
  });

  test('a refused number without an ackId delivers nothing', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { code: 6, number: 2 } });
    assert.equal(marks(await it.sink.deliver(someEvents(4), live())), 'rrxu');
  });

  test('a server that starts anew and counts from 0 again: nothing that it forgot counts as stored', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 1e9 } });
    const before = it.sink.deliver(someEvents(1, 'before-'), live());
    await until(() => it.hec.count === 1);
    it.hec.forgetChannels();
    it.hec.dials.ackDelayMs = 0;
    const after = await it.sink.deliver(someEvents(1, 'after-'), live());
    assert.equal(marks(await before), 'r');
    assert.equal(marks(after), 'r');
    assert.equal(await deliverAll(it.sink, [...someEvents(1, 'before-'), ...someEvents(1, 'after-')]), 1);
    assert.equal(new Set(callsOf(it, 'event').map((call) => call.channel)).size, 2, 'on a new channel');
  });

  test('after a lost answer a channel takes no more, since the server may count anew', async () => {
    await using it = await world(ON, { acknowledgement: true });
    await it.sink.deliver(someEvents(1, 'a'), live());
    it.hec.dials.loseAnswer = true;
    await assert.rejects(it.sink.deliver(someEvents(1, 'b'), live()), Unavailable);
    it.hec.dials.loseAnswer = false;
    assert.equal(marks(await it.sink.deliver(someEvents(1, 'b'), live())), 'd');
    const channels = callsOf(it, 'event').map((call) => call.channel);
    assert.equal(channels[0], channels[1]);
    assert.notEqual(channels[1], channels[2]);
  });

  test('the load balancer keeps to one server by its cookie', async () => {
    await using it = await world(ON, {
      acknowledgement: true,
      dials: { cookie: () => 'LB=one; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/' },
    });
    await Promise.all([1, 2, 3, 4].map((one) => it.sink.deliver(someEvents(1, `${one}-`), live())));
    const [first, ...others] = it.hec.calls.map((call) => call.cookie);
    assert.equal(first, undefined);
    assert.deepEqual(new Set(others), new Set(['LB=one']));
    assert.equal(new Set(it.hec.calls.map((call) => call.channel)).size, 1);
  });

  test('another cookie is another server: what waits is sent again, on a new channel', async () => {
    let cookie = 'LB=one';
    await using it = await world(ON, { acknowledgement: true, dials: { cookie: () => cookie, ackDelayMs: 1e9 } });
    const delivery = it.sink.deliver(someEvents(1), live());
    await until(() => it.hec.count === 1);
    cookie = 'LB=two';
    const [outcome] = await delivery;
    assert(outcome?.status === 'retry');
    assert.match(outcome.reason, /cookie/);
    it.hec.dials.ackDelayMs = 0;
    assert.equal(marks(await it.sink.deliver(someEvents(1), live())), 'd');
    const sent = callsOf(it, 'event');
    assert.equal(sent.at(-1)?.cookie, 'LB=two');
    assert.notEqual(sent[0]?.channel, sent.at(-1)?.channel);
  });

  test('a cookie that changes with every answer says nothing, and does not keep the events for ever', async () => {
    let count = 0;
    await using it = await world(ON, { acknowledgement: true, dials: { cookie: () => `AWSALB=${count++}` } });
    assert.equal(await deliverAll(it.sink, someEvents(5)), 4);
    assert.equal(await deliverAll(it.sink, someEvents(5, 'more-')), 1);
  });

  test('an abort ends the waiting at once, and the asking', async () => {
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 1e9 } });
    const abort = new AbortController();
    const delivery = it.sink.deliver(someEvents(1), abort.signal);
    await until(() => callsOf(it, 'ack').length >= 3);
    abort.abort(new Error('enough'));
    await assert.rejects(delivery, { message: 'enough' });
    const asked = callsOf(it, 'ack').length;
    await sleep(1300);
    assert(callsOf(it, 'ack').length <= asked + 1, 'but for one on its way');
  });

  test('an acknowledgement is never taken for that of a request on its way', async () => {
    // As behind a load balancer without sticky sessions: two servers, each counting from 0.
    await using it = await world(ON, { acknowledgement: true, dials: { ackDelayMs: 1e9 } });
    const first = it.sink.deliver(someEvents(1, 'first-'), live());
    await until(() => it.hec.count === 1);
    it.hec.forgetChannels();
    it.hec.dials.ackDelayMs = 0;
    it.hec.dials.eventAnswerDelayMs = 1500;
    const second = it.sink.deliver(someEvents(1, 'second-'), live());
    assert.equal(marks(await first), 'r', 'number 0 was acknowledged, but it is that of the second');
    assert.equal(marks(await second), 'r');
  });

  test('several urls: a channel each, and each asked for its own', async () => {
    const receiver = { token: TOKEN, acknowledgement: true };
    await using it = await world(ON, [receiver, receiver]);
    const batches = Array.from({ length: 6 }, (_, index) => someEvents(2, `${index}-`));
    const outcomes = await Promise.all(batches.map((batch) => it.sink.deliver(batch, live())));
    assert.equal(outcomes.map(marks).join(''), 'd'.repeat(12));
    assert.deepEqual(
      it.hecs.map((hec) => hec.count),
      [6, 6],
    );
    const channels = it.hecs.map((hec) => new Set(hec.calls.map((call) => call.channel)));
    assert.deepEqual(
      channels.map((set) => set.size),
      [1, 1],
    );
    assert.notDeepEqual(channels[0], channels[1]);
  });
});
