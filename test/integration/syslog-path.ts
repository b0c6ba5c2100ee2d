/** From Mosaic to a real syslog server and back: what it stored is compared with what the mapping makes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EcsDocument, SecurityEvent, Severity } from '../../src/types.ts';
import { makeCertificates } from './certificates.ts';
import { assertAllThere, assertNoneDead, awkwardActivities, type Path, startPath, statusOf } from './path.ts';
import { type StoredMessage, storedMessages } from './received.ts';
import type { Server } from './servers.ts';
import { type Framing, type Protocol, type SyslogServer, startSyslogServer } from './syslog-contract.ts';
import { tlsTrouble } from './tls-trouble.ts';

const WAYS: readonly (readonly [protocol: Protocol, framing: Framing])[] = [
  ['udp', 'octet-counting'],
  ['tcp', 'octet-counting'],
  ['tcp', 'lf'],
  ['tls', 'octet-counting'],
];
const ENTERPRISE = 64_999;
/** Room for the longest of all: four-byte characters are longer as JSON escapes than in the activity. */
const ROOM = 400 * 1024;
const DATAGRAM = 8 * 1024;
/** What a system keeps for a receiver is some 50 datagrams; of more at once the rest is dropped without a sign. */
const IN_SMALL_DOSES = `max_size: ${DATAGRAM}B, confirm_after: 50ms, concurrency: 1, batch: { max_events: 5 }`;

interface End {
  readonly sink: string;
  readonly server: Server;
  readonly udp: boolean;
}

export function syslogPath(name: SyslogServer): void {
  const certificates = makeCertificates({ after });
  const tls = `tls: { ca: "${certificates.path('ca.pem')}", cert: "${certificates.path('client.pem')}", key: "${certificates.path('client.key')}" }`;

  async function startEnds(context: TestContext, ways: typeof WAYS, maxSize: number): Promise<End[]> {
    const ends: End[] = [];
    for (const [protocol, framing] of ways) {
      const server = await startSyslogServer(context, name, { protocol, framing, certificates, maxSize });
      ends.push({ sink: `${protocol}-${framing}`, server, udp: protocol === 'udp' });
    }
    return ends;
  }

  function yaml(ends: readonly End[], more: (end: End) => string): string {
    return ends
      .map((end) => {
        const framing = end.udp ? '' : `, framing: ${end.sink.replace(/^[a-z]+-/, '')}`;
        const options = `type: syslog, address: "${end.server.url}", enterprise_number: ${ENTERPRISE}${framing}, ${tls}`;
        return `  ${end.sink}: { ${options}, ${more(end)} }`;
      })
      .join('\n');
  }

  describe(`${name}, the whole path`, () => {
    it('every event of all four types arrives in every way, and is parsed as what it is', async (t) => {
      const ends = await startEnds(t, WAYS, ROOM);
      const options = (end: End) => (end.udp ? IN_SMALL_DOSES : `max_size: ${ROOM}B, confirm_after: 500ms`);
      const path = await startPath(t, () => yaml(ends, options));
      path.enqueue(awkwardActivities(100 * 1024));
      path.daemon.start();
      await path.daemon.ready();
      await path.settled();
      for (const end of ends) {
        const messages = await storedBy(end, path);
        if (end.udp) await assertAllThatFits(path, end, messages, DATAGRAM);
        else {
          const copies = assertAllThere(path, messages.map(documentOf), end.sink);
          assert.deepEqual(
            [...copies.values()].filter((count) => count !== 1),
            [],
            `nothing went wrong, and yet ${end.sink} has copies`,
          );
        }
        for (const message of messages) assertHeader(message, path.expected(documentOf(message)));
      }
    });

    it('no message is longer than max_size, and none takes another with it', async (t) => {
      // What a server does with a longer one: it cuts, swallows the next, or ends the connection.
      const ends = await startEnds(t, WAYS.slice(1), 8192);
      const path = await startPath(t, () => yaml(ends, () => 'max_size: 8KiB, confirm_after: 500ms'));
      path.enqueue(awkwardActivities(20_000));
      path.daemon.start();
      await path.daemon.ready();
      await path.settled();
      for (const end of ends) {
        const messages = await storedBy(end, path);
        const shortened = await assertAllThatFits(path, end, messages, 8192);
        assert.ok(shortened > 0, 'some had to be shortened');
        t.diagnostic(`${end.sink}: ${messages.length} of ${path.ids().size} arrived, ${shortened} of them shortened`);
      }
      const letters = await path.daemon.run('dead-letters', 'list', '--json');
      for (const letter of letters.stdout.trim().split('\n').filter(Boolean))
        assert.match((JSON.parse(letter) as { reason: string }).reason, /^too_large: /);
    });

    it('a server that is killed in mid-flow has everything in the end', async (t) => {
      const ends = await startEnds(t, WAYS.slice(1), 65_536);
      const path = await startPath(t, () => yaml(ends, () => 'max_size: 60KB, confirm_after: 1s'));
      path.daemon.start();
      await path.daemon.ready();
      const flow = path.flow(400);
      for (let lives = 0; lives < 2; lives += 1) {
        await sleep(2_000);
        // Stopped first, so that something is under way when it dies.
        for (const { server } of ends) process.kill(server.pid, 'SIGSTOP');
        await sleep(300);
        await Promise.all(ends.map(({ server }) => server.kill()));
        await sleep(700);
        await Promise.all(ends.map(({ server }) => server.start()));
      }
      await sleep(1_000);
      flow.stop();
      await path.settled();
      await assertNoneDead(path);
      for (const end of ends) {
        const copies = assertAllThere(path, storedMessages(end.server).whole.map(documentOf), end.sink);
        const twice = [...copies.values()].filter((count) => count > 1).length;
        t.diagnostic(`${end.sink}: ${copies.size} events, ${twice} of them more than once`);
      }
    });

    it('wrong certificates at either end are told, hold everything, and are mended', (t) =>
      tlsTrouble(t, {
        start: (context, own) => startSyslogServer(context, name, { protocol: 'tls', certificates: own }),
        sink: ({ url }) => `type: syslog, address: "${url}", max_size: 60KB, confirm_after: 500ms`,
        stored: (server) => storedMessages(server).whole.map(documentOf),
      }));

    it('what a server held unread for less than confirm_after when it was killed is sent again', async (t) => {
      const ends = await startEnds(t, WAYS.slice(1), 65_536);
      const path = await startPath(t, () => yaml(ends, () => 'max_size: 60KB, confirm_after: 5s'));
      path.daemon.start();
      await path.daemon.ready();
      path.enqueue(awkwardActivities(100));
      await path.daemon.until('all has been sent', () =>
        ends.every((end) => storedMessages(end.server).whole.length >= path.ids().size),
      );
      const before = path.ids().size;
      for (const { server } of ends) process.kill(server.pid, 'SIGSTOP');
      const flow = path.flow(200);
      await sleep(1_000);
      flow.stop();
      await sleep(500);
      assert.ok(path.ids().size > before + 100, 'enough was made meanwhile');
      for (const { server } of ends) await server.kill();
      for (const { server } of ends) await server.start();
      await path.settled();
      await assertNoneDead(path);
      for (const end of ends) assertAllThere(path, storedMessages(end.server).whole.map(documentOf), end.sink);
    });
  });
}

async function deadLettersOf({ daemon }: Path, { sink }: End): Promise<number> {
  const { sinks } = await statusOf(daemon);
  return sinks.find((each) => each.sink === sink)?.dead_letters ?? assert.fail(`no sink ${sink}`);
}

/** Once all has arrived: without a stray line, and nothing in any of them that a terminal or a line reader would act on. */
async function storedBy(where: End, path: Path): Promise<readonly StoredMessage[]> {
  const { sink, server } = where;
  const { ids } = path;
  const dead = await deadLettersOf(path, where);
  const stored = () => storedMessages(server).whole.length;
  for (const end = Date.now() + 5_000; stored() < ids().size - dead && Date.now() < end; ) await sleep(50);
  const { whole, torn } = storedMessages(server);
  assert.deepEqual(torn, [], `lines at ${sink} that are none`);
  for (const { raw } of whole) assert.doesNotMatch(raw, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, `raw at ${sink}`);
  return whole;
}

function documentOf({ msg }: Pick<StoredMessage, 'msg'>): EcsDocument {
  return JSON.parse(msg) as EcsDocument;
}

function idOf(message: StoredMessage): unknown {
  return documentOf(message).event['id'];
}

/** Every event is here or a dead letter, or its datagram was dropped. Gives how many were shortened. */
async function assertAllThatFits(path: Path, end: End, messages: readonly StoredMessage[], maxSize: number) {
  const arrived = new Set(messages.map(idOf)).size;
  const dropped = end.udp ? droppedDatagrams(end.server.port) : 0;
  const dead = await deadLettersOf(path, end);
  assert.equal(
    arrived + dead + dropped,
    path.ids().size,
    `at ${end.sink}: ${arrived}, ${dead} dead, ${dropped} dropped`,
  );
  return assertShortened(path, messages, maxSize);
}

/** What the system could not keep for the receiver. proc(5), the last column of /proc/net/udp. */
function droppedDatagrams(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/udp', 'latin1').split('\n');
  const row = rows.map((line) => line.trim().split(/\s+/)).find(([, address = '']) => address.endsWith(local));
  return Number(row?.at(-1) ?? assert.fail(`nobody listens on ${port}`));
}

/** Each is whole or says that something was left out, and then what is left is as it was. Gives how many were shortened. */
function assertShortened(path: Path, messages: readonly StoredMessage[], maxSize: number): number {
  let shortened = 0;
  for (const message of messages) {
    assert.ok(Buffer.byteLength(message.raw) <= maxSize, `${Buffer.byteLength(message.raw)} bytes`);
    const document = documentOf(message);
    const wanted = JSON.parse(path.expected(document).json) as EcsDocument;
    const tags = document['tags'] as readonly string[];
    if (!tags.some((tag) => tag.endsWith('_truncated'))) {
      assert.deepEqual(document, wanted);
      continue;
    }
    shortened += 1;
    assertPart(document, { ...wanted, tags: [...(wanted['tags'] as readonly string[]), tags.at(-1)] }, 'document');
  }
  return shortened;
}

/** The message alone may be cut, where an ellipsis says so; any other field is there as it was, or not at all. */
function assertPart(
  part: Readonly<Record<string, unknown>>,
  whole: Readonly<Record<string, unknown>>,
  path: string,
): void {
  for (const [name, value] of Object.entries(part)) {
    const [wanted, at] = [whole[name], `${path}.${name}`];
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      assertPart(value as Record<string, unknown>, wanted as Record<string, unknown>, at);
    else if (at === 'document.message' && value !== wanted) {
      assert.ok(typeof value === 'string' && value.endsWith('…') && String(wanted).startsWith(value.slice(0, -1)), at);
    } else assert.deepEqual(value, wanted, at);
  }
}

const SEVERITY: Readonly<Record<Severity, number>> = { informational: 6, low: 5, medium: 4, high: 3, critical: 2 };
const LOCAL4 = 20;

/** The header and the structured data, as the server parsed them. */
function assertHeader(message: StoredMessage, event: SecurityEvent): void {
  const { document, severity } = event;
  assert.equal(message.pri, String(LOCAL4 * 8 + SEVERITY[severity]));
  assert.equal(Date.parse(message.timestamp), Date.parse(document['@timestamp']));
  assert.equal(message.app_name, 'mosaic-siem');
  assert.equal(
    // syslog-ng has an empty text for the nil value.
    message.msgid || '-',
    String(document.event.action ?? '')
      .slice(0, 32)
      .replace(/[^!-~]/g, '_') || '-',
  );
  const [[type, vendor] = ['', {}]] = Object.entries(document.transmit_security);
  assert.deepEqual(Object.keys(message.structuredData), [`${type}@${ENTERPRISE}`]);
  const { id, ...parameters } = message.structuredData[`${type}@${ENTERPRISE}`] ?? {};
  assert.equal(id, event.id);
  const texts = Object.values(vendor).filter((value) => typeof value === 'string');
  for (const [name, value] of Object.entries(parameters)) {
    const field = FIELDS[name] ?? assert.fail(`a parameter that nobody sends: ${name}`);
    assert.ok(
      field.some((each) => spelled(vendor[each]) === value),
      `${name}=${value} is none of ${texts.join(', ')}`,
    );
  }
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  session: ['session_id'],
  page: ['page_name'],
  action: ['user_action_type'],
  image: ['image_type'],
  result: ['result', 'process_result', 'check_result'],
};

/** As the sink's README says: at most 255 characters, and what is invisible is spelled out as in JSON. */
function spelled(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const cut = value.slice(0, 255).toWellFormed();
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const codes = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return codes.map((code) => `\\u${code.toString(16).padStart(4, '0')}`).join('');
  });
}
