import type { Field } from './detection.ts';
import fields from './fields.json' with { type: 'json' };

/** Whether an event may hold several values of it at once. */
export function isList(field: Field): boolean {
  return 'list' in fields[field];
}
