import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openSpool } from '../src/spool.ts';
import { createMetrics } from '../src/status/metrics.ts';
import { createState } from '../src/status/state.ts';
import { startStatus } from '../src/status.ts';
import type { NewDeadLetter, Spool } from '../src/types.ts';
import { freePort } from './fixtures/process.ts';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

interface Setting {
  readonly config: string;
  readonly path: string;
  run(...parameters: string[]): Promise<{ status: number; stdout: string; stderr: string }>;
}

/** A config with one stream and two file sinks; its status page is at `port`. */
function newSetting(listen: string): Setting {
  const folder = mkdtempSync(join(tmpdir(), 'commands-'));
  folders.push(folder);
  const path = join(folder, 'spool');
  const config = join(folder, 'forwarder.yaml');
  writeFileSync(
    config,
    `mosaic:
  region: eu
  client_id: client
  client_secret: s3cret
  streams: [{ type: verify, id: siem }]
spool: { path: ${path} }
status: ${listen === 'off' ? 'off' : `{ listen: '${listen}' }`}
sinks:
  elastic: { type: file, path: ${join(folder, 'elastic.ndjson')} }
  soc: { type: file, path: ${join(folder, 'soc.ndjson')} }
`,
  );
  const run: Setting['run'] = (...parameters) =>
    new Promise((resolve) => {
      const all = ['src/main.ts', ...parameters, '--config', config];
      execFile(process.execPath, all, { cwd: join(import.meta.dirname, '..') }, (error, stdout, stderr) =>
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      );
    });
  return { config, path, run };
}

async function newSpool(path: string, sinks = ['elastic', 'soc']): Promise<Spool> {
  const spool = openSpool({ path, maxSize: 1024 ** 3, retentionMs: 1e9, count: () => 3 });
  await spool.start(
    sinks.map((name) => ({ name, start: 'earliest' })),
    ['verify/siem'],
  );
  return spool;
}

/** One page of three activities: `elastic` has one delivered and two dead letters, `soc` still waits for all, `gone` has one. */
async function fill(spool: Spool, sinks = ['elastic', 'soc']): Promise<void> {
  const reservation = await spool.reserve(1000);
  assert.ok(reservation);
  const receivedAt = new Date('2026-01-02T03:04:05Z');
  const body = Buffer.from('[{},{},{}]');
  const page = await spool.append({ stream: 'verify/siem', receivedAt, partial: false, body }, reservation);
  reservation.release();
  await spool.counted(page, 3);
  const letter = (index: number, reason: string, raw: string | Uint8Array): NewDeadLetter => ({
    eventId: `event${index}`,
    code: 'page_loaded',
    reason,
    activity: { stream: 'verify/siem', receivedAt, position: { page, index }, ordinal: 0, raw: Buffer.from(raw) },
  });
  const dead = [
    letter(1, 'Mapper_parsing \u001b[2J', '{"name":"a\u202eb"}'),
    letter(2, 'too_large', Buffer.from([0x7b, 0xff, 0x7d])),
  ];
  await spool.commit('elastic', { page: page + 1, index: 0 }, [{ page, delivered: 1, filtered: 0, dead }]);
  if (!sinks.includes('gone')) return;
  const lost = [letter(0, 'too_large', '{}')];
  await spool.commit('gone', { page: page + 1, index: 0 }, [{ page, delivered: 2, filtered: 0, dead: lost }]);
}

describe('status', () => {
  it('asks the running process, and says so on stderr', async () => {
    const port = await freePort();
    const { path, run } = newSetting(`127.0.0.1:${port}`);
    const spool = await newSpool(path);
    await fill(spool);
    const report = () => spool.report();
    const state = createState({ version: '9.8.7', streams: ['verify/siem'], sinks: ['elastic', 'soc'] });
    const metrics = createMetrics({ streams: [], sinks: [], refresh: report });
    const server = await startStatus({ listen: { host: '127.0.0.1', port }, state, metrics, report });
    state.spoolOpened();
    state.tell({ what: 'collected', stream: 'verify/siem', activities: 3, bytes: 10 });
    state.tell({ what: 'sink_down', sink: 'soc', reason: 'ECONNREFUSED', waitMs: 1 });
    const text = await run('status');
    const json = await run('status', '--json');
    await server.close();
    await spool.close(true);
    assert.match(
      text.stderr,
      new RegExp(`^process ${process.pid} \\(9\\.8\\.7\\) at http://127\\.0\\.0\\.1:${port} is ready$`, 'm'),
    );
    assert.match(text.stdout, /^verify\/siem +ok /m);
    assert.match(text.stdout, /^soc +down .* 3 .*ECONNREFUSED$/m);
    assert.equal(text.status, 0);
    const status = JSON.parse(json.stdout) as { source: string; version: string; sinks: { dead_letters: number }[] };
    assert.deepEqual([status.source, status.version, status.sinks[0]?.dead_letters], ['process', '9.8.7', 2]);
    assert.equal(json.stdout.trim().split('\n').length, 1);
  });

  it('reads the spool where no process answers', async () => {
    const { path, run } = newSetting(`127.0.0.1:${await freePort()}`);
    const spool = await newSpool(path);
    await fill(spool);
    await spool.gap('verify/siem', 'gateway');
    await spool.close(true);
    const text = await run('status');
    assert.match(text.stderr, /^no process answers \(nothing listens on http.*; this is what the spool in .* says$/m);
    assert.match(text.stdout, /^elastic +unknown +– +– +0 +– +1 +0 +2$/m);
    assert.match(text.stdout, /^verify\/siem +unknown +– +– +– +3$/m);
    assert.match(text.stdout, /^verify\/siem +gateway +1 /m);
    const status = JSON.parse((await run('status', '--json')).stdout) as {
      source: string;
      streams: { activities: number }[];
      sinks: { waiting: number; collected: number }[];
    };
    assert.deepEqual([status.source, status.streams[0]?.activities], ['spool', 3]);
    assert.deepEqual([status.sinks[1]?.waiting, status.sinks[1]?.collected], [3, 3]);
  });

  it('fails with a sentence where there is neither', async () => {
    const { run } = newSetting('off');
    const { status, stdout, stderr } = await run('status');
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^mosaic-siem: there is no spool in .*\n$/);
  });
});

describe('dead-letters', () => {
  it('lists and shows them, filtered, with what could harm a terminal escaped', async () => {
    const { path, run } = newSetting('off');
    const spool = await newSpool(path);
    await fill(spool);
    await spool.close(true);
    const list = await run('dead-letters', 'list');
    assert.match(
      list.stdout,
      /^ID +SINK +AT +EVENT ID +CODE +REASON\n1 +elastic +\S+Z +event1 +page_loaded +Mapper_parsing \\u\{1b\}\[2J\n2 .*too_large\n$/,
    );
    const rows = (await run('dead-letters', 'list', '--json', '--reason', 'mapper')).stdout;
    const { at, ...row } = JSON.parse(rows) as Record<string, unknown>;
    assert.ok(Date.parse(String(at)) > 0);
    assert.deepEqual(row, {
      id: 1,
      sink: 'elastic',
      event_id: 'event1',
      code: 'page_loaded',
      reason: 'Mapper_parsing \u001b[2J',
      stream: 'verify/siem',
      received_at: '2026-01-02T03:04:05.000Z',
      page: 1,
      index: 1,
    });
    assert.ok(!rows.includes('\u001b'));
    const shown = await run('dead-letters', 'show', '--id', '1');
    assert.match(shown.stdout, /activity {2}\{"name":"a\\u\{202e\}b"\}\n$/);
    const json = (await run('dead-letters', 'show', '--id', '1', '2', '--json')).stdout.trim().split('\n');
    assert.ok(!json.join().includes('\u202e'));
    const [first, second] = json.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(first?.['raw'], '{"name":"a\u202eb"}');
    assert.equal(second?.['raw_base64'], 'e/99');
    const none = await run('dead-letters', 'list', '--sink', 'soc');
    assert.deepEqual([none.status, none.stdout, none.stderr], [0, '', 'no dead letter matches\n']);
    const nothing = await run('dead-letters', 'show', '--id', '99');
    assert.deepEqual([nothing.status, nothing.stdout, nothing.stderr], [0, '', 'no dead letter matches\n']);
  });

  it('refuses a sink that is not there and an id that is none', async () => {
    const { path, run } = newSetting('off');
    await (await newSpool(path)).close(true);
    const sink = await run('dead-letters', 'list', '--sink', 'splunk');
    assert.deepEqual([sink.status, sink.stderr], [2, 'mosaic-siem: there is no sink splunk; there is elastic, soc\n']);
    const id = await run('dead-letters', 'show', '--id', '1', 'x');
    assert.equal(id.status, 2);
    assert.match(id.stderr, /--id x: an id is a whole number/);
  });

  it('leaves an order for the next process where none runs, and none for a sink that is not configured', async () => {
    const sinks = ['elastic', 'soc', 'gone'];
    const { path, run } = newSetting(`127.0.0.1:${await freePort()}`);
    const spool = await newSpool(path, sinks);
    await fill(spool, sinks);
    const { status, stdout, stderr } = await run('dead-letters', 'replay', '--reason', 'TOO_LARGE');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^1 dead letter of sink elastic: order 1 is left in the spool$/m);
    assert.match(stderr, /^1 dead letter of sink gone stay.*"was: gone"/m);
    assert.match(stdout, /^order 1 for sink elastic: the running process does it, or the next one/);
    const orders = await spool.orders('elastic');
    assert.deepEqual(
      orders.map(({ kind, filter }) => [kind, filter.reason, filter.sink]),
      [['revive', 'TOO_LARGE', 'elastic']],
    );
    const nothing = await run('dead-letters', 'discard', '--reason', 'no such reason');
    assert.deepEqual([nothing.status, nothing.stderr], [0, 'no dead letter matches; nothing is ordered\n']);
    assert.equal((await run('dead-letters', 'discard', '--sink', 'gone')).status, 1);
    await spool.close(true);
  });

  it('follows an order until it is done, as a process does it', async () => {
    const { path, run } = newSetting('off');
    const spool = await newSpool(path);
    await fill(spool);
    const doing = (async () => {
      for (;;) {
        const [order] = await spool.orders('elastic');
        if (order?.kind === 'discard') return spool.discard(order.id);
        if (order)
          await spool.revive(order.id, {
            after: 2,
            delivered: [1],
            refused: [{ id: 2, reason: 'again' }],
            finished: true,
          });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const replay = await run('dead-letters', 'replay');
    assert.match(
      replay.stdout,
      /^order 1 for sink elastic is done: 1 delivered, 1 refused again; why: mosaic-siem dead-letters list --sink elastic\n$/,
    );
    const discard = JSON.parse((await run('dead-letters', 'discard', '--json')).stdout) as Record<string, unknown>;
    await doing;
    assert.deepEqual([discard['order'], discard['kind'], discard['discarded']], [2, 'discard', 1]);
    assert.ok(Date.parse(String(discard['finished_at'])) > 0);
    await spool.close(true);
  });
});
