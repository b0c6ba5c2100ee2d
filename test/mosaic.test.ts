import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  type Answer,
  type MosaicOptions,
  mosaicClient,
  parseLink,
  type Refused,
  regionBaseUrl,
  type SetupStep,
  type StreamCall,
} from '../src/mosaic.ts';
import { type Fault, type SimulatedMosaicOptions, startMosaic } from '../src/simulator/mosaic.ts';
import { activitySource } from '../src/simulator/sessions.ts';
import type { StreamName } from '../src/types.ts';
import { closedPort, startWire, whole } from './fixtures/wire.ts';

const never = new AbortController().signal;
const STREAM: StreamCall = { name: 'verify/siem', type: 'verify', id: 'siem', batchSize: 100 };
const SECRET = 'p/ä"ss & wörd+1';

async function newMosaic(context: TestContext, options: SimulatedMosaicOptions = {}) {
  const mosaic = await startMosaic({ streams: ['verify/siem'], clientSecret: SECRET, ...options });
  context.after(() => mosaic.close());
  return mosaic;
}

function newClient(
  context: TestContext,
  mosaic: { readonly baseUrl: string; readonly tokenUrl: string },
  options: Partial<MosaicOptions> = {},
) {
  const client = mosaicClient({
    baseUrl: mosaic.baseUrl,
    tokenUrl: mosaic.tokenUrl,
    clientId: 'demo-client',
    clientSecret: () => SECRET,
    enrichment: false,
    timeoutMs: 20_000,
    maxAnswerSize: 1024 * 1024,
    http: {},
    ...options,
  });
  context.after(() => client.close());
  return client;
}

async function answered(call: Promise<Answer | Refused>): Promise<Answer> {
  const answer = await call;
  assert.equal(answer.status, 'answer', JSON.stringify(answer));
  return answer as Answer;
}

async function refused(call: Promise<Answer | Refused>): Promise<Refused> {
  const answer = await call;
  assert.equal(answer.status, 'refused');
  return answer as Refused;
}

const text = (answer: Answer) => Buffer.from(answer.body).toString();
const countOf = (answer: Answer) => (JSON.parse(text(answer)) as unknown[]).length;

test('drains a stream, batch by batch, byte for byte, with one token', async (t) => {
  const mosaic = await newMosaic(t);
  const activities = activitySource().take(250);
  mosaic.enqueue('verify/siem', activities);
  const client = newClient(t, mosaic);
  const pages = [];
  for (let page = 0; page < 4; page += 1) pages.push(await answered(client.collect(STREAM, never)));
  assert.deepEqual(pages.map(countOf), [100, 100, 50, 0]);
  assert.equal(
    pages
      .map((page) => text(page).slice(1, -1))
      .join(',')
      .replace(/,$/, ''),
    activities.map(({ json }) => json).join(','),
  );
  assert.ok(pages.every((page) => page.partial === undefined && page.receivedAt.getTime() <= Date.now()));
  assert.equal(mosaic.calls['POST token'], 1);
});

test('every kind of empty answer and every odd 2xx is an answer: what it means is decided where it is stored', async (t) => {
  const mosaic = await newMosaic(t);
  const client = newClient(t, mosaic);
  for (const empty of ['[]', '204', '', '{}', 'null'] as const) {
    mosaic.dials.emptyAs = empty;
    const answer = await answered(client.collect(STREAM, never));
    assert.deepEqual([text(answer), answer.partial], [empty === '204' ? '' : empty, undefined]);
  }
  for (const body of ['<!doctype html><title>Sign in</title>', 'gar\0bage \xff', '"text"', '{"events":[]}']) {
    const headers = { 'content-type': 'text/html' };
    mosaic.dials.collect.next.push({
      kind: 'answer',
      status: 200,
      headers,
      body: Buffer.from(body, 'latin1'),
      consume: true,
    });
    const answer = await answered(client.collect(STREAM, never));
    assert.deepEqual([Buffer.from(answer.body).toString('latin1'), answer.partial], [body, undefined]);
  }
});

test('an answer that did not come whole keeps what came, and says so', async (t) => {
  const mosaic = await newMosaic(t);
  const client = newClient(t, mosaic, { maxAnswerSize: 8_000 });
  const cases: [Fault | undefined, 'cut_off' | 'too_large', number][] = [
    [{ kind: 'cut', bytes: 5_000 }, 'cut_off', 5_000],
    [{ kind: 'cut', bytes: 5_000, chunked: true }, 'cut_off', 5_000],
    [undefined, 'too_large', 8_000],
  ];
  for (const [fault, partial, length] of cases) {
    mosaic.enqueue('verify/siem', activitySource().take(100));
    mosaic.dials.collect.next.push(fault);
    const answer = await answered(client.collect(STREAM, never));
    assert.deepEqual([answer.partial, answer.body.length, text(answer)[0]], [partial, length, '[']);
  }
  mosaic.enqueue('verify/siem', activitySource().take(100));
  mosaic.dials.collect.next.push({ kind: 'drip', bytes: 200, pauseMs: 50 });
  const slow = await answered(newClient(t, mosaic, { timeoutMs: 1_000 }).collect(STREAM, never));
  assert.equal(slow.partial, 'cut_off');
  assert.ok(slow.body.length >= 200);
  const books = mosaic.ledger.books('verify/siem');
  assert.deepEqual([books.handedOut, books.waiting], [400, 0], 'no call was made again');
});

test('a cut that leaves no trace on the wire is seen in the body', async (t) => {
  const bodies = ['[{"activity":"redi', '', '{"events":[1', '[1, 2]\n', '{}', 'null'];
  const cut: (string | undefined)[] = [];
  for (const body of bodies) {
    const wire = await startWire(t, ({ socket, text: request }) => {
      if (request.includes('/oidc/token')) socket.write(whole('{"access_token":"abc","expires_in":3600}'));
      else socket.end(`HTTP/1.1 201 Created\r\n\r\n${body}`);
    });
    const client = newClient(t, { baseUrl: `${wire.url}/activities/v1/`, tokenUrl: `${wire.url}/oidc/token` });
    cut.push((await answered(client.collect(STREAM, never))).partial);
    assert.match(
      wire.requests[1] ?? '',
      /^POST \/activities\/v1\/activities\/collect\?type=verify&stream_id=siem&batch_size=100 /,
    );
    assert.match(wire.requests[1] ?? '', /\r\naccept-encoding: identity\r\n/);
  }
  assert.deepEqual(cut, ['cut_off', 'cut_off', 'cut_off', undefined, undefined, undefined]);
});

const html = { 'content-type': 'text/html' };
const page = '<html><title>Blocked by\n the proxy</title><body>…</body></html>';
const REFUSALS: readonly [name: string, fault: Fault, expected: Partial<Refused>][] = [
  ['403', { kind: 'answer', status: 403, body: '{"message":"no"}' }, { result: 'forbidden' }],
  ['404', { kind: 'answer', status: 404 }, { result: 'not_found' }],
  ['406', { kind: 'answer', status: 406, body: 'bad id' }, { result: 'not_acceptable' }],
  [
    '429 with a time',
    { kind: 'answer', status: 429, headers: { 'retry-after': '7' } },
    { result: 'rate_limited', retryAfterMs: 7_000 },
  ],
  ['429 without', { kind: 'answer', status: 429 }, { result: 'rate_limited' }],
  ['500', { kind: 'answer', status: 500, body: 'oops' }, { result: 'server_error' }],
  [
    '503 as HTML',
    { kind: 'answer', status: 503, headers: { ...html, 'retry-after': '2' }, body: page },
    { result: 'server_error', retryAfterMs: 2_000 },
  ],
  [
    '502 behind the call',
    { kind: 'answer', status: 502, headers: html, body: page, consume: true },
    { result: 'gateway', gap: 'gateway' },
  ],
  ['504', { kind: 'answer', status: 504 }, { result: 'gateway', gap: 'gateway' }],
  ['524', { kind: 'answer', status: 524 }, { result: 'gateway', gap: 'gateway' }],
  ['403 as HTML', { kind: 'answer', status: 403, headers: html, body: page }, { result: 'html' }],
  ['418', { kind: 'answer', status: 418 }, { result: 'refused' }],
  [
    '307',
    { kind: 'answer', status: 307, headers: { location: 'https://sso.example.com/in?code=1' } },
    { result: 'redirect' },
  ],
  ['a reset', { kind: 'reset', consume: true }, { result: 'no_answer', gap: 'no_answer' }],
];
for (const [name, fault, expected] of REFUSALS) {
  test(`a refusal is told for what it is, and not repeated: ${name}`, async (t) => {
    const mosaic = await newMosaic(t);
    mosaic.dials.collect.next.push(fault);
    const answer = await refused(newClient(t, mosaic).collect(STREAM, never));
    const { error, advice, http, ...rest } = answer;
    assert.deepEqual(rest, { status: 'refused', ...expected });
    assert.equal(http, fault.kind === 'answer' ? fault.status : undefined);
    assert.match(error, fault.kind === 'answer' ? new RegExp(`answered ${fault.status}`) : /no answer from/);
    assert.doesNotMatch(error, /code=1|[\n<>]/);
    assert.equal(
      advice === undefined,
      !['forbidden', 'not_found', 'not_acceptable', 'html', 'redirect'].includes(answer.result),
    );
    assert.equal(mosaic.calls['POST collect'], 1);
  });
}

test('silence is a possible gap; a connection that never came about is none', async (t) => {
  const mosaic = await newMosaic(t);
  mosaic.dials.collect.next.push({ kind: 'silence', consume: true });
  const silent = await refused(newClient(t, mosaic, { timeoutMs: 1_000 }).collect(STREAM, never));
  assert.deepEqual([silent.result, silent.gap], ['no_answer', 'no_answer']);
  const elsewhere = `http://127.0.0.1:${await closedPort()}/activities/v1`;
  const nobody = await refused(newClient(t, mosaic, { baseUrl: elsewhere }).collect(STREAM, never));
  assert.deepEqual([nobody.result, nobody.gap], ['not_sent', undefined]);
});

test('a 401 brings a new token and exactly one more call', async (t) => {
  const mosaic = await newMosaic(t);
  const client = newClient(t, mosaic);
  await answered(client.collect(STREAM, never));
  mosaic.enqueue('verify/siem', activitySource().take(3));
  mosaic.revokeTokens();
  assert.equal(countOf(await answered(client.collect(STREAM, never))), 3);
  assert.deepEqual([mosaic.calls['POST token'], mosaic.calls['POST collect']], [2, 3]);
  mosaic.dials.collect.always = { kind: 'answer', status: 401, body: '{"message":"Unauthorized"}' };
  const answer = await refused(client.collect(STREAM, never));
  assert.deepEqual([answer.result, answer.http, answer.gap], ['unauthorized', 401, undefined]);
  assert.match(answer.advice ?? '', /management app/);
  assert.deepEqual([mosaic.calls['POST token'], mosaic.calls['POST collect']], [3, 5]);
});

test('streams share one token, and one request for it', async (t) => {
  const mosaic = await newMosaic(t, { streams: ['verify/a', 'verify/b', 'cis/c'] });
  const client = newClient(t, mosaic);
  const streams = ['verify/a', 'verify/b', 'cis/c'].map((name) => callOf(name as StreamName));
  await Promise.all(streams.map((stream) => answered(client.collect(stream, never))));
  assert.equal(mosaic.calls['POST token'], 1);
  mosaic.revokeTokens();
  await Promise.all(streams.map((stream) => answered(client.collect(stream, never))));
  assert.equal(mosaic.calls['POST token'], 2, 'whoever is refused late takes the token that another has renewed');
});

test('a 401 that comes late does not throw away the token that another stream has just fetched', async (t) => {
  const held = Promise.withResolvers<() => void>();
  let tokens = 0;
  const wire = await startWire(t, ({ socket, text: request }) => {
    const isOld = request.includes('Bearer token-1\r');
    if (request.includes('/oidc/token')) socket.write(whole(`{"access_token":"token-${++tokens}"}`));
    else if (isOld && request.includes('stream_id=late'))
      held.resolve(() => socket.write(whole('', '401 Unauthorized')));
    else socket.write(isOld ? whole('', '401 Unauthorized') : whole('[]', '201 Created'));
  });
  const client = newClient(t, { baseUrl: wire.url, tokenUrl: `${wire.url}/oidc/token` });
  const late = answered(client.collect(callOf('verify/late'), never));
  const release = await held.promise;
  await answered(client.collect(callOf('verify/early'), never));
  release();
  await late;
  assert.equal(tokens, 2);
});

function callOf(name: StreamName): StreamCall {
  const [type = '', id = ''] = name.split('/');
  return { name, type: type as StreamCall['type'], id, batchSize: 10 };
}

test('a token is used until it must be renewed: expires_in, else exp, else five minutes', async (t) => {
  for (const [life, tells, requests] of [
    [3600, true, 1],
    [3600, false, 1],
    [0, true, 4],
    [0, false, 4],
  ] as const) {
    const mosaic = await newMosaic(t);
    Object.assign(mosaic.dials, { tokenLife: life, tokenTells: tells });
    const client = newClient(t, mosaic);
    for (let call = 0; call < 2; call += 1) await client.collect(STREAM, never);
    assert.equal(mosaic.calls['POST token'], requests, `life ${life}, told: ${tells}`);
  }
  const mosaic = await newMosaic(t);
  mosaic.dials.token.next.push({ kind: 'answer', status: 200, body: '{"access_token":"opaque"}' });
  const client = newClient(t, mosaic);
  for (let call = 0; call < 3; call += 1) await client.authenticate(never);
  assert.equal(mosaic.calls['POST token'], 1, 'five minutes');
});

test('a token is renewed ahead of its end; if that fails, the old one serves while it lives', async (t) => {
  const mosaic = await newMosaic(t);
  const clock = { now: 1_000 };
  t.mock.method(performance, 'now', () => clock.now);
  mosaic.dials.tokenLife = 100;
  const client = newClient(t, mosaic);
  await answered(client.collect(STREAM, never));
  clock.now += 79_000;
  await answered(client.collect(STREAM, never));
  assert.equal(mosaic.calls['POST token'], 1);
  mosaic.dials.token.always = { kind: 'answer', status: 500 };
  clock.now += 2_000;
  await answered(client.collect(STREAM, never));
  await answered(client.collect(STREAM, never));
  assert.equal(mosaic.calls['POST token'], 2, 'tried once, and again only after a while');
  clock.now += 20_000;
  assert.equal((await refused(client.collect(STREAM, never))).result, 'token');
  mosaic.dials.token.always = undefined;
  await answered(client.collect(STREAM, never));
  assert.equal(mosaic.calls['POST token'], 4);
});

test('how long a token lives is read by the clock of its issuer, and counted without the wall clock', async (t) => {
  const mosaic = await newMosaic(t);
  const life = async (claims: Record<string, number>) => {
    const token = `eyJ9.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
    const requests = mosaic.calls['POST token'] ?? 0;
    mosaic.dials.token.next.push({ kind: 'answer', status: 200, body: JSON.stringify({ access_token: token }) });
    const client = newClient(t, mosaic);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    await client.authenticate(never);
    t.mock.timers.setTime(Date.now() + 30 * 86_400_000);
    await client.authenticate(never);
    t.mock.timers.setTime(1_000);
    await client.authenticate(never);
    t.mock.timers.reset();
    return (mosaic.calls['POST token'] ?? 0) - requests;
  };
  assert.equal(await life({ iat: 1_000, exp: 4_600 }), 1, 'a clock that is decades behind');
  assert.equal(await life({ iat: 1_000, exp: 1_000 }), 2, 'dead on arrival');
  assert.equal(await life({ exp: Math.round(Date.now() / 1000) + 3_600 }), 1);
  assert.equal(await life({ exp: Math.round(Date.now() / 1000) - 10 }), 2);
});

test('the secret is read anew for each token', async (t) => {
  const mosaic = await newMosaic(t);
  let secret = SECRET;
  const client = newClient(t, mosaic, { clientSecret: () => secret });
  await answered(client.collect(STREAM, never));
  secret = mosaic.dials.clientSecret = 'rotated';
  mosaic.revokeTokens();
  await answered(client.collect(STREAM, never));
});

const TOKEN_FAULTS: readonly [string, Fault, RegExp][] = [
  [
    '400',
    { kind: 'answer', status: 400, body: '{"message":"Invalid client","error_code":7}' },
    /oidc\/token answered 400: Invalid client \(error_code 7\)$/,
  ],
  ['HTML', { kind: 'answer', status: 200, headers: html, body: page }, /answered 200 with no usable access_token$/],
  [
    'another JSON',
    { kind: 'answer', status: 200, body: '{"token":"eyJhbGciOi.abc.def"}' },
    /answered 200 with no usable access_token$/,
  ],
  [
    'a token that is no header',
    { kind: 'answer', status: 200, body: '{"access_token":"a\\r\\nb"}' },
    /no usable access_token$/,
  ],
  ['a reset', { kind: 'reset' }, /no answer from http/],
  [
    'a redirect',
    { kind: 'answer', status: 302, headers: { location: 'https://x.example/?q=1' } },
    /redirects to https:\/\/x\.example\/$/,
  ],
];
for (const [name, fault, expected] of TOKEN_FAULTS) {
  test(`no token, no call, no gap: ${name}`, async (t) => {
    const mosaic = await newMosaic(t);
    mosaic.dials.token.next.push(fault);
    const client = newClient(t, mosaic);
    const answer = await refused(client.collect(STREAM, never));
    assert.deepEqual([answer.result, answer.gap, mosaic.calls['POST collect']], ['token', undefined, undefined]);
    assert.match(answer.error, expected);
    await answered(client.collect(STREAM, never));
  });
}

test('the credentials are suspected only where the server has looked at them', async (t) => {
  const mosaic = await newMosaic(t);
  const client = newClient(t, mosaic);
  const advice = async (fault: Fault) => {
    mosaic.dials.token.next.push(fault);
    return (await client.authenticate(never))?.advice;
  };
  assert.match((await advice({ kind: 'answer', status: 401 })) ?? '', /client_id and client_secret/);
  assert.match((await advice({ kind: 'answer', status: 200, body: '{}' })) ?? '', /mosaic\.token_url/);
  for (const status of [429, 500, 503]) assert.equal(await advice({ kind: 'answer', status }), undefined);
  assert.equal(await advice({ kind: 'reset' }), undefined);
  const nobody = newClient(t, { ...mosaic, tokenUrl: `http://127.0.0.1:${await closedPort()}/oidc/token` });
  assert.equal((await refused(nobody.collect(STREAM, never))).advice, undefined);
});

test('no token: the waiting time of the token endpoint is handed on, and authenticate says the same', async (t) => {
  const mosaic = await newMosaic(t);
  const busy: Fault = { kind: 'answer', status: 429, headers: { 'retry-after': '9' } };
  mosaic.dials.token.next.push(busy, busy);
  const client = newClient(t, mosaic);
  const first = await refused(client.collect(STREAM, never));
  assert.deepEqual([first.result, first.http, first.retryAfterMs], ['token', 429, 9_000]);
  assert.deepEqual(await client.authenticate(never), first);
  assert.equal(await client.authenticate(never), undefined);
  const unreadable = newClient(t, mosaic, {
    clientSecret: () => {
      throw new Error('ENOENT: /run/secrets/client_secret');
    },
  });
  assert.match((await refused(unreadable.collect(STREAM, never))).error, /secret cannot be read: ENOENT/);
});

test('no error shows the secret or a token, however they are echoed, nor a control character', async (t) => {
  const mosaic = await newMosaic(t);
  const client = newClient(t, mosaic);
  let token = '';
  const wire = await startWire(t, ({ socket, text: request }) => {
    token = /bearer (\S+)/i.exec(request)?.[1] ?? '';
    const said = `eyJhbGciOiJub25lIn0.e30.c2ln \u001b[31m\u202e${'x'.repeat(200)}Bearer ${token} ${'y'.repeat(500)}`;
    socket.write(whole(said, '500 Oops'));
  });
  const echo = await refused(newClient(t, { ...mosaic, baseUrl: wire.url }).collect(STREAM, never));
  assert.ok(token.length > 20);
  assert.match(echo.error, /: \*\*\* .*Bearer \*\*\* yyy/);
  assert.ok(echo.error.length < 500);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(echo.error, /[\u0000-\u001f\u202e]/);
  const form = new URLSearchParams({ s: SECRET }).toString().slice(2);
  for (const shown of [SECRET, form, encodeURIComponent(SECRET), JSON.stringify(SECRET)]) {
    const bodies = [
      `you sent ${shown} to us`,
      JSON.stringify({ message: `secret ${shown} is wrong` }),
      `${'z'.repeat(290)}${shown}`,
    ];
    for (const body of bodies) {
      mosaic.dials.token.next.push({ kind: 'answer', status: 400, body });
      const { error } = await refused(newClient(t, mosaic).collect(STREAM, never));
      for (const piece of ['p/', 'p%2F', 'wörd', 'rd+1', 'rd%2B1', 'C3%']) assert.ok(!error.includes(piece), error);
    }
  }
  await client.close();
});

test('stopping: a wait for the token or for the answer ends with the reason, and the others go on', async (t) => {
  const mosaic = await newMosaic(t);
  mosaic.dials.token.next.push({ kind: 'silence' });
  const reason = new Error('stop');
  const client = newClient(t, mosaic, { timeoutMs: 1_500 });
  const impatient = new AbortController();
  const [first, second] = [client.collect(STREAM, impatient.signal), client.collect(STREAM, never)];
  setImmediate(() => impatient.abort(reason));
  await assert.rejects(first, (error) => error === reason);
  assert.equal((await refused(second)).result, 'token');
  const late = new AbortController();
  mosaic.dials.collect.next.push({ kind: 'silence' });
  const third = newClient(t, mosaic).collect(STREAM, late.signal);
  setTimeout(() => late.abort(reason), 200);
  await assert.rejects(third, (error) => error === reason);
});

test('a link is called as it was copied; only a missing batch size is added', async (t) => {
  const wire = await startWire(t, ({ socket, text: request }) => {
    socket.write(whole(request.includes('/oidc/token') ? '{"access_token":"abc"}' : '[]'));
  });
  const client = newClient(t, { baseUrl: 'http://127.0.0.1:1/none', tokenUrl: `${wire.url}/oidc/token` });
  const link = `${wire.url}/activities/v2/activities/collect?stream_id=a%20b&type=verify&x=~1`;
  for (const given of [link, `  ${link}#top `, `${link}&batch_size=5`]) {
    await answered(client.collect({ ...STREAM, link: given }, never));
  }
  const path = 'POST /activities/v2/activities/collect?stream_id=a%20b&type=verify&x=~1&batch_size=';
  assert.deepEqual(
    wire.requests.slice(1).map((request) => request.split(' HTTP')[0]),
    [`${path}100`, `${path}100`, `${path}5`],
  );
});

test('links and regions', () => {
  const at = 'https://api.eu.transmitsecurity.io/activities/v1';
  assert.equal(regionBaseUrl('eu'), at);
  assert.equal(regionBaseUrl('sandbox'), 'https://api.sbx.transmitsecurity.io/activities/v1');
  const link = `${at}/activities/collect?type=verify&stream_id=siem-idv`;
  assert.deepEqual(parseLink(` ${link}&batch_size=500\n`), {
    baseUrl: at,
    type: 'verify',
    id: 'siem-idv',
    batchSize: 500,
  });
  assert.deepEqual(parseLink('https://own.example/x?stream_id=a&type=cis'), { type: 'cis', id: 'a' });
  const wrong = ['', 'api.example.com:443/?type=verify', 'ftp://a/?type=verify&stream_id=b', `${at}?stream_id=a`];
  wrong.push(
    `${at}?type=idv&stream_id=a`,
    `${at}?type=verify`,
    `${at}?type=verify&stream_id=a%20b`,
    `${link}&batch_size=0`,
  );
  wrong.push(`${link}&batch_size=1001`, `${link}&batch_size=x`, link.replace('//', '//user:secret@'));
  for (const mistaken of wrong) {
    const result = parseLink(mistaken);
    assert.ok('mistake' in result, mistaken);
    assert.doesNotMatch(result.mistake, /secret/);
  }
});

async function stepsOf(steps: AsyncIterable<SetupStep>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { step, result } of steps) lines.push(`${step}: ${result}`);
  return lines;
}

test('setup makes what is missing and may be repeated; it starts a type once and deletes nothing', async (t) => {
  const mosaic = await newMosaic(t, { streams: [] });
  const client = newClient(t, mosaic);
  const streams = ['verify/a', 'verify/b', 'cis/c'].map((name) => callOf(name as StreamName));
  const steps = [
    'PUT /activities/start-collect verify',
    'PUT /activities/stream verify/a',
    'PUT /activities/stream verify/b',
  ];
  steps.push('PUT /activities/start-collect cis', 'PUT /activities/stream cis/c');
  assert.deepEqual(
    await stepsOf(client.setup(streams, never)),
    steps.map((step) => `${step}: created`),
  );
  assert.deepEqual(
    await stepsOf(client.setup(streams, never)),
    steps.map((step) => `${step}: exists`),
  );
  for (const stream of streams) await answered(client.collect(stream, never));
  const linked = { ...callOf('verify/z'), link: `${mosaic.baseUrl}/activities/collect?type=verify&stream_id=z` };
  assert.deepEqual(await stepsOf(client.setup([linked], never)), ['stream verify/z: exists']);
  assert.deepEqual(
    Object.keys(mosaic.calls).filter((call) => call.startsWith('DELETE')),
    [],
  );
  assert.equal((await refused(client.collect(linked, never))).result, 'not_found');
});

test('setup tells the maximum of streams from a rate limit, and goes on behind a failure', async (t) => {
  const mosaic = await newMosaic(t, { streams: [] });
  mosaic.dials.maximumStreams = 1;
  const client = newClient(t, mosaic);
  const streams = ['verify/a', 'verify/b'].map((name) => callOf(name as StreamName));
  assert.deepEqual(
    (await stepsOf(client.setup(streams, never))).map((line) => line.split(': ')[1]),
    ['created', 'created', 'maximum'],
  );
  mosaic.dials.token.always = { kind: 'answer', status: 400, body: '{"message":"Invalid client"}' };
  mosaic.revokeTokens();
  const details: string[] = [];
  for await (const { result, detail } of newClient(t, mosaic).setup([callOf('verify/a')], never))
    details.push(`${result} ${detail}`);
  assert.equal(details.length, 2);
  for (const detail of details) assert.match(detail, /^failed .*answered 400: Invalid client; check mosaic\.token_url/);
});

test('setup: a 429 that says when to come back is the rate limit', async (t) => {
  const wire = await startWire(t, ({ socket, text: request }) => {
    if (request.includes('/oidc/token')) socket.write(whole('{"access_token":"abc"}'));
    else socket.write(whole('{"message":"slow down"}', '429 Too Many Requests', 'retry-after: 3\r\n'));
  });
  const client = newClient(t, { baseUrl: `${wire.url}/activities/v1`, tokenUrl: `${wire.url}/oidc/token` });
  for await (const { result, detail } of client.setup([callOf('verify/a')], never)) {
    assert.equal(result, 'failed');
    assert.match(detail, /answered 429: slow down$/);
  }
});

test('setup asks for enrichment in the query, and in the body where that is refused', async (t) => {
  for (const place of ['query', 'body'] as const) {
    const mosaic = await newMosaic(t, { streams: [] });
    mosaic.dials.enrichmentIn = place;
    const client = newClient(t, mosaic, { enrichment: true });
    const lines = await stepsOf(client.setup([callOf('verify/a')], never));
    assert.deepEqual(
      lines.map((line) => line.split(': ')[1]),
      ['created', 'created'],
    );
    assert.equal(mosaic.calls['PUT stream'], place === 'query' ? 1 : 2);
  }
});
