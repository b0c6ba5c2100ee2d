/** `install` and `uninstall` on Kibana: what is put there, what is the user's, what stays. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { detectionRules } from '../../sinks/elasticsearch/kibana/rules.ts';
import { DATA_VIEW, savedObjects } from '../../sinks/elasticsearch/kibana/saved-objects.ts';
import { spaceOf } from '../../sinks/elasticsearch/kibana/space.ts';
import { stackRules } from '../../sinks/elasticsearch/kibana/stack-rules.ts';
import { CONTENT_VERSION } from '../../sinks/elasticsearch/templates.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { startKibana } from '../../src/simulator/kibana.ts';
import type { AdminContext, InstallStep } from '../../src/sink.ts';
import { API_KEY, CONTEXT, never } from './elasticsearch-fixture.ts';

const KIBANA = /\/api\//;

async function start(test: TestContext) {
  const [server, kibana] = await Promise.all([startElasticsearch(), startKibana({ apiKey: API_KEY })]);
  test.after(() => Promise.all([server.close(), kibana.close()]));
  const run = async (verb: 'install' | 'uninstall', admin: Partial<AdminContext> = {}): Promise<InstallStep[]> => {
    const options = elasticsearch.options.parse({ url: server.url });
    const all = { ...CONTEXT, dryRun: false, kibana: kibana.url, adminKey: API_KEY, ...admin };
    const steps = await Array.fromAsync(elasticsearch[verb]?.(options, all, never) ?? []);
    return steps.filter(({ request }) => KIBANA.test(request));
  };
  return { kibana, run };
}

const changesIn = (steps: readonly InstallStep[]) => steps.filter(({ result }) => result !== 'unchanged');
const notesIn = (steps: readonly InstallStep[]) => steps.flatMap(({ note }) => note ?? []);

/** A rule as an older release would have put it there, with another name, and its mark made of that. */
function older(rule: Record<string, unknown>, digest?: string): Record<string, unknown> {
  const mark = (tag: string) =>
    tag.replace(
      /^(mosaic-siem-forwarder) \d+ (\w+)$/,
      (_, name, own) => `${name} ${CONTENT_VERSION - 1} ${digest ?? own}`,
    );
  return { ...rule, tags: (rule['tags'] as string[]).map(mark) };
}

test('dashboards and rules are put there one by one, and a second time changes nothing', async (t) => {
  const { kibana, run } = await start(t);
  const first = await run('install');
  const expected = savedObjects().length + detectionRules().length + stackRules().length;
  assert.equal(changesIn(first).length, expected);
  assert.ok(first.every(({ result }) => result === 'created'));
  assert.equal(new Set(first.map(({ request }) => request)).size, expected, 'each is told by its own name');
  assert.equal(kibana.detection.size, detectionRules().length);
  assert.equal(kibana.stack.size, stackRules().length);
  assert.equal(kibana.objects.size, savedObjects().length);
  const before = JSON.stringify([...kibana.detection, ...kibana.stack, ...kibana.objects]);
  const second = await run('install');
  assert.deepEqual(changesIn(second), []);
  assert.deepEqual(notesIn(second), []);
  assert.equal(JSON.stringify([...kibana.detection, ...kibana.stack, ...kibana.objects]), before);
});

test('each space has its own, and is uninstalled alone', async (t) => {
  const { kibana, run } = await start(t);
  const first = await run('install');
  const soc = { kibana: `${kibana.url}/s/soc` };
  const second = await run('install', soc);
  assert.deepEqual(
    second.map(({ result }) => result),
    first.map(({ result }) => result),
  );
  assert.deepEqual(changesIn(await run('install', soc)), []);
  const ids = (space: string) => [...kibana.in(space).objects.keys(), ...kibana.in(space).stack.keys()];
  assert.equal(new Set([...ids(''), ...ids('soc')]).size, 2 * ids('').length);
  assert.ok(kibana.in('soc').objects.has(`index-pattern:${DATA_VIEW}-soc`));
  for (const { id } of stackRules('soc'))
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(stackRules(spaceOf('https://kibana.example.com/s/default')), stackRules());
  await run('uninstall', soc);
  assert.deepEqual(ids('soc'), []);
  assert.deepEqual(changesIn(await run('install')), []);
});

test('without an address of Kibana it is left out, and that is said', async (t) => {
  const { kibana, run } = await start(t);
  for (const verb of ['install', 'uninstall'] as const) {
    const steps = await run(verb, { kibana: undefined });
    assert.deepEqual(changesIn(steps), []);
    assert.match(notesIn(steps).join(), /^dashboards and rules are left out: .* --kibana gives$/);
  }
  assert.equal(kibana.requests.length, 0);
});

test('a dry run shows every body and asks nobody', async (t) => {
  const { kibana, run } = await start(t);
  const steps = await run('install', { dryRun: true });
  assert.equal(steps.length, savedObjects().length + detectionRules().length + stackRules().length);
  assert.ok(steps.every(({ result, body }) => result === 'dry-run' && typeof body === 'object'));
  assert.equal((await run('uninstall', { dryRun: true })).length, steps.length);
  assert.equal(kibana.requests.length, 0);
});

test('a tuned rule stays, and what differs is said; what is the user’s in it makes no difference', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [tuned, used] = detectionRules().filter(({ type }) => type === 'threshold');
  assert.ok(tuned && used);
  const threshold = { field: ['source.ip'], value: 50, cardinality: [] };
  kibana.edit(tuned.rule_id, { threshold, risk_score: 99 });
  const own = { enabled: false, actions: [{ id: 'mail' }], exceptions_list: [{ id: 'branch-offices' }] };
  kibana.edit(used.rule_id, { ...own, tags: [...used.tags, 'mine'] });
  const stack = stackRules()[0];
  assert.ok(stack);
  kibana.edit(`stack:${stack.id}`, { schedule: { interval: '1h' } });
  const steps = await run('install');
  assert.deepEqual(changesIn(steps), []);
  assert.deepEqual(notesIn(steps), [
    'was changed and stays so; it differs from ours in threshold.value, threshold.cardinality, risk_score',
    'was changed and stays so; it differs from ours in interval',
  ]);
  assert.deepEqual(kibana.detection.get(tuned.rule_id)?.['threshold'], threshold);
  assert.deepEqual(kibana.detection.get(used.rule_id)?.['exceptions_list'], own.exceptions_list);
});

test('a newer release replaces what nobody has tuned, and keeps what is the user’s', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [first, second] = detectionRules();
  assert.ok(first && second);
  const installed = kibana.detection.get(first.rule_id) ?? {};
  const own = { enabled: false, actions: [{ id: 'mail' }], exceptions_list: [{ id: 'offices' }], max_signals: 7 };
  kibana.detection.set(first.rule_id, { ...older(installed), ...own });
  kibana.detection.set(second.rule_id, { ...older(kibana.detection.get(second.rule_id) ?? {}), query: '*' });
  const stack = stackRules()[0];
  assert.ok(stack);
  const action = { group: 'query matched', id: 'mail', params: {}, uuid: 'u', connector_type_id: '.server-log' };
  kibana.stack.set(stack.id, { ...older(kibana.stack.get(stack.id) ?? {}), enabled: true, actions: [action] });
  const steps = await run('install');
  // Of an older version and untouched: its mark alone is renewed.
  assert.deepEqual(
    changesIn(steps).map(({ result }) => result),
    ['updated', 'updated'],
  );
  assert.deepEqual(notesIn(steps), ['was changed and stays so; it differs from ours in query']);
  const after = kibana.detection.get(first.rule_id) ?? {};
  assert.deepEqual(after['tags'], first.tags);
  for (const [name, value] of Object.entries(own)) assert.deepEqual(after[name], value, name);
  assert.equal(kibana.detection.get(second.rule_id)?.['query'], '*');
  assert.equal(kibana.stack.get(stack.id)?.['enabled'], true);
  assert.deepEqual(kibana.stack.get(stack.id)?.['actions'], [action]);
});

test('what a newer release put there stays, and so does a rule without our tag', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [first, second] = detectionRules();
  assert.ok(first && second);
  const newer = first.tags.map((tag) => tag.replace(/^(mosaic-siem-forwarder) \d+/, `$1 ${CONTENT_VERSION + 1}`));
  kibana.edit(first.rule_id, { tags: newer, query: 'newer' });
  kibana.edit(second.rule_id, { tags: [] });
  const dashboard = savedObjects().find(({ type }) => type === 'dashboard');
  const description = String(dashboard?.attributes['description']).replace(/forwarder \d+/, 'forwarder 99');
  kibana.edit(`dashboard:${dashboard?.id}`, { description });
  const steps = await run('install');
  assert.deepEqual(changesIn(steps), []);
  assert.deepEqual(notesIn(steps), [
    'version 99 of a newer release stays',
    `version ${CONTENT_VERSION + 1} of a newer release stays`,
    'is there without our tag: left alone',
  ]);
});

test('a dashboard of an older release is replaced, unless somebody has changed it', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [one, other] = savedObjects().filter(({ type }) => type === 'dashboard');
  assert.ok(one && other);
  const outdated = (id: string, time?: string) => {
    const found = kibana.objects.get(`dashboard:${id}`);
    assert.ok(found);
    const description = String(found.attributes['description']).replace(/[0-9a-f]{12}/, '0123456789ab');
    const updated = time ?? found.updated_at;
    kibana.objects.set(`dashboard:${id}`, { ...found, attributes: { title: 'old', description }, updated_at: updated });
  };
  outdated(one.id);
  outdated(other.id, '2027-01-01T00:00:00.000Z');
  const steps = await run('install');
  assert.equal(changesIn(steps).length, 1);
  assert.match(notesIn(steps).join(), /was changed and stays so; to get version \d+, delete it/);
  assert.equal(kibana.objects.get(`dashboard:${one.id}`)?.attributes['title'], one.attributes['title']);
  assert.equal(kibana.objects.get(`dashboard:${other.id}`)?.attributes['title'], 'old');
  kibana.objects.delete(`index-pattern:${DATA_VIEW}`);
  assert.equal(changesIn(await run('install')).length, 1, 'the data view alone');
});

test('without the Security solution the stack rules are put there, and that the others are not is said', async (t) => {
  const { kibana, run } = await start(t);
  kibana.dials.noSecurity = true;
  const steps = await run('install');
  assert.match(notesIn(steps).join(), /no detection engine/);
  assert.equal(kibana.detection.size, 0);
  assert.equal(kibana.stack.size, stackRules().length);
  assert.ok(
    [...kibana.stack.values()].every(({ enabled }) => enabled === false),
    'none is switched on',
  );
});

test('an older Kibana, which makes no alert for each row, is asked for one for all of them', async (t) => {
  const { kibana, run } = await start(t);
  kibana.dials.noRows = true;
  const notes = notesIn(await run('install'));
  assert.equal(notes.length, stackRules().length);
  assert.match(notes[0] ?? '', /one alert for all rows together/);
  const groups = [...kibana.stack.values()].map(({ params }) => (params as { groupBy: string }).groupBy);
  assert.deepEqual([...new Set(groups)], ['all']);
  assert.deepEqual(changesIn(await run('install')), []);
});

test('uninstall deletes what carries our mark', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [rule] = detectionRules();
  assert.ok(rule);
  kibana.edit(rule.rule_id, { tags: ['mine now'] });
  const dashboard = savedObjects().at(-1);
  kibana.edit(`dashboard:${dashboard?.id}`, { description: 'mine now' });
  const steps = await run('uninstall');
  assert.deepEqual([...kibana.detection.keys()], [rule.rule_id]);
  assert.equal(kibana.stack.size, 0);
  assert.deepEqual([...kibana.objects.keys()], [`dashboard:${dashboard?.id}`]);
  assert.equal(notesIn(steps).length, 2);
  assert.ok((await run('uninstall')).every(({ result }) => result === 'unchanged'));
});

test('a refusal is told in Kibana’s words, with what the key needs and without the key', async (t) => {
  const { kibana, run } = await start(t);
  await assert.rejects(run('install', { adminKey: 'wrong-secret' }), (error: Error) => {
    assert.match(
      error.message,
      /answered 401 to POST \/api\/saved_objects\/_export .*unable to authenticate.*privileges/,
    );
    return !JSON.stringify([error.message, error.stack]).includes('wrong-secret');
  });
  kibana.dials.importFails = true;
  await assert.rejects(run('install'), /data view logs-transmit_security\.idv-\*: .*unsupported_type/);
  kibana.dials.status = 503;
  await assert.rejects(run('install'), /answered 503/);
  kibana.dials.down = true;
  await assert.rejects(run('install'), /127\.0\.0\.1/);
});

test('uninstall says what of the user’s went with a rule and a dashboard', async (t) => {
  const { kibana, run } = await start(t);
  await run('install');
  const [rule] = detectionRules();
  kibana.edit(rule?.rule_id ?? '', { risk_score: 99, interval: '2h' });
  kibana.edit(`dashboard:${savedObjects().at(-1)?.id}`, { title: 'mine' });
  const notes = notesIn(await run('uninstall'));
  assert.deepEqual(notes, ['with what was changed in Kibana: risk_score, interval', 'with what was changed in Kibana']);
});

test('a page in front of Kibana that answers 200 to everything is no Kibana', async (t) => {
  const { run } = await start(t);
  let said = '';
  const page = createServer((request, response) => {
    request.resume().once('end', () => response.end(said));
  });
  await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  t.after(() => page.close());
  const kibana = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  for (said of ['<html>Log in</html>', '{}', '[]', '{"tags":"ours","attributes":null}'])
    for (const verb of ['install', 'uninstall'] as const)
      await assert.rejects(
        run(verb, { kibana }),
        /^Error: http:\S+ answered 200 to \w+ \/api\/\S+, but not as Kibana does/,
      );
});

test('the simulated Kibana refuses what the real one refuses', async (t) => {
  const { kibana } = await start(t);
  const ask = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const all = { authorization: `ApiKey ${API_KEY}`, 'kbn-xsrf': 'x', ...headers };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(kibana.url + path, { method: 'POST', body: text, headers: all });
    return `${answer.status} ${((await answer.json()) as { message: string }).message}`;
  };
  const [rule] = detectionRules();
  const path = '/api/detection_engine/rules';
  assert.match(await ask(path, { ...rule, treshold: 1 }), /^400 .*treshold.*definition for this key is missing/);
  assert.match(await ask(path, { ...rule, severity: 'informational' }), /^400 .*severity/);
  assert.match(
    await ask('/api/saved_objects/_import', '{}', { 'content-type': 'application/json' }),
    /^400 Unsupported/,
  );
  const type = 'multipart/form-data; boundary=b';
  assert.match(await ask('/api/saved_objects/_import', '--b\r\nx', { 'content-type': type }), /^400 Invalid multipart/);
  const noHeader = await fetch(kibana.url + path, { method: 'POST', headers: { authorization: `ApiKey ${API_KEY}` } });
  assert.match(await noHeader.text(), /kbn-xsrf/);
});
