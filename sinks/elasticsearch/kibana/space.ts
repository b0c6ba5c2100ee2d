/**
 * Ids of what Kibana keeps for all spaces together. One that is there in another space is refused, or given another id by an import
 * that tells nobody, so each space but the default one has ids of its own. Those of detection rules are looked up within a space.
 */
import { createHash } from 'node:crypto';

/** Of an address that ends in `/s/SPACE`; '' is the default one. */
export function spaceOf(url: string): string {
  const [, space = ''] = /\/s\/([^/]+)$/.exec(url) ?? [];
  return space === 'default' ? '' : space;
}

/** The same for ever; of a UUID a UUID. */
export function idIn(space: string, id: string): string {
  if (space === '') return id;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return `${id}-${space}`;
  const digits = createHash('sha256').update(`${id} ${space}`).digest('hex');
  // Version and variant stay where a UUID has them.
  return id.replace(/[0-9a-f]/g, (old, at: number) => (at === 14 || at === 19 ? old : (digits[at] ?? old)));
}
