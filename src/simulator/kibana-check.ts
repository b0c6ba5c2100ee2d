/** What the parts of the simulated Kibana answer with, and how they look at what they are sent. */
import { randomUUID } from 'node:crypto';

export type Json = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

export function refused(status: number, message: string, more: Json = {}): Reply {
  return { status, body: { statusCode: status, error: String(status), message, ...more } };
}

export function newId(): string {
  return randomUUID();
}

type Check = (value: unknown) => boolean;

/** Throws where a field is missing, unknown, or of another kind than it should be. `?` at its end: may be missing. */
export function checked(value: unknown, fields: Readonly<Record<string, Check>>, where: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`[${where}]: expected an object`);
  const names = Object.keys(fields).map((name) => name.replace('?', ''));
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`[${where}.${unknown}]: definition for this key is missing`);
  for (const [name, check] of Object.entries(fields)) {
    const found = (value as Json)[name.replace('?', '')];
    if (found === undefined && name.endsWith('?')) continue;
    if (!check(found))
      throw new Error(`[${where}.${name.replace('?', '')}]: ${JSON.stringify(found)} is not allowed here`);
  }
  return value as Json;
}

export const isText: Check = (value) => typeof value === 'string' && value !== '';
export const isTexts: Check = (value) => Array.isArray(value) && value.every((each) => typeof each === 'string');
export const isList: Check = (value) => Array.isArray(value);
export const isFlag: Check = (value) => typeof value === 'boolean';
export const isNumber: Check = (value) => Number.isInteger(value);
export const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
export const isSpan: Check = (value) => typeof value === 'string' && /^\d+[smhd]$/.test(value);
export const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
