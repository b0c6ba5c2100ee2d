import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { openConsole } from '../../sinks/console/console.ts';
import consoleSink from '../../sinks/console/index.ts';
import { lineOf } from '../../sinks/console/line.ts';
import { Unavailable } from '../../src/sink.ts';
import { eventOf, failure, NEVER, someDocument, someEvents, until } from './syslog-fixtures.ts';

const TERMINAL = { isTTY: true } as NodeJS.WriteStream;
const PIPE = { isTTY: false } as NodeJS.WriteStream;

/** A stream that hands nothing on until it is told to. */
function heldStream() {
  const taken: string[] = [];
  const held: (() => void)[] = [];
  const stream = new Writable({
    highWaterMark: 1000,
    write: (chunk, _, done) => {
      held.push(() => {
        taken.push(String(chunk));
        done();
      });
    },
  }) as unknown as NodeJS.WriteStream;
  return { stream, taken, release: () => held.shift()?.() };
}

test('a line has time, severity, code, address, session and message', () => {
  const document = { ...someDocument('a'), source: { ip: '192.0.2.1' } };
  assert.equal(
    lineOf(eventOf(document, 'high'), PIPE),
    '2024-09-22T11:38:00.107Z high          page_loaded.document_front 192.0.2.1 fHDV8gsIdJoid1br IDV page loaded: document_front',
  );
  const bare = { ...someDocument('a'), source: { address: 'unknown' }, transmit_security: {} };
  assert.match(lineOf(eventOf(bare), PIPE), /document_front unknown - IDV/);
});

test('where the code does not say which activity it was, the activity stands beside it', () => {
  const shown = (code: string, action?: string) => {
    const event = { id: 'a', code, severity: 10, ...(action !== undefined && { action }) };
    return /informational (.*) - fHDV8gsIdJoid1br/.exec(lineOf(eventOf(someDocument('a', { event })), PIPE))?.[1];
  };
  assert.equal(shown('unknown', 'liveness_retry_requested'), 'unknown (liveness_retry_requested)');
  assert.equal(shown('cis.unknown', 'x\u001b[2J\ny'), 'cis.unknown (x\\u{1b}[2J\\u{a}y)');
  assert.equal(shown('unknown', 'know'), 'unknown (know)');
  assert.equal(shown('page_loaded.start', 'page_loaded'), 'page_loaded.start');
  assert.equal(shown('cis.login.ok', 'login'), 'cis.login.ok');
  for (const action of [undefined, '']) assert.equal(shown('pipeline_error', action), 'pipeline_error');
});

test('severities have their colours on a terminal, unless NO_COLOR says otherwise', (context) => {
  const environment = process.env;
  context.after(() => {
    process.env = environment;
  });
  const { NO_COLOR: _, ...colourful } = environment;
  process.env = colourful;
  assert.ok(lineOf(eventOf(someDocument('a'), 'high'), TERMINAL).includes('\u001b[31mhigh         \u001b[39m'));
  assert.ok(!lineOf(eventOf(someDocument('a'), 'high'), PIPE).includes('\u001b'));
  process.env = { ...colourful, NO_COLOR: '1' };
  assert.ok(!lineOf(eventOf(someDocument('a'), 'high'), TERMINAL).includes('\u001b'));
});

test('what comes from outside cannot steer the terminal or make a second line', () => {
  const hostile = 'x\u001b]0;owned\u0007\r\n\u009b2J\u202e\u2028y';
  const document = {
    ...someDocument('a', { message: hostile, '@timestamp': hostile }),
    event: { id: 'a', code: hostile, severity: 10 },
    source: { ip: hostile },
    transmit_security: { idv: { session_id: hostile } },
  };
  const line = lineOf(eventOf(document), PIPE);
  assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\u2028\u2029]/u);
  assert.equal(line.split('\\u{1b}').length, 6);
});

test('delivered means that the system has taken the text', async () => {
  const { stream, taken, release } = heldStream();
  const sink = openConsole(stream, 20_000);
  let settled = false;
  const delivery = sink.deliver(someEvents(2), NEVER).finally(() => (settled = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(settled, false);
  release();
  assert.deepEqual(await delivery, [{ status: 'delivered' }, { status: 'delivered' }]);
  assert.equal(taken.join('').split('\n').length, 3);
  assert.deepEqual(await sink.deliver([], NEVER), []);
});

test('a reader that stopped: Unavailable, the memory does not fill, and later it goes on', async () => {
  const { stream, release } = heldStream();
  const sink = openConsole(stream, 50);
  for (let n = 0; n < 5; n += 1) {
    const error = await failure(sink.deliver(someEvents(20), NEVER));
    assert.ok(error instanceof Unavailable);
    assert.match(error.message, /nobody has read it for 50 ms/);
  }
  const waiting = stream.writableLength;
  await failure(sink.deliver(someEvents(20), NEVER));
  assert.equal(stream.writableLength, waiting);
  release();
  const delivery = openConsole(stream, 20_000).deliver(someEvents(20), NEVER);
  await until('the text is written', () => stream.writableLength > 0);
  release();
  assert.equal((await delivery).length, 20);
});

test('an abort ends the wait', async () => {
  const { stream } = heldStream();
  const abort = new AbortController();
  const ended = failure(openConsole(stream, 20_000).deliver(someEvents(1), abort.signal));
  const reason = new Error('stop now');
  abort.abort(reason);
  assert.equal(await ended, reason);
});

test('close ends a delivery that waits for its reader', async () => {
  const sink = openConsole(heldStream().stream, 20_000);
  const ended = failure(sink.deliver(someEvents(1), NEVER));
  await sink.close();
  assert.match(String(await ended), /the sink was closed/);
});

test('a reader that is gone (EPIPE) is Unavailable and does not end the process', async () => {
  const script = `
    import sink from ${JSON.stringify(new URL('../../sinks/console/index.ts', import.meta.url).href)};
    import { someContext, someEvents } from ${JSON.stringify(new URL('./syslog-fixtures.ts', import.meta.url).href)};
    const open = await sink.open({}, someContext(), new AbortController().signal);
    for (let n = 0; n < 1000; n += 1) {
      try { await open.deliver(someEvents(50), new AbortController().signal); }
      catch (error) { process.stderr.write(error.name + ': ' + error.message); process.exitCode = 3; break; }
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let told = '';
  child.stderr.on('data', (chunk) => (told += chunk));
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.match(told, /^Unavailable: standard output: .*EPIPE/);
  assert.equal(code, 3);
});

test('it has no options', () => {
  assert.deepEqual(consoleSink.options.parse({}), {});
  assert.equal(consoleSink.options.safeParse({ colour: true }).success, false);
});
