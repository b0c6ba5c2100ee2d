import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import syslog from '../../sinks/syslog/index.ts';
import type { SyslogReceiver } from '../../src/simulator/syslog.ts';
import { type SecurityEvent, type Sink, Unavailable } from '../../src/sink.ts';
import {
  eventOf,
  failure,
  makeCertificates,
  NEVER,
  openSink,
  someContext,
  someDocument,
  someEvents,
  startReceiver,
  turns,
  until,
} from './syslog-fixtures.ts';

const certificates = makeCertificates({ after });
const DELIVERED = { status: 'delivered' };

function ids(receiver: SyslogReceiver): string[] {
  return receiver.received.map((message) => message.id);
}

/** Those of `events` that the receiver never stored. */
function missing(receiver: SyslogReceiver, events: readonly SecurityEvent[]): string[] {
  return events.map((event) => event.id).filter((id) => !receiver.ledger.has(id));
}

/**
 * What the forwarding loop does with this sink, reduced: batches in flight, a failed one again, on a new sink where the
 * old one says so. Ends when all are delivered.
 */
async function deliverAll(open: () => Promise<Sink>, events: readonly SecurityEvent[], size: number): Promise<void> {
  let waiting = Array.from({ length: Math.ceil(events.length / size) }, (_, index) =>
    events.slice(index * size, (index + 1) * size),
  );
  for (let tries = 0; waiting.length > 0; tries += 1) {
    assert.ok(tries < 100, `${waiting.length} batches are never delivered`);
    const sink = await open().catch(() => undefined);
    if (!sink) {
      await sleep(20);
      continue;
    }
    const again: (typeof waiting)[number][] = [];
    await Promise.all(waiting.map((batch) => sink.deliver(batch, NEVER).catch(() => again.push(batch))));
    await sink.close();
    waiting = again;
  }
}

describe('delivery', { concurrency: 4 }, () => {
  for (const [protocol, framing] of [
    ['tcp', 'octet-counting'],
    ['tcp', 'lf'],
    ['tls', 'octet-counting'],
    ['tls', 'lf'],
  ] as const) {
    test(`over ${protocol} with ${framing}: in order, each once, nothing a strict receiver objects to`, async (context) => {
      const tls = { cert: certificates.pem('server.pem'), key: certificates.pem('server.key') };
      const receiver = await startReceiver(context, { protocol, tls, maxSize: 8192 });
      const sink = await openSink(
        context,
        receiver,
        { framing, enterprise_number: 32473 },
        { tls: { ca: certificates.path('ca.pem') } },
      );
      const events = someEvents(1000);
      const batches = Array.from({ length: 10 }, (_, index) => events.slice(index * 100, (index + 1) * 100));
      const outcomes = await Promise.all(batches.map((batch) => sink.deliver(batch, NEVER)));
      assert.deepEqual(
        outcomes.flat(),
        events.map(() => DELIVERED),
      );
      assert.deepEqual(
        ids(receiver),
        events.map((event) => event.id),
      );
      assert.deepEqual(receiver.violations, []);
      assert.equal(receiver.connections, 1);
      assert.equal(receiver.received[0]?.structuredData['idv@32473']?.['id'], 'event-0');
      assert.equal(receiver.received[0]?.facility, 20);
    });
  }

  test('over IPv6', async (context) => {
    const receiver = await startReceiver(context, { host: '::1' });
    const sink = await openSink(context, receiver);
    assert.deepEqual(await sink.deliver(someEvents(3), NEVER), [DELIVERED, DELIVERED, DELIVERED]);
    assert.equal(receiver.count, 3);
  });

  test('a batch of nothing is answered with nothing', async (context) => {
    const sink = await openSink(context, await startReceiver(context));
    assert.deepEqual(await sink.deliver([], NEVER), []);
  });

  test('an event that is too large is refused alone, with its reason', async (context) => {
    const receiver = await startReceiver(context, { maxSize: 8192 });
    const sink = await openSink(context, receiver);
    const huge = eventOf(someDocument('huge', { labels: { text: 'l'.repeat(9000) } }));
    const [first, second, third] = await sink.deliver([...someEvents(1), huge, ...someEvents(1, 'after-')], NEVER);
    assert.deepEqual([first, third], [DELIVERED, DELIVERED]);
    assert.match(second?.status === 'rejected' ? second.reason : '', /^too_large: 9\d{3} bytes .* max_size is 8192$/);
    assert.deepEqual(await sink.deliver([huge], NEVER), [second]);
    assert.deepEqual(ids(receiver), ['event-0', 'after-0']);
    assert.deepEqual(receiver.violations, []);
  });

  test('nothing is delivered before confirm_after has passed', async (context) => {
    const receiver = await startReceiver(context);
    const sink = await openSink(context, receiver, { confirm_after: '10s' });
    let settled = false;
    const delivery = sink.deliver(someEvents(5), NEVER).finally(() => (settled = true));
    await until('the messages are received', () => receiver.count === 5);
    await sleep(300);
    assert.equal(settled, false);
    const ended = failure(delivery);
    await sink.close();
    assert.match((await ended).message, /closed/);
  });

  test('an abort ends a delivery at once', async (context) => {
    const receiver = await startReceiver(context, { dials: { stall: true } });
    const sink = await openSink(context, receiver, { confirm_after: '5m' });
    const abort = new AbortController();
    const deliveries = [
      sink.deliver(someEvents(5), abort.signal),
      sink.deliver(someEvents(4000, 'b', 4000), abort.signal),
      sink.deliver(someEvents(1, 'c'), abort.signal),
    ];
    const ended = deliveries.map(failure);
    await sleep(50);
    const reason = new Error('stop now');
    abort.abort(reason);
    for (const one of ended) assert.equal(await one, reason);
    assert.equal(await failure(sink.deliver(someEvents(1), abort.signal)), reason);
  });

  test('close does not wait for a stalled receiver once the signal that it was opened with has fired', async (context) => {
    const receiver = await startReceiver(context, { dials: { stall: true } });
    const closing = async (abortAfterMs: number) => {
      const abort = new AbortController();
      const given = syslog.options.parse({ address: receiver.address, confirm_after: '5m' });
      const sink = await syslog.open(given, someContext(), abort.signal);
      const ended = failure(sink.deliver(someEvents(4000, 'b', 4000), NEVER));
      await sleep(50);
      const began = performance.now();
      if (abortAfterMs === 0) abort.abort();
      else setTimeout(() => abort.abort(), abortAfterMs);
      await sink.close();
      await ended;
      return performance.now() - began;
    };
    assert.ok((await closing(0)) < 500);
    const meanwhile = await closing(300);
    assert.ok(meanwhile > 250 && meanwhile < 1_000, `${meanwhile} ms`);
  });

  test('after close nothing is delivered', async (context) => {
    const receiver = await startReceiver(context);
    const sink = await openSink(context, receiver);
    await sink.close();
    assert.ok((await failure(sink.deliver(someEvents(1), NEVER))) instanceof Unavailable);
    assert.equal(receiver.count, 0);
  });

  test('what a receiver says is thrown away', async (context) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.resume().on('error', () => undefined));
      const timer = setInterval(() => socket.write('x'.repeat(100_000)), 5);
      socket.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => [server.close(), ...sockets.map((socket) => socket.destroy())]);
    const sink = await openSink(context, { address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
    assert.deepEqual(await sink.deliver(someEvents(1), NEVER), [DELIVERED]);
  });
});

describe('a receiver in trouble', { concurrency: 4 }, () => {
  test('that cannot be reached', async (context) => {
    const receiver = await startReceiver(context);
    await receiver.setDown(true);
    const error = await failure(openSink(context, receiver));
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, /^tcp:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
  });

  for (const how of ['end', 'reset'] as const) {
    test(`that reads a part and then ends the connection (${how}): nothing of it counts as delivered`, async (context) => {
      const receiver = await startReceiver(context, { dials: { closeAfter: { messages: 50, how, afterMs: 300 } } });
      const sink = await openSink(context, receiver, { confirm_after: '2s' });
      const errors = await Promise.all([0, 1, 2, 3].map((n) => failure(sink.deliver(someEvents(25, `b${n}-`), NEVER))));
      for (const error of errors) {
        assert.ok(error instanceof Unavailable && error.reopen);
        assert.match(error.message, /4 deliveries were not confirmed and will be sent again/);
      }
      assert.ok((await failure(sink.deliver(someEvents(1), NEVER))) instanceof Unavailable);
      assert.equal(receiver.count, 50);
    });
  }

  test('that takes connections and closes them', async (context) => {
    const receiver = await startReceiver(context, { dials: { acceptAndClose: true } });
    const sink = await openSink(context, receiver, { confirm_after: '300ms' });
    assert.ok((await failure(sink.deliver(someEvents(10), NEVER))) instanceof Unavailable);
    assert.equal(receiver.count, 0);
  });

  test('that closes an idle connection: the next delivery makes a new one', async (context) => {
    const receiver = await startReceiver(context);
    const sink = await openSink(context, receiver);
    await sink.deliver(someEvents(1), NEVER);
    await receiver.setDown(true);
    await receiver.setDown(false);
    await turns();
    const deliveries = [1, 2, 3].map((n) => sink.deliver(someEvents(2, `later-${n}-`), NEVER));
    assert.deepEqual((await Promise.all(deliveries)).flat().length, 6);
    assert.equal(receiver.connections, 2);
    assert.equal(receiver.count, 7);
  });

  test('that closes an idle connection and is gone', async (context) => {
    const receiver = await startReceiver(context);
    const sink = await openSink(context, receiver);
    await receiver.setDown(true);
    await turns();
    const errors = await Promise.all([1, 2].map(() => failure(sink.deliver(someEvents(1), NEVER))));
    for (const error of errors) assert.ok(error instanceof Unavailable && error.reopen);
  });

  test('that stops reading: Unavailable after the timeout', async (context) => {
    const receiver = await startReceiver(context, { dials: { stall: true } });
    const sink = await openSink(context, receiver, {}, { timeoutMs: 500 });
    const error = await failure(sink.deliver(someEvents(4000, 'event-', 4000), NEVER));
    assert.ok(error instanceof Unavailable && error.reopen);
    assert.match(error.message, /it has taken nothing for 500 ms/);
  });

  test('that is slow is waited for, as long as it takes something', async (context) => {
    const receiver = await startReceiver(context, { dials: { slow: 5 } });
    const sink = await openSink(context, receiver, { confirm_after: '50ms' }, { timeoutMs: 5000 });
    const events = someEvents(3000, 'event-', 4000);
    const outcomes = await Promise.all(
      [0, 1, 2].map((n) => sink.deliver(events.slice(n * 1000, (n + 1) * 1000), NEVER)),
    );
    assert.equal(outcomes.flat().length, 3000);
    await until('all is read', () => receiver.count === 3000);
    assert.deepEqual(receiver.violations, []);
  });

  test('that is killed again and again: everything arrives', async (context) => {
    const receiver = await startReceiver(context, { keep: false });
    const events = someEvents(4000, 'event-', 500);
    let working = true;
    const killing = (async () => {
      for (let n = 0; n < 6 && working; n += 1) {
        receiver.dials.closeAfter = { messages: 150 + 400 * n, how: n % 2 ? 'end' : 'reset', afterMs: 30 };
        await sleep(150);
        await receiver.setDown(true);
        await sleep(30);
        await receiver.setDown(false);
      }
      receiver.dials.closeAfter = undefined;
      await receiver.setDown(true);
      await receiver.setDown(false);
    })();
    const given = syslog.options.parse({ address: receiver.address, confirm_after: '200ms' });
    await deliverAll(() => syslog.open(given, someContext(), NEVER), events, 100);
    working = false;
    await killing;
    assert.deepEqual(missing(receiver, events), []);
    assert.ok(receiver.connections > 2, `${receiver.connections} connections`);
  });
});

describe('TLS', { concurrency: 4 }, () => {
  test('the receiver must prove its name and its CA', async (context) => {
    const start = (name: string) =>
      startReceiver(context, {
        protocol: 'tls',
        tls: { cert: certificates.pem(`${name}.pem`), key: certificates.pem(`${name}.key`) },
      });
    const [receiver, stranger] = await Promise.all([start('server'), start('stranger')]);
    const ca = certificates.path('ca.pem');
    const refusals: [RegExp, () => Promise<Sink>][] = [
      [/cannot be reached: .*set tls\.ca/, () => openSink(context, receiver)],
      [
        /cannot be reached: .*set tls\.ca/,
        () => openSink(context, receiver, {}, { tls: { ca: certificates.path('other-ca.pem') } }),
      ],
      [
        /cannot be reached: .*use a name that its certificate holds/,
        () => openSink(context, stranger, {}, { tls: { ca } }),
      ],
      [
        /a certificate file cannot be read: ENOENT/,
        () => openSink(context, receiver, {}, { tls: { ca: certificates.path('none.pem') } }),
      ],
    ];
    for (const [expected, opening] of refusals) {
      const error = await failure(opening());
      assert.ok(error instanceof Unavailable);
      assert.match(error.message, expected);
    }
    const byName = await openSink(context, { address: `tls://localhost:${receiver.port}` }, {}, { tls: { ca } });
    assert.deepEqual(await byName.deliver(someEvents(1), NEVER), [DELIVERED]);
    const unverified = await openSink(context, stranger, {}, { tls: { verify: false } });
    assert.deepEqual(await unverified.deliver(someEvents(1), NEVER), [DELIVERED]);
  });

  test('a receiver that wants a client certificate refuses after the handshake: nothing counts as delivered', async (context) => {
    const receiver = await startReceiver(context, {
      protocol: 'tls',
      tls: {
        cert: certificates.pem('server.pem'),
        key: certificates.pem('server.key'),
        ca: certificates.pem('ca.pem'),
      },
    });
    const ca = certificates.path('ca.pem');
    const without = await openSink(context, receiver, { confirm_after: '300ms' }, { tls: { ca } });
    const error = await failure(without.deliver(someEvents(10), NEVER));
    assert.ok(error instanceof Unavailable && error.reopen);
    assert.match(error.message, /see tls\.cert and tls\.key/);
    const tls = { ca, cert: certificates.path('client.pem'), key: certificates.path('client.key') };
    const sink = await openSink(context, receiver, {}, { tls });
    assert.deepEqual(await sink.deliver(someEvents(1), NEVER), [DELIVERED]);
    assert.equal(receiver.count, 1);
  });

  test('a port that speaks no TLS, and one that never answers', async (context) => {
    const sockets: Socket[] = [];
    const start = async (serve: (socket: Socket) => void) => {
      const server = createServer((socket) => {
        sockets.push(socket.on('error', () => undefined));
        serve(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      context.after(() => [server.close(), ...sockets.map((socket) => socket.destroy())]);
      return { address: `tls://127.0.0.1:${(server.address() as AddressInfo).port}` };
    };
    const mail = await start((socket) => socket.resume().end('220 mail.example.com\r\n'));
    assert.match((await failure(openSink(context, mail))).message, /does not speak TLS/);
    const plain = await start((socket) => socket.once('data', () => socket.end()));
    assert.match(
      (await failure(openSink(context, plain))).message,
      /\(ECONNRESET\); does it speak TLS on this port\?$/,
    );
    const silent = await start(() => undefined);
    const error = await failure(openSink(context, silent, {}, { timeoutMs: 300 }));
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, /cannot be reached: no answer within 300 ms/);
    const abort = new AbortController();
    const given = syslog.options.parse(silent);
    const opening = failure(syslog.open(given, someContext(), abort.signal));
    const reason = new Error('stop now');
    abort.abort(reason);
    assert.equal(await opening, reason);
  });

  test('a stopped reader and a reset are noticed under TLS, too', async (context) => {
    const tls = { cert: certificates.pem('server.pem'), key: certificates.pem('server.key') };
    const receiver = await startReceiver(context, { protocol: 'tls', tls, dials: { stall: true } });
    const trust = { tls: { ca: certificates.path('ca.pem') } };
    const stalled = await openSink(context, receiver, {}, { ...trust, timeoutMs: 500 });
    assert.match((await failure(stalled.deliver(someEvents(4000, 'event-', 4000), NEVER))).message, /taken nothing/);
    receiver.dials.stall = false;
    receiver.dials.closeAfter = { messages: 10, how: 'reset' };
    const reset = await openSink(context, receiver, { confirm_after: '1s' }, trust);
    assert.ok((await failure(reset.deliver(someEvents(20), NEVER))) instanceof Unavailable);
  });
});

describe('UDP', { concurrency: 4 }, () => {
  test('one message a datagram, and a warning', async (context) => {
    const receiver = await startReceiver(context, { protocol: 'udp' });
    const logged: string[] = [];
    const sink = await openSink(context, receiver, {}, { log: (level, text) => logged.push(`${level} ${text}`) });
    const outcomes = await Promise.all([sink.deliver(someEvents(20), NEVER), sink.deliver(someEvents(20, 'b'), NEVER)]);
    assert.deepEqual(outcomes.flat(), Array(40).fill(DELIVERED));
    assert.deepEqual(
      ids(receiver),
      [...someEvents(20), ...someEvents(20, 'b')].map((event) => event.id),
    );
    assert.deepEqual(receiver.violations, []);
    assert.match(logged.join(), /^warn udp gives no answer/);
  });

  test('a datagram has its own maximum, by the kind of address', async (context) => {
    const v4 = await startReceiver(context, { protocol: 'udp' });
    const v6 = await startReceiver(context, { protocol: 'udp', host: '::1' });
    const large = eventOf(someDocument('a', { labels: { text: 'l'.repeat(1200) } }));
    const deliver = async (receiver: SyslogReceiver, options = {}) =>
      (await (await openSink(context, receiver, options)).deliver([large], NEVER))[0];
    assert.deepEqual(await deliver(v4), DELIVERED);
    const refused = await deliver(v6);
    assert.match(refused?.status === 'rejected' ? refused.reason : '', /^too_large: .* max_size is 1180$/);
    assert.deepEqual(await deliver(v6, { max_size: '4KiB' }), DELIVERED);
    assert.deepEqual([v4.count, v6.count], [1, 1]);
  });

  test('nobody listens: Unavailable, and all is sent again once somebody does', async (context) => {
    const receiver = await startReceiver(context, { protocol: 'udp' });
    await receiver.setDown(true);
    const sink = await openSink(context, receiver);
    assert.ok((await failure(sink.deliver(someEvents(1), NEVER))) instanceof Unavailable);
    const error = await failure(sink.deliver(someEvents(5), NEVER));
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, /^udp:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    await receiver.setDown(false);
    assert.deepEqual(await sink.deliver(someEvents(5), NEVER), Array(5).fill(DELIVERED));
    assert.equal(receiver.count, 5);
  });

  test('abort, close and an unknown name', async (context) => {
    const receiver = await startReceiver(context, { protocol: 'udp' });
    const sink = await openSink(context, receiver, { confirm_after: '5m' });
    const abort = new AbortController();
    const ended = failure(sink.deliver(someEvents(1), abort.signal));
    const closed = failure(sink.deliver(someEvents(1), NEVER));
    await until('both are sent', () => receiver.count === 2);
    abort.abort(new Error('stop now'));
    assert.match((await ended).message, /stop now/);
    await sink.close();
    assert.match((await closed).message, /closed/);
    assert.ok((await failure(sink.deliver(someEvents(1), NEVER))) instanceof Unavailable);
    const unknown = await failure(openSink(context, { address: 'udp://name.invalid' }));
    assert.ok(unknown instanceof Unavailable);
  });
});

describe('probe', { concurrency: 4 }, () => {
  test('says what works and writes nothing', async (context) => {
    const server = { cert: certificates.pem('server.pem'), key: certificates.pem('server.key') };
    const receiver = await startReceiver(context, {
      protocol: 'tls',
      tls: { ...server, ca: certificates.pem('ca.pem') },
    });
    const ca = certificates.path('ca.pem');
    const probe = (address: string, tls = {}) => {
      const given = syslog.options.parse({ address, confirm_after: '300ms' });
      return syslog.probe(given, someContext({ tls, timeoutMs: 2000 }), NEVER);
    };
    const client = { cert: certificates.path('client.pem'), key: certificates.path('client.key') };
    assert.deepEqual(await probe(receiver.address, { ca, ...client }), {
      ok: true,
      lines: [`${receiver.address}: connected, TLS is fine`],
    });
    const refused = await probe(receiver.address, { ca });
    assert.equal(refused.ok, false);
    assert.match(refused.lines.join(), /^connected, but .*see tls\.cert and tls\.key/);
    assert.match((await probe(receiver.address)).lines.join(), /set tls\.ca/);
    assert.equal((await probe('udp://127.0.0.1:9')).ok, true);
    await receiver.setDown(true);
    assert.match((await probe(receiver.address)).lines.join(), /ECONNREFUSED/);
    assert.equal(receiver.count, 0);
    assert.deepEqual(receiver.violations, []);
  });
});
