import { readdirSync, readFileSync } from 'node:fs';
import { DEFAULT_EVENT_OPTIONS, type EventOptions, normalizer } from '../src/normalize.ts';
import type { Page, SecurityEvent, StreamName } from '../src/types.ts';

const folder = new URL('./golden/', import.meta.url);

export interface Golden {
  readonly stream: StreamName;
  readonly receivedAt: string;
  readonly page: readonly unknown[];
}

export function readGolden<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as T;
}

/** The folders that hold a pair of input.json and expected.json. */
export function goldenNames(): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

export const RECEIVED = '2022-12-01T01:20:41.512Z';

export function pageOf(body: unknown, stream: StreamName = 'verify/siem-idv', receivedAt = RECEIVED): Page {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const bytes = body instanceof Uint8Array ? body : Buffer.from(text);
  return { number: 42, stream, receivedAt: new Date(receivedAt), partial: false, body: bytes };
}

export function mapPage(body: unknown, options: Partial<EventOptions> = {}, stream?: StreamName) {
  return [...normalizer({ ...DEFAULT_EVENT_OPTIONS, ...options }).events(pageOf(body, stream))];
}

/** One activity with what every one has, mapped. */
export function mapActivity(activity: object, options: Partial<EventOptions> = {}, stream?: StreamName): SecurityEvent {
  const [event] = mapPage([{ timestamp: RECEIVED, ...activity }], options, stream);
  if (!event) throw new Error('an activity gave no event');
  return event;
}

/** The value at a dotted path. */
export function at(document: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

/** A document as JSON has it. */
export function plain(event: SecurityEvent): Record<string, unknown> {
  return JSON.parse(event.json) as Record<string, unknown>;
}
