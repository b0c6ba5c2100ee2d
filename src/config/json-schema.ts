import { type ZodType, z } from 'zod';
import type { SinkDefinition } from '../sink.ts';
import { type Registry, sections, sinkCommon } from './schema.ts';

/** As far as this program reads and writes it. */
export interface JsonSchema {
  type?: unknown;
  const?: unknown;
  enum?: unknown;
  pattern?: unknown;
  format?: unknown;
  description?: string;
  secret?: boolean;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  additionalProperties?: boolean | JsonSchema;
  [keyword: string]: unknown;
}

/** The JSON Schema (2020-12) of a config with these kinds of sink, for editors and `mosaic-siem schema`. */
export function configSchema(registry: Registry): JsonSchema {
  const module = joined(
    { type: 'object', description: 'A module of your own that exports a sink definition.' },
    { pattern: '^(\\.{0,2}/|[A-Za-z]:)' },
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Config of mosaic-siem',
    type: 'object',
    properties: {
      ...Object.fromEntries(Object.entries(sections).map(([key, schema]) => [key, open(plain(schema))])),
      sinks: {
        type: 'object',
        description: 'Where events go: any name, its type and options. At least one.',
        minProperties: 1,
        additionalProperties: {
          anyOf: [...registry.map(schemaOfSink), module],
        },
      },
    },
    required: ['mosaic', 'sinks'],
    additionalProperties: false,
    $defs: { sink: open(plain(sinkCommon)) },
  };
}

/** The common keys and those of one kind of sink, as one map. */
function schemaOfSink(definition: SinkDefinition<unknown>): JsonSchema {
  return { description: definition.summary, ...joined(open(plain(definition.options)), { const: definition.type }) };
}

function joined(own: JsonSchema, type: JsonSchema): JsonSchema {
  const alternatives = own.anyOf ?? own.oneOf;
  if (!own.properties && alternatives) return { anyOf: alternatives.map((one) => joined(one, type)) };
  const common = Object.keys(sinkCommon.shape).map((key) => [key, { $ref: `#/$defs/sink/properties/${key}` }] as const);
  return {
    ...own,
    properties: { ...Object.fromEntries(common), type, ...own.properties },
    required: ['type', ...(own.required ?? [])],
  };
}

function plain(schema: ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  return rest;
}

const INTERPOLATED: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** Wherever not every text will do, `${NAME}` and `${file:PATH}` do too. */
function open(schema: JsonSchema): JsonSchema {
  const result = { ...schema };
  if (schema.properties) result.properties = mapValues(schema.properties, open);
  if (typeof schema.additionalProperties === 'object') result.additionalProperties = open(schema.additionalProperties);
  if (schema.items) result.items = open(schema.items);
  if (schema.anyOf) result.anyOf = schema.anyOf.map(open);
  if (schema.oneOf) result.oneOf = schema.oneOf.map(open);
  return isParticular(schema) ? withInterpolation(schema) : result;
}

function isParticular({ type, pattern, format, enum: choices }: JsonSchema): boolean {
  return ['number', 'integer', 'boolean'].includes(String(type)) || [pattern, format, choices].some(Boolean);
}

function withInterpolation({ description, default: standard, secret, ...particular }: JsonSchema): JsonSchema {
  return {
    ...(description !== undefined && { description }),
    ...(standard !== undefined && { default: standard }),
    ...(secret !== undefined && { secret }),
    anyOf: [particular, INTERPOLATED],
  };
}

function mapValues(record: Record<string, JsonSchema>, change: (schema: JsonSchema) => JsonSchema) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** The texts that a schema marks as secret in a value. */
export function secretsIn(schema: ZodType, value: unknown): readonly string[] {
  return find(plain(schema), value);
}

function find(schema: JsonSchema, value: unknown): readonly string[] {
  if (schema.secret) return typeof value === 'string' && value ? [value] : [];
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((branch) => find(branch, value));
  if (Array.isArray(value))
    return [...branches, ...value.flatMap((entry) => (schema.items ? find(schema.items, entry) : []))];
  if (typeof value !== 'object' || value === null) return branches;
  const known = Object.entries(schema.properties ?? {}).filter(([key]) => Object.hasOwn(value, key));
  return [...branches, ...known.flatMap(([key, inner]) => find(inner, Reflect.get(value, key)))];
}
