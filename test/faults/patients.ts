/** The sinks of the sink campaign: a SIEM, what lies in front of it, and all that can go wrong between the two. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { type Hec, startHec } from '../../src/simulator/hec.ts';
import { startSyslog } from '../../src/simulator/syslog.ts';
import type { Scope } from '../fixtures/process.ts';
import { PLANTED } from '../fixtures/surroundings.ts';
import { makeCertificates, type ServerCertificate } from '../integration/certificates.ts';
import { type Gate, type Mode, startGate } from './gate.ts';
import type { End } from './verdict.ts';

type Document = Readonly<Record<string, unknown>>;

/** One way of failing. */
export interface Trouble {
  readonly name: string;
  begin(): unknown;
  /** How often it was met since it began. Default: by the gate's count. */
  met?(): number;
  end(): unknown;
  /** Goes on for so long after it was met. Default 500. */
  readonly lastsMs?: number;
  /** Nothing else goes wrong for so long after it. Default 0. */
  readonly restMs?: number;
}

export interface Patient extends End {
  readonly gate: Gate;
  readonly troubles: readonly Trouble[];
  /** Lines of the config. */
  readonly config: string;
}

export async function startPatients(scope: Scope): Promise<Patient[]> {
  const certificates = makeCertificates(scope);
  return [
    await splunk(scope),
    await acknowledged(scope),
    await splunkOverTls(scope, certificates),
    await elastic(scope),
    await soc(scope),
    await socOverTls(scope, certificates),
  ];
}

/** One event in fifty. */
function refuses(id: string): boolean {
  return Number.parseInt(id.slice(0, 8), 16) % 50 === 0;
}

function isRefused(document: unknown): boolean {
  return refuses((document as { event: { id: string } }).event.id);
}

/**
 * What the network does to any sink.
 * @param answers it is told what arrived. Without, nobody can know of what a system took for a program that never reads it.
 */
function ofNetwork(gate: Gate, answers = true): Trouble[] {
  const through = (name: string, mode: Mode, lastsMs?: number): Trouble => ({
    name,
    begin: () => gate.set(mode),
    end: () => gate.set({ kind: 'pass' }),
    ...(lastsMs !== undefined && { lastsMs }),
  });
  const dying: Trouble = {
    name: 'dies slowly: answers come later and later',
    async begin() {
      for (const ms of [100, 400, 900, 1_500]) {
        await gate.set({ kind: 'slow', ms });
        await sleep(600);
      }
      await gate.set({ kind: 'slow', ms: 4_000 });
    },
    end: () => gate.set({ kind: 'pass' }),
    lastsMs: 2_500,
  };
  return [
    through('nobody listens, for long', { kind: 'closed' }, 8_000),
    through('accepts and closes', { kind: 'slam' }),
    ...(answers ? [through('half open: accepts and never says a word', { kind: 'silent' }, 3_000)] : []),
    dying,
  ];
}

function ofHttp(gate: Gate): Trouble[] {
  const answers = (name: string, head: string, body = ''): Trouble => ({
    name,
    begin: () => gate.set({ kind: 'answers', head, body }),
    end: () => gate.set({ kind: 'pass' }),
  });
  const html = 'content-type: text/html';
  return [
    { name: 'loses answers', begin: () => gate.set({ kind: 'loses answers' }), end: () => gate.set({ kind: 'pass' }) },
    answers('redirects: 301', '301 Moved Permanently\r\nlocation: https://127.0.0.1:1/'),
    answers('redirects: 307', '307 Temporary Redirect\r\nlocation: /login'),
    answers("a proxy's page: 200", `200 OK\r\n${html}`, '<html><body>Please log in</body></html>'),
    answers("a proxy's page: 403", `403 Forbidden\r\n${html}`, '<html><body>Blocked</body></html>'),
    answers("a proxy's page: 407", `407 Proxy Authentication Required\r\n${html}`, '<html></html>'),
    answers("a proxy's page: 502", `502 Bad Gateway\r\n${html}`, '<html><body>Bad gateway</body></html>'),
    // Once: batches stay half as large after each.
    { ...answers('413', '413 Payload Too Large'), lastsMs: 0 },
    answers('an answer of no words: 200', '200 OK'),
  ];
}

function splunkEnd(sink: string, hec: Hec): Omit<End, 'refuses'> {
  return {
    sink,
    arrivals: () => hec.ledger,
    copies: () => hec.stored.map(({ event, fields }) => [String(fields?.['idv_event_id']), event as Document]),
  };
}

/** Words for a bad event. Who hears them of one good event twice, a second apart, believes them: a lie each must be alone. */
const OF_AN_EVENT: ReadonlySet<number> = new Set([6, 12, 13, 15]);

/** Reply codes with the status that goes with each. 0 is every good answer, 17 the answer to another question. */
const REFUSALS: readonly (readonly [code: number, status: number])[] = [
  ...[1, 4, 21, 22].map((code) => [code, 403] as const),
  ...[2, 3].map((code) => [code, 401] as const),
  ...[5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28].map((code) => [code, 400] as const),
  [8, 500],
  ...[9, 18, 19, 20, 23].map((code) => [code, 503] as const),
  ...[26, 27].map((code) => [code, 429] as const),
  [29, 400],
];

async function splunk(scope: Scope): Promise<Patient> {
  // Answers that take their time and one delivery at once: batches are more than one event, which a refused batch needs.
  const hec = await startHec({ dials: { refuse: isRefused, eventAnswerDelayMs: 120 } });
  scope.after(() => hec.close());
  const gate = await startGate(scope, Number(new URL(hec.url).port));
  const calls = () => hec.calls.filter(({ path }) => path.endsWith('/event')).length;
  let before = 0;
  const refusal = ([code, status]: readonly [number, number]): Trouble => ({
    name: `code ${code} with ${status}`,
    begin: () => {
      before = calls();
      Object.assign(hec.dials, { code, status });
    },
    met: () => calls() - before,
    end: () => Object.assign(hec.dials, { code: undefined, status: undefined }),
    lastsMs: 0,
    restMs: OF_AN_EVENT.has(code) ? 2_000 : 0,
  });
  const nearlyFull = (code: number): Trouble => ({
    name: `code ${code} with 200`,
    begin: () => gate.set({ kind: 'rewrites', from: /"Success","code":0/, to: `"Succes","code":${code}` }),
    end: () => gate.set({ kind: 'pass' }),
  });
  const troubles = [...REFUSALS.map(refusal), nearlyFull(24), nearlyFull(25)];
  const config = `timeout: 2s, type: splunk_hec, url: "http://127.0.0.1:${gate.port}", token: "${hec.token}", concurrency: 1`;
  return { ...splunkEnd('splunk', hec), refuses, gate, troubles, config };
}

async function acknowledged(scope: Scope): Promise<Patient> {
  const hec = await startHec({ acknowledgement: true, dials: { ackDelayMs: 100 } });
  scope.after(() => hec.close());
  const gate = await startGate(scope, Number(new URL(hec.url).port));
  const calls = (end: string) => hec.calls.filter(({ path }) => path.endsWith(end)).length;
  let before = 0;
  const dial = (name: string, dials: Hec['dials'], on: '/event' | '/ack', lastsMs = 1_000): Trouble => ({
    name,
    begin: () => {
      before = calls(on);
      Object.assign(hec.dials, dials);
    },
    met: () => calls(on) - before,
    end: () => Object.assign(hec.dials, Object.fromEntries(Object.keys(dials).map((key) => [key, undefined]))),
    lastsMs,
  });
  const troubles = [
    dial('acknowledgements that never come', { withholdAck: () => true }, '/ack', 4_000),
    dial('some acknowledgements that never come', { withholdAck: (count) => count % 2 === 0 }, '/ack', 3_000),
    dial('the question for acknowledgements answered 503', { ackStatus: 503 }, '/ack'),
    dial('the question for acknowledgements answered 404', { ackStatus: 404 }, '/ack'),
    { ...dial('a start anew, which forgets channels', {}, '/event'), end: () => hec.forgetChannels() },
    dial('answers cut in the middle', { cutAnswer: true }, '/event'),
    dial('answers lost', { loseAnswer: true }, '/event'),
    dial('answers byte by byte', { drip: 60 }, '/event', 3_000),
    dial('busy', { status: 503, code: 9, retryAfter: '1' }, '/event'),
    ...ofNetwork(gate),
    ...ofHttp(gate),
  ];
  const config = `timeout: 2s, type: splunk_hec, url: "http://127.0.0.1:${gate.port}", token: "${hec.token}", acknowledgement: true, acknowledgement_timeout: 2s`;
  return { ...splunkEnd('acknowledged', hec), gate, troubles, config };
}

type Certificates = ReturnType<typeof makeCertificates>;

function ofTls(gate: Gate): Trouble[] {
  const shows = (name: string, certificate: ServerCertificate): Trouble => ({
    name,
    begin: () => gate.show(certificate),
    end: () => gate.show('good'),
    lastsMs: 1_000,
  });
  return [
    shows('TLS with an expired certificate', 'expired'),
    shows('TLS with the wrong name', 'elsewhere'),
    shows('TLS with a certificate of a strange CA', 'strange'),
  ];
}

async function splunkOverTls(scope: Scope, certificates: Certificates): Promise<Patient> {
  const hec = await startHec();
  scope.after(() => hec.close());
  const gate = await startGate(scope, Number(new URL(hec.url).port), certificates);
  const config = `timeout: 2s, type: splunk_hec, url: "https://127.0.0.1:${gate.port}", token: "${hec.token}", tls: { ca: "${certificates.path('ca.pem')}" }`;
  return {
    ...splunkEnd('splunktls', hec),
    gate,
    troubles: [...ofTls(gate), ...ofNetwork(gate), ...ofHttp(gate)],
    config,
  };
}

async function elastic(scope: Scope): Promise<Patient> {
  const server = await startElasticsearch({ apiKey: PLANTED.apiKey });
  scope.after(() => server.close());
  const gate = await startGate(scope, Number(new URL(server.url).port));
  const { dials } = server;
  const good = { ...dials };
  const itemRefusal = (document: Document) => (isRefused(document) ? 400 : undefined);
  Object.assign(good, { itemStatus: itemRefusal, itemErrorType: 'document_parsing_exception' });
  Object.assign(dials, good);
  let before = 0;
  const dial = (name: string, change: Partial<typeof dials>, lastsMs?: number): Trouble => ({
    name,
    begin: () => {
      before = server.bulkRequests;
      Object.assign(dials, change);
    },
    met: () => server.bulkRequests - before,
    end: () => Object.assign(dials, good),
    ...(lastsMs !== undefined && { lastsMs }),
  });
  const mixed = (status: number, type: string): Trouble =>
    dial(`mixed replies: every second item ${status}`, {
      itemStatus: (document) => itemRefusal(document) ?? (isOdd(document) ? status : undefined),
      itemErrorType: type,
    });
  const troubles = [
    dial('one item too few', { shortAnswer: true }),
    mixed(429, 'es_rejected_execution_exception'),
    mixed(403, 'cluster_block_exception'),
    mixed(503, 'unavailable_shards_exception'),
    dial('429 with Retry-After', { status: 429, retryAfter: 1 }),
    dial('every third request 429', { everyNth: { n: 3, status: 429 } }, 1_500),
    dial('503', { status: 503, errorType: 'cluster_block_exception' }),
    dial('401', { status: 401, errorType: 'security_exception' }),
    dial('403', { status: 403, errorType: 'security_exception' }),
    // Long enough that it is the sink which is suspected, and not the events.
    dial('400 for all', { status: 400, errorType: 'illegal_argument_exception' }, 4_000),
    dial('requests over 20 kB are too large', { maxBytes: 20_000 }, 1_500),
    dial('answers that are lost', { loseAnswer: true }),
    dial('a relative of Elasticsearch', { otherProduct: true }),
    ...ofNetwork(gate),
    ...ofHttp(gate),
  ];
  const end = {
    sink: 'elastic',
    arrivals: () => new Map([...server.stored.keys()].map((id) => [id, 1])),
    copies: () => server.stored,
    refuses,
  };
  const config = `timeout: 2s, type: elasticsearch, url: "http://127.0.0.1:${gate.port}", api_key: "${PLANTED.apiKey}"`;
  return { ...end, gate, troubles, config };
}

function isOdd(document: Document): boolean {
  return Number.parseInt((document as { event: { id: string } }).event.id.slice(-2), 16) % 2 === 1;
}

async function syslogPatient(scope: Scope, sink: string, certificates?: Certificates) {
  const receiver = await startSyslog({ protocol: 'tcp' });
  scope.after(() => receiver.close());
  const gate = await startGate(scope, receiver.port, certificates);
  const end: End = {
    sink,
    arrivals: () => receiver.ledger,
    copies: () => receiver.received.map(({ id, document }) => [id, document as unknown as Document]),
  };
  const rest = 'max_size: 64KiB, confirm_after: 2s';
  return { receiver, gate, end, rest };
}

async function soc(scope: Scope): Promise<Patient> {
  const { receiver, gate, end, rest } = await syslogPatient(scope, 'soc');
  const { dials } = receiver;
  const good = { ...dials };
  let before = 0;
  const dial = (name: string, change: Partial<typeof dials>, lastsMs?: number): Trouble => ({
    name,
    begin: () => {
      before = receiver.count;
      Object.assign(dials, change);
    },
    met: () => (change.stall ? 1 : receiver.count - before),
    end: () => Object.assign(dials, good),
    ...(lastsMs !== undefined && { lastsMs }),
  });
  const troubles = [
    dial('reads no more', { stall: true }, 4_000),
    dial('reads slowly', { slow: 300 }, 3_000),
    dial('ends each connection after some messages', { closeAfter: { messages: 30, how: 'end' } }, 3_000),
    dial('resets each connection after some messages', { closeAfter: { messages: 30, how: 'reset' } }, 3_000),
    ...ofNetwork(gate, false),
  ];
  return {
    ...end,
    gate,
    troubles,
    config: `timeout: 3s, type: syslog, address: "tcp://127.0.0.1:${gate.port}", ${rest}`,
  };
}

async function socOverTls(scope: Scope, certificates: Certificates): Promise<Patient> {
  const { gate, end, rest } = await syslogPatient(scope, 'soctls', certificates);
  const config = `timeout: 3s, type: syslog, address: "tls://127.0.0.1:${gate.port}", ${rest}, tls: { ca: "${certificates.path('ca.pem')}" }`;
  return { ...end, gate, troubles: [...ofTls(gate), ...ofNetwork(gate, false)], config };
}
