/** Splunk's own check of the app that is built here: no failure, no error. Splunk itself cannot be had for a test. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packed, splunkAppFiles } from '../../deploy/splunk-app.ts';
import { CACHE, lacking } from '../integration/servers.ts';

const SCRIPT = fileURLToPath(new URL('../integration/servers/appinspect.sh', import.meta.url));

interface Finding {
  readonly name: string;
  readonly result: string;
  readonly messages: readonly { readonly message: string }[];
}
interface Report {
  readonly summary: Readonly<Record<string, number>>;
  readonly reports: readonly { readonly groups: readonly { readonly checks: readonly Finding[] }[] }[];
}

const skip = await lacking('appinspect');

async function inspect(test: TestContext, files: ReadonlyMap<string, string>): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-appinspect-'));
  test.after(() => rmSync(folder, { recursive: true }));
  const [app, report] = [join(folder, 'app.tgz'), join(folder, 'report.json')];
  writeFileSync(app, packed(files));
  const child = spawn('bash', [SCRIPT, 'inspect', app, report], {
    env: { ...process.env, MOSAIC_SIEM_TEST_CACHE: CACHE },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  assert.equal(status, 0, said.slice(-4_000));
  return JSON.parse(readFileSync(report, 'utf8')) as Report;
}

/** Its status says nothing about what it found. */
function found({ reports }: Report, ...results: readonly string[]): readonly string[] {
  const checks = reports.flatMap(({ groups }) => groups).flatMap((group) => group.checks);
  return checks
    .filter(({ result }) => results.includes(result))
    .map(({ name, messages }) => `${name}: ${messages.map(({ message }) => message).join(' ')}`);
}

test('AppInspect finds no failure and no error in the app', { skip }, async (t) => {
  const report = await inspect(t, splunkAppFiles());
  assert.ok((report.summary['success'] ?? 0) > 50, JSON.stringify(report.summary));
  for (const warning of found(report, 'warning', 'future_failure')) t.diagnostic(`warning: ${warning}`);
  assert.deepEqual(found(report, 'failure', 'error'), []);
});

test('AppInspect fails an app that is broken', { skip }, async (t) => {
  const files = new Map(splunkAppFiles());
  const views = [...files.keys()].find((path) => path.includes('/views/')) ?? assert.fail();
  files.set(views, '<dashboard version="2"><label>open');
  assert.notDeepEqual(found(await inspect(t, files), 'failure', 'error'), []);
});
