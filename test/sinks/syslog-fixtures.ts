import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import syslog from '../../sinks/syslog/index.ts';
import { type SyslogOptions, type SyslogReceiver, startSyslog } from '../../src/simulator/syslog.ts';
import type { EcsDocument, SecurityEvent, Severity, Sink, SinkContext } from '../../src/sink.ts';

export const NEVER = new AbortController().signal;

export function eventOf(document: EcsDocument, severity: Severity = 'informational'): SecurityEvent {
  const source = {
    stream: 'verify/siem-idv',
    receivedAt: new Date('2024-09-22T11:38:12.004Z'),
    position: { page: 1, index: 0 },
    ordinal: 0,
    raw: new Uint8Array(),
  } as const;
  const { id, code } = document.event;
  return { id: String(id), code: String(code), severity, source, document, json: JSON.stringify(document) };
}

export function someDocument(id: string, more: Partial<EcsDocument> = {}): EcsDocument {
  return {
    '@timestamp': '2024-09-22T11:38:00.107Z',
    message: 'IDV page loaded: document_front',
    event: { id, action: 'page_loaded', code: 'page_loaded.document_front', severity: 10 },
    host: { name: 'kůň😀' },
    user_agent: { original: 'Mozilla/5.0 (Linux; Android 6.0)', name: 'Chrome' },
    transmit_security: { idv: { session_id: 'fHDV8gsIdJoid1br', page_name: 'document_front', params: { a: 1 } } },
    tags: ['transmit_security', 'idv', 'forwarded'],
    ...more,
  };
}

/** `count` events with the ids `PREFIX0`, `PREFIX1` … `padding`: bytes that each carries besides. */
export function someEvents(count: number, prefix = 'event-', padding = 0): readonly SecurityEvent[] {
  const more = padding > 0 ? { error: { message: 'x'.repeat(padding) } } : {};
  return Array.from({ length: count }, (_, index) => eventOf(someDocument(`${prefix}${index}`, more)));
}

export function someContext(more: Partial<SinkContext> = {}): SinkContext {
  return { name: 'soc', timeoutMs: 20_000, tls: {}, version: '0.0.0', log: () => undefined, ...more };
}

export async function startReceiver(context: TestContext, options: Partial<SyslogOptions> = {}) {
  const receiver = await startSyslog({ protocol: 'tcp', ...options });
  context.after(() => receiver.close());
  return receiver;
}

/** A sink that is closed when the test ends. A short `confirm_after` keeps the tests fast. */
export async function openSink(
  context: TestContext,
  receiver: Pick<SyslogReceiver, 'address'>,
  options: Record<string, unknown> = {},
  more: Partial<SinkContext> = {},
): Promise<Sink> {
  const given = syslog.options.parse({ address: receiver.address, confirm_after: '100ms', ...options });
  const sink = await syslog.open(given, someContext(more), NEVER);
  context.after(() => sink.close());
  return sink;
}

/** What an awaited promise was rejected with; fails where it was not. */
export async function failure(promise: Promise<unknown>): Promise<Error & { reopen?: boolean }> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  );
  if ('error' in outcome) return outcome.error;
  throw new Error(`nothing failed; the answer was ${JSON.stringify(outcome.value)}`);
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); ) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** When this returns, what the receiver did before has been seen. On a busy machine a timer alone fires too early. */
export async function turns(): Promise<void> {
  await sleep(50);
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
}

export interface Certificates {
  readonly folder: string;
  path(name: string): string;
  pem(name: string): Buffer;
}

/** A CA, certificates that it signed (`server` for localhost, `stranger` for another name, `client`), and another CA. */
export function makeCertificates(context: TestContext | { after(done: () => void): void }): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'syslog-certificates-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'other-ca']) {
    openssl('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${ca}`, '-keyout', `${ca}.key`, '-out', `${ca}.pem`);
  }
  const names = { server: 'DNS:localhost,IP:127.0.0.1', stranger: 'DNS:elsewhere.example', client: 'DNS:forwarder' };
  for (const [name, alternatives] of Object.entries(names)) {
    writeFileSync(join(folder, 'extensions'), `subjectAltName=${alternatives}\n`);
    openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.request`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions'];
    openssl('x509', '-req', '-in', `${name}.request`, ...signing, '-out', `${name}.pem`);
  }
  return { folder, path: (name) => join(folder, name), pem: (name) => readFileSync(join(folder, name)) };
}
