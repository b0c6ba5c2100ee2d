/** The bodies of what `install` puts into Elasticsearch. Pure. */
import table from '../content/fields.json' with { type: 'json' };
import pipeline from './content/pipeline.json' with { type: 'json' };
import { type Dataset, dataStream } from './encode.ts';

/** Raised with every change of the content. An installed copy with a higher one is left alone. */
export const CONTENT_VERSION = 2;
export const MANAGED_BY = 'mosaic-siem-forwarder';
const META = { managed_by: MANAGED_BY, version: CONTENT_VERSION };

export const templateName = (dataset: Dataset) => `transmit_security.${dataset}`;
export const pipelineName = (dataset: Dataset) => `transmit_security.${dataset}-pipeline`;
export const mappingsName = (dataset: Dataset) => `transmit_security.${dataset}-mappings`;
const customName = (dataset: Dataset) => `transmit_security.${dataset}-custom`;
/** Of the policy, and of the component that names it. */
export const LIFECYCLE = 'transmit_security-lifecycle';

/** The parts of Elasticsearch's own logs template. Order decides: ours stands before the dynamic rules of ecs@mappings. */
const BEFORE = ['logs@mappings', 'logs@settings'];
const BEHIND = ['ecs@mappings'];
const ELASTIC_COMPONENTS: readonly string[] = [...BEFORE, ...BEHIND];

/** What this server can do; undefined means all that a current one can. */
export interface Abilities {
  readonly components: ReadonlySet<string> | undefined;
  readonly processors: ReadonlySet<string> | undefined;
  readonly failureStore: boolean;
  /** Index lifecycle management, which serverless has not. */
  readonly policies: boolean;
  /** The lifecycle of data streams, which older servers have not. */
  readonly dataStreamLifecycle: boolean;
}

export interface Content {
  readonly body: Readonly<Record<string, unknown>>;
  /** What was left out for this server. */
  readonly note?: string;
}

/** Without the kinds of processor that the server lacks; nothing where none is left. */
export function pipelineContent({ processors }: Abilities): Content | undefined {
  const kind = (processor: object) => Object.keys(processor)[0] ?? '';
  const has = (processor: object) => !processors || processors.has(kind(processor));
  const kept = pipeline.processors.filter(has);
  const onFailure = pipeline.on_failure.filter(has);
  if (!kept.some((processor) => kind(processor) !== 'rename')) return undefined;
  const missing = new Set(pipeline.processors.filter((processor) => !has(processor)).map(kind));
  const { description } = pipeline;
  const body = { description, processors: kept, ...(onFailure.length > 0 && { on_failure: onFailure }), _meta: META };
  return { body, ...noteOn('processors', missing) };
}

export function mappingsContent(dataset: Dataset, { components }: Abilities): Content {
  const ours = `transmit_security.${dataset}.`;
  const rows: readonly (readonly [string, FieldRow])[] = Object.entries(table);
  const fields = rows
    .filter(([name]) => !name.startsWith('transmit_security.') || name.startsWith(ours))
    .map(([name, row]) => [name, fieldOf(row)] as const);
  const plain = components !== undefined && !components.has('ecs@mappings');
  const properties = nest(plain ? [...fields, ...DATA_STREAM].map(([name, field]) => [name, coreType(field)]) : fields);
  // Each index carries it, so that it shows which of them was made by an older release.
  const body = { template: { mappings: { _meta: META, properties } }, _meta: META };
  return {
    body,
    ...(plain && { note: 'with keyword and text for wildcard and match_only_text, which came with ecs@mappings' }),
  };
}

/** New indices by size and age, as Elasticsearch does it for logs. Nothing is ever deleted: that is for the user to decide. */
export function policyContent({ policies }: Abilities): Content | undefined {
  const rollover = { max_primary_shard_size: '50gb', max_age: '30d' };
  const phases = { hot: { min_age: '0ms', actions: { rollover } } };
  return policies ? { body: { policy: { phases, _meta: META } } } : undefined;
}

/** A component of its own, named before the user's: what an index template says itself, no component could change. */
export function lifecycleContent({ policies, dataStreamLifecycle }: Abilities): Content | undefined {
  if (!policies && !dataStreamLifecycle) return undefined;
  const template = {
    ...(policies && { settings: { index: { lifecycle: { name: LIFECYCLE } } } }),
    ...(dataStreamLifecycle && { lifecycle: { enabled: true } }),
  };
  return { body: { template, _meta: META } };
}

export function templateContent(dataset: Dataset, abilities: Abilities): Content {
  const has = (name: string) => abilities.components?.has(name) ?? true;
  const missing = ELASTIC_COMPONENTS.filter((name) => !has(name));
  const lifecycle = lifecycleContent(abilities);
  const named = pipelineContent(abilities) && { settings: { index: { default_pipeline: pipelineName(dataset) } } };
  const body = {
    index_patterns: [dataStream(dataset, '*')],
    priority: 500,
    data_stream: {},
    composed_of: [
      ...BEFORE.filter(has),
      mappingsName(dataset),
      ...BEHIND.filter(has),
      ...(lifecycle ? [LIFECYCLE] : []),
      customName(dataset),
    ],
    ignore_missing_component_templates: [customName(dataset)],
    template: {
      ...named,
      ...(abilities.failureStore && { data_stream_options: { failure_store: { enabled: true } } }),
    },
    _meta: META,
  };
  const left = [
    ...missing,
    ...(named ? [] : ['a pipeline']),
    ...(lifecycle ? [] : ['a lifecycle']),
    ...(abilities.failureStore ? [] : ['the failure store']),
  ];
  return { body, ...noteOn('parts', left) };
}

function noteOn(what: string, missing: Iterable<string>): { note?: string } {
  const names = [...missing];
  return names.length > 0 ? { note: `without the ${what} that this server lacks: ${names.join(', ')}` } : {};
}

interface Field {
  readonly type: string;
  readonly ignore_above?: number;
  readonly index?: boolean;
  readonly doc_values?: boolean;
  readonly fields?: Readonly<Record<string, Field>>;
}

/** A row of the field table: `limit` in characters, `text` for a second way to search it, by words. */
interface FieldRow {
  readonly type: string;
  readonly limit?: number;
  readonly indexed?: boolean;
  readonly text?: boolean;
}

/** Longer strings are kept but not indexed: without a limit, one over 32,766 bytes would have its whole event refused. */
function fieldOf({ type, limit = 1024, indexed = true, text = false }: FieldRow): Field {
  return {
    type,
    ...(indexed ? (type === 'keyword' || type === 'flattened') && { ignore_above: limit } : UNINDEXED),
    ...(text && { fields: { text: { type: 'match_only_text' } } }),
  };
}

const UNINDEXED = { index: false, doc_values: false };
const KEYWORD = fieldOf({ type: 'keyword' });
const DATA_STREAM = ['type', 'dataset', 'namespace'].map((part) => [`data_stream.${part}`, KEYWORD] as const);

/** The nearest type for a server that has only the core of Elasticsearch. */
function coreType(field: Field): Field {
  const fields = field.fields && Object.entries(field.fields).map(([name, inner]) => [name, coreType(inner)] as const);
  if (field.type === 'match_only_text') return { type: 'text' };
  return {
    ...field,
    ...(field.type === 'wildcard' && KEYWORD),
    ...(fields && { fields: Object.fromEntries(fields) }),
  };
}

interface Properties {
  [name: string]: Field | { properties: Properties };
}

/** `source.ip` as `{ source: { properties: { ip: … } } }`. */
function nest(fields: readonly (readonly [string, Field])[]): Properties {
  const root: Properties = {};
  for (const [path, field] of fields) {
    const parents = path.split('.');
    const leaf = parents.pop() ?? path;
    parents.reduce(propertiesOf, root)[leaf] = field;
  }
  return root;
}

function propertiesOf(parent: Properties, name: string): Properties {
  const found = parent[name];
  if (found && 'properties' in found) return found.properties;
  const properties: Properties = {};
  parent[name] = { properties };
  return properties;
}
