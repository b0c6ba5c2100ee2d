import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import splunkHec from '../../sinks/splunk_hec/index.ts';
import { type Hec, type HecOptions, startHec } from '../../src/simulator/hec.ts';
import type { Outcome, SecurityEvent, Sink, SinkContext } from '../../src/sink.ts';

export const TOKEN = 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29';

/** `count` events of one stream, with the ids `PREFIX0`, `PREFIX1` … */
export function someEvents(count: number, prefix = 'event-', stream: 'verify/siem' | 'cis/siem' = 'verify/siem') {
  return Array.from({ length: count }, (_, index) => someEvent(`${prefix}${index}`, stream));
}

function someEvent(id: string, stream: 'verify/siem' | 'cis/siem'): SecurityEvent {
  const document = {
    '@timestamp': '2024-09-22T11:38:00.107Z',
    message: 'IDV page loaded “✓”\u2028',
    event: { id, action: 'page_loaded', code: 'page_loaded.start', severity: 10 },
    transmit_security: { idv: { session_id: 'a7x' } },
  };
  const source = {
    stream,
    receivedAt: new Date('2024-09-22T11:39:00.000Z'),
    position: { page: 1, index: 0 },
    ordinal: 0,
    raw: new Uint8Array(),
  };
  return { id, code: 'page_loaded.start', severity: 'informational', source, document, json: JSON.stringify(document) };
}

export interface World {
  readonly hecs: readonly Hec[];
  readonly hec: Hec;
  readonly sink: Sink;
  readonly logged: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** A sink over one receiver, or over several. */
export async function world(
  options: Record<string, unknown> = {},
  receivers: HecOptions | readonly HecOptions[] = {},
  context: Partial<SinkContext> = {},
): Promise<World> {
  const all = Array.isArray(receivers) ? (receivers as readonly HecOptions[]) : [receivers as HecOptions];
  const hecs = await Promise.all(all.map((one) => startHec({ token: TOKEN, ...one })));
  const logged: string[] = [];
  const urls = hecs.map((hec) => hec.url);
  const sink = await splunkHec.open(
    optionsOf({ ...(urls.length > 1 ? { urls } : { url: urls[0] }), ...options }),
    someContext({ log: (level, message) => logged.push(`${level} ${message}`), ...context }),
    new AbortController().signal,
  );
  return {
    hecs,
    hec: hecs[0] as Hec,
    sink,
    logged,
    [Symbol.asyncDispose]: async () => {
      await sink.close();
      await Promise.all(hecs.map((hec) => hec.close()));
    },
  };
}

export function optionsOf(options: Record<string, unknown>) {
  return splunkHec.options.parse({ token: TOKEN, host: 'forwarder-1', ...options });
}

export function someContext(context: Partial<SinkContext> = {}): SinkContext {
  return { name: 'splunk', timeoutMs: 20_000, tls: {}, version: '0.1.0', log: () => undefined, ...context };
}

export function live(): AbortSignal {
  return new AbortController().signal;
}

/** As in `dddruu`. */
export function marks(outcomes: readonly Outcome[]): string {
  return outcomes.map(({ status }) => (status === 'rejected' ? 'x' : status[0])).join('');
}

/** Sends what is not settled until all is, as forward does, and counts the deliveries. */
export async function deliverAll(sink: Sink, events: readonly SecurityEvent[]): Promise<number> {
  let left = events;
  let deliveries = 0;
  for (; left.length > 0; deliveries += 1) {
    const sent = left;
    const outcomes = await sink.deliver(sent, live());
    left = sent.filter((_, index) => outcomes[index]?.status === 'retry' || outcomes[index]?.status === 'unsent');
  }
  return deliveries;
}

export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  remove(): void;
}

/** A CA of its own and a certificate for 127.0.0.1, as PEM files. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'hec-certificates-'));
  const file = (name: string) => join(folder, name);
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=Test CA');
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('key.pem'),
    '-out',
    file('cert.pem'),
    '-subj',
    '/CN=receiver',
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  );
  return {
    ca: file('ca.pem'),
    cert: file('cert.pem'),
    key: file('key.pem'),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
