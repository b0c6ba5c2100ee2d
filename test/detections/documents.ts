/** Activities of the simulator as the documents that a SIEM would hold: the real mapping, and places where GeoIP would put them. */
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import type { TimedActivity } from '../../src/simulator/attacks/index.ts';
import { placeOf } from './places.ts';

export interface StoredEvent {
  /** Epoch ms. */
  readonly at: number;
  readonly id: string;
  readonly code: string;
  readonly document: Readonly<Record<string, unknown>>;
}

/** As many as Mosaic hands out at once. */
const PAGE = 1_000;

/** In the order of the activities, which is that of time. */
export function documentsOf(activities: readonly TimedActivity[]): readonly StoredEvent[] {
  const { events } = normalizer(DEFAULT_EVENT_OPTIONS);
  const stored: StoredEvent[] = [];
  for (let from = 0; from < activities.length; from += PAGE) {
    const some = activities.slice(from, from + PAGE);
    const body = Buffer.from(`[${some.map(({ json }) => json).join(',')}]`);
    const receivedAt = new Date((some.at(-1)?.at ?? 0) + 20_000);
    const page = { number: from / PAGE + 1, stream: 'verify/siem', receivedAt, partial: false, body } as const;
    for (const { id, code, document } of events(page))
      stored.push({ at: Date.parse(document['@timestamp']), id, code, document: placed(document) });
  }
  return stored;
}

function placed(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const source = document['source'] as { readonly ip?: string } | undefined;
  const place = source?.ip === undefined ? undefined : placeOf(source.ip);
  return place ? { ...document, source: { ...source, ...place } } : document;
}
