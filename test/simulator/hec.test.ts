import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { type HecOptions, startHec } from '../../src/simulator/hec.ts';

interface Said {
  readonly status: number;
  readonly code?: number;
  readonly number?: number;
  readonly ackId?: number;
  readonly acks?: Readonly<Record<string, boolean>>;
}

const GUID = '0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba';

async function ask(
  body: string | Uint8Array<ArrayBuffer>,
  options: HecOptions = {},
  headers: Record<string, string> = {},
): Promise<{ said: Said; stored: number }> {
  const hec = await startHec(options);
  const said = await post(hec.url, 'event', body, { authorization: `Splunk ${hec.token}`, ...headers });
  await hec.close();
  return { said, stored: hec.stored.length };
}

async function post(
  url: string,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
): Promise<Said> {
  const answer = await fetch(`${url}/services/collector/${path}`, { method: 'POST', body, headers });
  const { code, ackId, acks, ...more } = JSON.parse(await answer.text());
  const number = more['invalid-event-number'];
  return {
    status: answer.status,
    code,
    ...(number !== undefined && { number }),
    ...(ackId !== undefined && { ackId }),
    ...(acks && { acks }),
  };
}

const good = '{"event":{"a":"}{\\""},"fields":{"idv_event_id":"1"}}';

describe('the simulated HEC', { concurrency: true }, () => {
  const table: [what: string, body: string, code: number, number: number | undefined, stored: number][] = [
    ['objects on lines', `${good}\n${good}\n`, 0, undefined, 2],
    ['objects without anything between', good + good + good, 0, undefined, 3],
    ['an object over several lines', '{"event":\n"a"\n} {"event":"b"}', 0, undefined, 2],
    ['a comma between', `${good},${good}`, 6, 1, 1],
    ['an array', `[${good}]`, 6, 0, 0],
    ['an object cut off', `${good}\n{"event":"a"`, 6, 1, 1],
    ['no JSON', `${good}\n${good}\nnonsense`, 6, 2, 2],
    ['a time that is none', '{"event":"a","time":"noon"}', 6, 0, 0],
    ['nothing', '', 5, undefined, 0],
    ['no event', `${good}{"host":"a"}`, 12, 1, 1],
    ['a blank event', `${good}{"event":""}${good}`, 13, 1, 1],
    ['nested fields', `${good}{"event":"a","fields":{"a":{"b":"c"}}}`, 15, 1, 1],
    ['a number in fields', '{"event":"a","fields":{"a":1}}', 15, 0, 0],
    ['an index not allowed: the number behind it', `${good}{"event":"a","index":"other"}`, 7, 2, 1],
    ['an index allowed', '{"event":"a","index":"idv"}', 0, undefined, 1],
    ['fields without event: skipped in silence', `{"fields":{"a":"b"}}${good}`, 0, undefined, 1],
    ['an unknown key: only the first is kept', `${good}{"event":"a","more":1}${good}`, 0, undefined, 1],
  ];
  for (const [what, body, code, number, stored] of table) {
    test(what, async () => {
      const answer = await ask(body, { indexes: ['idv'] });
      const expected = { status: code === 0 ? 200 : 400, code, ...(number !== undefined && { number }) };
      assert.deepEqual(answer, { said: expected, stored });
    });
  }

  test('gzip is taken, deflate is not, and what is over 5 MiB is refused as Splunk Cloud does', async () => {
    const gzip = { 'content-encoding': 'gzip' };
    assert.deepEqual(await ask(new Uint8Array(gzipSync(good)), {}, gzip), {
      said: { status: 200, code: 0 },
      stored: 1,
    });
    assert.equal(
      (await ask(new Uint8Array(deflateSync(good)), {}, { 'content-encoding': 'deflate' })).said.status,
      415,
    );
    assert.deepEqual(await ask('no gzip', {}, gzip), { said: { status: 400, code: 6, number: 0 }, stored: 0 });
    const large = JSON.stringify({ event: 'x'.repeat(5 * 2 ** 20) });
    assert.deepEqual(await ask(large), { said: { status: 400, code: 6, number: 0 }, stored: 0 });
  });

  test('the token is looked at first', async () => {
    assert.equal((await ask(good, {}, { authorization: '' })).said.code, 2);
    assert.equal((await ask(good, {}, { authorization: 'Bearer x' })).said.code, 3);
    assert.deepEqual((await ask(good, {}, { authorization: 'Splunk x' })).said, { status: 403, code: 4 });
  });

  test('acknowledgements count from 0 on each channel, are true once, and are not known elsewhere', async (context) => {
    const hec = await startHec({ acknowledgement: true, dials: { withholdAck: (count) => count === 2 } });
    context.after(() => hec.close());
    const headers = { authorization: `Splunk ${hec.token}`, 'x-splunk-request-channel': GUID };
    assert.equal((await post(hec.url, 'event', good, { authorization: `Splunk ${hec.token}` })).code, 10);
    assert.equal((await post(hec.url, 'event', good, { ...headers, 'x-splunk-request-channel': 'x' })).code, 11);
    for (const ackId of [0, 1, 2]) assert.equal((await post(hec.url, 'event', good, headers)).ackId, ackId);
    const other = { ...headers, 'x-splunk-request-channel': GUID.replace('0', '1') };
    assert.deepEqual((await post(hec.url, 'ack', '{"acks":[0]}', other)).acks, { 0: false });
    assert.deepEqual((await post(hec.url, 'ack', '{"acks":[0,1,2,9]}', headers)).acks, {
      0: true,
      1: true,
      2: false,
      9: false,
    });
    assert.deepEqual((await post(hec.url, 'ack', '{"acks":[0]}', headers)).acks, { 0: false });
    assert.equal((await post(hec.url, 'event', good, other)).ackId, 0);
    hec.forgetChannels();
    assert.equal((await post(hec.url, 'event', good, headers)).ackId, 0);
  });

  test('the part before a refused object has an ackId', async () => {
    const options = { acknowledgement: true, dials: { refuse: (event: unknown) => event === 'bad' } };
    const { said } = await ask(`${good}{"event":"bad"}`, options, { 'x-splunk-request-channel': GUID });
    assert.deepEqual(said, { status: 400, code: 6, number: 1, ackId: 0 });
  });

  test('faults thinned out, busy now and then, and the ledger without the events', async (context) => {
    const hec = await startHec({
      keep: false,
      dials: { status: 500, code: 8, everyNth: 3, busyEvery: 4, retryAfter: '2' },
    });
    context.after(() => hec.close());
    const headers = { authorization: `Splunk ${hec.token}` };
    const statuses = [];
    for (let call = 0; call < 8; call += 1) statuses.push((await post(hec.url, 'event', good, headers)).status);
    assert.deepEqual(statuses, [200, 200, 500, 503, 200, 500, 200, 503]);
    assert.deepEqual([hec.count, hec.stored.length, hec.ledger.get('1')], [4, 0, 4]);
  });
});
