/** The app as the objects that REST knows. */
import { createHash } from 'node:crypto';
import { stanzas } from './conf.ts';
import { EXPORTED, navXml } from './files.ts';
import type { Place } from './macros.ts';
import type { Entity, Found } from './rest.ts';
import type { Stanza } from './stanza.ts';
import { VIEW, viewXml } from './studio.ts';

export interface Wanted extends Entity {
  readonly settings: Readonly<Record<string, string>>;
  readonly exported: boolean;
}

/** All but what lies in files: the lookup of codes. */
export function wantedObjects(place: Place): readonly Wanted[] {
  return [
    // First: Splunk has made one with the app, which must not be taken for a user's.
    { collection: 'data/ui/nav', name: 'default', settings: { 'eai:data': navXml() }, exported: false },
    ...stanzas(place)
      .filter(({ off }) => !off)
      .map(objectOf),
    { collection: 'data/ui/views', name: VIEW, settings: { 'eai:data': viewXml() }, exported: false },
  ];
}

function objectOf({ conf, name, settings }: Stanza): Wanted {
  if (conf !== 'savedsearches')
    return { collection: `configs/conf-${conf}`, name, settings, exported: EXPORTED.includes(conf) };
  const renamed = Object.entries(settings).map(([key, value]) => [REST_NAMES[key] ?? key, value]);
  return { collection: 'saved/searches', name, settings: Object.fromEntries(renamed), exported: false };
}

/** Settings of savedsearches.conf that REST calls otherwise. */
const REST_NAMES: Readonly<Record<string, string>> = {
  enableSched: 'is_scheduled',
  counttype: 'alert_type',
  relation: 'alert_comparator',
  quantity: 'alert_threshold',
};

/** Where users may have put something of their own. */
export const COLLECTIONS: readonly string[] = [
  'saved/searches',
  'data/ui/views',
  ...['props', 'eventtypes', 'tags', 'macros', 'transforms'].map((conf) => `configs/conf-${conf}`),
];

/**
 * A hash of each setting as it was last installed. What is in Splunk and in this record is ours, and an update may change it; what
 * is in neither the record nor the wish is the user's.
 */
export function recordOf(objects: readonly Wanted[]): ReadonlySet<string> {
  return new Set(
    objects.flatMap((object) => Object.entries(object.settings).map(([key, value]) => mark(object, key, value))),
  );
}

export function mark({ collection, name }: Entity, key: string, value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([collection, name, key, plain(value)]))
    .digest('hex')
    .slice(0, 12);
}

export interface Difference {
  /** To be written. */
  readonly ours: readonly string[];
  /** Changed by a user, and left. */
  readonly theirs: readonly string[];
}

/** Without a record all is ours. */
export function differenceOf(wanted: Wanted, found: Found, record: ReadonlySet<string> | undefined): Difference {
  const keys = Object.keys(wanted.settings).filter((key) => plain(found.settings[key]) !== plain(wanted.settings[key]));
  const isOurs = (key: string) => {
    const value = found.settings[key];
    return !record || value === undefined || value === null || record.has(mark(wanted, key, value));
  };
  return { ours: keys.filter(isOurs), theirs: keys.filter((key) => !isOurs(key)) };
}

/** splunkd answers yes and no in several spellings, and keeps no blanks at the ends of lines. */
function plain(value: unknown): string {
  const text = String(value ?? '')
    .trim()
    .replace(/[ \t]*\r?\n/g, '\n');
  if (text === 'true') return '1';
  return text === 'false' ? '0' : text;
}
