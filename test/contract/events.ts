/** Events for the contract suite: valid ECS, frozen to the last field, so that a sink that changes one is found out. */
import { createHash } from 'node:crypto';
import type { EcsDocument, SecurityEvent } from '../../src/sink.ts';

/** What an applicant might have typed. It stands in every event and must stand in no error, reason or log line. */
export const APPLICANT = 'Erika Mustermann-Contract';

/** `count` events of their own: no two calls with another `name` share an id. */
export function someEvents(name: string, count: number): readonly SecurityEvent[] {
  return Object.freeze(Array.from({ length: count }, (_, index) => eventOf(documentOf(name, index))));
}

/** The same event with other content, under the same id. Frozen too. */
export function withFields(event: SecurityEvent, fields: Readonly<Record<string, unknown>>): SecurityEvent {
  return eventOf({ ...event.document, ...fields });
}

function documentOf(name: string, index: number): EcsDocument {
  const id = createHash('sha256').update(`${name} ${index}`).digest('hex').slice(0, 32);
  return {
    '@timestamp': '2026-11-01T10:00:00.107Z',
    message: `IDV page loaded ${index}: größe “✓” ${APPLICANT}`,
    ecs: { version: '9.4.0' },
    event: { id, action: 'page_loaded', code: 'page_loaded.start', dataset: 'transmit_security.idv', severity: 10 },
    source: { ip: '192.0.2.7' },
    tags: ['transmit_security', 'idv'],
    // The session is the id again: a sink for people shows it where it does not show ids.
    transmit_security: { idv: { session_id: id, params: { index: String(index) } } },
  };
}

function eventOf(document: EcsDocument): SecurityEvent {
  const json = JSON.stringify(document);
  const source = {
    stream: 'verify/contract',
    receivedAt: new Date('2026-11-01T10:00:01.000Z'),
    position: { page: 1, index: 0 },
    ordinal: 0,
    raw: Buffer.from(json),
  } as const;
  const { id, code } = document.event as { id?: string; code?: string };
  return deepFreeze({ id: String(id), code: String(code), severity: 'informational', source, document, json });
}

/** Each is one that a careless sink breaks on: it cuts, re-encodes, trips over a key, or ends a line too early. */
export function hostileEvents(name: string): readonly SecurityEvent[] {
  const contents: Readonly<Record<string, unknown>>[] = [
    {
      message:
        'controls \u0000 \u0001 \u0007 \b \t \u001b[31m \u007f \u0085 \r\n second line\n{"event":{"id":"forged"}}',
    },
    { message: `long ${'x'.repeat(2_990)} end` },
    { user_agent: { original: 'y'.repeat(3_000) } },
    { message: 'four bytes: \u{1f600}\u{20000}\u{10ffff} \u202e \u2028 \u2029 \ufeff' },
    { message: 'quotes " \' ` \\ ] [ } { <14>1 - - 12 \\u0000 $HOME %s %00 &amp; <b>' },
    { transmit_security: { idv: JSON.parse(`{"session_id":"","params":${HOSTILE_KEYS}}`) } },
    { message: '' },
  ];
  return Object.freeze(
    someEvents(name, contents.length).map((event, index) => {
      const { transmit_security: vendor, ...fields } = contents[index] ?? {};
      if (!vendor) return withFields(event, fields);
      const { idv } = vendor as { idv: Record<string, unknown> };
      return withFields(event, { transmit_security: { idv: { ...idv, session_id: event.id } } });
    }),
  );
}

// As text: in an object literal `__proto__` would set the prototype and be no key.
const HOSTILE_KEYS =
  '{"__proto__":"own","constructor":"own","toString":"own","a\\"b\\nc":"own","":"own","größe":"own"}';

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
