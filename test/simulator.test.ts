import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type HttpRequest, httpClient, NoAnswer } from '../src/http.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../src/normalize.ts';
import { type SimulatedMosaic, type SimulatedMosaicOptions, startMosaic } from '../src/simulator/mosaic.ts';
import { activityKey, activitySource, documentKey } from '../src/simulator/sessions.ts';

type Fields = Record<string, unknown>;
const never = new AbortController().signal;

const detailsOf = (activity: Fields) => (activity['additionalParams'] ?? activity['additional_params'] ?? {}) as Fields;
const subjectOf = (key: string) => key.split(' ')[0] ?? '';
const timeOf = (key: string) => Number(key.split(' ')[1]);
const nameOf = (key: string) => key.split(' ')[2] ?? '';

function bySubject(keys: readonly string[]): Map<string, string[]> {
  return Map.groupBy(keys, subjectOf);
}

const DOCUMENTED =
  `session_created session_started consent_approved page_loaded user_action_performed check_image_quality
  image_uploaded_info error redirect verification_status_updated allow_by_restriction_criterion
  deny_by_restriction_criterion session_deleted verification_completed face_auth_session_completed expiration_session
  sdk_process_completed restriction_criteria_updated read_fraud_image_data delete_fraud_image_data download_session_zip
  download_fraud_csv`.split(/\s+/);
const VALUES =
  `intro qr consent timeout permission_denied permission_denied_no_refresh_button document_back document_front
  selfie instructions_screen verification_completed_screen error cancel capture_image accept_and_start_clicked
  consent_checked start_button_clicked Success Pending Rejected Resubmit Error Uncertain success failure front back`.split(
    /\s+/,
  );

test('every documented activity and value occurs, and now and then one that nobody has listed', () => {
  const names = new Set<string>();
  const values = new Set<unknown>();
  for (const { json } of activitySource({ seed: 7 }).take(60_000)) {
    const activity = JSON.parse(json) as Fields;
    names.add(String(activity['activity']));
    for (const value of Object.values(detailsOf(activity))) values.add(value);
  }
  assert.deepEqual(
    DOCUMENTED.filter((name) => !names.has(name)),
    [],
  );
  assert.deepEqual(
    VALUES.filter((value) => !values.has(value)),
    [],
  );
  assert.ok(names.size > DOCUMENTED.length);
});

test('sessions run in their order, a few per cent of them are rejected, and no two activities share a key', () => {
  const keys = activitySource({ seed: 3, rate: 5_000 })
    .take(100_000)
    .map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length);
  const sessions = [...bySubject(keys).values()].filter(([first]) => nameOf(first ?? '') === 'session_created');
  for (const session of sessions) {
    const times = session.map(timeOf);
    assert.deepEqual(
      times,
      [...new Set(times)].sort((a, b) => a - b),
    );
    const names = session.map(nameOf);
    const order = ['session_created', 'session_started', 'consent_approved', 'image_uploaded_info', 'redirect'];
    const places = order.map((name) => names.indexOf(name)).filter((place) => place >= 0);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      names.join(' '),
    );
  }
  const rejected = activitySource({ seed: 3, rate: 5_000 })
    .take(100_000)
    .filter(({ json }) => json.includes('"Rejected"'));
  const share = rejected.length / sessions.length;
  assert.ok(share > 0.02 && share < 0.06, `${share}`);
});

test('the same seed and start make the same world; another start makes another', () => {
  const options = { seed: 5, startAt: 1_700_000_000_000 };
  const world = activitySource(options).take(500);
  assert.deepEqual(activitySource(options).take(500), world);
  for (const other of [{ ...options, startAt: options.startAt + 1 }, { ...options, seed: 6 }, {}]) {
    const subjects = bySubject(world.map(({ key }) => key));
    const shared = activitySource(other)
      .take(500)
      .filter(({ key }) => subjects.has(subjectOf(key)));
    assert.deepEqual(shared, []);
  }
});

test('three spellings, addresses that belong to nobody, and a key that can be read back from each', () => {
  const shapes = {
    camel: ['userId', 'additionalParams'],
    snake: ['user_id', 'additionalParams'],
    v2: ['user_id', 'additional_params'],
  };
  for (const spelling of ['camel', 'snake', 'v2'] as const) {
    for (const { key, json } of activitySource({ spelling }).take(2_000)) {
      const activity = JSON.parse(json) as Fields;
      assert.equal(activityKey(json), key);
      assert.equal(typeof activity['timestamp'], spelling === 'camel' ? 'number' : 'string');
      assert.ok(
        shapes[spelling].every((name) => name in activity || name.startsWith('additional')),
        json,
      );
      assert.match(String(activity['ip']), /^(192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8:)/);
    }
  }
  const mixed = activitySource({ seed: 1 })
    .take(2_000)
    .map(({ json }) => json);
  for (const mark of ['"userId"', '"user_id"', '"additional_params"'])
    assert.ok(
      mixed.some((json) => json.includes(mark)),
      mark,
    );
});

test('the other types: each in its own fields, with a key', () => {
  for (const [type, name] of [
    ['cis', 'user_login'],
    ['admin', 'admin_login'],
    ['risk', 'risk_recommendation'],
  ] as const) {
    const activities = activitySource({ type }).take(500);
    assert.ok(activities.every(({ key, json }) => activityKey(json) === key));
    assert.ok(activities.some(({ key }) => nameOf(key) === name));
    assert.equal(new Set(activities.map(({ key }) => key)).size, 500);
  }
});

test('the key of a document is that of its activity, for every type and spelling, through the mapping', () => {
  const normalize = normalizer(DEFAULT_EVENT_OPTIONS);
  for (const type of ['verify', 'cis', 'admin', 'risk'] as const) {
    const activities = activitySource({ type, startAt: Date.now() - 60_000 }).take(3_000);
    const body = Buffer.from(`[${activities.map(({ json }) => json).join(',')}]`);
    const page = { number: 1, stream: `${type}/siem`, receivedAt: new Date(), partial: false, body } as const;
    const keys = [...normalize.events(page)].map(({ document }) => documentKey(document));
    assert.deepEqual(
      keys,
      activities.map(({ key }) => key),
      type,
    );
  }
});

async function newMosaic(context: TestContext, options: SimulatedMosaicOptions = {}) {
  const mosaic = await startMosaic({ streams: ['verify/siem'], ...options });
  const client = httpClient();
  context.after(async () => {
    await client.close();
    await mosaic.close();
  });
  const call = (request: Partial<HttpRequest> & { url: string }) =>
    client.request({ method: 'POST', timeoutMs: 20_000, ...request }, never);
  const token = async (secret = 'demo-secret') => {
    const body = `grant_type=client_credentials&client_id=demo-client&client_secret=${secret}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await call({ url: mosaic.tokenUrl, headers, body });
    return { status: answer.status, ...(JSON.parse(answer.body.toString()) as { access_token?: string }) };
  };
  const bearer = { authorization: `Bearer ${(await token()).access_token}` };
  const api = (method: HttpRequest['method'], path: string, headers: Record<string, string> = bearer) =>
    call({ method, url: `${mosaic.baseUrl}/activities/${path}`, headers });
  const collect = (query = 'type=verify&stream_id=siem&batch_size=10') => api('POST', `collect?${query}`);
  return { mosaic, token, api, collect };
}

const listOf = (body: Buffer) => JSON.parse(body.toString()) as Fields[];

test('collecting consumes: in order, in batches, 201 and a bare array, and what is lost is gone', async (t) => {
  const { mosaic, collect } = await newMosaic(t);
  const activities = activitySource().take(45);
  const keys = activities.map(({ key }) => key);
  mosaic.enqueue('verify/siem', activities);
  const first = await collect();
  assert.deepEqual([first.status, first.headers['content-type']], [201, 'application/json']);
  assert.deepEqual(
    listOf(first.body).map((raw) => activityKey(raw)),
    keys.slice(0, 10),
  );
  mosaic.dials.collect.next.push({ kind: 'reset', consume: true }, { kind: 'reset' });
  for (let lost = 0; lost < 2; lost += 1) await assert.rejects(collect(), NoAnswer);
  mosaic.dials.collect.next.push({ kind: 'answer', status: 502, consume: true }, { kind: 'answer', status: 502 });
  for (let lost = 0; lost < 2; lost += 1) assert.equal((await collect()).status, 502);
  assert.deepEqual(
    listOf((await collect()).body).map((raw) => activityKey(raw)),
    keys.slice(30, 40),
  );
  assert.deepEqual(mosaic.ledger.keys(), {
    completed: [...keys.slice(0, 10), ...keys.slice(30, 40)],
    spoilt: keys.slice(10, 30),
    waiting: keys.slice(40),
  });
  assert.deepEqual(mosaic.ledger.books('verify/siem'), { enqueued: 45, handedOut: 40, expired: 0, waiting: 5 });
  assert.equal(listOf((await collect()).body).length, 5);
  assert.deepEqual(listOf((await collect()).body), []);
});

test('what nobody fetches in time is gone', async (t) => {
  const { mosaic, collect } = await newMosaic(t);
  mosaic.enqueue('verify/siem', activitySource().take(5));
  mosaic.dials.retentionMs = -1;
  assert.deepEqual(listOf((await collect()).body), []);
  assert.equal(mosaic.ledger.books('verify/siem').expired, 5);
});

test('it refuses as documented', async (t) => {
  const { mosaic, api, token } = await newMosaic(t, { streams: ['verify/siem'] });
  const at = 'collect?type=verify&stream_id=siem';
  const refusals: [HttpRequest['method'], string, number][] = [
    ['POST', 'collect?type=cis&stream_id=siem', 403],
    ['POST', 'collect?type=verify&stream_id=other', 404],
    ['POST', 'collect?type=verify&stream_id=a%20b', 406],
    ['POST', 'collect?type=verify', 406],
    ['POST', 'collect?type=idv&stream_id=siem', 400],
    ['POST', `${at}&batch_size=0`, 400],
    ['POST', `${at}&batch_size=1001`, 400],
    ['GET', 'user', 410],
    ['GET', 'collect', 404],
    ['PUT', 'stream?type=verify&stream_id=siem', 409],
    ['PUT', 'start-collect?type=verify', 409],
  ];
  for (const [method, path, status] of refusals) assert.equal((await api(method, path)).status, status, path);
  for (const headers of [{}, { authorization: 'Bearer nonsense' }]) {
    assert.equal((await api('POST', at, headers as Record<string, string>)).status, 401);
  }
  mosaic.dials.tokenLife = 0;
  const dead = { authorization: `Bearer ${(await token()).access_token}` };
  assert.equal((await api('POST', at, dead)).status, 401);
  assert.equal((await token('wrong')).status, 400);
  assert.equal((await api('POST', at)).status, 201);
  mosaic.revokeTokens();
  assert.equal((await api('POST', at)).status, 401);
});

test('it counts what must never be called, and stopping really deletes', async (t) => {
  const { mosaic, api, collect } = await newMosaic(t);
  assert.equal((await api('DELETE', 'stop-collect?type=verify')).status, 200);
  assert.equal(mosaic.calls['DELETE stop-collect'], 1);
  assert.equal((await collect()).status, 403);
  await api('PUT', 'start-collect?type=verify');
  assert.equal((await collect()).status, 404);
  await api('PUT', 'stream?type=verify&stream_id=siem');
  assert.equal((await collect()).status, 201);
});

test('it notices two collects at once for one stream', async (t) => {
  const { mosaic, collect } = await newMosaic(t, { streams: ['verify/siem', 'verify/two'] });
  for (let calls = 0; calls < 5; calls += 1) await collect();
  mosaic.dials.delayMs = 100;
  await Promise.all([collect(), collect('type=verify&stream_id=two')]);
  assert.equal(mosaic.maximumParallelCollects, 1);
  await Promise.all([collect(), collect()]);
  assert.equal(mosaic.maximumParallelCollects, 2);
});

test('one collect after the other is no two at once, however the answers end', async (t) => {
  const { mosaic, collect } = await newMosaic(t);
  mosaic.enqueue('verify/siem', activitySource().take(5_000));
  mosaic.dials.collect.next.push(
    { kind: 'drip', bytes: 20_000, pauseMs: 20 },
    { kind: 'answer', status: 503 },
    { kind: 'drip', bytes: 20_000, pauseMs: 20 },
    undefined,
  );
  for (let calls = 0; calls < 5; calls += 1) await collect();
  assert.equal(mosaic.maximumParallelCollects, 1);
});

test('dials: shape of the answer, faults every so often, down and up on the same port', async (t) => {
  const { mosaic, collect } = await newMosaic(t);
  Object.assign(mosaic.dials, { wrapIn: 'events', duplicates: true, padTo: 20_000, contentType: 'text/plain' });
  mosaic.enqueue('verify/siem', activitySource().take(3));
  const odd = await collect();
  const { events } = JSON.parse(odd.body.toString()) as { events: Fields[] };
  assert.deepEqual([events.length, odd.body.length, odd.headers['content-type']], [4, 20_000, 'text/plain']);
  assert.deepEqual(events[3], events[0]);
  mosaic.dials.collect.always = { kind: 'answer', status: 503 };
  mosaic.dials.collect.every = 3;
  const statuses = [];
  for (let calls = 0; calls < 6; calls += 1) statuses.push((await collect()).status);
  assert.equal(statuses.filter((status) => status === 503).length, 2);
  const { baseUrl } = mosaic;
  await mosaic.down();
  await assert.rejects(collect(), NoAnswer);
  await mosaic.up();
  assert.equal(mosaic.baseUrl, baseUrl);
  mosaic.dials.collect.always = undefined;
  assert.equal((await collect()).status, 201);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('a flow keeps coming until it is stopped; without keys the ledger still counts', async (t) => {
  const { mosaic, collect } = await newMosaic(t, { keep: false });
  const waiting = () => mosaic.ledger.books('verify/siem').waiting;
  const flow = mosaic.flow('verify/siem', 400);
  await until(() => waiting() >= 40);
  flow.stop();
  const { waiting: total } = mosaic.ledger.books('verify/siem');
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(waiting(), total);
  const fresh = listOf((await collect()).body).map((raw) => timeOf(activityKey(raw)));
  assert.ok(fresh.every((time) => Math.abs(Date.now() - time) < 60_000));
  assert.deepEqual([mosaic.ledger.books('verify/siem').handedOut, mosaic.ledger.batches.length], [10, 0]);
});

test('an answer that its reader did not wait for is not counted as completed', async (t) => {
  const { mosaic } = await newMosaic(t);
  mosaic.enqueue('verify/siem', activitySource().take(5));
  mosaic.dials.delayMs = 2_000;
  await abandon(mosaic);
  await until(() => mosaic.ledger.keys().spoilt.length === 5);
  assert.deepEqual(mosaic.ledger.keys().completed, []);
});

async function abandon(mosaic: SimulatedMosaic): Promise<void> {
  const client = httpClient();
  const form = { grant_type: 'client_credentials', client_id: 'demo-client', client_secret: 'demo-secret' };
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams(form).toString();
  const given = await client.request({ method: 'POST', url: mosaic.tokenUrl, headers, body, timeoutMs: 20_000 }, never);
  const { access_token } = JSON.parse(given.body.toString()) as { access_token: string };
  const url = `${mosaic.baseUrl}/activities/collect?type=verify&stream_id=siem`;
  const call = { method: 'POST', url, headers: { authorization: `Bearer ${access_token}` }, timeoutMs: 1_000 } as const;
  await assert.rejects(client.request(call, never), NoAnswer);
  await client.close();
}
