/** The real process between the simulated Mosaic and real servers, and what each of them must hold in the end. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../../src/normalize.ts';
import { type SimulatedMosaic, startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import type { Status } from '../../src/status/shape.ts';
import type { EcsDocument, SecurityEvent, StreamName, StreamType } from '../../src/types.ts';
import { type Daemon, newDaemon } from '../fixtures/process.ts';

const TYPES: readonly StreamType[] = ['verify', 'cis', 'admin', 'risk'];
const STREAMS: readonly StreamName[] = TYPES.map((type): StreamName => `${type}/siem`);

export interface Path {
  readonly mosaic: SimulatedMosaic;
  readonly daemon: Daemon;
  /** For all four streams to hand out. */
  enqueue(activities: Readonly<Record<StreamType, readonly SimulatedActivity[]>>): void;
  /** Verifications at a pace, until it is stopped. */
  flow(ratePerSecond: number): { stop(): void };
  /** Mosaic has nothing left and each sink has settled everything. */
  settled(ms?: number): Promise<void>;
  /** The ids of all events that have to arrive. */
  ids(): ReadonlySet<string>;
  /** What the mapping makes of the activity with this event id, when it is received at the document's `event.created`. */
  expected(document: EcsDocument): SecurityEvent;
}

/** `sinks`: the lines of YAML under it, two spaces in. */
export async function startPath(context: TestContext, sinks: () => string, more = ''): Promise<Path> {
  const mosaic = await startMosaic({ streams: STREAMS });
  context.after(() => mosaic.close());
  const streams = TYPES.map((type) => `{ type: ${type}, id: siem, batch_size: 500, poll_interval: 500ms }`);
  const daemon = await newDaemon(
    context,
    ({ spool, port }) => `mosaic:
  base_url: ${mosaic.baseUrl}
  client_id: demo-client
  client_secret: demo-secret
  streams: [${streams.join(', ')}]
spool: { path: "${spool}" }
status: { listen: "127.0.0.1:${port}" }
sinks:
${sinks()}
${more}
`,
  );
  const known = new Map<string, { readonly stream: StreamName; readonly json: string }>();
  const learn = (stream: StreamName) => (activity: SimulatedActivity) => {
    const { id } = map(stream, activity.json, new Date(0));
    assert.ok(!known.has(id), `two activities have the event id ${id}`);
    known.set(id, { stream, json: activity.json });
    return activity;
  };
  return {
    ...{ mosaic, daemon },
    enqueue(activities) {
      for (const type of TYPES) mosaic.enqueue(`${type}/siem`, activities[type].map(learn(`${type}/siem`)));
    },
    flow(rate) {
      const source = activitySource({ rate });
      const next = (at?: number) => learn('verify/siem')(source.next(at));
      return mosaic.flow('verify/siem', rate, { next, take: (count) => Array.from({ length: count }, () => next()) });
    },
    settled: (ms = 120_000) => settled(mosaic, daemon, ms),
    ids: () => new Set(known.keys()),
    expected(document) {
      const { id, created } = document.event as { id?: string; created?: string };
      const { stream, json } = known.get(id ?? '') ?? assert.fail(`an event that nobody made: ${id}`);
      return map(stream, json, new Date(created ?? assert.fail('no event.created')));
    },
  };
}

const { one } = normalizer(DEFAULT_EVENT_OPTIONS);

function map(stream: StreamName, json: string, receivedAt: Date): SecurityEvent {
  return one({ stream, receivedAt, position: { page: 1, index: 0 }, ordinal: 0, raw: Buffer.from(json) });
}

/** On a busy machine the answer may take longer than the 5 s that one question has. */
export async function statusOf(daemon: Daemon): Promise<Status> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await daemon.status();
    } catch (error) {
      if (tries === 10 || !(error instanceof DOMException)) throw error;
    }
  }
}

async function settled(mosaic: SimulatedMosaic, daemon: Daemon, ms: number): Promise<void> {
  const state = async () => (await statusOf(daemon)).sinks;
  await daemon.until(
    'everything is settled',
    async () => {
      if (STREAMS.some((stream) => mosaic.ledger.books(stream).waiting > 0)) return false;
      const { sinks, streams } = await statusOf(daemon);
      const collected = streams.reduce((sum, stream) => sum + stream.activities, 0);
      const handedOut = STREAMS.reduce((sum, stream) => sum + mosaic.ledger.books(stream).handedOut, 0);
      return collected === handedOut && sinks.every(({ waiting }) => waiting === 0);
    },
    { ms, everyMs: 100, state },
  );
}

/** Every event at least once, no other, and each copy with exactly the content that the mapping makes. Gives the copies. */
export function assertAllThere(
  path: Path,
  documents: readonly EcsDocument[],
  where: string,
): ReadonlyMap<string, number> {
  const copies = new Map<string, number>();
  for (const document of documents) {
    const wanted = path.expected(document);
    assert.deepEqual(document, JSON.parse(wanted.json), `${wanted.id} at ${where}`);
    copies.set(wanted.id, (copies.get(wanted.id) ?? 0) + 1);
  }
  const missing = [...path.ids()].filter((id) => !copies.has(id));
  assert.deepEqual(missing.slice(0, 3), [], `${missing.length} of ${path.ids().size} are missing at ${where}`);
  return copies;
}

/** Nobody was buried, and no sink has given up: what a test of an outage asserts of the books. */
export async function assertNoneDead({ daemon }: Path): Promise<void> {
  const { sinks } = await statusOf(daemon);
  for (const { sink, dead_letters: dead } of sinks) assert.equal(dead, 0, `dead letters of ${sink}`);
}

/** What breaks a careless encoder, as an applicant could have typed it. */
const AWKWARD: readonly string[] = [
  `quotes " ' \` backslash \\ brackets ] [ braces } { pipe | equals = %s %00 $HOME &amp; <b>`,
  'one line\r\nanother\n<14>1 2026-01-01T00:00:00Z forged forged - - - forged\n{"event":{"id":"forged"}}\n12 <14>1 ',
  'nul \u0000 controls \u0001\u0007\b\u001b[31m\u007f\u0085 tab \t end',
  'four bytes \u{1f600}\u{20000}\u{10ffff} two größe žluť',
  'bidi \u202e\u2066 separators \u2028\u2029 mark \ufeff zero width \u200b\u200d',
  ' leading and trailing \\',
  '',
];

/** Activities of each type as they are, and each text in some of them replaced by each awkward one. `longest`: in bytes. */
export function awkwardActivities(longest: number): Record<StreamType, SimulatedActivity[]> {
  const made = TYPES.map((type) => {
    const source = activitySource({ type, seed: 5 });
    const plain = source.take(60);
    const long = ['x', '"', 'ž', '\u{1f600}'].map((character) => character.repeat(longest / bytesAsJson(character)));
    const bent = AWKWARD.flatMap((text) => bentOnes(source.next(), text));
    // One field in five is enough of what is long.
    const longOnes = long.flatMap((text) => bentOnes(source.next(), text).filter((_, index) => index % 5 === 0));
    // Plain ones last: a sink that refuses many in a row is believed once it has taken another.
    return [type, [...bent, ...longOnes, ...plain]] as const;
  });
  return Object.fromEntries(made) as Record<StreamType, SimulatedActivity[]>;
}

function bytesAsJson(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - '""'.length;
}

/** The activity once for each text in it, with that one replaced. */
function bentOnes({ key, json }: SimulatedActivity, text: string): SimulatedActivity[] {
  const activity = JSON.parse(json) as Record<string, unknown>;
  const inside = Object.entries(activity).find(([, value]) => typeof value === 'object' && value !== null);
  const replaced = Object.keys(activity)
    .filter((name) => typeof activity[name] === 'string')
    .map((name) => ({ ...activity, [name]: text }));
  if (inside) {
    const [name, fields] = inside as [string, Record<string, unknown>];
    for (const field of Object.keys(fields)) replaced.push({ ...activity, [name]: { ...fields, [field]: text } });
    replaced.push({ ...activity, [name]: { ...fields, [`name ${text}`]: 'of a field' } });
  }
  // A number that no other activity has keeps two of them from being the same.
  return replaced.map((fields, index) => ({
    key: `${key} ${index}`,
    json: JSON.stringify({ ...fields, count: index }),
  }));
}
