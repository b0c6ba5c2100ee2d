import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { activitySource } from '../src/simulator/sessions.ts';
import type { CommandResult } from './fixtures/process.ts';
import { withSql } from './fixtures/spool.ts';
import { allSettled, assertArrived, PLANTED, type Surroundings, surroundings } from './fixtures/surroundings.ts';

type Row = Readonly<Record<string, unknown>>;

const EVENTS = 600;

/** 600 events in pages of 100, settled by three sinks. */
async function settledWorld(t: TestContext, options: Parameters<typeof surroundings>[1] = {}) {
  const all = await surroundings(t, { batchSize: 100, ...options });
  const activities = activitySource({ seed: 5, rate: 500 }).take(EVENTS);
  all.enqueue(activities);
  all.daemon.start();
  await allSettled(all);
  return { all, activities, keys: activities.map(({ key }) => key), key: keyFile(all, PLANTED.apiKey) };
}

function keyFile({ daemon }: Surroundings, key: string): string {
  const file = join(dirname(daemon.config), 'read.key');
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  return file;
}

function rowsOf({ stdout }: CommandResult, kind?: string): Row[] {
  const rows = stdout.split('\n').filter(Boolean);
  return rows.map((line) => JSON.parse(line) as Row).filter(({ row }) => kind === undefined || row === kind);
}

async function stop({ daemon }: Surroundings): Promise<void> {
  daemon.signal('SIGTERM');
  assert.equal((await daemon.ended()).code, 0);
}

test('the books add up while the forwarder runs and while it does not, by hour and in a total for each sink', async (t) => {
  const { all } = await settledWorld(t);
  const running = await all.daemon.run('audit', '--json');
  assert.equal(running.status, 0, running.stderr);
  await stop(all);
  const stopped = await all.daemon.run('audit', '--json');
  assert.equal(stopped.status, 0, stopped.stderr);
  assert.match(stopped.stderr, /6 pages read: none is damaged/);
  for (const result of [running, stopped]) {
    const totals = rowsOf(result, 'total');
    const sinks = totals.map(({ sink, collected, delivered, difference }) => [sink, collected, delivered, difference]);
    assert.deepEqual(
      sinks.sort(),
      ['elastic', 'soc', 'splunk'].map((sink) => [sink, EVENTS, EVENTS, 0]),
    );
    assert.equal(rowsOf(result).at(-1)?.['row'], 'total', 'it ends with the totals');
    const hours = rowsOf(result, 'hour');
    assert.equal(
      hours.reduce((sum, { delivered }) => sum + Number(delivered), 0),
      3 * EVENTS,
    );
  }
  const one = await all.daemon.run('audit', '--sink', 'soc', '--from', '1h');
  assert.equal(one.status, 0, one.stderr);
  assert.match(one.stdout, /total +verify\/siem +soc +600 +600 .* adds up/);
  assert.doesNotMatch(one.stdout, /elastic/);
  const earlier = await all.daemon.run('audit', '--to', '2020-01-01T00:00:00Z', '--json');
  assert.deepEqual([earlier.status, rowsOf(earlier)], [0, []], 'nothing was received then');
});

test('what does not add up is said with the difference: the books, the dead letters, the activities of a page', async (t) => {
  const { all } = await settledWorld(t);
  await stop(all);
  withSql(all.daemon.spool, (db) => {
    db.exec("UPDATE settled SET delivered = delivered - 3 WHERE page = 2 AND sink = 'soc'");
    db.exec("UPDATE settled SET delivered = delivered - 1, dead = 1 WHERE page = 3 AND sink = 'elastic'");
    db.exec('UPDATE pages SET collected = 99 WHERE number = 5');
    db.exec('UPDATE settled SET delivered = 99 WHERE page = 5');
  });
  const result = await all.daemon.run('audit', '--json');
  assert.equal(result.status, 1);
  assert.match(result.stderr, /the audit fails: 2 lines of the books do not add up; 1 pages hold another number/);
  const pages = rowsOf(result, 'page').map(({ page, problem }) => [page, problem]);
  assert.deepEqual(pages, [[5, 'count']]);
  const totals = rowsOf(result, 'total').map((row) => [
    row['sink'],
    row['difference'],
    row['dead_letters'],
    row['dead_letters_kept'],
  ]);
  assert.deepEqual(totals.sort(), [
    ['elastic', 0, 1, 0],
    ['soc', 3, 0, 0],
    ['splunk', 0, 0, 0],
  ]);
  const text = await all.daemon.run('audit');
  assert.match(text.stdout, /soc .* 3 are not accounted for/);
  assert.match(text.stdout, /elastic .* 0 dead letters are kept/);
});

test('one byte changed in a stored page: the audit names the page, and the forwarder delivers all others', async (t) => {
  const all = await surroundings(t, { batchSize: 100 });
  const activities = activitySource({ seed: 6, rate: 500 }).take(EVENTS);
  all.enqueue(activities);
  all.hec.dials.down = true;
  all.elasticsearch.dials.down = true;
  all.daemon.start();
  await all.daemon.until('soc has everything', () => all.syslog.ledger.size === EVENTS);
  await stop(all);
  withSql(all.daemon.spool, (db) => {
    const { zstd } = db.prepare('SELECT zstd FROM bodies WHERE page = 4').get() as { zstd: Uint8Array };
    const at = zstd.length >> 1;
    zstd[at] = (zstd[at] ?? 0) ^ 1;
    db.prepare('UPDATE bodies SET zstd = ? WHERE page = 4').run(zstd);
  });

  const before = await all.daemon.run('audit', '--json');
  assert.equal(before.status, 1);
  assert.deepEqual(
    rowsOf(before, 'page').map(({ page, problem }) => [page, problem]),
    [[4, 'damaged']],
  );
  assert.match(before.stderr, /the audit fails: 1 pages are damaged/);

  all.hec.dials.down = false;
  all.elasticsearch.dials.down = false;
  all.daemon.start();
  await allSettled(all);
  assert.match(all.daemon.log, /page 4 of the spool is damaged/);
  const keys = activities.map(({ key }) => key);
  assertArrived(all, keys, ['soc']);
  assertArrived(all, [...keys.slice(0, 300), ...keys.slice(400)], ['elastic', 'splunk']);

  const after = await all.daemon.run('audit', '--json');
  assert.equal(after.status, 1, 'also a page that is settled');
  assert.deepEqual(
    rowsOf(after, 'page').map(({ page }) => page),
    [4],
  );
  const damaged = rowsOf(after, 'total').map(({ sink, damaged: count, difference }) => [sink, count, difference]);
  assert.deepEqual(damaged.sort(), [
    ['elastic', 100, 0],
    ['soc', 0, 0],
    ['splunk', 100, 0],
  ]);
});

test('verify: ten documents deleted at the SIEM are named, and no other; --json has their places', async (t) => {
  const { all, activities, keys, key } = await settledWorld(t);
  // Mosaic hands some out once more: one event, whose document has the time of the first.
  const again = new Date().toISOString();
  all.enqueue(activities.slice(20, 60));
  await allSettled(all);
  const twice = await all.daemon.run('audit', '--verify', '--key-file', key, '--json', '--from', again);
  assert.equal(twice.status, 0, twice.stderr);
  const [second] = rowsOf(twice, 'verified');
  assert.deepEqual([second?.['expected'], second?.['missing'], second?.['unknown']], [40, 0, 0]);
  const whole = await all.daemon.run('audit', '--verify', '--key-file', key, '--json');
  assert.equal(whole.status, 0, whole.stderr);
  assert.match(whole.stderr, /sink soc is of a kind \(syslog\) that cannot be asked/);
  assert.match(whole.stderr, /sink elastic: of 600 events that the SIEM must hold 0 are missing/);

  const stored = all.elasticsearch.stored as Map<string, Readonly<Record<string, unknown>>>;
  const lost = keys.filter((_, index) => index % 60 === 7).map((each) => all.expected(each).id);
  const foreign = stored.get(lost[0] ?? '') ?? assert.fail();
  for (const id of lost) stored.delete(id);
  stored.set('foreign', { ...foreign, event: { ...(foreign['event'] as object), id: 'foreign' } });

  const result = await all.daemon.run('audit', '--verify', '--sink', 'elastic', '--key-file', key, '--json');
  assert.equal(result.status, 1);
  const missing = rowsOf(result, 'missing');
  assert.deepEqual(missing.map(({ event_id: id }) => id).sort(), lost.toSorted());
  for (const { page, index, event_id: id, sink, stream, code } of missing) {
    const place = (Number(page) - 1) * 100 + Number(index);
    const event = all.expected(keys[place] ?? '');
    assert.deepEqual([id, sink, stream, code], [event.id, 'elastic', 'verify/siem', event.code]);
  }
  const [verified] = rowsOf(result, 'verified');
  assert.deepEqual(verified, {
    ...{ row: 'verified', sink: 'elastic', expected: EVENTS, missing: 10, unknown: 1, no_longer_kept: 0 },
  });
  assert.match(result.stderr, /the audit fails: 10 events are missing at their SIEM/);
  assert.ok(![result.stdout, result.stderr].join().includes(PLANTED.apiKey), 'the key is not printed');
});

test('verify expects neither dead letters nor discarded events nor what the filter leaves out', async (t) => {
  const all = await surroundings(t, { batchSize: 100, elastic: 'except: { codes: ["page_loaded.*"] }' });
  const activities = activitySource({ seed: 7, rate: 500 }).take(EVENTS);
  const events = activities.map((each) => {
    all.enqueue([each]);
    return all.expected(each.key);
  });
  const left = events.filter(({ code }) => !code.startsWith('page_loaded.'));
  const refused = new Set(left.filter((_, index) => index % 10 === 0).map(({ id }) => id));
  assert.ok(left.length < EVENTS && refused.size > 10, 'the filter and the refusals have something to do');
  all.elasticsearch.dials.itemErrorType = 'document_parsing_exception';
  all.elasticsearch.dials.itemStatus = (document) =>
    refused.has((document['event'] as { id: string }).id) ? 400 : undefined;
  all.daemon.start();
  await allSettled(all);
  const key = keyFile(all, PLANTED.apiKey);
  const before = await all.daemon.run('audit', '--verify', '--sink', 'elastic', '--key-file', key, '--json');
  assert.equal(before.status, 0, before.stderr);
  assert.equal(rowsOf(before, 'verified')[0]?.['expected'], left.length - refused.size);
  const [one = 0, two = 0] = JSON.parse(
    `[${(await all.daemon.run('dead-letters', 'list', '--json')).stdout.trim().replaceAll('\n', ',')}]`,
  ).map(({ id }: { id: number }) => id) as number[];
  const discard = await all.daemon.run('dead-letters', 'discard', '--id', String(one), String(two));
  assert.match(discard.stdout, /2 discarded/);
  const after = await all.daemon.run('audit', '--verify', '--sink', 'elastic', '--key-file', key, '--json');
  assert.equal(after.status, 0, after.stderr);
  assert.equal(rowsOf(after, 'verified')[0]?.['expected'], left.length - refused.size);
  assert.equal(rowsOf(after, 'total')[0]?.['discarded'], 2);
  assert.doesNotMatch(after.stderr, /another only or except/);
});

test('verify: what is wrong with the key, the sink or the answer is told, and is no missing event', async (t) => {
  const { all, key } = await settledWorld(t);
  const run = (...parameters: string[]) => all.daemon.run('audit', '--verify', ...parameters);
  const none = await run();
  assert.deepEqual([none.status, /--key-file FILE is needed/.test(none.stderr)], [2, true]);
  const syslog = await run('--sink', 'soc', '--key-file', key);
  assert.deepEqual([syslog.status, /cannot be asked which events it holds/.test(syslog.stderr)], [2, true]);
  const unknown = await run('--sink', 'nobody', '--key-file', key);
  assert.deepEqual([unknown.status, /there is no sink nobody/.test(unknown.stderr)], [2, true]);

  all.elasticsearch.dials.denied = ['logs-transmit_security.idv-default'];
  const denied = await run('--sink', 'elastic', '--key-file', key);
  assert.equal(denied.status, 1);
  assert.match(denied.stderr, /answered 403 security_exception .* needs the index privilege read on logs-transmit/);
  all.elasticsearch.dials.denied = [];
  all.elasticsearch.dials.shardFails = true;
  const partial = await run('--sink', 'elastic', '--key-file', key);
  assert.equal(partial.status, 1);
  assert.match(partial.stderr, /could not be asked: .* answered 503/);
  assert.doesNotMatch(partial.stdout, /missing at/);
  all.elasticsearch.dials.shardFails = false;
  const wrong = await run('--sink', 'elastic', '--key-file', keyFile(all, 'd3Jvbmc6d3Jvbmctd3Jvbmc='));
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /answered 401 .* the key of --key-file is not accepted/);
  assert.ok(!wrong.stderr.includes('d3Jvbmc6d3Jvbmctd3Jvbmc='));
});
