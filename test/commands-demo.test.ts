import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';

it('demo names --listen where that is no address, as a wrong command line', () => {
  for (const text of ['8080', 'localhost', '127.0.0.1:99999', '::1:80']) {
    const { status, stderr } = spawnSync(process.execPath, ['src/main.ts', 'demo', '--listen', text], {
      cwd: join(import.meta.dirname, '..'),
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /'--listen <host:port>' argument '.*' is invalid\. It is HOST:PORT/);
  }
});
