import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generated, stale } from '../deploy/generate.ts';

test('every file that is made from data is as it is made: npm run generate writes them anew', () => {
  const files = generated();
  assert.ok(files.size > 20, 'the generators give files');
  assert.deepEqual(stale(files), []);
});

test('a file that is changed by hand, or that nothing makes any more, is stale', () => {
  const files = new Map(generated());
  const [changed = '', gone = ''] = [...files.keys()].filter((path) => path.startsWith('sinks/content/sigma/'));
  files.set(changed, `${files.get(changed)} `);
  files.delete(gone);
  assert.deepEqual(stale(files), [changed, gone].sort());
});
