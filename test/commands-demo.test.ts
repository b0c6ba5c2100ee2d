import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it, type TestContext } from 'node:test';
import { SCENARIOS } from '../src/simulator/attacks/index.ts';

const ROOT = join(import.meta.dirname, '..');

function demo(...words: string[]) {
  const run = spawnSync(process.execPath, ['src/main.ts', 'demo', ...words], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

it('demo names --listen where that is no address, as a wrong command line', () => {
  for (const text of ['8080', 'localhost', '127.0.0.1:99999', '::1:80']) {
    const { status, stderr } = demo('--listen', text);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /'--listen <host:port>' argument '.*' is invalid\. It is HOST:PORT/);
  }
});

it('demo lists its attacks and starts nothing; a name that there is not is told with the nearest', () => {
  const { status, stdout } = demo('--attack', 'list');
  assert.equal(status, 0);
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
    SCENARIOS.map(({ name }) => name),
  );
  for (const { attack } of SCENARIOS) assert.ok(stdout.includes(attack.tells));
  const wrong = demo('--attack', 'rejection-velocty');
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /There is no such attack \(did you mean rejection-velocity\?\); --attack list names them/);
  assert.match(demo('--attack', 'x').stderr, /There is no such attack; --attack list/);
});

/** The lines of a demo that plays this, until one of them ends the test. */
async function until(context: TestContext, attack: string, wanted: readonly RegExp[]): Promise<void> {
  const words = ['src/main.ts', 'demo', '--listen', '127.0.0.1:0', '--rate', '2', '--attack', attack];
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  const left = [...wanted];
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (left[0]?.test(line)) left.shift();
    if (left.length === 0) return;
  }
  assert.fail(`without ${left.join(', ')}: ${lines.join('\n')}`);
}

it('demo --attack plays the attack into what runs', { timeout: 60_000 }, async (context) => {
  const begins = /^attack session-velocity begins: A program begins forty sessions/;
  await until(context, 'session-velocity', [begins, /session_created 203\.0\.113\.66 .*IDV session created/]);
});
