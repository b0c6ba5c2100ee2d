/**
 * The suite is worth what it finds: an honest sink passes all of it, and each sink that is wrong in one way fails the
 * check that is made for that. All of them run in one child process, which is this file again.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sinkContract } from './contract.ts';
import { liars } from './liars.ts';
import { memoryFixture } from './memory-sink.ts';

if (process.env['CONTRACT_LIARS']) runAll();
else judgeAll();

function runAll(): void {
  sinkContract('honest', memoryFixture);
  for (const [name, { definition }] of Object.entries(liars)) {
    // A liar may hang, and is not waited for as long as a sink that means well.
    sinkContract(name, { ...memoryFixture, definition, patienceMs: 500 });
  }
}

function judgeAll(): void {
  const report = reportOf();
  test('an honest sink passes', () => {
    const checks = report.get('honest') ?? [];
    assert.ok(checks.length > 20);
    assert.deepEqual(
      checks.filter(({ ok }) => !ok),
      [],
    );
  });
  for (const [name, { foundBy }] of Object.entries(liars))
    test(`found out: a sink that ${name}`, () => {
      const checks = report.get(name) ?? [];
      assert.equal(checks.length, report.get('honest')?.length, 'all checks were made');
      const failed = checks.filter(({ ok }) => !ok).map((check) => check.name);
      assert.ok(failed.includes(foundBy), `${foundBy} should fail; what failed: ${failed.join('; ') || 'nothing'}`);
      assert.ok(failed.length < checks.length, 'no check says what is good about it');
    });
}

interface Line {
  readonly name: string;
  readonly ok: boolean;
}

/** By the name of the sink, what the child's TAP says about each check. */
function reportOf(): ReadonlyMap<string, readonly Line[]> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const words = ['--test-reporter=tap', '--test-force-exit', fileURLToPath(import.meta.url)];
  const env = { ...environment, CONTRACT_LIARS: '1' };
  const { stdout, stderr, error } = spawnSync(process.execPath, words, { env, encoding: 'utf8', timeout: 250_000 });
  if (error) throw error;
  assert.equal(stderr, '');
  const report = new Map<string, Line[]>();
  let lines: Line[] = [];
  for (const line of stdout.split('\n')) {
    const [, indented, not, name = ''] = /^( {4})?(not )?ok \d+ - (.*?)(?: # SKIP .*)?$/.exec(line) ?? [];
    if (name === '') continue;
    if (indented) lines.push({ name, ok: !not });
    else {
      report.set(name.replace('sink contract: ', ''), lines);
      lines = [];
    }
  }
  return report;
}
