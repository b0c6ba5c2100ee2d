import type { News } from './news.ts';

/**
 * Whether this news shows that what failed in the spool works again: a page that was stored, for what collecting writes;
 * a commit, for everything else but dropping pages, which is told by itself.
 */
export function mends(news: News, doing: string): boolean {
  if (news.what === 'spool_works') return news.doing === doing;
  if (doing.startsWith('dropping ')) return false;
  const ofCollecting = /^(storing|counting) /.test(doing);
  if (news.what === 'collected') return ofCollecting && news.activities > 0;
  return news.what === 'settled' && !ofCollecting;
}
