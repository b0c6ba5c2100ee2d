/** All configuration of the app that is stanzas, for one place of the events. */
import { cimSettings, EVENT_TYPES } from './cim.ts';
import { DEFAULT_PLACE, type Macro, type Place, placeMacros } from './macros.ts';
import { savedSearches } from './saved.ts';
import type { Stanza } from './stanza.ts';

export const APP = 'transmit_mosaic_idv';
export const LABEL = 'Transmit Security Mosaic identity verification';
export const DESCRIPTION =
  'Searches, a dashboard and field names for identity-verification events of Transmit Security Mosaic, as the Mosaic SIEM Forwarder sends them.';
export const CODES = 'transmit_idv_codes';

/** The source type of the forwarder's own log. */
const LOG_SOURCETYPE = 'mosaic_siem:log';
const OTHER_STREAMS = ['cis', 'admin', 'risk'] as const;

/** The same in every stanza of events. With INDEXED_EXTRACTIONS beside KV_MODE each field would be there twice. */
const EVENTS: Stanza['settings'] = {
  KV_MODE: 'json',
  TRUNCATE: '100000',
  SHOULD_LINEMERGE: 'false',
  LINE_BREAKER: '([\\r\\n]+)',
  TIME_PREFIX: '"@timestamp"\\s*:\\s*"',
  TIME_FORMAT: '%Y-%m-%dT%H:%M:%S.%3N%Z',
  MAX_TIMESTAMP_LOOKAHEAD: '32',
};

/** What can be put in place over REST too: all but the lookup, whose table is a file. */
export function stanzas(place: Place): readonly Stanza[] {
  return [...props(place), ...eventTypes(place), ...tags(), ...macros(place), ...savedSearches().map(stanzaOf)];
}

export function lookupStanza(): Stanza {
  return {
    conf: 'transforms',
    name: CODES,
    settings: { filename: `${CODES}.csv`, case_sensitive_match: 'true', max_matches: '1' },
  };
}

export function appStanzas(version: string): readonly Stanza[] {
  const stanza = (name: string, settings: Stanza['settings']): Stanza => ({ conf: 'app', name, settings });
  return [
    stanza('ui', { is_visible: '1', label: LABEL }),
    stanza('launcher', { author: 'Mosaic SIEM Forwarder', description: DESCRIPTION, version }),
    stanza('package', { id: APP, check_for_updates: '0' }),
    stanza('id', { name: APP, version }),
  ];
}

/** Macros by name: those of the place, and those of the searches. */
export function allMacros(place: Place): readonly Macro[] {
  const ofSearches = savedSearches().flatMap((saved) => saved.macros);
  return [...new Map([...placeMacros(place), ...ofSearches].map((macro) => [macro.name, macro])).values()];
}

function stanzaOf({ stanza }: { readonly stanza: Stanza }): Stanza {
  return stanza;
}

function macros(place: Place): readonly Stanza[] {
  return allMacros(place).map(({ name, definition, description }) => ({
    conf: 'macros',
    name,
    settings: { definition, iseval: '0', description },
  }));
}

function props({ sourcetype }: Place): readonly Stanza[] {
  const own = { conf: 'props', name: sourcetype, settings: { ...EVENTS, ...cimSettings() } };
  const log = { KV_MODE: 'json', TRUNCATE: '100000', SHOULD_LINEMERGE: 'false', LINE_BREAKER: '([\\r\\n]+)' };
  const others = OTHER_STREAMS.map((stream) => ({
    conf: 'props',
    name: `transmitsecurity:mosaic:${stream}`,
    settings: EVENTS,
  }));
  return [
    own,
    ...(sourcetype === DEFAULT_PLACE.sourcetype ? others : []),
    { conf: 'props', name: LOG_SOURCETYPE, settings: log, comment: "The forwarder's own log." },
  ];
}

function eventTypes({ sourcetype }: Place): readonly Stanza[] {
  return EVENT_TYPES.map(({ name, search }) => ({
    conf: 'eventtypes',
    name,
    settings: { search: `sourcetype="${sourcetype}" ${search}` },
  }));
}

function tags(): readonly Stanza[] {
  return EVENT_TYPES.map(({ name, tags: names, untagged }) => ({
    conf: 'tags',
    name: `eventtype=${name}`,
    settings: Object.fromEntries(names.map((tag) => [tag, 'enabled'])),
    ...(untagged && { comment: untagged, off: true as const }),
  }));
}
