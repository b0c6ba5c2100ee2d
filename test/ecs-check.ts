import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { EcsFlat } from '@elastic/ecs';
import { VENDOR_FIELD_TYPES } from '../src/normalize/mapping.ts';

interface Field {
  readonly type: string;
  readonly normalize?: readonly string[];
}

const fields = EcsFlat as unknown as Readonly<Record<string, Field>>;

const isOfType: Readonly<Record<string, (value: unknown) => boolean>> = {
  keyword: (value) => typeof value === 'string',
  wildcard: (value) => typeof value === 'string',
  match_only_text: (value) => typeof value === 'string',
  constant_keyword: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  long: (value) => Number.isSafeInteger(value),
  ip: (value) => typeof value === 'string' && isIP(value) !== 0 && !value.includes('%'),
  date: (value) => typeof value === 'string' && new Date(value).toISOString() === value,
  flattened: (value) => isFlat(value, 1),
};

/** What Elasticsearch's flattened type takes: 20 levels, and 32,766 bytes for a path and its value together. */
function isFlat(value: unknown, level: number, path = ''): boolean {
  if (typeof value !== 'object' || value === null) return Buffer.byteLength(`${path}\0${value}`) < 32_766;
  if (level > 20) return false;
  return Object.entries(value).every(([key, member]) => {
    const next = Array.isArray(value) ? path : `${path}.${key}`;
    return !key.includes('\0') && isFlat(member, level + 1, next);
  });
}

/** Every field is one of ECS 9.4.0, or a declared vendor field, and its value is of the field's type. */
export function assertEcs(document: unknown, path = ''): void {
  const vendorType = VENDOR_FIELD_TYPES[path];
  const field = vendorType ? { type: vendorType } : fields[path];
  if (field && field.type !== 'object' && field.type !== 'group') {
    const list = Array.isArray(document) && vendorType !== 'flattened' ? document : [document];
    if (fields[path]?.normalize?.includes('array')) assert.ok(Array.isArray(document), `${path} is a list in ECS`);
    else if (!vendorType) assert.ok(!Array.isArray(document), `${path} is no list in ECS`);
    for (const value of list)
      assert.ok(isOfType[field.type]?.(value), `${path} is a ${field.type}: ${JSON.stringify(value)}`);
    return;
  }
  assert.ok(typeof document === 'object' && document !== null, `${path} is neither in ECS 9.4.0 nor declared`);
  for (const [key, value] of Object.entries(document)) assertEcs(value, path === '' ? key : `${path}.${key}`);
}
