/** docs/event.schema.json: an event as a sink is given it, as JSON Schema. */
import { FIELD_TABLE, type FieldRow, type MappedStreams, rowsOf } from './field-documents.ts';

export type Schema = { readonly [key: string]: Schema | readonly Schema[] | readonly string[] | string | boolean };

/** What every event has. */
const ALWAYS = [
  '@timestamp',
  'message',
  'tags',
  'ecs.version',
  'event.kind',
  'event.code',
  'event.severity',
  'event.id',
  'event.module',
  'event.dataset',
  'event.provider',
  'event.created',
  'log.level',
  'observer.vendor',
  'observer.product',
  'observer.type',
];

export function eventSchema(streams: MappedStreams): string {
  const codes = Object.values(streams).flatMap((stream) => rowsOf(stream).map(({ code }) => code));
  const fields = [...FIELD_TABLE].filter(([, { from }]) => from === undefined);
  const schema: Schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'An event of the Mosaic SIEM Forwarder',
    description: 'As every sink is given it. A later version may add fields.',
    ...objectOf(fields.map(([field, row]) => [field.split('.'), field, schemaOf(field, row, codes)])),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

type Member = readonly [path: readonly string[], field: string, schema: Schema];

function objectOf(members: readonly Member[]): Schema {
  const names = Map.groupBy(members, ([[name = '']]) => name);
  const properties = [...names].map(([name, inner]): [string, Schema] => {
    const [first] = inner;
    if (first && first[0].length === 1) return [name, first[2]];
    return [name, objectOf(inner.map(([[, ...rest], field, schema]) => [rest, field, schema]))];
  });
  const required = [...names].filter(([, inner]) => inner.some(([, field]) => ALWAYS.includes(field)));
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required: required.map(([name]) => name) }),
    additionalProperties: false,
  };
}

const TYPES: Readonly<Record<string, Schema>> = {
  date: { type: 'string', format: 'date-time' },
  ip: { type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
  long: { type: 'integer' },
  float: { type: 'number' },
  boolean: { type: 'boolean' },
  flattened: { type: 'object' },
};

function schemaOf(field: string, { type, list, holds }: FieldRow, codes: readonly string[]): Schema {
  const value: Schema = { ...(TYPES[type] ?? { type: 'string' }), ...(field === 'event.code' && { enum: codes }) };
  return list ? { description: holds, type: 'array', items: value } : { description: holds, ...value };
}
