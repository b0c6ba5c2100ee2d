import type { SecurityEvent } from '../../src/sink.ts';

/** The part of the options that an envelope shows. */
export interface EnvelopeOptions {
  readonly index?: string | undefined;
  readonly source?: string | undefined;
  readonly sourcetype?: string | undefined;
  readonly host: string;
}

/** Indexed fields are for finding an event, not for holding it: what is longer is cut. */
const MAX_FIELD_LENGTH = 256;

/**
 * One event as a HEC object. Exactly the keys that Splunk knows: one more, and it answers 200 and keeps only the first
 * object of the request.
 */
export function envelopeEncoder(options: EnvelopeOptions): (event: SecurityEvent) => string {
  const constants = new Map<string, string>();
  return (event) => {
    const type = event.source.stream.slice(0, event.source.stream.indexOf('/'));
    const constant = constants.get(type) ?? constantPart(type, options);
    constants.set(type, constant);
    return `{"time":${epochSeconds(event)},${constant},"event":${event.json},"fields":${indexedFields(event)}}`;
  };
}

/** Objects one after another, without an array or commas. */
export function encodeBatch(batch: readonly SecurityEvent[], encode: (event: SecurityEvent) => string): Buffer {
  let text = '';
  for (const event of batch) text += text === '' ? encode(event) : `\n${encode(event)}`;
  return Buffer.from(text);
}

function constantPart(type: string, options: EnvelopeOptions): string {
  const sourcetype = type === 'verify' ? 'transmitsecurity:mosaic:idv' : `transmitsecurity:mosaic:${type}`;
  const envelope = {
    host: options.host,
    source: options.source ?? `transmit:mosaic:${type}`,
    sourcetype: options.sourcetype ?? sourcetype,
    index: options.index,
  };
  return JSON.stringify(envelope).slice(1, -1);
}

/** Seconds with milliseconds. Without a time Splunk takes that of receipt, and so do we where there is none to be read. */
function epochSeconds(event: SecurityEvent): string {
  const ms = Date.parse(event.document['@timestamp']);
  return ((Number.isNaN(ms) ? event.source.receivedAt.getTime() : ms) / 1000).toFixed(3);
}

/** Flat, and never blank: Splunk refuses an event whose indexed fields it cannot handle. */
function indexedFields({ id, code, severity, document }: SecurityEvent): string {
  const { action } = document.event;
  const activity = action ? `,"idv_activity":${JSON.stringify(action.slice(0, MAX_FIELD_LENGTH))}` : '';
  const named = code ? `,"idv_code":${JSON.stringify(code.slice(0, MAX_FIELD_LENGTH))}` : '';
  return `{"idv_event_id":"${id}"${activity}${named},"idv_severity":"${severity}"}`;
}
