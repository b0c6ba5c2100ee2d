import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { createCensor } from '../src/censor.ts';
import { createMetrics } from '../src/status/metrics.ts';
import { createPage } from '../src/status/page.ts';
import { pageScript } from '../src/status/page-script.ts';
import { spoolText, viewOf } from '../src/status/page-view.ts';
import type { Status } from '../src/status/shape.ts';
import { createState } from '../src/status/state.ts';
import { type Listen, startStatus } from '../src/status.ts';
import type { NewDeadLetter, SpoolReport } from '../src/types.ts';

const AT = new Date('2026-01-02T03:04:05.000Z');
const MINUTE = 60_000;
const GIB = 1024 ** 3;

function report(): SpoolReport {
  return {
    bytes: 2 * GIB,
    limit: 10 * GIB,
    pages: 40,
    setAside: 0,
    oldestPageAt: new Date(AT.getTime() - 100 * MINUTE),
    newestPageAt: AT,
    gaps: [{ stream: 'verify/siem', reason: 'gateway', count: 2, lastAt: AT }],
    streams: [{ stream: 'verify/siem', collected: 10_249 }],
    sinks: [
      {
        sink: 'elastic',
        configured: true,
        cursor: { page: 30, index: 0 },
        waiting: 1234,
        waitingSince: new Date(AT.getTime() - 50 * MINUTE),
        collected: 10_249,
        delivered: 9000,
        filtered: 5,
        deadLetters: 3,
        discarded: 7,
        damaged: 0,
      },
      {
        sink: 'soc',
        configured: true,
        cursor: { page: 41, index: 0 },
        waiting: 0,
        collected: 10,
        delivered: 10,
        filtered: 0,
        deadLetters: 0,
        discarded: 0,
        damaged: 0,
      },
      {
        sink: 'old',
        configured: false,
        cursor: { page: 7, index: 0 },
        waiting: 0,
        collected: 5,
        delivered: 1,
        filtered: 0,
        deadLetters: 4,
        discarded: 0,
        damaged: 0,
      },
    ],
    orders: [],
  };
}

function newState(now: () => Date = () => AT) {
  return createState({ version: '1.2.3', streams: ['verify/siem', 'cis/main'], sinks: ['elastic', 'soc'], now });
}
type State = ReturnType<typeof newState>;

function makeReady(state: State): void {
  state.spoolOpened();
  for (const stream of ['verify/siem', 'cis/main'] as const)
    state.tell({ what: 'collected', stream, activities: 0, bytes: 2 });
}

function newMetrics(refresh: () => Promise<SpoolReport> = async () => report()) {
  return createMetrics({ streams: ['verify/siem'], sinks: ['elastic', 'soc'], refresh, now: () => AT });
}

const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

async function serve(listen: Partial<Listen> = {}, ask: () => Promise<SpoolReport> = async () => report()) {
  const state = newState();
  const metrics = newMetrics(ask);
  const server = await startStatus({ listen: { host: '127.0.0.1', port: 0, ...listen }, state, metrics, report: ask });
  closing.push(server.close);
  const port = Number(new URL(server.url).port);
  return {
    state,
    metrics,
    server,
    port,
    get: (path: string, headers = {}, method = 'GET') => call(port, path, headers, method),
  };
}

interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}
/** Unlike fetch it lets a test choose the Host header. */
function call(port: number, path: string, headers: Record<string, string>, method: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, method }, (answer) => {
      let body = '';
      answer.on('data', (chunk) => {
        body += String(chunk);
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    sent.on('error', reject).end();
  });
}

describe('the status server', () => {
  it('answers each path, by GET and HEAD, with headers that keep it safe', async () => {
    const { state, get } = await serve();
    makeReady(state);
    const types = {
      '/': 'text/html',
      '/api/status': 'application/json',
      '/metrics': 'text/plain',
      '/healthz': 'text/plain',
      '/readyz': 'text/plain',
    };
    for (const [path, type] of Object.entries(types)) {
      const answer = await get(path);
      assert.equal(answer.status, 200, path);
      assert.ok(String(answer.headers['content-type']).startsWith(type), path);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.match(String(answer.headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/);
      const head = await get(path, {}, 'HEAD');
      assert.deepEqual([head.status, head.body], [200, '']);
      assert.ok(Number(head.headers['content-length']) > 0);
    }
    assert.equal((await get('/healthz?x=1')).status, 200);
  });

  it('answers 404 to what it does not have and 405 to what it does not do', async () => {
    const { get } = await serve();
    assert.equal((await get('/nothing')).status, 404);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await get('/api/status', {}, method);
      assert.deepEqual([answer.status, answer.headers['allow']], [405, 'GET, HEAD']);
    }
  });

  it('refuses a Host header of another name, so that no web page can read it through its own name', async () => {
    const { get, port } = await serve();
    for (const host of [`evil.example:${port}`, 'evil.example', `127.0.0.1.evil.example:${port}`, '127.0.0.1:1']) {
      assert.equal((await get('/api/status', { host })).status, 403, host);
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
      assert.equal((await get('/api/status', { host })).status, 200, host);
    }
    assert.equal((await get('/healthz', { host: 'probe.example' })).status, 200);
  });

  it('on loopback takes any Host with the token', async () => {
    const { get } = await serve({ token: 't0ken' });
    const host = 'siem.example';
    assert.equal((await get('/api/status', { host })).status, 403);
    assert.equal((await get('/api/status', { host, authorization: 'Bearer t0ken' })).status, 200);
    assert.equal((await get('/api/status')).status, 200);
  });

  it('on other than loopback needs the token, as a header or a cookie, never in the address', async () => {
    const { get, state } = await serve({ host: '0.0.0.0', token: 't0ken' });
    for (const path of ['/', '/api/status', '/metrics', '/nothing', '/api/status?token=t0ken']) {
      const answer = await get(path);
      assert.equal(answer.status, 401, path);
      assert.match(String(answer.headers['www-authenticate']), /^Basic /);
      assert.ok(!answer.body.includes('t0ken'));
    }
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const authorization of ['Bearer wrong', 'Bearer ', 'Bearer t0ken2', basic('t0ken:'), 't0ken']) {
      assert.equal((await get('/metrics', { authorization })).status, 401, authorization);
    }
    for (const headers of [
      { authorization: 'Bearer t0ken' },
      { authorization: 'bearer t0ken' },
      { authorization: basic('me:t0ken') },
      { cookie: 'a=b; mosaic_siem_token=t0ken' },
    ]) {
      assert.equal((await get('/metrics', headers)).status, 200, JSON.stringify(headers));
    }
    assert.equal((await get('/healthz')).status, 200);
    makeReady(state);
    assert.equal((await get('/readyz')).status, 200);
  });

  it('does not listen on other than loopback without a token', async () => {
    await assert.rejects(serve({ host: '0.0.0.0' }), /status\.listen is 0\.0\.0\.0.*needs status\.token/);
  });

  it('says which address is taken', async () => {
    const { port } = await serve();
    await assert.rejects(
      serve({ port }),
      new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE: something else`),
    );
  });

  it('is not ready until the spool is open and every stream has had an answer, and says why', async () => {
    const { state, get } = await serve();
    const why = async () => {
      const answer = await get('/readyz');
      return `${answer.status} ${answer.body.trim()}`;
    };
    assert.equal(await why(), '503 the spool is not open yet');
    state.spoolOpened();
    assert.equal(await why(), '503 no answer yet from Mosaic for verify/siem, cis/main');
    state.tell({ what: 'collected', stream: 'verify/siem', activities: 1, bytes: 10 });
    state.tell({ what: 'collect_failed', stream: 'cis/main', result: 'unauthorized', error: '401', waitMs: 500 });
    assert.equal(await why(), '503 no answer yet from Mosaic for cis/main');
    state.tell({ what: 'collected', stream: 'cis/main', activities: 0, bytes: 0 });
    assert.equal(await why(), '200 ready');
    state.tell({ what: 'collect_failed', stream: 'cis/main', result: 'server', error: '503', waitMs: 500 });
    assert.equal(await why(), '200 ready');
    state.tell({ what: 'spool_error', doing: 'storing an answer of cis/main', error: 'disk is full' });
    assert.equal(await why(), '503 the spool fails: storing an answer of cis/main: disk is full');
    state.tell({ what: 'settled', sink: 'elastic', delivered: 1, filtered: 0, dead: [] });
    assert.match(await why(), /^503 the spool fails/);
    state.tell({ what: 'collected', stream: 'cis/main', activities: 1, bytes: 10 });
    assert.equal(await why(), '200 ready');
    state.tell({ what: 'collecting', on: false, reason: 'the spool is full' });
    assert.equal(await why(), '503 collecting is off: the spool is full');
    assert.equal((await get('/healthz')).status, 200);
  });

  it('answers without the spool where that cannot be read', async () => {
    const { get, state } = await serve({}, () => Promise.reject(new Error('disk I/O error')));
    makeReady(state);
    const status = JSON.parse((await get('/api/status')).body) as Status;
    assert.deepEqual([status.ready, status.reason, status.spool], [false, 'the spool cannot be read', null]);
    assert.equal(status.sinks.length, 2);
    assert.equal((await get('/')).status, 200);
    assert.match((await get('/metrics')).body, /^mosaic_siem_sink_up\{sink="elastic"\} 0$/m);
  });
});

describe('/api/status', () => {
  it('has the shape that is promised', async () => {
    const { state, get } = await serve();
    makeReady(state);
    state.tell({ what: 'collect_failed', stream: 'cis/main', result: 'server', error: 'HTTP 503', waitMs: 500 });
    state.tell({ what: 'sink_up', sink: 'soc' });
    state.tell({ what: 'settled', sink: 'soc', delivered: 10, filtered: 0, dead: [], newest: AT });
    state.tell({ what: 'sink_down', sink: 'elastic', reason: 'ECONNREFUSED', waitMs: 500 });
    state.recent({
      time: AT,
      code: 'page_loaded',
      severity: 'informational',
      stream: 'verify/siem',
      sink: 'soc',
      id: 'abc',
    });
    const time = AT.toISOString();
    assert.deepEqual(JSON.parse((await get('/api/status')).body), {
      version: '1.2.3',
      pid: process.pid,
      started_at: time,
      now: time,
      ready: true,
      reason: null,
      collecting: { on: true, since: time, reason: null },
      streams: [
        {
          stream: 'verify/siem',
          state: 'ok',
          since: time,
          last_success: time,
          newest_event: time,
          last_error: null,
          last_error_at: null,
          activities: 10_249,
        },
        {
          stream: 'cis/main',
          state: 'failing',
          since: time,
          last_success: time,
          newest_event: null,
          last_error: 'server: HTTP 503',
          last_error_at: time,
          activities: 0,
        },
      ],
      sinks: [
        {
          sink: 'elastic',
          state: 'down',
          since: time,
          reason: 'ECONNREFUSED',
          last_success: null,
          newest_event: null,
          waiting: 1234,
          lag_seconds: 3000,
          collected: 10_249,
          delivered: 9000,
          filtered: 5,
          dead_letters: 3,
          discarded: 7,
          damaged: 0,
        },
        {
          sink: 'soc',
          state: 'up',
          since: time,
          reason: null,
          last_success: time,
          newest_event: time,
          waiting: 0,
          lag_seconds: 0,
          collected: 10,
          delivered: 10,
          filtered: 0,
          dead_letters: 0,
          discarded: 0,
          damaged: 0,
        },
        {
          sink: 'old',
          state: 'gone',
          since: null,
          reason: null,
          last_success: null,
          newest_event: null,
          waiting: 0,
          lag_seconds: 0,
          collected: 5,
          delivered: 1,
          filtered: 0,
          dead_letters: 4,
          discarded: 0,
          damaged: 0,
        },
      ],
      spool: {
        bytes: 2 * GIB,
        limit: 10 * GIB,
        pages: 40,
        set_aside: 0,
        oldest: '2026-01-02T01:24:05.000Z',
        newest: time,
        hours_until_full: null,
      },
      gaps: [{ stream: 'verify/siem', reason: 'gateway', count: 2, last_at: time }],
      events: [{ time, code: 'page_loaded', severity: 'informational', stream: 'verify/siem', sink: 'soc', id: 'abc' }],
    });
  });

  it('shows what is rare only where there is some, and calls a sink idle that has not been tried and waits for nothing', () => {
    const shown = (all: SpoolReport) => viewOf(newState().snapshot(all)).tables[1];
    const sinks = shown(report());
    assert.deepEqual(sinks?.headers.slice(-5), ['Delivered', 'Filtered', 'Dead letters', 'Discarded', 'Reason']);
    const [elastic, soc] = sinks?.rows ?? [];
    assert.deepEqual(elastic?.cells.slice(-5), ['9,000', '5', '3', '7', '']);
    assert.deepEqual([elastic?.cells[1], elastic?.tone], ['waiting', 'warn']);
    assert.deepEqual([soc?.cells[1], soc?.tone], ['idle', '']);
    const none = { ...report(), sinks: report().sinks.map((sink) => ({ ...sink, discarded: 0 })) };
    assert.deepEqual(shown(none)?.headers.slice(-2), ['Dead letters', 'Reason']);
    const damaged = { ...report(), sinks: report().sinks.map((sink) => ({ ...sink, discarded: 0, damaged: 1 })) };
    assert.deepEqual(shown(damaged)?.headers.slice(-2), ['Damaged', 'Reason']);
  });

  it('knows the newest event of each stream, whatever the order they came in', () => {
    const state = newState();
    const at = (seconds: number) => new Date(AT.getTime() - seconds * 1000);
    for (const seconds of [90, 30, 60])
      state.recent({ time: at(seconds), code: 'redirect', severity: 'low', stream: 'verify/siem' });
    const status = state.snapshot(report());
    assert.deepEqual(
      status.streams.map((stream) => stream.newest_event),
      [at(30).toISOString(), null],
    );
    const [streams] = viewOf(status).tables;
    assert.equal(streams?.headers[4], 'Newest event');
    assert.deepEqual(
      streams?.rows.map(({ cells }) => cells[4]),
      ['30 s ago', '–'],
    );
  });

  it('estimates the hours until the spool is full from what came in the last 15 minutes', () => {
    let now = AT.getTime();
    const state = newState(() => new Date(now));
    const hours = () => state.snapshot(report()).spool?.hours_until_full;
    for (let minute = 0; minute < 60; minute += 1) {
      state.tell({ what: 'collected', stream: 'verify/siem', activities: 1, bytes: 4 * 1024 ** 2 });
      now += MINUTE;
    }
    // 4 MiB a minute, a quarter of it on disk: 1 MiB. A sink is behind by half of the 2 GiB, so 9 GiB are left: 9216 minutes.
    const expected = (9 * 1024) / 60;
    assert.ok(Math.abs((hours() ?? 0) - expected) < expected / 10, `${hours()} is not about ${expected}`);
    now += 16 * MINUTE;
    assert.equal(hours(), null);
  });

  it('keeps the last 50 events, newest first, and the newest reason; a state keeps its beginning', () => {
    let now = 0;
    const state = newState(() => new Date(now));
    for (let index = 0; index < 60; index += 1) state.recent({ time: AT, code: `code${index}`, severity: 'low' });
    for (now = 1000; now <= 3000; now += 1000)
      state.tell({ what: 'sink_down', sink: 'soc', reason: `try ${now}`, waitMs: 1 });
    const status = state.snapshot(report());
    assert.deepEqual([status.events.length, status.events[0]?.code, status.events[49]?.code], [50, 'code59', 'code10']);
    const soc = status.sinks.find(({ sink }) => sink === 'soc');
    assert.deepEqual([soc?.since, soc?.reason], ['1970-01-01T00:00:01.000Z', 'try 3000']);
    state.tell({ what: 'sink_suspected', sink: 'soc', held: 1, reason: 'refuses' });
    state.tell({ what: 'sink_up', sink: 'soc' });
    assert.equal(state.snapshot(report()).sinks.find(({ sink }) => sink === 'soc')?.reason, null);
  });

  it('holds no secret and no control character of an error', () => {
    const censor = createCensor(() => ['s3cret']);
    const state = createState({ version: '1', streams: ['verify/siem'], sinks: ['soc'], censor });
    state.tell({ what: 'sink_down', sink: 'soc', reason: 'refused s3cret \u001b[2J\u202e', waitMs: 1 });
    assert.equal(state.snapshot(undefined).sinks[0]?.reason, 'refused *** \\u{1b}[2J\\u{202e}');
  });
});

describe('/metrics', () => {
  const value = (text: string, series: string): number | undefined => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };

  it('has every series of a configured stream and sink from the first scrape', async () => {
    const text = await newMetrics(() => Promise.reject(new Error('not open yet'))).text();
    const stream = '{stream="verify/siem"}';
    const sink = '{sink="elastic"}';
    const zero = [
      `activities_collected_total${stream}`,
      'collect_calls_total{stream="verify/siem",result="ok"}',
      'collect_calls_total{stream="verify/siem",result="empty"}',
      `last_collect_timestamp_seconds${stream}`,
      ...['no_answer', 'cut_off', 'gateway', 'too_large', 'crash'].map(
        (reason) => `possible_gaps_total{stream="verify/siem",reason="${reason}"}`,
      ),
      'spool_bytes',
      'spool_limit_bytes',
      'spool_oldest_page_timestamp_seconds',
      ...['delivered', 'filtered', 'dead'].map((result) => `sink_events_total{sink="elastic",result="${result}"}`),
      `sink_waiting_events${sink}`,
      `sink_lag_seconds${sink}`,
      `sink_up${sink}`,
      ...['ok', 'partial', 'refused', 'unavailable'].map(
        (result) => `sink_deliveries_total{sink="elastic",result="${result}"}`,
      ),
      `sink_delivery_duration_seconds_count${sink}`,
      `sink_delivery_duration_seconds_sum${sink}`,
      `dead_letters${sink}`,
    ];
    for (const series of zero) assert.equal(value(text, `mosaic_siem_${series}`), 0, series);
    assert.equal(value(text, 'mosaic_siem_collecting'), 1);
    assert.ok(value(text, 'mosaic_siem_sink_up{sink="soc"}') === 0);
  });

  it('names nothing beside the table, with a type and a help for each', async () => {
    const text = await newMetrics().text();
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    assert.deepEqual(types.toSorted(), [
      'mosaic_siem_activities_collected_total counter',
      'mosaic_siem_collect_calls_total counter',
      'mosaic_siem_collecting gauge',
      'mosaic_siem_dead_letters gauge',
      'mosaic_siem_last_collect_timestamp_seconds gauge',
      'mosaic_siem_possible_gaps_total counter',
      'mosaic_siem_sink_deliveries_total counter',
      'mosaic_siem_sink_delivery_duration_seconds histogram',
      'mosaic_siem_sink_events_total counter',
      'mosaic_siem_sink_lag_seconds gauge',
      'mosaic_siem_sink_up gauge',
      'mosaic_siem_sink_waiting_events gauge',
      'mosaic_siem_spool_bytes gauge',
      'mosaic_siem_spool_damaged_pages gauge',
      'mosaic_siem_spool_limit_bytes gauge',
      'mosaic_siem_spool_oldest_page_timestamp_seconds gauge',
    ]);
    assert.equal([...text.matchAll(/^# HELP mosaic_siem_\S+ \S.*\.$/gm)].length, types.length);
  });

  it('counts the news, and takes from the spool what outlives a restart', async () => {
    const metrics = newMetrics();
    metrics.tell({ what: 'collected', stream: 'verify/siem', activities: 1000, bytes: 9 });
    metrics.tell({ what: 'collected', stream: 'verify/siem', activities: 0, bytes: 0 });
    metrics.tell({ what: 'collect_failed', stream: 'verify/siem', result: 'server', error: 'x', waitMs: 1 });
    metrics.tell({ what: 'sink_up', sink: 'elastic' });
    metrics.tell({ what: 'sink_up', sink: 'soc' });
    metrics.tell({ what: 'sink_suspected', sink: 'soc', held: 1, reason: 'x' });
    metrics.tell({ what: 'delivery', sink: 'elastic', result: 'ok', events: 10, seconds: 0.03 });
    metrics.tell({ what: 'settled', sink: 'elastic', delivered: 7, filtered: 2, dead: [{} as NewDeadLetter] });
    metrics.tell({ what: 'possible_gap', stream: 'verify/siem', reason: 'gateway', detail: 'in the report already' });
    metrics.tell({ what: 'collecting', on: false, reason: 'full' });
    await metrics.text();
    const text = await metrics.text();
    const expected = {
      'activities_collected_total{stream="verify/siem"}': 1000,
      'collect_calls_total{stream="verify/siem",result="ok"}': 1,
      'collect_calls_total{stream="verify/siem",result="empty"}': 1,
      'collect_calls_total{stream="verify/siem",result="server"}': 1,
      'last_collect_timestamp_seconds{stream="verify/siem"}': AT.getTime() / 1000,
      'possible_gaps_total{stream="verify/siem",reason="gateway"}': 2,
      'possible_gaps_total{stream="verify/siem",reason="crash"}': 0,
      'sink_up{sink="elastic"}': 1,
      'sink_up{sink="soc"}': 0,
      'sink_events_total{sink="elastic",result="delivered"}': 7,
      'sink_events_total{sink="elastic",result="filtered"}': 2,
      'sink_events_total{sink="elastic",result="dead"}': 1,
      'sink_deliveries_total{sink="elastic",result="ok"}': 1,
      'sink_delivery_duration_seconds_bucket{le="0.025",sink="elastic"}': 0,
      'sink_delivery_duration_seconds_bucket{le="0.05",sink="elastic"}': 1,
      'sink_waiting_events{sink="elastic"}': 1234,
      'sink_lag_seconds{sink="elastic"}': 3000,
      'dead_letters{sink="elastic"}': 3,
      'dead_letters{sink="old"}': 4,
      spool_bytes: 2 * GIB,
      spool_limit_bytes: 10 * GIB,
      spool_oldest_page_timestamp_seconds: AT.getTime() / 1000 - 6000,
      collecting: 0,
    };
    for (const [series, number] of Object.entries(expected))
      assert.equal(value(text, `mosaic_siem_${series}`), number, series);
  });

  it('of two registries are apart', async () => {
    const [one, other] = [newMetrics(), newMetrics()];
    one.tell({ what: 'collected', stream: 'verify/siem', activities: 5, bytes: 9 });
    assert.equal(value(await other.text(), 'mosaic_siem_activities_collected_total{stream="verify/siem"}'), 0);
  });
});

describe('the page', () => {
  const status = (reason = 'ECONNREFUSED'): Status => {
    const state = newState();
    makeReady(state);
    state.tell({ what: 'sink_down', sink: 'elastic', reason, waitMs: 500 });
    state.recent({ time: AT, code: '<img src=x onerror=alert(1)>', severity: 'high' });
    return state.snapshot(report());
  };

  it('is a snapshot without its script, and words from outside stay words', () => {
    const html = createPage().html(status(`</script><script>alert("1")</script> & 'more'`));
    assert.match(html, /<tr class="bad"><th scope="row">elastic<\/th><td>down<\/td>/);
    assert.match(html, /elastic is down/);
    assert.match(html, /1,234/);
    assert.match(html, /2\.0 GiB of 10\.0 GiB, 40 pages/);
    assert.equal(html.match(/<script/g)?.length, 1);
    assert.ok(!html.includes('<img'));
    assert.ok(html.includes('&#60;/script&#62;&#60;script&#62;alert(&#34;1&#34;)'));
    assert.equal(html.match(/<th scope="col">/g)?.length, 27);
  });

  it('says in few words how long there is room', () => {
    const room = (pages: number, hours: number | null) =>
      spoolText(
        { bytes: 10, limit: 20, pages, set_aside: pages - 1, oldest: null, newest: null, hours_until_full: hours },
        0,
      );
    assert.equal(room(1, null), '10 B of 20 B, 1 page');
    assert.equal(
      room(2, 1234.5),
      '10 B of 20 B, 2 pages, 1 damaged and set aside; about 1,234.5 hours until it is full if the sinks take nothing',
    );
    assert.match(room(2, 14_035_749), /aside; more than a year until it is full/);
  });

  it('asks for nothing outside and allows only its own script and style', async () => {
    const page = createPage();
    const html = page.html(status());
    const hash = async (tag: string) => {
      const inner = new RegExp(`<${tag}>(.*)</${tag}>`, 's').exec(html)?.[1] ?? '';
      return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(inner))).toString('base64');
    };
    assert.ok(page.policy.includes(`script-src 'sha256-${await hash('script')}'`));
    assert.ok(page.policy.includes(`style-src 'sha256-${await hash('style')}'`));
    assert.ok(!/<[^>]*\b(src|href|style|on\w+)=/.test(html));
  });

  it('carries a script that stands alone, shows what the server shows, and says when there is no answer', async () => {
    const elements = new Map<string, FakeElement>();
    const find = (selector: string) => {
      const found = elements.get(selector) ?? new FakeElement();
      elements.set(selector, found);
      return found;
    };
    const timers: (() => void)[] = [];
    let answers = true;
    const tick = async () => {
      timers.shift()?.();
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    };
    runInNewContext(pageScript(), {
      document: { querySelector: find, createElement: () => new FakeElement() },
      fetch: async (path: string) => ({
        ok: answers && path === '/api/status',
        status: 500,
        json: async () => status(),
      }),
      AbortSignal,
      setTimeout: (work: () => void) => timers.push(work),
    });
    await tick();
    const expected = viewOf(status());
    assert.equal(find('#summary').textContent, expected.summary);
    assert.equal(find('#summary').className, 'bad');
    assert.equal(find('#spool').textContent, expected.meter.text);
    assert.equal(find('#fill').value, 0.2);
    for (const { id, headers, rows, empty } of expected.tables) {
      assert.deepEqual(
        find(`#${id} thead tr`).children.map((cell) => cell.textContent),
        headers,
      );
      const shown = find(`#${id} tbody`).children.map((row) => row.children.map((cell) => cell.textContent));
      assert.deepEqual(shown, rows.length > 0 ? rows.map(({ cells }) => [...cells]) : [[empty]]);
    }
    answers = false;
    await tick();
    assert.match(find('#summary').textContent, /does not answer/);
    answers = true;
    await tick();
    assert.equal(find('#summary').textContent, expected.summary);
    assert.equal(timers.length, 1);
  });
});

class FakeElement {
  textContent = '';
  className = '';
  value = 0;
  scope = '';
  colSpan = 0;
  children: FakeElement[] = [];
  append(...children: FakeElement[]): void {
    this.children.push(...children);
  }
  replaceChildren(...children: FakeElement[]): void {
    this.children = children;
  }
}
