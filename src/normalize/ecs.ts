import { matchesPattern } from '../pattern.ts';
import type { EcsDocument, Severity } from '../types.ts';
import type { Inputs } from './activity.ts';
import {
  copiesOf,
  writeAddress,
  writeDevice,
  writeError,
  writeParameters,
  writeRedirect,
  writeSubject,
} from './ecs-fields.ts';
import { type EventOptions, severityChooser } from './event-options.ts';
import { ECS_VERSION, type Row, SEVERITIES, type StreamMapping } from './mapping.ts';
import { type UserAgent, userAgentParser } from './user-agent.ts';

/** A document while it is being made. */
export interface Draft {
  readonly document: Record<string, unknown>;
  readonly event: Record<string, unknown>;
  /** `transmit_security.<name>` */
  readonly vendor: Record<string, unknown>;
  readonly related: { ip?: string[]; user?: string[]; hosts?: string[] };
  readonly tags: string[];
}

/** What the writers of fields work with; one per stream type. */
export interface Writing {
  readonly mapping: StreamMapping;
  readonly options: EventOptions;
  readonly userAgent: (original: string) => UserAgent;
  readonly copies: readonly { readonly name: string; readonly holder: string | undefined; readonly field: string }[];
}

export interface Mapped {
  readonly code: string;
  readonly severity: Severity;
  readonly document: EcsDocument;
}

/** What the daemon knows about an activity that it does not say itself. */
interface Receipt {
  readonly id: string;
  readonly receivedAt: Date;
  /** `receivedAt` as text. */
  readonly created: string;
  readonly original?: string | undefined;
}

/** Why there is no mapping. `message` holds nothing of the activity. */
interface Failing {
  readonly type: string;
  readonly message: string;
  readonly hash: string;
  readonly spoolRef: string;
}

export interface DocumentBuilder {
  event(inputs: Inputs, receipt: Receipt): Mapped;
  pipelineError(failing: Failing, receipt: Receipt): Mapped;
}

/** Builds the ECS documents of one stream type. */
export function documentBuilder(mapping: StreamMapping, options: EventOptions): DocumentBuilder {
  const writing: Writing = { mapping, options, userAgent: userAgentParser(), copies: copiesOf(mapping) };
  const severityOf = severityChooser(options.severity);
  return {
    event: (inputs, receipt) => {
      const { row, unlisted } = chooseRow(writing, inputs);
      const severity = severityOf(row.code, row.severity);
      const draft = begin(writing, row, severity, receipt);
      if (unlisted) draft.tags.push(`${mapping.name}_unmapped_${unlisted}`);
      write(draft, inputs, row, writing, receipt.receivedAt);
      return finish(draft, row.code, severity);
    },
    pipelineError: (failing, receipt) => {
      const { code, action, message } = mapping.failed;
      const severity = severityOf(code, 'medium');
      const row: Row = { group: 'unknown', code, severity, message };
      const draft = begin(writing, row, severity, receipt);
      Object.assign(draft.event, { kind: 'pipeline_error', action, hash: failing.hash });
      draft.document['error'] = { type: failing.type, message: failing.message };
      draft.vendor['spool_ref'] = failing.spoolRef;
      return finish(draft, code, severity);
    },
  };
}

/** The tag says what the table lacks: the activity, or a value that is there. */
function chooseRow(
  { mapping, options }: Writing,
  { known, other }: Inputs,
): { row: Row; unlisted?: 'activity' | 'value' } {
  const rows = mapping.activities.get(String(known['activity']).toLowerCase());
  if (!rows) return { row: mapping.unknown, unlisted: 'activity' };
  if (!rows.parameter) return { row: rows.other };
  const value = known[rows.parameter];
  if (value === undefined) return { row: rows.other, ...(other.has(rows.parameter) && { unlisted: 'value' }) };
  const word = String(value).trim().toLowerCase();
  const row = rows.values.get(rows.wordLists ? (listed(word, options.checkResult) ?? '') : word);
  return row ? { row } : { row: rows.other, unlisted: 'value' };
}

function listed(word: string, lists: EventOptions['checkResult']): 'success' | 'failure' | undefined {
  const isIn = (list: readonly string[]) => list.some((pattern) => matchesPattern(pattern.toLowerCase(), word));
  return isIn(lists.success) ? 'success' : isIn(lists.failure) ? 'failure' : undefined;
}

function begin({ mapping }: Writing, row: Row, severity: Severity, { id, created, original }: Receipt): Draft {
  const { ecs, logLevel } = SEVERITIES[severity];
  const event: Record<string, unknown> = {
    kind: 'event',
    code: row.code,
    severity: ecs,
    id,
    module: 'transmit_security',
    dataset: `transmit_security.${mapping.name}`,
    provider: 'transmit_mosaic',
    created,
  };
  if (row.category) event['category'] = row.category;
  if (row.type) event['type'] = row.type;
  if (row.outcome) event['outcome'] = row.outcome;
  if (row.reason) event['reason'] = row.reason;
  const vendor = { severity };
  const tags = ['transmit_security', mapping.name, 'forwarded'];
  if (original !== undefined) {
    event['original'] = original;
    tags.push('preserve_original_event');
  }
  const document: Record<string, unknown> = {
    '@timestamp': created,
    message: row.message,
    ecs: { version: ECS_VERSION },
    event,
    log: { level: logLevel },
    observer: mapping.observer,
    transmit_security: { [mapping.name]: vendor },
    tags,
  };
  return { document, event, vendor, related: {}, tags };
}

function write(draft: Draft, inputs: Inputs, row: Row, writing: Writing, receivedAt: Date): void {
  const { activity } = inputs.known;
  if (activity !== undefined) draft.event['action'] = String(activity);
  writeTime(draft, inputs, writing, receivedAt);
  writeAddress(draft, inputs, writing);
  writeDevice(draft, inputs, writing);
  writeSubject(draft, inputs, row.group, writing);
  writeParameters(draft, inputs, writing);
  if (writing.mapping.name !== 'idv') return;
  writeDuration(draft, inputs);
  writeError(draft, inputs, writing);
  writeRedirect(draft, inputs, writing);
}

function finish({ document, related }: Draft, code: string, severity: Severity): Mapped {
  for (const _ in related) {
    document['related'] = related;
    break;
  }
  return { code, severity, document: document as EcsDocument };
}

/** Falls back on the time of receipt. */
function writeTime(
  { document, tags }: Draft,
  { known }: Inputs,
  { mapping, options }: Writing,
  receivedAt: Date,
): void {
  const time = readTime(known['timestamp']);
  const { pastMs, futureMs } = options.timestampWindow;
  const received = receivedAt.getTime();
  if (time !== undefined && time >= received - pastMs && time <= received + futureMs) {
    document['@timestamp'] = new Date(time).toISOString();
  } else tags.push(`${mapping.name}_bad_timestamp`);
}

const ISO_8601 = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,12})?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** Epoch milliseconds as a number or digits; any other text is ISO 8601, UTC where it has no zone. */
export function readTime(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text);
  const match = ISO_8601.exec(text);
  if (!match) return undefined;
  const [, zone] = match;
  const plain = text
    .toUpperCase()
    .replace(' ', 'T')
    .replace(',', '.')
    .replace(/([+-]\d\d)$/, zone ? '$1:00' : '$1');
  const time = Date.parse(zone || plain.length === 10 ? plain : `${plain}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** As long as its nanoseconds are a number that JSON carries exactly: some 104 days. */
const MAX_DURATION_MS = Math.floor(Number.MAX_SAFE_INTEGER / 1e6);

function writeDuration({ event, vendor, tags }: Draft, { known, other }: Inputs): void {
  const value = known['request_processing_time_ms'];
  if (value === undefined && !other.has('request_processing_time_ms')) return;
  const text = typeof value === 'string' ? value.trim() : value;
  const ms = typeof text === 'boolean' || text === undefined || text === '' ? Number.NaN : Number(text);
  if (!(ms >= 0 && ms <= MAX_DURATION_MS)) {
    tags.push('idv_bad_number');
    return;
  }
  event['duration'] = Math.round(ms * 1e6);
  vendor['request_processing_time_ms'] = Math.round(ms);
}
