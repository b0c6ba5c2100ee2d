/** The code in docs/adding-a-sink.md is run as it stands there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sinks } from '../sinks/index.ts';
import { loadConfig } from '../src/config.ts';

const text = readFileSync(new URL('../docs/adding-a-sink.md', import.meta.url), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'adding-a-sink-'));
after(() => rmSync(folder, { recursive: true }));

/** The blocks whose first line is a comment with a file's name. */
const files = new Map(
  Array.from(text.matchAll(/^```\w+\n(?:\/\/|#) (\S+\.\w+)\n(.*?)^```$/gms), ([, name = '', code = '']) => [
    name,
    code,
  ]),
);
for (const [name, code] of files) writeFileSync(join(folder, name), code);
standIn({ sink: '../src/sink.ts', contract: './contract/contract.ts' });

/** The package as it would be installed beside the file, with this source behind it. */
function standIn(modules: Readonly<Record<string, string>>): void {
  const place = join(folder, 'node_modules/mosaic-siem-forwarder');
  mkdirSync(place, { recursive: true });
  const exports = Object.fromEntries(Object.keys(modules).map((name) => [`./${name}`, `./${name}.js`]));
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({ name: 'mosaic-siem-forwarder', type: 'module', exports }),
  );
  for (const [name, source] of Object.entries(modules))
    writeFileSync(
      join(place, `${name}.js`),
      `export * from ${JSON.stringify(new URL(source, import.meta.url).href)};\n`,
    );
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
}

test('the page holds a sink, its config and its test', () => {
  assert.deepEqual([...files.keys()].sort(), ['forwarder.yaml', 'my-sink.js', 'my-sink.test.js']);
});

test('the sink of the page passes the contract', () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const words = ['--test-reporter=tap', join(folder, 'my-sink.test.js')];
  const { stdout, status } = spawnSync(process.execPath, words, { env, encoding: 'utf8', timeout: 200_000 });
  const failed = stdout.match(/^ *not ok .*$/gm) ?? [];
  assert.deepEqual(failed, [], stdout);
  assert.equal(status, 0);
  assert.ok((stdout.match(/^ {4}ok /gm) ?? []).length > 20, 'the suite ran');
  assert.deepEqual(stdout.match(/ # SKIP .*$/gm), [
    ' # SKIP the receiver takes or refuses an event, it never puts one off',
    ' # SKIP promises.idempotent is false',
  ]);
});

test('the config of the page names the sink', async (context) => {
  const names = ['MOSAIC_CLIENT_ID', 'MOSAIC_CLIENT_SECRET', 'COLLECTOR_TOKEN'];
  for (const name of names) process.env[name] = 'a-value-for-tests';
  context.after(() => {
    for (const name of names) delete process.env[name];
  });
  const config = await loadConfig(join(folder, 'forwarder.yaml'), sinks);
  const [own] = config.sinks;
  assert.equal(own?.definition.type, 'my-sink');
  assert.deepEqual(own?.options(), { url: 'https://collector.example.com/events', token: 'a-value-for-tests' });
});

test('the files that the page speaks of are there', () => {
  const paths = Array.from(text.matchAll(/(?<=[` ])(?:src|sinks|test|config)\/[\w./-]+(?=`)/g), ([path]) => path);
  assert.ok(paths.length > 5);
  for (const path of paths) {
    const isExample = path.includes('NAME');
    assert.ok(isExample || existsSync(new URL(`../${path}`, import.meta.url)), `${path} is not there`);
  }
});
