import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bestEffortOutput, type Entry, type Sender } from '../src/log/outputs.ts';
import { createLog, type LogOptions } from '../src/log.ts';
import type { News } from '../src/news.ts';
import type { NewDeadLetter } from '../src/types.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-'));
after(() => rmSync(folder, { recursive: true }));

function terminal(isTTY = false) {
  const written: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      written.push(String(chunk));
      done();
    },
  });
  return {
    stream: Object.assign(stream, { isTTY }) as unknown as NodeJS.WriteStream,
    lines: () => written.join('').split('\n').slice(0, -1),
  };
}

function logTo(options: Partial<LogOptions> = {}, isTTY = false) {
  const { stream, lines } = terminal(isTTY);
  const log = createLog({ level: 'info', format: 'text', outputs: [{ type: 'console' }], stderr: stream, ...options });
  return { log, lines, messages: () => lines().map((line) => line.replace(/^\S+ \S+ +/, '')) };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (condition()) return;
    await sleep(10);
  }
  assert.fail(`waited 10 s for ${what}`);
}

describe('the format of a line', () => {
  it('is time, level and message as text', async () => {
    const { log, lines } = logTo();
    log.info('started');
    log.warn('odd');
    log.debug('not shown');
    await log.close();
    assert.equal(lines().length, 2);
    assert.match(lines()[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info {2}started$/);
    assert.match(lines()[1] ?? '', /Z warn {2}odd$/);
  });

  it('is one object as JSON, with the fields', async () => {
    const { log, lines } = logTo({ format: 'json' });
    log.error('broken', { sink: 'elastic', waiting: 3 });
    await log.close();
    const { time, ...rest } = JSON.parse(lines()[0] ?? '') as Record<string, unknown>;
    assert.deepEqual(rest, { level: 'error', message: 'broken', sink: 'elastic', waiting: 3 });
    assert.ok(Date.parse(String(time)) > 0);
  });

  it('is coloured on a terminal only', async () => {
    const before = process.env['NO_COLOR'];
    delete process.env['NO_COLOR'];
    const onTerminal = logTo({}, true);
    onTerminal.log.error('red');
    await onTerminal.log.close();
    const inFile = logTo();
    inFile.log.error('plain');
    await inFile.log.close();
    if (before !== undefined) process.env['NO_COLOR'] = before;
    assert.ok(onTerminal.lines()[0]?.includes('\u001b[31merror'));
    assert.ok(!inFile.lines()[0]?.includes('\u001b'));
  });

  it('escapes what could rewrite a terminal or fake a line', async () => {
    const { log, lines } = logTo();
    log.info('a\nb \u001b[2J \u202e');
    await log.close();
    assert.equal(lines().length, 1);
    assert.ok(lines()[0]?.endsWith('a\\u{a}b \\u{1b}[2J \\u{202e}'));
  });

  it('never holds a secret, in the message or in a field, even when it cannot be asked for any more', async () => {
    let secrets = () => ['s3cret', 's3cret-longer'];
    const { log, lines } = logTo({ format: 'json', secrets: () => secrets() });
    log.info('token s3cret-longer and s3cret', { reason: 'refused s3cret' });
    secrets = () => {
      throw new Error('gone');
    };
    log.info('again s3cret');
    await log.close();
    assert.ok(!lines().join().includes('s3cret'));
    assert.ok(lines()[0]?.includes('token *** and ***'));
  });
});

describe('news', () => {
  it('of what goes well says nothing', async () => {
    const { log, lines } = logTo();
    for (let times = 0; times < 100; times += 1) {
      log.tell({ what: 'collected', stream: 'verify/siem', activities: 1000, bytes: 9 });
      log.tell({ what: 'delivery', sink: 'elastic', result: 'ok', events: 1000, seconds: 0.1 });
      log.tell({ what: 'settled', sink: 'elastic', delivered: 1000, filtered: 0, dead: [] });
    }
    await log.close();
    assert.deepEqual(lines(), []);
  });

  it('of a sink that goes down and up is said once each, with how long and how many wait', async () => {
    let now = 0;
    const { log, messages } = logTo({ waiting: async () => 1234, now: () => new Date(now) });
    log.tell({ what: 'sink_up', sink: 'elastic' });
    for (let times = 0; times < 5; times += 1) {
      log.tell({ what: 'sink_down', sink: 'elastic', reason: 'ECONNREFUSED', waitMs: 500 });
    }
    now = 192_000;
    for (let times = 0; times < 5; times += 1) log.tell({ what: 'sink_up', sink: 'elastic' });
    await log.close();
    assert.deepEqual(messages(), [
      'sink elastic is up',
      'sink elastic is down: ECONNREFUSED (1,234 waiting)',
      'sink elastic is up again after 3 min 12 s (1,234 waiting)',
    ]);
  });

  it('of a sink keeps its order, however long the counting takes', async () => {
    const counts = [sleep(30).then(() => 1), Promise.resolve(2)];
    const { log, messages } = logTo({ waiting: () => counts.shift() ?? Promise.resolve(0), now: () => new Date(0) });
    log.tell({ what: 'sink_down', sink: 'elastic', reason: 'busy', waitMs: 500 });
    log.tell({ what: 'sink_up', sink: 'elastic' });
    await log.close();
    assert.deepEqual(messages(), [
      'sink elastic is down: busy (1 waiting)',
      'sink elastic is up again after 0 ms (2 waiting)',
    ]);
  });

  it('of a sink is said without the number where that cannot be had', async () => {
    const { log, messages } = logTo({ waiting: () => Promise.reject(new Error('disk')) });
    log.tell({ what: 'sink_down', sink: 'elastic', reason: 'ECONNREFUSED', waitMs: 500 });
    await log.close();
    assert.deepEqual(messages(), ['sink elastic is down: ECONNREFUSED']);
  });

  it('of what flaps is not repeated, until it stays', async () => {
    let now = 0;
    const { log, messages } = logTo({ now: () => new Date(now), summaryMs: 40 });
    const down: News = { what: 'sink_down', sink: 'elastic', reason: 'busy', waitMs: 1 };
    const up: News = { what: 'sink_up', sink: 'elastic' };
    for (let times = 0; times < 20; times += 1) {
      log.tell(down);
      log.tell(up);
    }
    log.tell(down);
    now = 1_000;
    await until(() => messages().length > 2, 'the trouble that stays');
    await log.close();
    assert.deepEqual(messages(), [
      'sink elastic is down: busy',
      'sink elastic is up again after 0 ms',
      'sink elastic is down: busy',
    ]);
  });

  it('of a trouble that lasts is said again for another reason, whatever the numbers in it', async () => {
    let now = 0;
    const { log, messages } = logTo({ now: () => new Date(now), summaryMs: 40, waiting: async () => 20 });
    const down = (reason: string) => log.tell({ what: 'sink_down', sink: 'soc', reason, waitMs: 1 });
    const fails = (error: string) =>
      log.tell({ what: 'collect_failed', stream: 'verify/siem', result: 'no_answer', error, waitMs: 1 });
    down('other side closed');
    fails('not within 30 s');
    down('certificate has expired');
    fails('answered 503');
    now = 180_000;
    await until(() => messages().length === 4, 'what has changed');
    down('other side closed');
    fails('answered 502');
    await sleep(120);
    await log.close();
    assert.deepEqual(messages().sort(), [
      'collecting verify/siem fails: not within 30 s; tried again without end',
      'collecting verify/siem still fails after 3 min 0 s: answered 503',
      'sink soc is down: other side closed (20 waiting)',
      'sink soc is still down after 3 min 0 s: certificate has expired (20 waiting)',
    ]);
  });

  it('of a sink that comes and goes is said once a minute, and once when that is over', async () => {
    let now = 0;
    const { log, messages } = logTo({ now: () => new Date(now), summaryMs: 40, waiting: async () => 2500 });
    const flap = (times: number, reason: string) => {
      for (let time = 0; time < times; time += 1) {
        log.tell({ what: 'sink_down', sink: 'soc', reason, waitMs: 1 });
        log.tell({ what: 'sink_up', sink: 'soc' });
      }
    };
    flap(13, 'busy');
    await until(() => messages().length === 3, 'the first summary');
    flap(1, 'reset');
    await until(() => messages().length === 4, 'the second summary');
    now = 62_000;
    await until(() => messages().length === 5, 'the end');
    await sleep(100);
    await log.close();
    assert.deepEqual(messages(), [
      'sink soc is down: busy (2,500 waiting)',
      'sink soc is up again after 0 ms (2,500 waiting)',
      'sink soc comes and goes: down 12 times in the last minute (2,500 waiting): busy',
      'sink soc comes and goes: down once in the last minute (2,500 waiting): reset',
      'sink soc no longer comes and goes: up for 1 min 2 s (2,500 waiting)',
    ]);
  });

  it('of trouble with collecting and the spool is said when it begins and when it ends', async () => {
    const { log, lines, messages } = logTo();
    const failed: News = { what: 'collect_failed', stream: 'verify/siem', result: 'server', error: '503', waitMs: 500 };
    const full: News = { what: 'spool_error', doing: 'storing an answer of verify/siem', error: 'disk is full' };
    for (let times = 0; times < 3; times += 1) log.tell(failed);
    log.tell({ what: 'possible_gap', stream: 'verify/siem', reason: 'gateway', detail: '504 after it was sent' });
    log.tell({ what: 'collecting', on: true, reason: 'start' });
    log.tell({ what: 'collecting', on: false, reason: 'the spool is full' });
    log.tell({ what: 'collecting', on: false, reason: 'the spool is full' });
    log.tell({ what: 'collecting', on: true, reason: 'the spool has room' });
    for (let times = 0; times < 3; times += 1) log.tell(full);
    log.tell({ what: 'settled', sink: 'elastic', delivered: 1, filtered: 0, dead: [] });
    log.tell({ what: 'collected', stream: 'verify/siem', activities: 1, bytes: 10 });
    for (const sink of ['elastic', 'soc', 'elastic'])
      log.tell({ what: 'damaged', sink, page: 12, reason: 'page 12 of the spool is damaged: checksum' });
    await log.close();
    assert.deepEqual(
      messages().map((line) => line.replace(/after \d+ m?s/, 'after TIME')),
      [
        'collecting verify/siem fails: 503; tried again without end',
        'possible gap in verify/siem (gateway): 504 after it was sent',
        'collecting has stopped: the spool is full',
        'collecting goes on after TIME: the spool has room',
        'the spool fails while storing an answer of verify/siem: disk is full; tried again without end',
        'collecting verify/siem works again after TIME',
        'the spool works again after TIME',
        'page 12 of the spool is damaged: checksum; what it held cannot be sent to sink elastic',
        'page 12 of the spool is damaged: checksum; what it held cannot be sent to sink soc',
      ],
    );
    assert.deepEqual(
      lines().map((line) => line.split(/ +/)[1]),
      ['warn', 'error', 'error', 'info', 'error', 'info', 'info', 'error', 'error'],
    );
  });

  it('of a sink that refuses everything, and of orders', async () => {
    const { log, messages } = logTo();
    log.tell({ what: 'sink_suspected', sink: 'soc', held: 1200, reason: 'mapping' });
    log.tell({ what: 'sink_suspected', sink: 'soc', held: 1300, reason: 'mapping' });
    const order = {
      id: 3,
      kind: 'revive',
      sink: 'soc',
      filter: {},
      createdAt: new Date(),
      after: 9,
      upTo: 9,
      total: 100,
      delivered: 7,
      refused: 2,
      filtered: 0,
      discarded: 0,
      pagesGone: 0,
    } as const;
    log.tell({ what: 'order', sink: 'soc', order });
    log.tell({ what: 'order', sink: 'soc', order: { ...order, id: 4, kind: 'discard', discarded: 5 } });
    const replay = { ...order, id: 5, kind: 'replay', filtered: 1, pagesGone: 3 } as const;
    log.tell({ what: 'order', sink: 'soc', order: replay, reasons: ['too old', 'too large'] });
    await log.close();
    assert.deepEqual(messages(), [
      'sink soc refuses everything: mapping; held back: 1,200; none is given up',
      'order 3, dead letters of sink soc: 7 delivered, 2 refused again',
      'order 4, dead letters of sink soc: 5 discarded',
      'order 5, replay of sink soc: 7 delivered, 2 refused, 1 left out by only or except, 90 could no longer be sent, 3 of their pages had to make room; refused, and no dead letters: too old; too large',
    ]);
  });

  it('of dead letters is said once for each reason, then as a count, without what a SIEM quoted of the event', async () => {
    const { log, messages } = logTo();
    const dead = (reason: string) => ({ eventId: 'e', code: 'page_loaded', reason }) as unknown as NewDeadLetter;
    const letters = Array.from({ length: 500 }, (_, index) =>
      dead(`line 1:${index} field 'Jane Doe' is wrong. Preview of field's value: 'x'`),
    );
    log.tell({ what: 'settled', sink: 'soc', delivered: 0, filtered: 0, dead: letters });
    log.tell({ what: 'settled', sink: 'soc', delivered: 0, filtered: 0, dead: [dead('too_large')] });
    assert.deepEqual(messages(), [
      "sink soc has a dead letter (page_loaded): line 1:0 field '…' is wrong. …; see mosaic-siem dead-letters list --sink soc",
      'sink soc has a dead letter (page_loaded): too_large; see mosaic-siem dead-letters list --sink soc',
    ]);
    await log.close();
    assert.deepEqual(messages().slice(2), ["sink soc has 499 more dead letters: line 1:0 field '…' is wrong. …"]);
  });

  it('of dead letters for ever new reasons stays bounded', async () => {
    const { log, lines } = logTo();
    const letters = Array.from({ length: 1000 }, (_, index) => ({
      reason: String.fromCodePoint(0x4e00 + index),
      code: 'c',
      eventId: 'e',
    }));
    log.tell({ what: 'settled', sink: 'soc', delivered: 0, filtered: 0, dead: letters as unknown as NewDeadLetter[] });
    await log.close();
    assert.equal(lines().length, 202);
    assert.match(lines().at(-1) ?? '', /799 more dead letters/);
  });
});

describe('a file', () => {
  it('holds each line at once, and a new one after reopen', async () => {
    const path = join(folder, 'daemon.log');
    const { log } = logTo({ outputs: [{ type: 'file', path }] });
    log.info('one');
    assert.match(readFileSync(path, 'utf8'), / one\n$/);
    renameSync(path, `${path}.1`);
    log.info('two');
    log.reopen();
    log.info('three');
    await log.close();
    assert.match(readFileSync(`${path}.1`, 'utf8'), / one\n.* two\n$/);
    assert.match(readFileSync(path, 'utf8'), /^\S+ info {2}three\n$/);
  });

  it('that cannot be written is complained about once and ends nothing', async () => {
    const { log, messages } = logTo({ outputs: [{ type: 'file', path: '/dev/full' }] });
    for (let times = 0; times < 5; times += 1) log.info('lost');
    await log.close();
    assert.equal(messages().length, 1);
    assert.match(
      messages()[0] ?? '',
      /^log file \/dev\/full cannot be written: ENOSPC.*; its lines are lost until it can/,
    );
  });

  it('in a folder that is not there is complained about too', async () => {
    const { log, messages } = logTo({ outputs: [{ type: 'file', path: join(folder, 'none', 'x.log') }] });
    log.info('lost');
    await log.close();
    assert.match(messages()[0] ?? '', /cannot be written: ENOENT/);
  });
});

describe('syslog', () => {
  it('gets RFC 5424 over UDP', async () => {
    const server = createSocket('udp4').bind(0, '127.0.0.1');
    await once(server, 'listening');
    const got: string[] = [];
    server.on('message', (message) => got.push(String(message)));
    const { log, lines } = logTo({
      outputs: [{ type: 'syslog', address: `udp://127.0.0.1:${server.address().port}` }],
    });
    log.warn('sink elastic is down');
    log.error('possible gap');
    await log.close();
    await until(() => got.length === 2, 'two datagrams');
    server.close();
    assert.match(got[0] ?? '', /^<28>1 \S+ \S+ mosaic-siem \d+ - - sink elastic is down$/);
    assert.match(got[1] ?? '', /^<27>1 .* possible gap$/);
    assert.deepEqual(lines(), []);
  });

  it('whose name cannot be resolved neither throws nor grows, and is complained about once', async () => {
    const { log, lines } = logTo({ outputs: [{ type: 'syslog', address: 'udp://nowhere.invalid:514' }] });
    for (let times = 0; times < 3000; times += 1) log.info(`line ${times}`);
    await until(() => lines().length > 0, 'the complaint');
    await log.close();
    assert.equal(lines().length, 1);
    assert.match(lines()[0] ?? '', /log output udp:\/\/nowhere\.invalid:514 does not work: .*best effort/);
  });

  it('on a dead port is no trouble', async () => {
    const { log, lines } = logTo({ outputs: [{ type: 'syslog', address: 'udp://127.0.0.1:9' }] });
    for (let times = 0; times < 500; times += 1) log.info('into nothing');
    await log.close();
    assert.deepEqual(lines(), []);
  });

  it('needs udp', () => {
    assert.throws(
      () => logTo({ outputs: [{ type: 'syslog', address: 'tls://127.0.0.1:6514' }] }),
      /needs udp:\/\/HOST:PORT/,
    );
  });
});

describe('Splunk', () => {
  it('gets events with their token, and nothing is written to the console', async () => {
    const requests: { headers: Record<string, unknown>; body: string; url: string | undefined }[] = [];
    const server = createHttpServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += String(chunk);
      });
      request.on('end', () => {
        requests.push({ headers: request.headers, body, url: request.url });
        response.setHeader('content-type', 'application/json').end('{"text":"Success","code":0}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { log, lines } = logTo({ outputs: [{ type: 'splunk_hec', url, token: 'hec-token', index: 'ops' }] });
    log.warn('one', { sink: 'elastic' });
    log.info('two');
    await log.close();
    await until(
      () =>
        requests
          .map(({ body }) => body)
          .join()
          .includes('two'),
      'the lines at Splunk',
    );
    server.close();
    assert.equal(requests[0]?.headers['authorization'], 'Splunk hec-token');
    assert.equal(requests[0]?.url, '/services/collector/event');
    const first = JSON.parse(requests[0]?.body ?? '') as Record<string, unknown>;
    assert.equal(first['sourcetype'], 'mosaic_siem:log');
    assert.equal(first['index'], 'ops');
    assert.deepEqual(first['event'], { level: 'warn', message: 'one', sink: 'elastic' });
    assert.deepEqual(lines(), []);
  });

  it('that is not there, or answers an error, is complained about once and ends nothing', async (test) => {
    const printed = test.mock.method(console, 'log', () => undefined);
    const server = createHttpServer((_request, response) =>
      response.writeHead(403).end('{"text":"Invalid token","code":4}'),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const refusing = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const url of [refusing, 'http://127.0.0.1:9']) {
      const { log, messages } = logTo({ outputs: [{ type: 'splunk_hec', url, token: 'hec-token' }] });
      for (let times = 0; times < 5000; times += 1) log.info(`line ${times}`);
      await until(() => messages().length > 0, 'the complaint');
      await log.close();
      assert.equal(messages().length, 1);
      assert.ok(messages()[0]?.startsWith(`log output ${url} does not work: `));
      assert.ok(!messages()[0]?.includes('hec-token'));
    }
    assert.equal(printed.mock.callCount(), 0);
    server.close();
  });

  it('that takes connections and never answers holds nothing up', async () => {
    const sockets: { destroy(): void }[] = [];
    const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined))).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { log, lines } = logTo({ outputs: [{ type: 'console' }, { type: 'splunk_hec', url, token: 'hec-token' }] });
    for (let times = 0; times < 3000; times += 1) log.info('line');
    assert.equal(lines().length, 3000);
    await log.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    assert.equal(sockets.length, 1);
  });

  it('with a certificate that nobody vouches for does not get the token', async () => {
    const key = join(folder, 'key.pem');
    const certificate = join(folder, 'certificate.pem');
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        key,
        '-out',
        certificate,
        ...subject,
      ],
      { stdio: 'ignore' },
    );
    let reached = 0;
    const server = createHttpsServer(
      { key: readFileSync(key), cert: readFileSync(certificate) },
      (_request, response) => {
        reached += 1;
        response.end('{"code":0}');
      },
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { log, messages } = logTo({ outputs: [{ type: 'splunk_hec', url, token: 'hec-token' }] });
    log.info('line');
    await until(() => messages().length > 0, 'the complaint');
    await log.close();
    server.close();
    assert.match(messages()[0] ?? '', /does not work: .*self-signed/);
    assert.equal(reached, 0);
  });
});

describe('best effort', () => {
  const entry = (message: string): Entry => ({ time: '', level: 'info', message, line: message, fields: {} });

  it('holds at most 1,000 lines for a slow server, drops older ones and counts them', async () => {
    const sent: string[] = [];
    const complaints: string[] = [];
    let answer: (error?: Error) => void = () => undefined;
    const sender: Sender = {
      send: (entries) => {
        sent.push(...entries.map(({ message }) => message));
        return new Promise((resolve, reject) => {
          answer = (error) => (error ? reject(error) : resolve());
        });
      },
      close: () => undefined,
    };
    const output = bestEffortOutput('slow', sender, (_level, message) => complaints.push(message), {
      timeoutMs: 60_000,
      pauseMs: 1,
    });
    for (let index = 0; index < 5000; index += 1) output.write(entry(String(index)));
    assert.equal(sent.length, 1);
    answer(new Error('busy'));
    await until(() => sent.length > 1, 'the next attempt');
    answer();
    await until(() => complaints.length === 2, 'the recovery');
    assert.deepEqual(complaints, [
      'log output slow does not work: busy; it is best effort, its lines are lost until it does',
      'log output slow works again; 4000 of its lines are lost',
    ]);
    assert.equal(sent[1], '4000');
    const answering = setInterval(() => answer(), 1);
    await output.close();
    clearInterval(answering);
  });

  it('gives up on a server that never answers', async () => {
    const complaints: string[] = [];
    const sender: Sender = { send: () => new Promise(() => undefined), close: () => undefined };
    const output = bestEffortOutput('silent', sender, (_level, message) => complaints.push(message), {
      timeoutMs: 20,
      pauseMs: 1,
    });
    output.write(entry('one'));
    await until(() => complaints.length === 1, 'the complaint');
    await output.close();
    assert.match(complaints[0] ?? '', /nothing within 20 ms/);
  });
});
