import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generated, stale } from '../deploy/generate.ts';

/** Made once: the pictures take a second. */
const made = generated();

test('every file that is made from data is as it is made: npm run generate writes them anew', () => {
  assert.ok(made.size > 20, 'the generators give files');
  assert.deepEqual(stale(made), []);
});

test('a file that is changed by hand, or that nothing makes any more, is stale', () => {
  const files = new Map(made);
  const [changed = '', gone = ''] = [...files.keys()].filter((path) => path.startsWith('sinks/content/sigma/'));
  files.set(changed, `${files.get(changed)} `);
  files.delete(gone);
  assert.deepEqual(stale(files), [changed, gone].sort());
});
