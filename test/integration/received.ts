/** What the servers have stored, as they parsed it: read from the files that they write. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Server } from './servers.ts';

type Stored = Pick<Server, 'folder'>;

/** Lines of JSON. A server that was killed may leave a line torn; whoever kills none wants none. */
interface Lines<Line> {
  readonly whole: readonly Line[];
  readonly torn: readonly string[];
}

function linesOf({ folder }: Stored): Lines<unknown> {
  const file = join(folder, 'stored.jsonl');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const whole: unknown[] = [];
  const torn: string[] = [];
  // What stands behind the last line end is still being written.
  for (const line of text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1)) {
    try {
      whole.push(JSON.parse(line));
    } catch {
      torn.push(line);
    }
  }
  return { whole, torn };
}

/** One message as rsyslog or syslog-ng understood it. */
export interface StoredMessage {
  /** All of it, as it came. */
  readonly raw: string;
  readonly pri: string;
  readonly timestamp: string;
  readonly hostname: string;
  readonly app_name: string;
  readonly procid: string;
  readonly msgid: string;
  readonly msg: string;
  readonly structuredData: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** In the order of arrival. */
export function storedMessages(server: Stored): Lines<StoredMessage> {
  const { whole, torn } = linesOf(server);
  return { whole: whole.map((line) => messageOf(line as Record<string, unknown>)), torn };
}

function messageOf({
  structured_data: rsyslog,
  '.SDATA': syslogNg,
  ...fields
}: Record<string, unknown>): StoredMessage {
  return { ...fields, structuredData: rsyslog ?? syslogNg ?? {} } as unknown as StoredMessage;
}

/** One object of a request to the Event Collector. */
export interface StoredObject {
  readonly event: unknown;
  readonly fields: unknown;
  /** host, source, sourcetype and index, as far as they were sent. */
  readonly envelope: Readonly<Record<string, unknown>>;
  /** Epoch seconds. */
  readonly time: number;
}

interface KeyValue {
  /** Left out for the empty key. */
  readonly key?: string;
  readonly value: AnyValue;
}
/** OTLP: exactly one of them, and none for null. */
interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly KeyValue[] };
}
interface ExportedLogs {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly timeUnixNano: string;
        readonly body: AnyValue;
        readonly attributes?: readonly KeyValue[];
      }[];
    }[];
  }[];
}

const ENVELOPE: Readonly<Record<string, string>> = {
  'host.name': 'host',
  'com.splunk.source': 'source',
  'com.splunk.sourcetype': 'sourcetype',
  'com.splunk.index': 'index',
};

export function storedObjects(server: Stored): Lines<StoredObject> {
  const { whole, torn } = linesOf(server);
  const objects = (whole as ExportedLogs[]).flatMap(({ resourceLogs }) =>
    resourceLogs.flatMap(({ resource, scopeLogs }) => {
      const named = resource.attributes.map(({ key = '', value }) => [ENVELOPE[key] ?? key, plain(value)] as const);
      const envelope = Object.fromEntries(named);
      return scopeLogs.flatMap(({ logRecords }) =>
        logRecords.map(({ timeUnixNano, body, attributes = [] }) => ({
          event: plain(body),
          fields: record(attributes),
          envelope,
          time: Number(timeUnixNano) / 1e9,
        })),
      );
    }),
  );
  return { whole: objects, torn };
}

function plain(value: AnyValue): unknown {
  if (value.kvlistValue) return record(value.kvlistValue.values ?? []);
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plain);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? null;
}

/** As JSON.parse makes objects: also with a key `__proto__`. */
function record(pairs: readonly KeyValue[]): unknown {
  return Object.fromEntries(pairs.map(({ key = '', value }) => [key, plain(value)]));
}
