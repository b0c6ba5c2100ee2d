/** What an applicant or a server wrote makes no extra line and no escape in what the commands print. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startHec } from '../../src/simulator/hec.ts';
import { startMosaic } from '../../src/simulator/mosaic.ts';
import { appendPage, newSpool } from '../fixtures/plain.ts';
import { type CommandResult, type Daemon, newDaemon } from '../fixtures/process.ts';
import { hostileActivities, PAYLOADS, UNSAFE } from './payloads.ts';

const ACTIVITIES = hostileActivities('verify').map((activity, index) => ({
  key: `activity-${index}`,
  json: JSON.stringify(activity),
}));
const NAME = 'a\u001b[2J\u202e\u2028b';

/** Every second event is refused. */
const refuse = (event: unknown) =>
  Number.parseInt((event as { event: { id: string } }).event.id.slice(0, 8), 16) % 2 === 0;

function linesOf({ stdout, stderr, status }: CommandResult, command: string): string[] {
  assert.equal(status, 0, `${command}: ${stderr}`);
  const lines = stdout.split('\n');
  assert.equal(lines.pop(), '', command);
  for (const line of [...lines, ...stderr.split('\n')]) assert.doesNotMatch(line, UNSAFE, command);
  return lines;
}

async function assertDeadLetters(daemon: Daemon, count: number): Promise<void> {
  const list = linesOf(await daemon.run('dead-letters', 'list'), 'list');
  assert.equal(list.filter((line) => /^\d+ /.test(line)).length, count);
  assert.equal(list.filter((line) => !/^\d+ /.test(line) && !/^ID +SINK /.test(line)).length, 0, list.join('\n'));
  const rows = linesOf(await daemon.run('dead-letters', 'list', '--json'), 'list --json').map((line) =>
    JSON.parse(line),
  );
  assert.equal(rows.length, count);
  const show = linesOf(await daemon.run('dead-letters', 'show'), 'show');
  assert.equal(show.length, count * 5);
  for (const [index, line] of show.entries())
    assert.match(
      line,
      [/^dead letter \d+ /, /^ {2}reason /, /^ {2}event /, /^ {2}received /, /^ {2}activity /][index % 5] ?? /x/,
    );
  const shown = linesOf(await daemon.run('dead-letters', 'show', '--json'), 'show --json').map((line) =>
    JSON.parse(line),
  );
  const sent = new Set(ACTIVITIES.map(({ json }) => json));
  assert.deepEqual(
    shown.filter(({ raw }) => !sent.has(raw)),
    [],
    'and the activity is whole',
  );
}

async function assertMap(daemon: Daemon, file: string): Promise<void> {
  for (const format of ['ecs', 'hec', 'rfc5424']) {
    const lines = linesOf(await daemon.run('map', file, '--format', format, '--explain'), `map ${format}`);
    assert.equal(lines.length, ACTIVITIES.length, format);
    for (const line of lines) {
      if (format === 'rfc5424') assert.match(line, /^<\d+>1 \S+ \S+ \S+ \S+ [!-~]{1,32} - \{/);
      else assert.equal(typeof JSON.parse(line), 'object');
    }
  }
}

test('dead-letters, map, status and check print what they print line by line', async (t) => {
  const mosaic = await startMosaic({ streams: ['verify/siem'] });
  const hec = await startHec({ token: 't0ken', dials: { refuse } });
  t.after(() => Promise.all([mosaic.close(), hec.close()]));
  let file = '';
  const daemon = await newDaemon(t, ({ folder, spool, port }) => {
    file = join(folder, 'page.json');
    writeFileSync(file, `[${ACTIVITIES.map(({ json }) => json).join(',')}]`);
    return `mosaic: { base_url: "${mosaic.baseUrl}", client_id: demo-client, client_secret: demo-secret, streams: [{ type: verify, id: siem, poll_interval: 500ms }] }
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks: { splunk: { type: splunk_hec, url: "${hec.url}", token: t0ken } }
`;
  });
  daemon.start();
  await daemon.ready();
  mosaic.enqueue('verify/siem', ACTIVITIES);
  const state = async () => (await daemon.status()).sinks[0];
  await daemon.until(
    'all are settled',
    async () => ((await state())?.collected ?? 0) >= ACTIVITIES.length && (await state())?.waiting === 0,
    { state },
  );
  mosaic.dials.collect.always = { kind: 'answer', status: 403, body: JSON.stringify({ message: PAYLOADS.join('') }) };
  await daemon.until('Mosaic refuses', async () => (await daemon.status()).streams[0]?.state === 'failing');
  const { dead_letters: count = 0 } = (await state()) ?? {};
  assert.ok(count > 20, String(count));
  await assertDeadLetters(daemon, count);
  await assertMap(daemon, file);
  linesOf(await daemon.run('status'), 'status');
  const [status] = linesOf(await daemon.run('status', '--json'), 'status --json');
  assert.match(JSON.parse(status ?? '').streams[0].last_error, /^forbidden: /);
  for (const path of ['/api/status', '/metrics', '/', '/readyz'])
    for (const line of (await daemon.get(path)).text.split('\n'))
      assert.doesNotMatch(line.replaceAll('\t', ' '), UNSAFE, path);
  for (const line of daemon.log.split('\n')) assert.doesNotMatch(line, UNSAFE, 'the log');
  assert.match(daemon.log, /answered 403: a b/);
});

test('dead letters of which every word is hostile are printed line by line, too', async (t) => {
  const daemon = await newDaemon(
    t,
    ({ spool }) => `mosaic: { region: eu, client_id: a, client_secret: b, streams: [{ type: verify, id: siem }] }
spool: { path: "${spool}" }
status: off
sinks: { screen: { type: console } }
`,
  );
  const spool = newSpool(daemon.spool);
  await spool.start([{ name: 'screen', start: 'earliest' }], ['verify/siem']);
  const page = await appendPage(spool, PAYLOADS);
  const dead = PAYLOADS.map((payload, index) => {
    const raw = Buffer.from(JSON.stringify({ payload }));
    const activity = {
      stream: 'verify/siem',
      receivedAt: new Date(),
      position: { page, index },
      ordinal: 0,
      raw,
    } as const;
    return { eventId: payload.toWellFormed(), code: payload.toWellFormed(), reason: payload.toWellFormed(), activity };
  });
  await spool.commit('screen', { page: page + 1, index: 0 }, [{ page, delivered: 0, filtered: 0, dead }]);
  await spool.close(true);
  const list = linesOf(await daemon.run('dead-letters', 'list'), 'list');
  assert.equal(list.length, PAYLOADS.length + 1);
  const show = linesOf(await daemon.run('dead-letters', 'show'), 'show');
  assert.equal(show.length, PAYLOADS.length * 5);
  for (const command of ['list', 'show']) {
    const rows = linesOf(await daemon.run('dead-letters', command, '--json'), command).map((line) => JSON.parse(line));
    assert.deepEqual(
      rows.map(({ code, reason }) => [code, reason]),
      dead.map(({ code, reason }) => [code, reason]),
    );
  }
});

test('a hostile name on the command line or in the config is repeated without its escapes', async (t) => {
  const daemon = await newDaemon(
    t,
    ({
      spool,
    }) => `mosaic: { region: eu, client_id: a, client_secret: b, streams: [{ type: verify, id: ${JSON.stringify(NAME)} }] }
spool: { path: "${spool}" }
status: off
sinks: { ${JSON.stringify(NAME)}: { type: console, ${JSON.stringify(NAME)}: 1 } }
`,
  );
  const commands = [
    ['check'],
    ['check', '--json'],
    ['status'],
    ['dead-letters', 'list', '--sink', NAME],
    ['map', NAME],
    ['map', '--stream', `verify/${NAME}`],
    ['map', '--format', NAME],
  ];
  const results = await Promise.all(commands.map((command) => daemon.run(...command)));
  for (const [index, { status, stdout, stderr }] of results.entries()) {
    assert.notEqual(status, 0, commands[index]?.join(' '));
    for (const line of `${stdout}\n${stderr}`.split('\n'))
      assert.doesNotMatch(line, UNSAFE, commands[index]?.join(' '));
  }
});
