/**
 * The files of sinks/syslog/content/ on the servers that they are for: what the sink sends over TLS and TCP is in the file of its
 * severity, and passed on, with every field as it was.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import syslog from '../../sinks/syslog/index.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import type { SinkContext } from '../../src/sink.ts';
import type { SecurityEvent } from '../../src/types.ts';
import { freePort } from '../fixtures/process.ts';
import { mapPage, RECEIVED } from '../normalize.fixtures.ts';
import { makeCertificates } from './certificates.ts';
import { lacking, type Server, startServer, takesConnections } from './servers.ts';

const ENTERPRISE = 64_999;
const HOSTNAME = 'forwarder-1.example.com';
const FILES: Readonly<Record<SecurityEvent['severity'], string>> = {
  informational: 'info.json',
  low: 'notice.json',
  medium: 'warning.json',
  high: 'err.json',
  critical: 'crit.json',
};
const PRIORITIES: Readonly<Record<SecurityEvent['severity'], number>> = {
  informational: 166,
  low: 165,
  medium: 164,
  high: 163,
  critical: 162,
};

interface Line {
  readonly syslog: Readonly<Record<string, unknown>> & {
    readonly structured_data?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  readonly event: { readonly event: { readonly id: string } };
}

for (const name of ['rsyslog', 'syslog-ng'] as const) {
  const skip = await lacking(name);
  describe(`the snippet for ${name}`, { skip }, () => {
    const certificates = makeCertificates({ after });
    const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map(certificates.path);
    const tls = { ca, cert, key };

    async function start(t: TestContext) {
      const plainPort = await freePort();
      const forwarded = await lineReceiver(t);
      const environment = {
        SERVER: name,
        SNIPPET: fileURLToPath(new URL(`../../sinks/syslog/content/${name}.conf`, import.meta.url)),
        CERTIFICATES: certificates.folder,
        PLAIN_PORT: String(plainPort),
        FORWARD_PORT: String(forwarded.port),
      };
      const ready = async ({ port }: { readonly port: number }) =>
        (await takesConnections({ port })) && (await takesConnections({ port: plainPort }));
      const server = await startServer(t, 'syslog-snippet', { scheme: 'tls', environment, ready, patienceMs: 20_000 });
      return { server, plainPort, forwarded };
    }

    it('has every event of TLS and TCP, in the file of its severity, as it was sent', async (t) => {
      const { server, plainPort, forwarded } = await start(t);
      const events = awkwardEvents();
      const half = Math.floor(events.length / 2);
      await send(server.url, tls, events.slice(0, half), ENTERPRISE);
      await send(`tcp://127.0.0.1:${plainPort}`, {}, events.slice(half), ENTERPRISE);
      await until(() => linesOf(server, ...Object.values(FILES)).length >= events.length);
      for (const [severity, file] of Object.entries(FILES)) {
        const expected = events.filter((event) => event.severity === severity);
        assert.ok(expected.length > 0, `an event that is ${severity}`);
        assertSame(linesOf(server, file), expected);
      }
      await until(() => forwarded.lines().length >= events.length);
      assertSame(forwarded.lines(), events);
      const rejected = events.filter(({ code }) => code === 'verification_status_updated.rejected');
      assert.ok(rejected.length > 0);
      assertSame(linesOf(server, 'rejected.json'), rejected);
      assert.deepEqual(
        readdirSync(join(server.folder, 'out')).sort(),
        [...Object.values(FILES), 'rejected.json'].sort(),
      );
    });

    it('reads messages without structured data', async (t) => {
      const { server } = await start(t);
      const events = awkwardEvents().slice(0, 20);
      await send(server.url, tls, events, undefined);
      await until(() => linesOf(server, ...Object.values(FILES)).length >= events.length);
      const lines = linesOf(server, ...Object.values(FILES));
      assert.deepEqual(lines.map(({ event }) => event.event.id).sort(), events.map(({ id }) => id).sort());
      for (const { syslog: header } of lines) assert.deepEqual(header.structured_data ?? {}, {});
    });

    it('puts what is no JSON aside, and lets nobody in without a certificate', async (t) => {
      const { server, plainPort } = await start(t);
      const plain = await import('node:net').then(({ connect: open }) => open(plainPort, '127.0.0.1'));
      const message = `<166>1 ${RECEIVED} ${HOSTNAME} other 1 - - this is no JSON`;
      plain.end(`${Buffer.byteLength(message)} ${message}`);
      await until(() => existsSync(join(server.folder, 'out/unreadable.log')));
      const stranger = connect({ port: server.port, host: '127.0.0.1', ca: readFileSync(certificates.path('ca.pem')) });
      const closed = new Promise((resolve) => stranger.on('error', () => {}).once('close', resolve));
      stranger.write(`${Buffer.byteLength(message)} ${message.replace('this is', 'from a stranger')}`);
      await Promise.race([closed, sleep(5_000, undefined, { ref: false })]);
      assert.ok(stranger.destroyed, 'the connection is ended');
      const [event] = awkwardEvents();
      assert.ok(event);
      await send(server.url, tls, [event], ENTERPRISE);
      await until(() => linesOf(server, ...Object.values(FILES)).length > 0);
      assert.match(readFileSync(join(server.folder, 'out/unreadable.log'), 'utf8'), /this is no JSON/);
      assert.doesNotMatch(readFileSync(join(server.folder, 'out/unreadable.log'), 'utf8'), /stranger/);
    });
  });
}

/** Texts that each syntax on the way has a use of its own for. */
const AWKWARD = [
  '"',
  '\\',
  ']',
  "it's",
  'a\nb',
  '$HOST $(echo x) %msg%',
  'Zoë \u{1f600}',
  '{"a":[1,2.50]}',
  '<166>1 -',
  '@cee: {}',
];

function awkwardEvents(): SecurityEvent[] {
  const startAt = Date.parse(RECEIVED) - 600_000;
  const ordinary = activitySource({ seed: 21, startAt, rate: 5, forged: 0.5 }).take(500);
  const bent = AWKWARD.flatMap((text, index) => [
    { activity: 'verification_status_updated', user_id: `${text}${index}`, result: 'Rejected' },
    { activity: 'error', user_id: `error ${index}`, error_name: text, error_description: text },
    { activity: text, user_id: `bent ${index}`, [text]: text, number: 12345678901234567890n.toString() },
    {
      activity: 'page_loaded',
      user_id: text,
      page_name: text,
      count: [0.1, 1e300, -1],
      else: { [text]: null, true: true },
    },
  ]);
  const page = [
    ...ordinary.map(({ json }) => json),
    ...bent.map((each) => JSON.stringify({ timestamp: startAt, ...each })),
  ];
  return mapPage(`[${page.join(',')}]`, { severity: { 'page_loaded.unknown': 'critical' } });
}

async function send(
  address: string,
  tls: SinkContext['tls'],
  events: readonly SecurityEvent[],
  enterprise: number | undefined,
): Promise<void> {
  const more = enterprise === undefined ? {} : { enterprise_number: enterprise };
  const options = syslog.options.parse({ address, hostname: HOSTNAME, confirm_after: '200ms', ...more });
  const context = { name: 'soc', timeoutMs: 10_000, tls, version: 'test', log: () => {} };
  const signal = new AbortController().signal;
  const sink = await syslog.open(options, context, signal);
  for (const outcome of await sink.deliver(events, signal)) assert.deepEqual(outcome, { status: 'delivered' });
  await sink.close();
}

function assertSame(lines: readonly Line[], events: readonly SecurityEvent[]): void {
  assert.equal(lines.length, events.length);
  const byId = new Map(lines.map((line) => [line.event.event.id, line]));
  for (const { id, severity, document, json } of events) {
    const line = byId.get(id);
    assert.ok(line, `${id} is there`);
    assert.deepEqual(line.event, JSON.parse(json));
    const { structured_data: data, timestamp, ...header } = line.syslog;
    assert.deepEqual(header, {
      priority: PRIORITIES[severity],
      hostname: HOSTNAME,
      appname: 'mosaic-siem',
      procid: String(process.pid),
      msgid: String(document.event.action ?? '-')
        .slice(0, 32)
        .replace(/[^!-~]/g, '_'),
    });
    assert.equal(Date.parse(String(timestamp)), Date.parse(document['@timestamp']));
    const { id: told, session } = data?.[`idv@${ENTERPRISE}`] ?? {};
    assert.equal(told, id);
    const expected = document.transmit_security['idv']?.['session_id'];
    assert.equal(session?.replaceAll('\\u000a', '\n'), expected);
  }
}

function linesOf({ folder }: Server, ...files: readonly string[]): Line[] {
  const paths = files.map((file) => join(folder, 'out', file)).filter((path) => existsSync(path));
  return paths.flatMap((path) => parsed(readFileSync(path, 'utf8')));
}

function parsed(text: string): Line[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return whole.filter(Boolean).map((line) => JSON.parse(line) as Line);
}

/** Whoever the server passes lines on to. */
async function lineReceiver(t: TestContext): Promise<{ readonly port: number; lines(): Line[] }> {
  let text = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, lines: () => parsed(text) };
}

async function until(done: () => boolean): Promise<void> {
  for (const end = Date.now() + 15_000; !done() && Date.now() < end; ) await sleep(100);
}
