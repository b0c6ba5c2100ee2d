import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { News } from '../src/news.ts';
import { mends } from '../src/news-trouble.ts';
import { trimmer } from '../src/trimming.ts';

test('a failure to drop pages is told, and told to be over once it works; a commit does not end it', async () => {
  const news: News[] = [];
  let full = false;
  const trim = trimmer(
    {
      trim: async () => {
        if (full) throw new Error('the disk is full');
        return 0;
      },
    },
    (each) => news.push(each),
  );
  await trim();
  assert.deepEqual(news, []);
  full = true;
  await trim();
  await trim();
  full = false;
  await trim();
  await trim();
  const doing = 'dropping pages that are settled';
  const failed: News = { what: 'spool_error', doing, error: 'the disk is full' };
  assert.deepEqual(news, [failed, failed, { what: 'spool_works', doing }]);
  const committed: News = { what: 'settled', sink: 'soc', delivered: 1, filtered: 0, dead: [] };
  const collected: News = { what: 'collected', stream: 'verify/siem', activities: 1, bytes: 10 };
  assert.deepEqual(
    [committed, collected, ...news.slice(-1)].map((each) => mends(each, doing)),
    [false, false, true],
  );
  assert.equal(mends({ what: 'spool_works', doing }, 'saving how far soc has come'), false);
});
