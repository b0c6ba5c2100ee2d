import type { SecurityEvent, StreamName } from '../../src/sink.ts';

/** The part of the data stream's name that tells the kind of event: also `event.dataset`. */
export const DATASETS = ['idv', 'cis', 'admin', 'risk'] as const;
export type Dataset = (typeof DATASETS)[number];

export function datasetOf(stream: StreamName): Dataset {
  const type = stream.slice(0, stream.indexOf('/')) as 'verify' | Exclude<Dataset, 'idv'>;
  return type === 'verify' ? 'idv' : type;
}

/** Whose events go there: the type of a stream in the config. */
export function streamType(dataset: Dataset): string {
  return dataset === 'idv' ? 'verify' : dataset;
}

export function dataStream(dataset: Dataset, namespace: string): string {
  return `logs-transmit_security.${dataset}-${namespace}`;
}

/**
 * The body of `_bulk`: two lines for each event, the last one ended too. A data stream takes `create` only; `_id` is the
 * event's id, so a second copy of an event answers 409.
 */
export function encodeBulk(batch: readonly SecurityEvent[], namespace: string): string {
  return batch.map((event) => encodeOne(event, namespace)).join('');
}

function encodeOne(event: SecurityEvent, namespace: string): string {
  const dataset = datasetOf(event.source.stream);
  const action = `{"create":{"_index":"${dataStream(dataset, namespace)}","_id":${JSON.stringify(event.id)}}}`;
  const stream = `{"data_stream":{"type":"logs","dataset":"transmit_security.${dataset}","namespace":"${namespace}"},`;
  return `${action}\n${stream}${event.json.slice(1)}\n`;
}
