import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8');

/** As “part of its title” in [its file](../test/faults/kill.test.ts). */
const held = [...page.matchAll(/“([^”]+)”\s+in\s+\[[^\]]+\]\(\.\.\/(test\/[^)]+)\)/g)].map(
  ([, title = '', file = '']) => ({ title: title.replaceAll(/\s+/g, ' '), file }),
);

test('docs/reliability.md: each promise names tests, and each test that it names is there', () => {
  assert.ok(held.length >= 20, `only ${held.length} tests are named in the form that is checked`);
  const missing = held.filter(({ title, file }) => {
    const path = join(root, file);
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(title);
  });
  assert.deepEqual(missing, []);
  const promises = page.split(/^## /m).filter((part) => /^\d\. /.test(part));
  assert.equal(promises.length, 5);
  for (const promise of promises) assert.match(promise, /“[^”]+”\s+in\s+\[/, promise.slice(0, 60));
});
