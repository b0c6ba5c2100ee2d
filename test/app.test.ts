import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sinks } from '../sinks/index.ts';
import { startApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { startMosaic } from '../src/simulator/mosaic.ts';
import { activitySource } from '../src/simulator/sessions.ts';
import { lockSpool, openSpool } from '../src/spool.ts';
import type { Status } from '../src/status/shape.ts';
import { folder } from './fixtures/plain.ts';

async function configAt(path: string, port: number, mosaicPort = 9, more = '') {
  const file = join(path, 'forwarder.yaml');
  writeFileSync(
    file,
    `mosaic: { base_url: "http://127.0.0.1:${mosaicPort}/activities/v1", client_id: a, client_secret: b, insecure: true, streams: [{ type: verify, id: siem }] }
spool: { path: ${join(path, 'data')} }
sinks: { archive: { type: file, path: ${join(path, 'events.ndjson')} }${more} }
status: { listen: "127.0.0.1:${port}" }
log: { level: error }
`,
  );
  return loadConfig(file, sinks);
}

async function takenPort(test: TestContext): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  test.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('a start that fails before anything is collected leaves the spool free and counts no possible gap', async (t) => {
  const path = folder(t);
  await assert.rejects(startApp(await configAt(path, await takenPort(t)), '1.0'), /EADDRINUSE|in use/);
  lockSpool(join(path, 'data')).release();
  const spool = openSpool({ path: join(path, 'data'), maxSize: 1e9, retentionMs: 1e9, count: () => 1 });
  t.after(() => spool.close(true));
  assert.equal((await spool.start([], ['verify/siem'])).uncleanStop, false);
});

test('a start that fails after an unclean stop does not hide it', async (t) => {
  const path = folder(t);
  const open = () => openSpool({ path: join(path, 'data'), maxSize: 1e9, retentionMs: 1e9, count: () => 1 });
  const killed = open();
  await killed.start([], ['verify/siem']);
  await killed.close(false);
  await assert.rejects(startApp(await configAt(path, await takenPort(t)), '1.0'), /EADDRINUSE|in use/);
  const spool = open();
  t.after(() => spool.close(true));
  assert.deepEqual(
    (await spool.report()).gaps.map(({ reason, count }) => [reason, count]),
    [['crash', 1]],
  );
});

test('two stops at once are one, as of a Ctrl+C that comes twice; a later one ends at once', async (t) => {
  const path = folder(t);
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const mosaicPort = (silent.address() as AddressInfo).port;
  const config = await configAt(path, 0, mosaicPort);
  const called = once(silent, 'connection');
  const app = await startApp(config, '1.0');
  await called;
  let ended = false;
  void app.ended.then(() => {
    ended = true;
  });
  app.stop();
  app.stop();
  await sleep(100);
  app.stop();
  await sleep(600);
  assert.equal(ended, false, 'the call in flight is waited for');
  app.stop();
  await app.ended;
  const spool = openSpool({ path: join(path, 'data'), maxSize: 1e9, retentionMs: 1e9, count: () => 1 });
  t.after(() => spool.close(true));
  assert.equal((await spool.start([], ['verify/siem'])).uncleanStop, true);
});

test('the reason of a dead letter does not tell a secret that a sink from elsewhere has told', async (t) => {
  const path = folder(t);
  const mosaic = await startMosaic({ streams: ['verify/siem'], clientId: 'a', clientSecret: 'b' });
  t.after(() => mosaic.close());
  mosaic.enqueue('verify/siem', activitySource().take(20));
  const own = `, own: { type: "${TELLING}", password: "pass-4711", picky: true }`;
  const config = await configAt(path, 0, Number(new URL(mosaic.baseUrl).port), own);
  const app = await startApp(config, '1.0');
  const sinksNow = async () => ((await (await fetch(`${app.url}/api/status`)).json()) as Status).sinks;
  while ((await sinksNow()).find(({ sink }) => sink === 'own')?.dead_letters !== 10) await sleep(20);
  app.stop();
  await app.ended;
  const spool = openSpool({ path: join(path, 'data'), maxSize: 1e9, retentionMs: 1e9, count: () => 1 });
  t.after(() => spool.close(true));
  const reasons = (await Array.fromAsync(spool.deadLetters({ sink: 'own' }))).map(({ reason }) => reason);
  assert.deepEqual([...new Set(reasons)], ['the password *** is refused']);
});

const TELLING = fileURLToPath(new URL('./fixtures/telling-sink.js', import.meta.url));
