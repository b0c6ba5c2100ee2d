import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startElasticsearch } from '../src/simulator/elasticsearch.ts';
import { config, newFolder } from './config.fixtures.ts';

const folder = newFolder();
after(() => folder.remove());

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** In a folder without a forwarder.yaml. */
function run(...words: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return perform('install', ...words);
}

function perform(...words: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], { cwd: folder.path }, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

describe('install', () => {
  it('puts everything in place, also when nobody reads what it says', async (test) => {
    const server = await startElasticsearch({ apiKey: 'k' });
    test.after(() => server.close());
    const file = folder.file(
      'es.yaml',
      config({ sinks: `es: { type: elasticsearch, url: "${server.url}", api_key: k }` }),
    );
    const child = spawn(process.execPath, [MAIN, 'install', 'es', '--config', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.destroy();
    assert.deepEqual(await once(child, 'close'), [0, null]);
    assert.equal(server.installed.size, 14);
  });

  it('prints without a config what a type would put in place, and calls nobody', async () => {
    const { status, stdout, stderr } = await run('elasticsearch', '--dry-run', '--json');
    assert.deepEqual([status, stderr], [0, '']);
    const steps = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(steps.length, 17);
    for (const { result, request, body } of steps)
      assert.ok(result === 'dry-run' && (/^POST \//.test(String(request)) || typeof body === 'object'));
  });

  it('does so for each type that has something to install, and for taking it out', async () => {
    for (const type of ['splunk_hec', 'elasticsearch'])
      for (const verb of ['install', 'uninstall']) {
        const { status, stdout, stderr } = await perform(verb, type, '--dry-run');
        assert.deepEqual([status, stderr], [0, ''], type);
        assert.ok(stdout.split('\n').filter((line) => line.startsWith('dry-run')).length > 5, stdout);
      }
  });

  it('sends the administrative key to no address in the clear', async () => {
    for (const [url, said] of [
      ['kibana.example.com', 'must begin with https://'],
      ['http://kibana.example.com:5601', 'http:// sends everything unencrypted: use https://'],
      ['https://u:p@kibana.example.com', 'must not hold a user name or password: these have keys of their own'],
    ] as const) {
      const { status, stderr } = await run('elasticsearch', '--dry-run', '--kibana', url);
      assert.deepEqual([status, stderr.includes(said)], [2, true], stderr);
      assert.doesNotMatch(stderr, /u:p/);
    }
    const behind = await run('elasticsearch', '--dry-run', '--kibana', 'https://kibana.example.com/?space=soc');
    assert.deepEqual([behind.status, /nothing behind its path/.test(behind.stderr)], [2, true]);
    assert.equal((await run('elasticsearch', '--dry-run', '--kibana', 'http://127.0.0.1:5601')).status, 0);
  });

  it('warns where whoever stands in between may read the administrative key', async () => {
    const options = 'type: elasticsearch, url: "https://es.example.com", api_key: k, tls: { verify: false }';
    const file = folder.file('unverified.yaml', config({ sinks: `es: { ${options} }` }));
    const { status, stderr } = await run('es', '--dry-run', '--config', file);
    assert.equal(status, 0);
    assert.match(stderr, /^.*es: tls\.verify is false, any certificate is taken, also for the administrative key$/m);
  });

  it('takes no other key where the file of the administrative one is empty', async () => {
    const { status, stdout, stderr } = await run(
      'elasticsearch',
      '--dry-run',
      '--admin-key-file',
      folder.file('key', '\n'),
    );
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /key is empty$/m);
  });

  it('says what it needs', async () => {
    const without = await run('elasticsearch');
    assert.deepEqual([without.status, without.stdout], [2, '']);
    assert.match(without.stderr, /a sink of type elasticsearch in a config; --dry-run needs none/);
    const nothing = await run('file', '--dry-run');
    assert.equal(nothing.status, 2);
    assert.match(
      nothing.stderr,
      /type file is of a kind \(file\) that has nothing to install; these have: splunk_hec, elasticsearch/,
    );
    assert.equal((await run('elastic', '--dry-run')).status, 78);
  });

  it('says what a server lacks beside the request', async (test) => {
    const server = await startElasticsearch({ apiKey: 'k', dials: { version: '8.11.0' } });
    test.after(() => server.close());
    const file = folder.file(
      'old.yaml',
      config({ sinks: `es: { type: elasticsearch, url: "${server.url}", api_key: k }` }),
    );
    const { status, stdout, stderr } = await run('es', '--config', file);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /^created +PUT \/_index_template\/transmit_security\.idv\n +without the parts .*failure store$/m,
    );
    assert.equal((await run('elasticsearch', '--config', file)).status, 2);
  });
});
