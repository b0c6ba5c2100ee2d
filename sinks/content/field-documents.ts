/** docs/fields.md and docs/event.schema.json, from the field table and the rows of the mapping. */
import type { Severity } from '../../src/sink.ts';
import FIELDS from './fields.json' with { type: 'json' };

export interface FieldRow {
  /** Of Elasticsearch. */
  readonly type: string;
  readonly list?: boolean;
  /** What we put there. */
  readonly holds: string;
  /** The one parameter of an activity that it comes from. */
  readonly parameter?: string;
  /** Who writes it, where that is not the forwarder: the SIEM's pipeline, or nobody yet. */
  readonly from?: string;
  /** Why nobody writes it yet. */
  readonly why?: string;
}

/** A row of the mapping, as far as the documents tell it. */
interface MappedRow {
  readonly code: string;
  readonly severity: Severity;
  readonly category?: readonly string[];
  readonly type?: readonly string[];
  readonly outcome?: string;
  readonly message: string;
}

/** The mapping of a stream type: src/normalize/mapping.ts has it. */
export interface MappedStream {
  readonly name: string;
  readonly observer: { readonly product: string };
  readonly activities: ReadonlyMap<
    string,
    { readonly values: ReadonlyMap<string, MappedRow>; readonly other: MappedRow }
  >;
  readonly unknown: MappedRow;
  readonly failed: { readonly code: string; readonly message: string };
}
/** By stream type. */
export type MappedStreams = Readonly<Record<string, MappedStream>>;

export const FIELD_TABLE: ReadonlyMap<string, FieldRow> = new Map(Object.entries(FIELDS as Record<string, FieldRow>));

export interface Tag {
  readonly tag: string;
  /** It begins with the data set of the event, which is one of these. */
  readonly of?: readonly string[];
  readonly when: string;
}

const ALL = ['idv', 'cis', 'admin', 'risk'];
export const TAGS: readonly Tag[] = [
  { tag: 'transmit_security', when: 'always' },
  { tag: 'idv', when: 'always, for a verification' },
  { tag: 'cis', when: 'always, for a user' },
  { tag: 'admin', when: 'always, for an administrator' },
  { tag: 'risk', when: 'always, for a recommendation of Fraud Prevention' },
  { tag: 'forwarded', when: 'always' },
  { tag: 'unmapped_activity', of: ALL, when: 'the activity is not in the mapping; all that it carries is kept' },
  { tag: 'unmapped_value', of: ['idv'], when: 'the activity is known, its value is not' },
  { tag: 'invalid_ip', of: ALL, when: 'the address is none; only `source.address` and `client.address` have it' },
  {
    tag: 'bad_timestamp',
    of: ALL,
    when: 'the time is missing, unreadable or far off; `@timestamp` is that of receipt',
  },
  { tag: 'bad_number', of: ['idv'], when: 'the time of processing is no number, or a negative one; it is left out' },
  { tag: 'redacted', of: ['cis', 'admin', 'risk'], when: 'personal values in the parameters were replaced' },
  { tag: 'truncated', of: ALL, when: 'a syslog message had to be made shorter, and lacks fields' },
  { tag: 'preserve_original_event', when: '`event.original` is there' },
];

export const tagNames = (): readonly string[] =>
  TAGS.flatMap(({ tag, of }) => (of ? of.map((name) => `${name}_${tag}`) : [tag]));

/** A group of the documents: which fields, by how their names begin. */
const GROUPS: readonly (readonly [title: string, starts: readonly string[]])[] = [
  ['The event', ['@timestamp', 'message', 'tags', 'ecs.', 'event.', 'log.', 'observer.', 'organization.', 'service.']],
  ['Where it comes from', ['source.', 'client.', 'related.']],
  ['Users', ['user.']],
  ['Device and browser', ['user_agent.', 'device.']],
  ['Redirects and errors', ['url.', 'error.', 'http.']],
  ['Alerts', ['rule.', 'threat.']],
  ['Identity verification', ['transmit_security.idv.']],
  ['Users at Mosaic', ['transmit_security.cis.']],
  ['Administration', ['transmit_security.admin.']],
  ['Fraud Prevention', ['transmit_security.risk.']],
];

const INTRODUCTION = `# Fields

What stands where in an event. Made from \`sinks/content/fields.json\` and the mapping by \`npm run generate\`; the templates of
Elasticsearch are made from the same table, and a test holds it against what the mapping writes.
[event.schema.json](event.schema.json) is the same as JSON Schema.

An event is one JSON object, with names from ECS 9.4.0 and, below \`transmit_security\`, of our own. \`event.code\` is the key for rules
and searches. To count, take different \`transmit_security.idv.session_id\`: a session has many events, and may have several ends. The
types are those of Elasticsearch, \`[]\` is a list. The column *from* names the one parameter of Mosaic's activity behind a field, in
any of its spellings, or *pipeline* where Elasticsearch adds the field on arrival: other SIEMs have ways of their own to do that.
`;

export function fieldDocument(streams: MappedStreams): string {
  const rows = [...FIELD_TABLE];
  const groups = GROUPS.map(([title, starts]) => {
    const ours = rows.filter(([field, { from }]) => from !== 'reserved' && starts.some((start) => isIn(field, start)));
    return ours.length === 0 ? '' : `## ${title}\n\n${table(['field', 'type', 'holds', 'from'], ours.map(fieldCells))}`;
  });
  return [INTRODUCTION, ...groups.filter(Boolean), tagSection(), codeSection(streams), reservedSection()].join('\n');
}

export function groupsOf(field: string): readonly string[] {
  return GROUPS.filter(([, starts]) => starts.some((start) => isIn(field, start))).map(([title]) => title);
}

function isIn(field: string, start: string): boolean {
  return start.endsWith('.') ? field.startsWith(start) : field === start;
}

function fieldCells([field, { type, list, holds, parameter, from }]: readonly [string, FieldRow]): readonly string[] {
  return [`\`${field}\``, `${type}${list ? '[]' : ''}`, holds, from ?? (parameter ? `\`${parameter}\`` : '')];
}

function tagSection(): string {
  const rows = TAGS.map(({ tag, of, when }) => [
    of ? of.map((name) => `\`${name}_${tag}\``).join(', ') : `\`${tag}\``,
    when,
  ]);
  return `## Tags\n\n${table(['tag', 'when'], rows)}`;
}

function codeSection(streams: MappedStreams): string {
  const parts = Object.entries(streams).map(([type, stream]) => {
    const rows = rowsOf(stream).map(({ code, severity, outcome = '', category = [], type: types = [], message }) => [
      `\`${code}\``,
      severity,
      outcome,
      [...category, ...types].join(', '),
      message,
    ]);
    const head = ['event.code', 'severity', 'outcome', 'category, types', 'message'];
    return `### Stream type ${type}: ${stream.observer.product}\n\n${table(head, rows)}`;
  });
  return `## Event codes\n\n\`events.severity\` in the config changes a severity, code by code.\n\n${parts.join('\n')}`;
}

/** Every row that an event of this stream type can be. */
export function rowsOf({ activities, unknown, failed }: MappedStream): readonly MappedRow[] {
  const known = [...activities.values()].flatMap(({ values, other }) => [...values.values(), other]);
  return [...known, unknown, { ...failed, severity: 'medium' }];
}

function reservedSection(): string {
  const reserved = [...FIELD_TABLE].filter(([, { from }]) => from === 'reserved');
  const parts = [...Map.groupBy(reserved, ([, { why = '' }]) => why)].map(([why, rows]) => {
    const fields = rows.map(([field]) => field);
    return `- ${[...Map.groupBy(fields, vendorPart)].map(namesBelow).join('; ')}: ${why}.`;
  });
  return `## Kept free\n\nThe templates have a type for these, and no event has them yet.\n\n${parts.join('\n')}\n`;
}

/** `transmit_security.risk` for the fields below it, nothing for the names of ECS. */
function vendorPart(field: string): string {
  return /^transmit_security\.\w+/.exec(field)?.[0] ?? '';
}

function namesBelow([part, fields]: readonly [string, readonly string[]]): string {
  const names = fields.map((field) => `\`${part ? field.slice(part.length + 1) : field}\``).join(', ');
  return part ? `below \`${part}\` ${names}` : names;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `|${cells.map((cell) => (cell ? ` ${cell.replaceAll('|', '\\|')} ` : ' ')).join('|')}|`;
  return `${[line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')}\n`;
}
