import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { sinks } from '../sinks/index.ts';
import { configSchema } from '../src/config/json-schema.ts';
import { config, newFolder } from './config.fixtures.ts';

const folder = newFolder();
after(() => folder.remove());

const ENDS = `async function* connect(config) {
  yield { end: 'mosaic', ok: true, lines: [config.mosaic.baseUrl] };
  yield { end: 'sink a', ok: !process.env.DOWN, lines: ['said \\u001b[31mso', 'with ' + config.mosaic.clientSecret()] };
}`;

/** The command in a process of its own, in the folder, as main runs it. */
function run(words: readonly string[], environment: Record<string, string> = {}, cwd = folder.path) {
  const source = (name: string) => JSON.stringify(new URL(`../src/commands/${name}.ts`, import.meta.url).href);
  const script = `import { checkCommand } from ${source('check')};
    import { schemaCommand } from ${source('schema')};
    ${ENDS}
    const [name, ...rest] = ${JSON.stringify(words)};
    const command = name === 'schema' ? schemaCommand() : checkCommand(connect);
    await command.parseAsync(rest, { from: 'user' }).catch((error) => {
      process.stderr.write(error.message + '\\n');
      process.exitCode = error.exitCode;
    });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', ...environment },
  });
  return { status, stdout, stderr };
}

describe('check', () => {
  it('says in one line that a config is fine, and creates nothing', () => {
    folder.file('good.yaml', config({ sinks: 'a: { type: file, path: ./out.ndjson }, b: { type: console }' }));
    const before = readdirSync(folder.path);
    const expected = { status: 0, stdout: 'good.yaml: fine: 1 stream, 2 sinks\n', stderr: '' };
    assert.deepEqual(run(['check', '-c', 'good.yaml']), expected);
    assert.deepEqual(readdirSync(folder.path), before);
  });

  it('finds ./forwarder.yaml, and says where it looked when there is none', () => {
    folder.file('forwarder.yaml', config());
    assert.equal(run(['check']).stdout, './forwarder.yaml: fine: 1 stream, 1 sink\n');
    const empty = newFolder();
    const { status, stderr } = run(['check'], {}, empty.path);
    empty.remove();
    assert.equal(status, 78);
    assert.match(stderr, /^no config: neither \.\/forwarder\.yaml nor \/etc\/mosaic-siem\/forwarder\.yaml is there/);
  });

  it('says warnings on stderr', () => {
    folder.file('warned.yaml', config({ sinks: 'a: { type: syslog, address: "udp://syslog.example.com" }' }));
    const { status, stdout, stderr } = run(['check', '-c', 'warned.yaml']);
    assert.deepEqual([status, stdout], [0, 'warned.yaml: fine: 1 stream, 1 sink\n']);
    assert.match(stderr, /^warning: sink a: udp:\/\/ is not encrypted.*\n$/);
  });

  it('says every mistake on stderr, one a line, and ends with 78', () => {
    folder.file('bad.yaml', config({ sinks: 'a: { type: consol }, "b\\u202e\\e[31m": 1', rest: 'spol: 1' }));
    const { status, stdout, stderr } = run(['check', '-c', 'bad.yaml']);
    assert.deepEqual([status, stdout], [78, '']);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 4);
    for (const line of lines) assert.match(line, /^bad\.yaml:\d:\d+ \S/);
    assert.ok(!stderr.includes('\u001b') && !stderr.includes('\u202e') && !/^\s+at /m.test(stderr));
    assert.equal(run(['check', '-c', 'nowhere.yaml']).status, 78);
  });

  it('says all of it as rows with --json', () => {
    const rows = ({ stdout }: { stdout: string }) =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    folder.file('bad.yaml', config({ sinks: 'a: { type: consol }', rest: 'spol: 1' }));
    const bad = run(['check', '--json', '-c', 'bad.yaml']);
    assert.deepEqual([bad.status, bad.stderr], [78, '']);
    const [first, second] = rows(bad);
    assert.deepEqual([first?.['file'], first?.['line'], first?.['path']], ['bad.yaml', 2, 'sinks.a.type']);
    assert.deepEqual([second?.['line'], second?.['column'], second?.['path']], [3, 1, 'spol']);
    assert.match(String(second?.['message']), /^unknown key.*did you mean spool/);
    folder.file('warned.yaml', config({ sinks: 'a: { type: syslog, address: "udp://syslog.example.com" }' }));
    const good = run(['check', '--connect', '--json', '-c', 'warned.yaml'], { DOWN: '1' });
    assert.equal(good.status, 1);
    const [warning, fine, mosaic, sink] = rows(good);
    assert.match(String(warning?.['warning']), /^sink a: udp/);
    assert.deepEqual(fine, { file: 'warned.yaml', streams: 1, sinks: 1 });
    assert.deepEqual([mosaic?.['end'], mosaic?.['ok'], sink?.['end'], sink?.['ok']], ['mosaic', true, 'sink a', false]);
    assert.ok(Array.isArray(sink?.['lines']));
  });

  it('tries each end with --connect, and ends with 1 where one does not work', () => {
    folder.file('good.yaml', config().replace('client_secret: s', 'client_secret: hunter2'));
    const good = run(['check', '--connect', '-c', 'good.yaml']);
    assert.equal(good.status, 0);
    assert.match(
      good.stdout,
      /works mosaic\n +https:\/\/api\.eu.*\nworks sink a\n +said \\u\{1b\}\[31mso\n +with \*\*\*\n$/,
    );
    const bad = run(['check', '--connect', '-c', 'good.yaml'], { DOWN: '1' });
    assert.equal(bad.status, 1);
    assert.match(bad.stdout, /fails sink a\n/);
    assert.match(bad.stderr, /^sink a: not ready/);
  });
});

describe('schema', () => {
  it('prints the JSON Schema of the config', () => {
    const { status, stdout, stderr } = run(['schema']);
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(configSchema(sinks))));
  });

  it('ends its help with an example', () => {
    assert.match(run(['schema', '--help']).stdout, /Example:\n {2}mosaic-siem schema > schema\.json\n+$/);
    assert.match(run(['check', '--help']).stdout, /Example:\n {2}mosaic-siem check --connect --config \S+\n+$/);
  });
});
