import type { SecurityEvent, Severity } from '../../src/sink.ts';
import { shrinkingSteps, withShorterMessage } from './shrink.ts';

/** What is the same for every event of one sink. */
export interface HeaderSettings {
  /** 0–23. */
  readonly facility: number;
  readonly hostname: string;
  readonly appName: string;
  readonly processId: number;
  /** Private enterprise number of the structured data's name; without it structured data is `-`. */
  readonly enterpriseNumber?: number | undefined;
}

export type Encoded =
  | { readonly text: string; readonly bytes: number }
  /** Bytes that it takes after every shortening. */
  | { readonly tooLarge: number };

const SYSLOG_SEVERITY: Readonly<Record<Severity, number>> = {
  informational: 6,
  low: 5,
  medium: 4,
  high: 3,
  critical: 2,
};

/**
 * One event as an RFC 5424 message of at most `maxBytes` (framing not counted). The JSON in it is whole: where it does not
 * fit, fields are left out in the documented order, a tag says so, and what then does not fit is not sent at all.
 */
export function encodeRfc5424(event: SecurityEvent, settings: HeaderSettings, maxBytes: number): Encoded {
  const header = encodeHeader(event, settings);
  const headerBytes = Buffer.byteLength(header);
  const room = maxBytes - headerBytes;
  const json = escapeJson(event.json);
  const jsonBytes = Buffer.byteLength(json);
  if (jsonBytes <= room) return { text: header + json, bytes: headerBytes + jsonBytes };
  for (const document of shrinkingSteps(event.document)) {
    const shorter = escapeJson(JSON.stringify(document));
    const shorterBytes = Buffer.byteLength(shorter);
    if (shorterBytes <= room) return { text: header + shorter, bytes: headerBytes + shorterBytes };
  }
  const last = withShorterMessage(event.document, room, (document) => escapeJson(JSON.stringify(document)));
  const lastBytes = headerBytes + Buffer.byteLength(last);
  return lastBytes <= maxBytes ? { text: header + last, bytes: lastBytes } : { tooLarge: lastBytes };
}

/** `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD `, with the space before MSG. RFC 5424 section 6. */
function encodeHeader(event: SecurityEvent, settings: HeaderSettings): string {
  const priority = settings.facility * 8 + SYSLOG_SEVERITY[event.severity];
  const activity = event.document.event.action ?? '';
  return [
    `<${priority}>1`,
    timestamp(event.document['@timestamp']),
    headerName(settings.hostname, 255),
    headerName(settings.appName, 48),
    headerName(String(settings.processId), 128),
    headerName(activity, 32),
    structuredData(event, settings.enterpriseNumber),
    '',
  ].join(' ');
}

const RFC5424_TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/;

/** At most six digits of a second; the nil value where a year or a text does not fit the format. */
function timestamp(text: string): string {
  if (RFC5424_TIMESTAMP.test(text) && !Number.isNaN(Date.parse(text))) return text;
  const time = Date.parse(text);
  const iso = Number.isNaN(time) ? '-' : new Date(time).toISOString();
  return RFC5424_TIMESTAMP.test(iso) ? iso : '-';
}

/** Printable US-ASCII without spaces; everything else becomes `_`. The nil value for nothing. */
function headerName(text: string, length: number): string {
  const name = text.slice(0, length);
  return (/^[!-~]+$/.test(name) ? name : name.replace(/[^!-~]/g, '_')) || '-';
}

/** The vendor fields that searches ask for, by the name they have in structured data. */
const PARAMETERS: readonly (readonly [name: string, fields: readonly string[]])[] = [
  ['session', ['session_id']],
  ['page', ['page_name']],
  ['action', ['user_action_type']],
  ['image', ['image_type']],
  ['result', ['result', 'process_result', 'check_result']],
];

function structuredData(event: SecurityEvent, enterpriseNumber: number | undefined): string {
  if (enterpriseNumber === undefined) return '-';
  const [type = 'idv', fields = {}] = Object.entries(event.document.transmit_security)[0] ?? [];
  const parameters = [parameter('id', event.id)];
  for (const [name, candidates] of PARAMETERS) {
    const value = candidates.map((field) => fields[field]).find((found) => typeof found === 'string' && found !== '');
    if (typeof value === 'string') parameters.push(parameter(name, value));
  }
  return `[${headerName(type, 12).replace(/[="\]]/g, '_')}@${enterpriseNumber} ${parameters.join(' ')}]`;
}

/** Values repeat what the JSON holds in full, so a long one is cut here. */
const LONGEST_VALUE = 255;

/** RFC 5424 section 6.3.3: `"`, `\` and `]` take a backslash. Controls are spelled out first, as in JSON. */
function parameter(name: string, value: string): string {
  const cut = value.length > LONGEST_VALUE ? value.slice(0, LONGEST_VALUE) : value;
  return `${name}="${spellOut(cut.toWellFormed()).replace(/["\\\]]/g, '\\$&')}"`;
}

const PLAIN = /^[ -~]*$/;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Compact JSON with DEL, C1, line separators and bidi characters as `\uXXXX` too: the same value for whoever parses it, and
 * nothing that a terminal or a line-based reader would act upon. C0 cannot occur raw in JSON text.
 */
function escapeJson(json: string): string {
  return PLAIN.test(json) ? json : spellOut(json);
}

function spellOut(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}
