import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import { APP, stanzas } from '../../sinks/splunk_hec/app/conf.ts';
import { DEFAULT_PLACE } from '../../sinks/splunk_hec/app/macros.ts';
import { mark, wantedObjects } from '../../sinks/splunk_hec/app/objects.ts';
import { titleOf } from '../../sinks/splunk_hec/app/saved.ts';
import splunk from '../../sinks/splunk_hec/index.ts';
import { type SimulatedSplunkd, type SplunkdOptions, startSplunkd } from '../../src/simulator/splunkd.ts';
import type { AdminContext, InstallStep } from '../../src/sink.ts';

const OPTIONS = { url: 'http://127.0.0.1:1', token: 'hec', index: 'fraud' };
const MACROS = 'configs/conf-macros';
const never = new AbortController().signal;

async function start(test: TestContext, options: SplunkdOptions = {}): Promise<SimulatedSplunkd> {
  const server = await startSplunkd(options);
  test.after(() => server.close());
  return server;
}

function run(
  verb: 'install' | 'uninstall',
  management: string | undefined,
  admin: Partial<AdminContext> = {},
  own: object = {},
): Promise<InstallStep[]> {
  const context: AdminContext = {
    name: 'splunk',
    timeoutMs: 5_000,
    tls: {},
    version: '1.2.0',
    log: () => undefined,
    adminKey: 'key',
    dryRun: false,
    management,
    ...admin,
  };
  const options = splunk.options.parse({ ...OPTIONS, ...own });
  return Array.fromAsync(splunk[verb]?.(options, context, never) ?? []);
}

const resultsOf = (steps: readonly InstallStep[]) => [...new Set(steps.map(({ result }) => result))].sort();
const writes = (server: SimulatedSplunkd) => server.requests.filter((request) => !request.startsWith('GET '));
const stepOf = (steps: readonly InstallStep[], name: string) =>
  steps.find(({ request }) => decodeURIComponent(request).endsWith(`/${name}`)) ?? assert.fail(name);

test('puts the app in place, and a second time changes nothing', async (t) => {
  const server = await start(t);
  const first = await run('install', server.url);
  assert.match(first[0]?.note ?? '', /the lookup transmit_idv_codes is a file/);
  // Splunk makes the menu with the app.
  assert.deepEqual(resultsOf(first), ['created', 'updated']);
  assert.deepEqual(
    first.filter(({ result }) => result === 'updated').map(({ request }) => request),
    [`POST /servicesNS/nobody/${APP}/data/ui/nav/default`],
  );
  assert.equal(server.apps.get(APP)?.['version'], '1.2.0');
  const wanted = wantedObjects({ ...DEFAULT_PLACE, index: 'fraud' });
  assert.ok(wanted.length > 60);
  for (const { collection, name, settings } of wanted)
    assert.deepEqual(server.objects.get(`${collection}/${name}`)?.settings, settings, name);
  assert.equal(server.objects.get(`${MACROS}/transmit_idv_index`)?.settings['definition'], 'index=fraud');

  const before = writes(server).length;
  const second = await run('install', server.url);
  assert.deepEqual(resultsOf(second), ['unchanged']);
  assert.equal(second.length, first.length);
  assert.equal(writes(server).length, before, 'nothing was written');
});

test('other apps see what the Common Information Model reads, and no search', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  const sharing = (key: string) => server.objects.get(key)?.sharing;
  assert.equal(sharing('configs/conf-props/transmitsecurity:mosaic:idv'), 'global');
  assert.equal(sharing('configs/conf-tags/eventtype=transmit_idv_change'), 'global');
  assert.equal(sharing(`${MACROS}/transmit_idv_index`), 'global');
  const searches = [...server.objects].filter(([key]) => key.startsWith('saved/searches/'));
  assert.ok(searches.length > 20);
  for (const [key, held] of searches) assert.deepEqual([held.sharing, held.settings['disabled']], ['app', '1'], key);
  assert.equal(sharing('configs/conf-tags/eventtype=transmit_idv_result'), undefined, 'no failed logons');
});

test('what a user has changed stays, is told, and an update changes the rest', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  const search = wantedObjects(DEFAULT_PLACE).find(({ collection }) => collection === 'saved/searches')?.name ?? '';
  server.change(MACROS, 'transmit_idv_d1_at_least', { definition: '9' });
  server.change('saved/searches', search, { disabled: '0', actions: 'email' });
  const again = await run('install', server.url);
  assert.deepEqual(resultsOf(again), ['unchanged']);
  assert.equal(stepOf(again, 'transmit_idv_d1_at_least').note, 'left as it was changed in Splunk: definition');
  assert.equal(stepOf(again, search).note, 'left as it was changed in Splunk: disabled');

  // Another index in the config is what an update is: each of our own values differs from what was installed.
  const moved = await run('install', server.url, { version: '1.10.0' }, { index: 'other' });
  assert.equal(stepOf(moved, 'transmit_idv_index').result, 'updated');
  assert.equal(moved[0]?.result, 'updated');
  assert.equal(server.apps.get(APP)?.['version'], '1.10.0');
  assert.equal(server.objects.get(`${MACROS}/transmit_idv_index`)?.settings['definition'], 'index=other');
  assert.equal(server.objects.get(`${MACROS}/transmit_idv_d1_at_least`)?.settings['definition'], '9');
  assert.deepEqual(resultsOf(await run('install', server.url, { version: '1.10.0' }, { index: 'other' })), [
    'unchanged',
  ]);
});

test('an update changes the search below a switch that the user has turned', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  const [entry] = [...server.objects].filter(([key]) => key.startsWith('saved/searches/'));
  assert.ok(entry);
  const name = entry[0].slice('saved/searches/'.length);
  // As an older release would have left it: its own search is in the record, and the user has enabled it.
  const record = server.objects.get(`${MACROS}/transmit_idv_installed`)?.settings['definition'];
  const old = mark({ collection: 'saved/searches', name }, 'search', 'index=old');
  server.change(MACROS, 'transmit_idv_installed', { definition: `${record} ${old}` });
  server.change('saved/searches', name, { search: 'index=old', disabled: '0' });
  const step = stepOf(await run('install', server.url), name);
  assert.deepEqual([step.result, step.note], ['updated', 'left as it was changed in Splunk: disabled']);
  const { settings } = server.objects.get(entry[0]) ?? assert.fail();
  assert.deepEqual([settings['search'], settings['disabled']], [entry[1].settings['search'], '0']);
});

test('what a newer release has put there stays', async (t) => {
  const server = await start(t);
  await run('install', server.url, { version: '1.10.0' });
  const before = writes(server).length;
  const steps = await run('install', server.url, { version: '1.9.9' });
  assert.equal(steps.length, 1);
  assert.deepEqual([steps[0]?.result, steps[0]?.note], ['unchanged', 'version 1.10.0 of a newer release stays']);
  assert.equal(writes(server).length, before);
});

test('an install that breaks off is finished by the next one', async (t) => {
  const server = await start(t, { dials: { writesLeft: 30 } });
  await assert.rejects(run('install', server.url), /no answer from/);
  server.dials.writesLeft = Number.POSITIVE_INFINITY;
  const steps = await run('install', server.url);
  assert.ok(steps.some(({ result }) => result === 'created'));
  for (const { request, note = '' } of steps) assert.doesNotMatch(note, /changed in Splunk/, request);
  for (const { collection, name } of wantedObjects(DEFAULT_PLACE))
    assert.ok(server.objects.has(`${collection}/${name}`));
});

test('an app that came as a package is left to its package', async (t) => {
  const server = await start(t);
  const objects = stanzas(DEFAULT_PLACE)
    .filter(({ off }) => !off)
    .map(({ conf, name, settings }) => ({ collection: `configs/conf-${conf}`, name, settings }));
  server.installPackage('1.0.0', objects);
  for (const verb of ['install', 'uninstall'] as const) {
    const [step, ...more] = await run(verb, server.url);
    assert.deepEqual([step?.result, more.length], ['unchanged', 0]);
    assert.match(step?.note ?? '', /installed as a package/);
  }
  assert.deepEqual(writes(server), []);
});

test('uninstall takes what was installed, and leaves what a user added, and the app with it', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  server.change('saved/searches', 'My own', { search: 'index=fraud' });
  server.change(MACROS, 'transmit_idv_d1_at_least', { definition: '9' });
  const steps = await run('uninstall', server.url);
  assert.equal(stepOf(steps, 'transmit_idv_d1_at_least').note, 'with what was changed in Splunk: definition');
  const last = steps.at(-1);
  assert.deepEqual(
    [last?.result, last?.note],
    ['unchanged', 'the app stays, for what others have put into it: saved/searches/My own'],
  );
  assert.deepEqual([...server.objects.keys()].sort(), ['data/ui/nav/default', 'saved/searches/My own']);
});

test('uninstall removes an app that nobody has added to; a second time changes nothing', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  const steps = await run('uninstall', server.url);
  assert.equal(steps.at(-1)?.result, 'removed');
  assert.deepEqual([...server.apps.keys()], ['search']);
  assert.equal(server.objects.size, 0);
  const again = await run('uninstall', server.url);
  assert.deepEqual(
    again.map(({ result, note }) => [result, note]),
    [['unchanged', 'the app is not there']],
  );
});

test('an object of the same name that another app shares is not taken for ours', async (t) => {
  const server = await start(t);
  await run('install', server.url);
  const key = `${MACROS}/transmit_idv_d1_at_least`;
  const held = server.objects.get(key) ?? assert.fail();
  server.objects.set(key, { ...held, app: 'another', settings: { definition: '7' } });
  await assert.rejects(
    run('install', server.url),
    /409/,
    'made anew in our app, which this small server cannot hold twice',
  );
  assert.equal(server.objects.get(key)?.settings['definition'], '7');
});

test('a dry run prints every request, sends none, and needs no key', async () => {
  const none = { dryRun: true, adminKey: undefined };
  const install = await run('install', undefined, none);
  assert.deepEqual(resultsOf(install), ['dry-run']);
  assert.equal(install.length, wantedObjects(DEFAULT_PLACE).length + 2);
  for (const { request, body } of install) assert.ok(request.startsWith('POST /services') && typeof body === 'object');
  const uninstall = await run('uninstall', undefined, none);
  assert.equal(uninstall.length, install.length);
});

test('a token is a bearer, a name and a password are basic', async (t) => {
  const bearer = await start(t, { key: 'eyJraWQi' });
  assert.equal((await run('install', bearer.url, { adminKey: 'eyJraWQi' }))[0]?.result, 'created');
  const basic = await start(t, { key: 'admin:p:w' });
  assert.equal((await run('install', basic.url, { adminKey: 'admin:p:w' }))[0]?.result, 'created');
  await assert.rejects(run('install', basic.url, { adminKey: 'admin:wrong' }), (error: Error) => {
    assert.match(error.message, /answered 401 to GET .*call not properly authenticated.*role admin/);
    assert.doesNotMatch(error.message, /wrong/);
    return true;
  });
  await assert.rejects(run('install', basic.url, { adminKey: undefined }), /MOSAIC_SIEM_ADMIN_KEY/);
});

test('says in the words of the server why it may not', async (t) => {
  const server = await start(t, { dials: { readOnly: true } });
  await assert.rejects(run('install', server.url), /answered 403 to POST .*do not have permission.*role admin/);
  server.dials.html = true;
  await assert.rejects(run('install', server.url), /not as splunkd does: is this the management port/);
  server.dials.html = false;
  server.dials.down = true;
  await assert.rejects(run('install', server.url), /no answer from/);
});

test('a server that answers everything with some JSON is not taken for splunkd', async (t) => {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const verb of ['install', 'uninstall'] as const) await assert.rejects(run(verb, url), /not as splunkd does/);
});

test('without an address the management port is that of the sink, 8089', async () => {
  const own = { url: 'https://splunk.invalid:8088' };
  await assert.rejects(run('install', undefined, {}, own), /https:\/\/splunk\.invalid:8089/);
});

test('says so where the sink names no index', async (t) => {
  const server = await start(t);
  const [step] = await run('install', server.url, {}, { index: undefined });
  assert.match(step?.note ?? '', /the macro transmit_idv_index says idv: set it to the index of the token/);
});

test('another source type is that of the stanza, the event types and the macro', () => {
  const all = stanzas({ index: 'idv', sourcetype: 'transmit' });
  assert.ok(all.some(({ conf, name }) => conf === 'props' && name === 'transmit'));
  assert.ok(!JSON.stringify(all).includes('transmitsecurity:mosaic'));
});

test('every rule has a search of its own name', () => {
  const objects = wantedObjects(DEFAULT_PLACE).filter(({ collection }) => collection === 'saved/searches');
  const titles = DETECTIONS.flatMap((detection) => detection.rules.map((rule) => titleOf(detection, rule)));
  assert.deepEqual(
    objects.map(({ name }) => name),
    titles,
  );
  assert.equal(new Set(titles).size, titles.length);
});
