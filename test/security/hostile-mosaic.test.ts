/** A Mosaic that means harm costs bounded memory and time. What it gave is kept, what was lost on the way is counted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { countActivities } from '../../src/normalize/elements.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import { openSpoolReader } from '../../src/spool.ts';
import type { Page, SecurityEvent } from '../../src/types.ts';
import { newDaemon } from '../fixtures/process.ts';
import { startWire, whole } from '../fixtures/wire.ts';
import { peakMiB } from './memory.ts';

const MIB = 1024 ** 2;
const ANSWER_MIB = 8;
/** Of a process that has nothing to do: some 90 MiB. An answer is held as it came and as it is stored, twice over. */
const MOST_MIB = 200 + 6 * ANSWER_MIB;

type Say = (socket: Socket) => void;

const body = (bytes: string | Uint8Array, headers = ''): Say => {
  const buffer = Buffer.from(bytes as string);
  return (socket) => {
    socket.write(`HTTP/1.1 201 Created\r\n${headers}content-length: ${buffer.length}\r\n\r\n`);
    socket.write(buffer);
  };
};
/** For ever, as fast as it is taken. */
const pour = (head: string, chunk: string): Say => {
  return (socket) => {
    socket.write(head);
    const go = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', go);
    go();
  };
};
const drip = (head: string, bytes: string): Say => {
  return (socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write(bytes), 1_000);
    socket.on('close', () => clearInterval(timer));
  };
};
const deep = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels);
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

interface Attack {
  readonly say: Say;
  /** How many activities of it are collected. */
  readonly activities: number;
  readonly gap?: 'no_answer' | 'cut_off' | 'too_large';
}
const TINY = 100_000;
const BOMB = gzipSync(Buffer.alloc(200 * MIB, 0x20), { level: 9 });
const CHUNKED = 'HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n';

const ATTACKS: Readonly<Record<string, Attack>> = {
  'an endless body': { say: pour(CHUNKED, chunk('x'.repeat(0x10000))), activities: 1, gap: 'too_large' },
  'an endless list of lists': { say: pour(CHUNKED, chunk('['.repeat(0x10000))), activities: 1, gap: 'too_large' },
  'endless headers': {
    say: pour('HTTP/1.1 201 Created\r\n', `x: ${'y'.repeat(1000)}\r\n`),
    activities: 0,
    gap: 'no_answer',
  },
  'one endless header': {
    say: pour('HTTP/1.1 201 Created\r\nx: ', 'y'.repeat(0x10000)),
    activities: 0,
    gap: 'no_answer',
  },
  'endless promises to go on': {
    say: pour('', 'HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n'),
    activities: 0,
    gap: 'no_answer',
  },
  'a body of one byte a second': {
    say: drip('HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n', '['),
    activities: 1,
    gap: 'cut_off',
  },
  'headers of one byte a second': { say: drip('HTTP/1.1 201 Created\r\nx: ', 'y'), activities: 0, gap: 'no_answer' },
  'lists in lists': { say: body(deep(100_000, '[', ']')), activities: 1 },
  'objects in objects': { say: body(`[${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}]`), activities: 1 },
  'a list that never closes': { say: body('['.repeat(1_000_000)), activities: 1, gap: 'cut_off' },
  'a compressed bomb': { say: body(BOMB, 'content-encoding: gzip\r\n'), activities: 1 },
  'huge numbers': {
    say: body(`[{"activity":"a","timestamp":1e999,"n":${'9'.repeat(500_000)},"m":-1e-999}]`),
    activities: 1,
  },
  'the same key over and over': { say: body(`[{${'"activity":"a",'.repeat(100_000)}"activity":"b"}]`), activities: 1 },
  'many keys': { say: body(`[{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":1`).join()}}]`), activities: 1 },
  'names of the language': {
    say: body('[{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1,"activity":"a"}]'),
    activities: 1,
  },
  'no UTF-8': { say: body(Buffer.from('5b7b2261223a22fffe80c0afeda080227d5d', 'hex')), activities: 1 },
  'very many tiny activities': { say: body(`[${'{},'.repeat(TINY - 1)}{}]`), activities: TINY },
  'very many commas': { say: body(`[${','.repeat(4 * MIB)}]`), activities: 1 },
};

const marker = (name: string) => body(JSON.stringify([{ activity: 'page_loaded', sessionId: name }]));

function yaml(url: string, { folder, spool, port }: { folder: string; spool: string; port: number }): string {
  return `mosaic:
  base_url: ${url}/activities/v1
  client_id: someone
  client_secret: something
  timeout: 3s
  max_answer_size: ${ANSWER_MIB}MiB
  streams: [{ type: verify, id: siem, batch_size: 1, poll_interval: 500ms }]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks: { archive: { type: file, path: "${folder}/events.ndjson", except: { codes: [idv_unknown] } } }
`;
}

test('the real process survives each attack, and collects and delivers behind each', async (t) => {
  const script: Say[] = [];
  const wire = await startWire(t, ({ socket, text }) => {
    if (text.includes('/oidc/token')) return void socket.write(whole('{"access_token":"t","expires_in":3600}'));
    (script.shift() ?? body('[]'))(socket);
  });
  let events = '';
  const daemon = await newDaemon(t, (place) => {
    events = join(place.folder, 'events.ndjson');
    return yaml(wire.url, place);
  });
  daemon.start();
  await daemon.ready();
  const { pid } = await daemon.status();
  for (const [name, { say }] of Object.entries(ATTACKS)) {
    script.push(say, marker(name));
    await daemon.until(`an event behind ${name}`, () => readFileSync(events, 'utf8').includes(`"${name}"`), {
      ms: 60_000,
    });
    const peak = peakMiB(pid);
    assert.ok(peak < MOST_MIB, `${peak.toFixed()} MiB after ${name}, at most ${MOST_MIB} are allowed`);
  }
  daemon.signal('SIGTERM');
  assert.equal((await daemon.ended()).code, 0);
  const reader = openSpoolReader(daemon.spool);
  t.after(() => reader.close());
  const report = await reader.report();
  const gaps = Object.fromEntries(report.gaps.map(({ reason, count }) => [reason, count]));
  const attacks = Object.values(ATTACKS);
  // On a busy machine a call that finds nothing may take too long, too.
  for (const reason of ['too_large', 'cut_off', 'no_answer'] as const) {
    const least = attacks.filter(({ gap }) => gap === reason).length;
    assert.ok((gaps[reason] ?? 0) >= least, `${gaps[reason]} gaps for ${reason}, at least ${least} are true`);
  }
  // Of an answer that was cut off there may be nothing on a busy machine, and then it counts as none.
  const most = attacks.reduce((sum, { activities }) => sum + activities + 1, 0);
  const least = attacks.reduce((sum, { activities, gap }) => sum + (gap ? 0 : activities) + 1, 0);
  const [sink] = report.sinks;
  const collected = sink?.collected ?? 0;
  assert.ok(collected >= least && collected <= most, `${collected} collected, between ${least} and ${most} are true`);
  assert.deepEqual([sink?.waiting, sink?.deadLetters], [0, 0]);
});

test('nor does a token endpoint that means harm', async (t) => {
  const script = [
    ATTACKS['an endless body']?.say,
    ATTACKS['endless headers']?.say,
    ATTACKS['a body of one byte a second']?.say,
    body(`{"access_token":"a\\r\\nx-injected: 1"}`),
    body(deep(100_000, '[', ']')),
    body(`{"access_token":"${'t'.repeat(500_000)}"}`),
  ];
  const all = script.length;
  const wire = await startWire(t, ({ socket, text }) => {
    if (!text.includes('/oidc/token')) return marker('behind them')(socket);
    (script.shift() ?? body('{"access_token":"t","expires_in":3600}'))(socket);
  });
  let events = '';
  const daemon = await newDaemon(t, (place) => {
    events = join(place.folder, 'events.ndjson');
    return yaml(wire.url, place);
  });
  daemon.start();
  await daemon.ready();
  await daemon.until('an event', () => readFileSync(events, 'utf8').includes('behind them'));
  const { pid, gaps } = await daemon.status();
  assert.ok(peakMiB(pid) < MOST_MIB, `${peakMiB(pid)} MiB`);
  assert.deepEqual([script.length, all > 3], [0, true]);
  for (const request of wire.requests) assert.doesNotMatch(request, /x-injected/);
  assert.deepEqual(gaps, []);
});

const pageOf = (text: string | Buffer): Page => {
  return {
    number: 7,
    stream: 'verify/siem',
    receivedAt: new Date(0),
    partial: false,
    body: Buffer.from(text as string),
  };
};
const { events, parts, one } = normalizer({ ...DEFAULT_EVENT_OPTIONS, original: true });

describe('a large page', () => {
  const activity = (index: number) => `{"activity":"page_loaded","sessionId":"${index}","x":"${'y'.repeat(2000)}"}`;
  const LARGE = `[${Array.from({ length: 2_500 }, (_, index) => activity(index % 2_000)).join()}]`;

  it('gives the same events as a small one with the same activities, one after the other', () => {
    const small = [...events(pageOf(`[${activity(1)},${activity(2)},${activity(1)}]`))];
    const large = [...events(pageOf(LARGE))];
    assert.deepEqual([large.length, countActivities(Buffer.from(LARGE))], [2_500, 2_500]);
    assert.deepEqual(
      [large[1]?.id, large[2]?.id, large[2_001]?.id],
      small.map(({ id }) => id),
    );
    assert.deepEqual(large[1]?.document, small[0]?.document);
    assert.deepEqual(large[2_001]?.source.position, { page: 7, index: 2_001 });
    assert.equal(Buffer.from(large[2_001]?.source.raw ?? '').toString(), activity(1));
  });

  it('comes in parts, none of which is large, and all of them are all', async () => {
    const sizes: number[] = [];
    const ids: string[] = [];
    let ended = false;
    for await (const part of parts(pageOf(LARGE))) {
      assert.ok(!ended);
      sizes.push(part.events.length);
      ids.push(...part.events.map(({ id }) => id));
      ended = part.last;
    }
    assert.deepEqual([sizes, ended], [[2_000, 500], true]);
    assert.deepEqual(
      ids,
      [...events(pageOf(LARGE))].map(({ id }) => id),
    );
    for await (const part of parts(pageOf('[]'))) assert.deepEqual(part, { events: [], last: true });
  });

  it('holds its list in an object, too', () => {
    assert.equal([...events(pageOf(`{"events":${LARGE}}`))].length, 2_500);
    const huge = `{"events":[${activity(1)}]${' '.repeat(17 * MIB)}}`;
    const [event, ...more] = [...events(pageOf(huge))];
    assert.ok(event);
    assert.deepEqual([more.length, countActivities(Buffer.from(huge))], [0, 1]);
    assert.match(String((event.document['error'] as { message: string }).message), /holds no list and is larger than/);
  });
});

describe('a large activity', () => {
  const LARGE = `{"activity":"page_loaded","x":"${'maria'.repeat(MIB)}"}`;
  const failed = (event: SecurityEvent | undefined) => {
    assert.ok(event);
    assert.equal(event.document.event['kind'], 'pipeline_error');
    assert.deepEqual(event.document['error'], {
      type: 'too_large',
      message: 'Array element 1 is larger than 2097152 bytes',
    });
    assert.equal(event.document.event['hash'], createHash('sha256').update(LARGE).digest('hex'));
    assert.ok(event.json.length < 2_000, 'none of it is repeated, not even with events.original');
    return event.id;
  };

  it('is not mapped and spoils no other; its id is that of its bytes, as a dead letter too', () => {
    const [first, second, third] = [...events(pageOf(`[{"activity":"a"},${LARGE},{"activity":"a"}]`))];
    assert.deepEqual([first?.document.event['kind'], third?.document.event['kind']], ['event', 'event']);
    assert.ok(second);
    const { stream, receivedAt, position, ordinal, raw } = second.source;
    assert.equal(failed(second), failed(one({ stream, receivedAt, position, ordinal, raw })));
  });
});
