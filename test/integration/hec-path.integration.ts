import assert from 'node:assert/strict';
import { after, describe, it, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EcsDocument, SecurityEvent } from '../../src/types.ts';
import { makeCertificates } from './certificates.ts';
import { assertAllThere, assertNoneDead, awkwardActivities, type Path, startPath } from './path.ts';
import { type StoredObject, storedObjects } from './received.ts';
import { lacking, type Server, startServer } from './servers.ts';
import { tlsTrouble } from './tls-trouble.ts';

const skip = await lacking('otel');
if (skip) test('HEC, the whole path', { skip });
else paths();

const TOKEN = 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29';

function paths(): void {
  const certificates = makeCertificates({ after });
  const secured = {
    scheme: 'https',
    environment: { CERTIFICATES: certificates.folder, CLIENT_CA: certificates.path('ca.pem') },
  };
  const tls = `tls: { ca: "${certificates.path('ca.pem')}", cert: "${certificates.path('client.pem')}", key: "${certificates.path('client.key')}" }`;
  // What the collector took just before it is killed it never acknowledges: that is sent again after this, by default after 5 minutes.
  const patience = 'acknowledgement_timeout: 20s';
  const yaml = (plain: Server, acknowledged: Server) => `
  plain: { type: splunk_hec, url: "${plain.url}", token: ${TOKEN}, host: forwarder-1 }
  acknowledged: { type: splunk_hec, url: "${acknowledged.url}", token: ${TOKEN}, host: forwarder-1, index: idv, acknowledgement: true, ${patience}, ${tls} }`;

  describe('HEC, the whole path', () => {
    it('every event of all four types arrives as it is, with its time, fields and envelope', async (t) => {
      const plain = await startServer(t, 'otel');
      const acknowledged = await startServer(t, 'otel', secured);
      const path = await startPath(t, () => yaml(plain, acknowledged));
      path.enqueue(awkwardActivities(100 * 1024));
      path.daemon.start();
      await path.daemon.ready();
      await path.settled();
      await assertNoneDead(path);
      for (const [name, server, index] of [
        ['plain', plain, {}],
        ['acknowledged', acknowledged, { index: 'idv' }],
      ] as const) {
        const { whole, torn } = storedObjects(server);
        assert.deepEqual(torn, []);
        const copies = assertAllThere(path, whole.map(documentOf), name);
        assert.equal(whole.length, copies.size, `nothing went wrong, and yet there are copies at ${name}`);
        for (const object of whole) assertObject(object, path.expected(documentOf(object)), index);
      }
    });

    it('wrong certificates at either end are told, hold everything, and are mended', (t) =>
      tlsTrouble(t, {
        start: (context, own) =>
          startServer(context, 'otel', {
            scheme: 'https',
            environment: { CERTIFICATES: own.folder, CLIENT_CA: own.path('ca.pem') },
          }),
        sink: ({ url }) => `type: splunk_hec, url: "${url}", token: ${TOKEN}, acknowledgement: true`,
        stored: (server) => storedObjects(server).whole.map(documentOf),
      }));

    it('a collector that is killed in mid-flow has everything in the end', async (t) => {
      const plain = await startServer(t, 'otel');
      const acknowledged = await startServer(t, 'otel', secured);
      const path = await startPath(t, () => yaml(plain, acknowledged));
      path.daemon.start();
      await path.daemon.ready();
      const flow = path.flow(400);
      for (let lives = 0; lives < 3; lives += 1) {
        await sleep(1_500);
        // Stopped first, so that a request is under way when it dies.
        for (const { pid } of [plain, acknowledged]) process.kill(pid, 'SIGSTOP');
        await sleep(300);
        await Promise.all([plain.kill(), acknowledged.kill()]);
        await sleep(700);
        await Promise.all([plain.start(), acknowledged.start()]);
      }
      await sleep(1_000);
      flow.stop();
      await path.settled();
      await assertNoneDead(path);
      for (const [name, server] of Object.entries({ plain, acknowledged })) {
        const copies = assertAllThere(path, storedObjects(server).whole.map(documentOf), name);
        const twice = [...copies.values()].filter((count) => count > 1).length;
        t.diagnostic(`${name}: ${copies.size} events, ${twice} of them more than once`);
      }
      assertTold(path);
    });
  });
}

function documentOf({ event }: Pick<StoredObject, 'event'>): EcsDocument {
  return event as EcsDocument;
}

/** What stands around the event, from the event alone. */
function assertObject({ fields, envelope, time }: StoredObject, event: SecurityEvent, more: object): void {
  const { document, code, severity, source } = event;
  const type = source.stream.replace(/\/.*/, '');
  const { action } = document.event;
  assert.deepEqual(fields, {
    idv_event_id: event.id,
    ...(action && { idv_activity: action.slice(0, 256) }),
    ...(code && { idv_code: code.slice(0, 256) }),
    idv_severity: severity,
  });
  const sourcetype = `transmitsecurity:mosaic:${type === 'verify' ? 'idv' : type}`;
  assert.deepEqual(envelope, { host: 'forwarder-1', source: `transmit:mosaic:${type}`, sourcetype, ...more });
  assert.ok(Math.abs(time * 1000 - Date.parse(document['@timestamp'])) < 1, `${time} and ${document['@timestamp']}`);
}

/** Each outage is one word down and one word up, and names what happened. */
function assertTold({ daemon }: Path): void {
  for (const sink of ['plain', 'acknowledged']) {
    const down = daemon.log.match(new RegExp(`sink ${sink} is down: (.*)`, 'g')) ?? [];
    assert.ok(down.length >= 1, daemon.log);
    for (const line of down) assert.match(line, /no (answer from|connection to) https?:\/\/127\.0\.0\.1:\d+/);
  }
}
