/** `_bulk` of the simulated Elasticsearch: `create` into data streams, one answer for each document. */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Asked, Holdings, Reply } from './elasticsearch.ts';
import { problem } from './elasticsearch-problem.ts';

export type Document = Readonly<Record<string, unknown>>;

interface Item {
  readonly status: number;
  readonly error?: unknown;
  readonly failure_store?: 'used';
}

export async function bulk(asked: Asked, held: Holdings): Promise<Reply> {
  const { dials } = held;
  held.bulkRequests += 1;
  const whole = wholeRequest(asked, held);
  if (dials.delayMs > 0) await sleep(dials.delayMs, undefined, { ref: false });
  if (whole) return whole;
  const lines = asked.body.split('\n');
  if (lines.pop() !== '')
    return problem(400, 'illegal_argument_exception', 'The bulk request must be terminated by a newline [\\n]');
  const pairs = pairsOf(lines);
  if (typeof pairs === 'string') return problem(400, 'illegal_argument_exception', pairs);
  const looked = dials.shortAnswer ? pairs.slice(0, -1) : pairs;
  const items = looked.map(([action, source]) => ({ create: create(action, source, held) }));
  const errors = items.some((item) => item.create.error !== undefined);
  return { status: 200, body: { took: 1, errors, items }, lost: dials.loseAnswer };
}

const PARAMETERS = ['filter_path', 'timeout', 'require_data_stream', 'refresh', 'pipeline', 'include_source_on_error'];

/** What a server says before it looks at a single document. */
function wholeRequest(asked: Asked, held: Holdings): Reply | undefined {
  const { dials } = held;
  const { n, status: nth } = dials.everyNth ?? { n: 0, status: 0 };
  const status = n > 0 && held.bulkRequests % n === 0 ? nth : dials.status;
  if (status !== undefined) {
    const headers = dials.retryAfter === undefined ? {} : { 'retry-after': String(dials.retryAfter) };
    return { ...problem(status, dials.errorType, 'as it was told'), headers };
  }
  if (asked.body.length > dials.maxBytes) return { status: 413, body: '' };
  if (asked.method !== 'POST' && asked.method !== 'PUT')
    return { status: 405, body: { error: `Incorrect HTTP method [${asked.method}]`, status: 405 } };
  return wrongMediaType(asked, dials.version) ?? wrongParameter(asked, dials.version);
}

function wrongMediaType({ headers }: Asked, version: string): Reply | undefined {
  const { accept = '', 'content-type': type = '' } = headers;
  const major = Number.parseInt(version, 10);
  const asked = [type, accept].map((header) => /compatible-with=(\d+)/.exec(header)?.[1]);
  if (!/^application\/(x-ndjson|json|vnd\.elasticsearch\+(x-nd)?json)/.test(type))
    return { status: 406, body: { error: `Content-Type header [${type}] is not supported`, status: 406 } };
  const fits = asked.every((one) => one === asked[0] && (!one || Number(one) === major || Number(one) === major - 1));
  if (fits) return undefined;
  return problem(400, 'media_type_header_exception', `Invalid media-type value on headers [Accept, Content-Type]`);
}

function wrongParameter({ query }: Asked, version: string): Reply | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const known = major > 8 || minor >= 18 ? PARAMETERS : PARAMETERS.slice(0, -1);
  const unknown = [...query.keys()].find((name) => !known.includes(name));
  if (!unknown) return undefined;
  return problem(400, 'illegal_argument_exception', `request [/_bulk] contains unrecognized parameter: [${unknown}]`);
}

interface Action {
  readonly index: string;
  readonly id: string;
}

function pairsOf(lines: readonly string[]): readonly (readonly [Action, string])[] | string {
  const pairs: [Action, string][] = [];
  for (let at = 0; at < lines.length; at += 2) {
    const { create: target } = (parsed(lines[at]) ?? {}) as { create?: { _index?: string; _id?: string } };
    const source = lines[at + 1];
    if (!target?._index || !target._id || source === undefined)
      return `Malformed action/metadata line [${at + 1}], expected field [create] with _index and _id`;
    pairs.push([{ index: target._index, id: target._id }, source]);
  }
  return pairs;
}

const NOTHING: Document = {};

function create({ index, id }: Action, source: string, held: Holdings): Item {
  const { dials, stored, failures } = held;
  const document = held.keep || dials.itemStatus ? parsed(source) : NOTHING;
  if (!document) return failed(400, 'document_parsing_exception', '[1:1] failed to parse');
  const told = dials.itemStatus?.(document);
  if (told !== undefined && told >= 300) return failed(told, dials.itemErrorType, `[${id}] as it was told`);
  if (!/^logs-transmit_security\.(idv|cis|admin|risk)-[^-]+$/.test(index))
    return failed(404, 'index_not_found_exception', `no such index [${index}]`);
  if (stored.has(id)) {
    held.duplicates += 1;
    return failed(409, 'version_conflict_engine_exception', `[${id}]: version conflict, document already exists`);
  }
  const bad = held.keep ? badField(document, index) : undefined;
  if (bad && !dials.failureStore)
    return failed(
      400,
      'document_parsing_exception',
      `[1:9] failed to parse field [${bad.field}] of type [${bad.type}] \
in document with id '${id}'. Preview of field's value: '${bad.value}'`,
    );
  (bad ? failures : stored).set(id, held.keep ? document : NOTHING);
  return { status: 201, ...(bad && { failure_store: 'used' }) };
}

function failed(status: number, type: string, reason: string): Item {
  return { status, error: { type, reason } };
}

interface BadField {
  readonly field: string;
  readonly type: string;
  readonly value: string;
}
type Check = readonly [type: string, fits: (value: unknown) => boolean, fields: readonly string[]];

const IP: Check = ['ip', (value) => isIP(String(value)) > 0, ['source.ip', 'client.ip', 'related.ip']];
const DATE: Check = [
  'date',
  (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value)),
  ['@timestamp', 'event.created', 'event.start', 'event.end'],
];
const LONG: Check = [
  'long',
  (value) => Number.isInteger(value),
  ['event.severity', 'event.duration', 'transmit_security.idv.request_processing_time_ms'],
];

/** The first field that the mapping does not take. */
function badField(document: Document, index: string): BadField | undefined {
  const [, dataset, namespace] = /^logs-(.*)-([^-]+)$/.exec(index) ?? [];
  const stream = { type: 'logs', dataset, namespace };
  for (const [part, value] of Object.entries(stream)) {
    const field = `data_stream.${part}`;
    if (valueAt(document, field) !== value) return { field, type: 'constant_keyword', value: String(value) };
  }
  if (document['@timestamp'] === undefined) return { field: '@timestamp', type: 'date', value: '' };
  for (const [type, fits, fields] of [IP, DATE, LONG]) {
    const field = fields.find((name) =>
      [valueAt(document, name)].flat().some((one) => one !== undefined && !fits(one)),
    );
    if (field) return { field, type, value: JSON.stringify(valueAt(document, field)) };
  }
  return undefined;
}

function valueAt(document: Document, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Document | undefined)?.[name], document);
}

function parsed(line: string | undefined): Document | undefined {
  try {
    const value: unknown = JSON.parse(line ?? '');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Document) : undefined;
  } catch {
    return undefined;
  }
}
