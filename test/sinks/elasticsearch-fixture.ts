import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { type ElasticsearchOptions, startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import type { SecurityEvent, Sink, SinkContext } from '../../src/sink.ts';
import type { StreamName } from '../../src/types.ts';

export const CONTEXT: SinkContext = {
  name: 'elastic',
  timeoutMs: 20_000,
  tls: {},
  version: '0.0.0',
  log: () => undefined,
};
export const API_KEY = 'c2VjcmV0LWtleS1pZDpzZWNyZXQ=';

/** An event as the program makes them, with fields of the test's choice laid over it. */
export function makeEvent(
  index: number,
  fields: Record<string, unknown> = {},
  stream: StreamName = 'verify/siem',
): SecurityEvent {
  const id = createHash('sha256').update(`${stream}${index}`).digest('hex').slice(0, 32);
  const document = {
    '@timestamp': '2026-11-01T10:00:00.000Z',
    message: `IDV page loaded: größe ${index}`,
    event: { id, action: 'page_loaded', severity: 10 },
    source: { ip: '192.0.2.7' },
    transmit_security: { idv: { activity: 'page_loaded', severity: 'informational' } },
    ...fields,
  };
  const position = { page: 1, index };
  const source = { stream, receivedAt: new Date(0), position, ordinal: 0, raw: Buffer.from('{}') };
  return { id, code: 'page_loaded.intro', severity: 'informational', source, document, json: JSON.stringify(document) };
}

export function makeEvents(count: number): SecurityEvent[] {
  return Array.from({ length: count }, (_, index) => makeEvent(index));
}

export const never = new AbortController().signal;

/** A receiver and a sink open on it; both are closed with the test. */
export async function openPair(
  test: TestContext,
  options: ElasticsearchOptions = {},
  context: Partial<SinkContext> = {},
) {
  const server = await startElasticsearch(options);
  test.after(() => server.close());
  const value = elasticsearch.options.parse({ url: server.url, ...(options.apiKey && { api_key: options.apiKey }) });
  const sink = await elasticsearch.open(value, { ...CONTEXT, ...context }, never);
  test.after(() => sink.close());
  return { server, sink, value };
}

/** What a delivery threw, with everything in it that a log could print. */
export async function thrownBy(sink: Sink, batch: readonly SecurityEvent[]): Promise<{ error: Error; text: string }> {
  const error = await sink.deliver(batch, never).then(
    (outcomes) => new Error(`nothing was thrown, but ${JSON.stringify(outcomes)} returned`),
    (thrown: Error) => thrown,
  );
  return { error, text: JSON.stringify([error.message, error, error.cause, error.stack]) };
}
