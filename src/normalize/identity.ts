import { hash } from 'node:crypto';
import type { StreamName } from '../types.ts';

/** An activity nested deeper than this is not mapped; its id is made from its bytes. */
export const MAX_DEPTH = 1000;

export class TooDeep extends Error {
  constructor() {
    super(`nested deeper than ${MAX_DEPTH} levels`);
    this.name = 'TooDeep';
  }
}

/**
 * Keys sorted by code unit at every level, no white space, ECMAScript number and string forms, array order kept.
 * Throws TooDeep, at the same depth on every machine, so that an id never depends on the size of a stack.
 */
export function canonicalJson(value: unknown): string {
  const copy = sortedCopy(value, 0);
  return copy === undefined ? writeSorted(value) : JSON.stringify(copy);
}

/** The quick way: undefined where an object would not keep the order, or the name, of one of its keys. */
function sortedCopy(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) throw new TooDeep();
  if (Array.isArray(value)) {
    const list = value.map((element) => sortedCopy(element, depth + 1));
    return list.includes(undefined) ? undefined : list;
  }
  const members = value as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(members).sort()) {
    const first = key.charCodeAt(0);
    if ((first >= 0x30 && first <= 0x39) || key === '__proto__') return undefined;
    const member = sortedCopy(members[key], depth + 1);
    if (member === undefined) return undefined;
    copy[key] = member;
  }
  return copy;
}

function writeSorted(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth === MAX_DEPTH) throw new TooDeep();
  if (Array.isArray(value)) return `[${value.map((element) => writeSorted(element, depth + 1)).join()}]`;
  const members = value as Record<string, unknown>;
  const keys = Object.keys(members).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${writeSorted(members[key], depth + 1)}`).join()}}`;
}

/** Makes the ids of one page, or of one activity. `content` is canonical JSON, or the bytes of what is no JSON. */
export class Identities {
  readonly #prefix: string;
  readonly #seen = new Map<string, number>();

  constructor(stream: StreamName) {
    const slash = stream.indexOf('/');
    this.#prefix = `${stream.slice(0, slash)}\n${stream.slice(slash + 1)}\n`;
  }

  /** Counts equal contents, so it must see each element of a page once, in order. */
  next(content: string | Uint8Array): { readonly id: string; readonly ordinal: number } {
    const first = this.of(content, 0);
    const ordinal = this.#seen.get(first) ?? 0;
    this.#seen.set(first, ordinal + 1);
    return { id: ordinal === 0 ? first : this.of(content, ordinal), ordinal };
  }

  of(content: string | Uint8Array, ordinal: number): string {
    const prefix = `${this.#prefix}${ordinal}\n`;
    const input = typeof content === 'string' ? prefix + content : Buffer.concat([Buffer.from(prefix), content]);
    return hash('sha256', input, 'hex').slice(0, 32);
  }
}
