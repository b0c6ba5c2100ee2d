/** Whatever the umask says: what the forwarder writes can be read by its own user alone. It holds applicants' addresses. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, lstatSync, openSync, readdirSync, renameSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import { newDaemon } from '../fixtures/process.ts';

const umask = process.umask();
before(() => process.umask(0o000));
after(() => process.umask(umask));

/** Every file and folder below, as in `spool/spool.db 600`. */
function rights(top: string): string[] {
  const entries = readdirSync(top, { recursive: true, withFileTypes: true });
  return entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${relative(top, path)} ${(lstatSync(path).mode & 0o777).toString(8)}`;
  });
}

/** Fails where a group or others may do anything. Gives the names. */
function assertPrivate(top: string, when: string): string[] {
  const all = rights(top);
  assert.deepEqual(
    all.filter((line) => !/ [1-7]00$/.test(line)),
    [],
    when,
  );
  return all.map((line) => line.split(' ')[0] ?? '');
}

test('spool, lock, log and events are for their owner alone, while it runs, killed, rotated and read by commands', async (t) => {
  const mosaic = await startMosaic({ streams: ['verify/siem'] });
  t.after(() => mosaic.close());
  let place = '';
  const daemon = await newDaemon(t, ({ folder, port }) => {
    place = folder;
    return `mosaic: { base_url: "${mosaic.baseUrl}", client_id: demo-client, client_secret: demo-secret, streams: [{ type: verify, id: siem, poll_interval: 500ms }] }
spool: { path: "${folder}/deep/down/spool" }
status: { listen: "127.0.0.1:${port}" }
log: { outputs: [{ type: console }, { type: file, path: "${folder}/forwarder.log" }] }
sinks:
  archive: { type: file, path: "${folder}/events.ndjson" }
  down: { type: splunk_hec, url: "http://127.0.0.1:9", token: t }
`;
  });
  const events = join(place, 'events.ndjson');
  daemon.start();
  await daemon.ready();
  mosaic.enqueue('verify/siem', activitySource({ rate: 50 }).take(50));
  await daemon.until('events are written', () => existsSync(events) && lstatSync(events).size > 0);
  const running = assertPrivate(place, 'while it runs');
  for (const name of ['deep', 'deep/down', 'deep/down/spool', 'events.ndjson', 'forwarder.log'])
    assert.ok(running.includes(name), name);
  for (const name of ['spool.db', 'spool.db-wal', 'spool.db-shm', 'lock.db', 'lock.db-wal', 'lock.db-shm'])
    assert.ok(running.includes(`deep/down/spool/${name}`), name);
  for (const name of ['events.ndjson', 'forwarder.log']) renameSync(join(place, name), join(place, `${name}.1`));
  daemon.signal('SIGUSR2');
  mosaic.enqueue('verify/siem', activitySource({ rate: 50, seed: 2 }).take(50));
  await daemon.until('both files are made anew', () => existsSync(events) && existsSync(join(place, 'forwarder.log')));
  assertPrivate(place, 'after a rotation');
  await daemon.kill();
  assertPrivate(place, 'after kill -9');
  for (const command of [['check'], ['status'], ['dead-letters', 'list'], ['audit']]) {
    const { status, stderr } = await daemon.run(...command);
    assert.ok(status === 0 || command[0] === 'audit', stderr);
    assertPrivate(place, `after ${command.join(' ')}`);
  }
  daemon.start();
  await daemon.ready();
  assertPrivate(place, 'after another start');
  daemon.signal('SIGTERM');
  await daemon.ended();
  const database = openSync(join(place, 'deep/down/spool/spool.db'), 'r+');
  writeSync(database, Buffer.alloc(100, 0x21), 0, 100, 0);
  closeSync(database);
  daemon.start();
  await daemon.ready();
  const salvaged = assertPrivate(place, 'after a damaged spool was salvaged');
  assert.ok(
    salvaged.some((name) => /spool-damaged-[^/]*\.db$/.test(name)),
    salvaged.join('\n'),
  );
});
