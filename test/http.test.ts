import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type HttpOptions, type HttpRequest, httpClient, NoAnswer, retryAfterMs } from '../src/http.ts';
import { closedPort, startWire, whole } from './fixtures/wire.ts';
import { makeCertificates } from './sinks/hec-fixtures.ts';

const never = new AbortController().signal;
const LONG = 20_000;

function newClient(context: TestContext, options: HttpOptions = {}) {
  const client = httpClient(options);
  context.after(() => client.close());
  return (request: Partial<HttpRequest> & { url: string }, signal: AbortSignal = never) =>
    client.request({ method: 'POST', timeoutMs: LONG, ...request }, signal);
}

async function noAnswer(promise: Promise<unknown>): Promise<NoAnswer> {
  const error = await promise.then(
    (value) => assert.fail(`an answer came: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof NoAnswer, String(error));
  return error;
}

test('an answer: status, headers in lower case, repeated ones joined, body; no coding is asked for or undone', async (t) => {
  const body = gzipSync('[]').toString('latin1');
  const head = 'HTTP/1.1 201 Created\r\nX-Two: a\r\nX-Two: b\r\ncontent-encoding: gzip\r\n';
  const wire = await startWire(t, ({ socket }) => {
    socket.write(Buffer.from(`${head}content-length: ${body.length}\r\n\r\n${body}`, 'latin1'));
  });
  const answer = await newClient(t)({ url: `${wire.url}/a/b?c=d%20e`, headers: { 'x-own': '1' }, body: 'text' });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers['x-two'], 'a, b');
  assert.deepEqual(answer.body, Buffer.from(body, 'latin1'));
  assert.equal(answer.incomplete, undefined);
  assert.match(wire.requests[0] ?? '', /^POST \/a\/b\?c=d%20e HTTP\/1\.1\r\n[\s\S]*x-own: 1\r\n[\s\S]*\r\n\r\ntext$/);
  assert.doesNotMatch(wire.requests[0] ?? '', /accept-encoding/i);
});

test('a redirect is an answer, not an order', async (t) => {
  const wire = await startWire(t, ({ socket }) =>
    socket.write(whole('', '307 Temporary Redirect', 'location: /other\r\n')),
  );
  const answer = await newClient(t)({ url: wire.url, body: 'x' });
  assert.deepEqual([answer.status, answer.headers['location'], wire.requests.length], [307, '/other', 1]);
});

for (const end of ['reset', 'close'] as const) {
  for (const method of ['GET', 'PUT', 'POST'] as const) {
    test(`${method} is never repeated when a kept connection meets a ${end} behind the request`, async (t) => {
      const wire = await startWire(t, ({ socket, number }) => {
        if (number === 1) socket.write(whole('first'));
        else if (end === 'reset') socket.resetAndDestroy();
        else socket.end();
      });
      const request = newClient(t);
      assert.equal((await request({ url: wire.url, method })).body.toString(), 'first');
      assert.equal(wire.sockets.size, 1);
      assert.equal((await noAnswer(request({ url: wire.url, method }))).sent, true);
      assert.equal(wire.requests.length, 2, 'the server saw each request once');
    });
  }
}

test('nothing was sent where no connection came about', async (t) => {
  const request = newClient(t);
  const refused = await noAnswer(request({ url: `http://127.0.0.1:${await closedPort()}` }));
  assert.equal(refused.sent, false);
  assert.match(refused.message, /^no connection to http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  const both = await noAnswer(request({ url: `http://localhost:${await closedPort()}` }));
  assert.equal(both.sent, false);
  assert.match(both.message, /ECONNREFUSED/);
  const unknown = await noAnswer(request({ url: `http://${'a'.repeat(64)}.invalid` }));
  assert.equal(unknown.sent, false);
});

test('nothing was sent where TLS did not come about, and the time-out holds while it hangs', async (t) => {
  const received: Buffer[] = [];
  const mute = net.createServer((socket) => {
    socket.on('error', () => undefined).on('data', (chunk) => received.push(chunk));
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.after(() => mute.close());
  const { port } = mute.address() as net.AddressInfo;
  const hangs = await noAnswer(
    newClient(t)({ url: `https://127.0.0.1:${port}`, timeoutMs: 300, body: 'secret words' }),
  );
  assert.equal(hangs.sent, false);
  assert.match(hangs.message, /not finished within 300 ms/);
  const plain = await startWire(t, () => undefined);
  const garbled = newClient(t)({ url: plain.url.replace('http', 'https'), timeoutMs: 300 });
  assert.equal((await noAnswer(garbled)).sent, false);
});

test('a private authority is trusted with tls.ca, anyone with verify: false, nobody else', async (t) => {
  const pem = makeCertificates();
  t.after(() => pem.remove());
  let seen = 0;
  const server = https.createServer({ cert: readFileSync(pem.cert), key: readFileSync(pem.key) }, (_, response) => {
    seen += 1;
    response.end('fine');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `https://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  const refused = await noAnswer(newClient(t)({ url }));
  assert.deepEqual([refused.sent, seen], [false, 0]);
  assert.match(refused.message, /certificate.*set tls.ca to the CA/);
  assert.equal((await newClient(t, { tls: { ca: pem.ca } })({ url })).body.toString(), 'fine');
  assert.equal((await newClient(t, { tls: { verify: false } })({ url })).body.toString(), 'fine');
});

test('it may have been sent where the connection stood: reset, close, garbage, silence', async (t) => {
  const ways: ((socket: net.Socket) => void)[] = [
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end(),
    (socket) => socket.write('220 mail.example.com ESMTP\r\n'),
    (socket) => socket.write('HTTP/1.1 200 OK\r\nhalf-a-hea'),
    () => undefined,
  ];
  const request = newClient(t);
  const errors = ways.map(async (way) => {
    const wire = await startWire(t, ({ socket }) => way(socket));
    return await noAnswer(request({ url: wire.url, timeoutMs: 1_000 }));
  });
  assert.deepEqual(
    (await Promise.all(errors)).map(({ sent }) => sent),
    ways.map(() => true),
  );
});

test('a dripping answer ends at the time-out; what came is kept and the connection is closed', async (t) => {
  let dripping: NodeJS.Timeout | undefined;
  t.after(() => clearInterval(dripping));
  const closed = Promise.withResolvers<void>();
  const wire = await startWire(t, ({ socket }) => {
    socket.write('HTTP/1.1 201 Created\r\ncontent-length: 100000\r\n\r\n[1');
    dripping = setInterval(() => socket.write(',2'), 20);
    socket.on('close', closed.resolve);
  });
  const answer = await newClient(t)({ url: wire.url, timeoutMs: 1_000 });
  assert.equal(answer.incomplete, 'cut_off');
  assert.match(answer.body.toString(), /^\[1(,2)+$/);
  await closed.promise;
});

test('a body is read up to its bound: not a byte more, and an endless one is ended', async (t) => {
  const wire = await startWire(t, ({ socket, text }) => {
    if (!text.startsWith('GET /endless')) return void socket.write(whole('x'.repeat(1000)));
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    const pour = () => {
      while (!socket.destroyed && socket.write(`10000\r\n${'y'.repeat(0x10000)}\r\n`));
    };
    socket.on('drain', pour);
    pour();
  });
  const request = newClient(t);
  const exact = await request({ url: wire.url, maxBytes: 1000 });
  assert.deepEqual([exact.body.length, exact.incomplete], [1000, undefined]);
  const over = await request({ url: wire.url, maxBytes: 999 });
  assert.deepEqual([over.body.length, over.incomplete], [999, 'too_large']);
  const endless = await request({ url: `${wire.url}/endless`, method: 'GET', maxBytes: 300_000 });
  assert.deepEqual([endless.body.length, endless.incomplete], [300_000, 'too_large']);
});

const CUT = {
  'content-length': 'content-length: 10\r\n\r\n[1,2,',
  'content-length, to be closed': 'connection: close\r\ncontent-length: 10\r\n\r\n[1,2,',
  'chunked, between two chunks': 'transfer-encoding: chunked\r\n\r\n5\r\n[1,2,\r\n',
  'chunked, within a chunk': 'transfer-encoding: chunked\r\n\r\n50\r\n[1,2,',
  'chunked, to be closed': 'connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n[1,2,\r\n',
};
for (const [name, rest] of Object.entries(CUT)) {
  for (const end of ['end', 'resetAndDestroy'] as const) {
    test(`an answer cut off (${name}; ${end}) is told, and what came of it is kept`, async (t) => {
      const wire = await startWire(t, ({ socket }) => {
        // The reset waits until the bytes before it are surely read: it could overtake them.
        socket.write(`HTTP/1.1 201 Created\r\n${rest}`, () => setTimeout(() => socket[end](), end === 'end' ? 0 : 100));
      });
      const answer = await newClient(t)({ url: wire.url });
      assert.deepEqual([answer.status, answer.body.toString(), answer.incomplete], [201, '[1,2,', 'cut_off']);
    });
  }
}

test('an answer that only the end of the connection delimits is whole', async (t) => {
  const wire = await startWire(t, ({ socket }) => socket.end('HTTP/1.1 200 OK\r\n\r\n[1,2]'));
  const answer = await newClient(t)({ url: wire.url });
  assert.deepEqual([answer.body.toString(), answer.incomplete], ['[1,2]', undefined]);
});

test("the caller's signal: its reason before the status line; behind it, what came so far", async (t) => {
  const reason = new Error('the operator says stop');
  const [waiting, reading] = [new AbortController(), new AbortController()];
  const wire = await startWire(t, ({ socket, text }) => {
    if (text.startsWith('GET')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1,');
    else waiting.abort(reason);
  });
  const request = newClient(t);
  await assert.rejects(request({ url: wire.url }, AbortSignal.abort(reason)), (error) => error === reason);
  assert.equal(wire.requests.length, 0);
  await assert.rejects(request({ url: wire.url }, waiting.signal), (error) => error === reason);
  const half = request({ url: wire.url, method: 'GET' }, reading.signal);
  setTimeout(() => reading.abort(reason), 300);
  const answer = await half;
  assert.deepEqual([answer.body.toString(), answer.incomplete], ['[1,', 'cut_off']);
});

test('one signal serves any number of calls: no listener and no timer stays behind', async (t) => {
  const wire = await startWire(t, ({ socket }) => socket.write(whole('ok')));
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const controller = new AbortController();
  let [added, removed] = [0, 0];
  const { signal } = controller;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  signal.addEventListener = (...parameters: Parameters<typeof add>) => {
    added += 1;
    add.apply(signal, parameters);
  };
  signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
    removed += 1;
    remove.apply(signal, parameters);
  };
  const request = newClient(t);
  await Promise.all(Array.from({ length: 60 }, () => request({ url: wire.url }, signal)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([added, removed, warnings.length], [60, 60, 0], String(warnings));
  const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout');
  assert.ok(timers.length < 20, `${timers.length} timers are left`);
});

test('closing ends what is under way', async (t) => {
  const seen = Promise.withResolvers<void>();
  const wire = await startWire(t, () => seen.resolve());
  const client = httpClient();
  const waiting = noAnswer(client.request({ method: 'GET', url: wire.url, timeoutMs: LONG }, never));
  await seen.promise;
  await client.close();
  assert.equal((await waiting).sent, true);
});

/** A proxy that answers in place of the target and remembers what it was asked for. */
async function startProxy(context: TestContext) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('through the proxy');
  });
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, asked };
}

function withEnvironment(context: TestContext, variables: Record<string, string | undefined>): void {
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];
  const before = names.map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const name of names) set(name, variables[name]);
  context.after(() => before.forEach(([name, value]) => void set(name, value)));
}

test('proxies: from the environment or the options; NO_PROXY; never for loopback', async (t) => {
  const proxy = await startProxy(t);
  const wire = await startWire(t, ({ socket }) => socket.write(whole('direct')));
  for (const options of [{}, { proxy: proxy.url }]) {
    const environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    withEnvironment(t, { ...('proxy' in options ? {} : environment), NO_PROXY: 'inside.invalid' });
    const request = newClient(t, options);
    assert.equal((await request({ url: wire.url })).body.toString(), 'direct');
    assert.equal((await request({ url: `http://localhost:${wire.port}` })).body.toString(), 'direct');
    assert.equal((await request({ url: 'http://far.invalid/path' })).body.toString(), 'through the proxy');
    const refused = await noAnswer(request({ url: 'https://far.invalid/path' }));
    assert.equal(refused.sent, false, 'a tunnel that was refused carried nothing');
    assert.match(refused.message, /407/);
    assert.equal((await noAnswer(request({ url: 'http://inside.invalid' }))).sent, false);
    assert.deepEqual(proxy.asked.splice(0), ['POST http://far.invalid/path', 'CONNECT far.invalid:443']);
  }
});

test('proxies: TLS options hold for the target behind a tunnel', async (t) => {
  const pem = makeCertificates();
  t.after(() => pem.remove());
  const target = https.createServer({ cert: readFileSync(pem.cert), key: readFileSync(pem.key) }, (_, response) => {
    response.end('behind the tunnel');
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const proxy = createServer().on('connect', (_, socket) => {
    const through = net.connect((target.address() as net.AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(through).pipe(socket);
    });
    socket.on('error', () => through.destroy());
    through.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    target.close();
    proxy.close();
  });
  withEnvironment(t, {});
  const options = { proxy: `http://127.0.0.1:${(proxy.address() as net.AddressInfo).port}` };
  const url = 'https://far.invalid/';
  const answer = await newClient(t, { ...options, tls: { verify: false } })({ url });
  assert.equal(answer.body.toString(), 'behind the tunnel');
  const strange = await noAnswer(newClient(t, options)({ url }));
  assert.equal(strange.sent, false);
  assert.match(strange.message, /certificate/);
  const misnamed = await noAnswer(newClient(t, { ...options, tls: { ca: pem.ca } })({ url }));
  assert.match(misnamed.message, /far\.invalid.*use a name that its certificate holds/s);
});

test('proxies: the IPv6 loopback is reached directly too', async (t) => {
  const server = net.createServer((socket) => void socket.once('data', () => socket.end(whole('six'))));
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true));
  });
  // Without IPv6 on this machine there is no such address: it must still not go to the proxy.
  t.after(() => server.close());
  const proxy = await startProxy(t);
  withEnvironment(t, { HTTP_PROXY: proxy.url });
  const port = listening ? (server.address() as net.AddressInfo).port : await closedPort();
  const asked = newClient(t)({ url: `http://[::1]:${port}` });
  if (listening) assert.equal((await asked).body.toString(), 'six');
  else assert.equal((await noAnswer(asked)).sent, false);
  assert.deepEqual(proxy.asked, []);
});

test('Retry-After: seconds or a date; what is no use is undefined', () => {
  const now = Date.parse('2024-09-22T11:38:00Z');
  const read = (header: string | undefined) => retryAfterMs(header, now);
  assert.deepEqual(['120', ' 0 ', 'Sun, 22 Sep 2024 11:38:30 GMT'].map(read), [120_000, 0, 30_000]);
  const useless = [undefined, '', 'soon', '-5', '1.5', 'Sun, 22 Sep 2024 11:37:00 GMT', '9'.repeat(400)];
  assert.deepEqual(
    useless.map(read),
    useless.map(() => undefined),
  );
});
