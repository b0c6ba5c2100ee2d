import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { startHec } from '../../src/simulator/hec.ts';
import { startMosaic } from '../../src/simulator/mosaic.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import type { StreamName } from '../../src/types.ts';
import { lacksMount, mountDisk } from '../../test/faults/disk.ts';
import { API_KEY, CLIENT, type Peer, type PeerKind, type SinkType, type World } from './peer.ts';

const STREAM: StreamName = 'verify/siem';
const OUTAGE_MS = 8_000;
/** After so long without anything new nothing more is waited for: the longest wait of a forwarder is 30 s. */
const QUIET_MS = 45_000;

export interface Figures {
  readonly given: number;
  readonly arrived: number;
  readonly setAside: number;
  readonly missing: number;
  readonly duplicates: number;
}

export interface Trial {
  readonly name: string;
  readonly sink: SinkType;
  /** Size of a disk of its own, as `mount` takes it. */
  readonly disk?: string;
  readonly events: number;
  /** Spoils the world and drives the peer, from its first start until all is well again. A text: it was not what it should be. */
  drive(world: World, peer: Peer): Promise<string | undefined>;
}

export const TRIALS: readonly Trial[] = [
  {
    name: 'kill -9 while Splunk is down',
    sink: 'hec',
    events: 2_000,
    async drive({ hec }, peer) {
      hec.dials.down = true;
      peer.start();
      await sleep(OUTAGE_MS);
      await peer.kill();
      hec.dials.down = false;
      peer.start();
      return undefined;
    },
  },
  {
    name: 'Splunk refuses 10 of 1,000 (code 6)',
    sink: 'hec',
    events: 1_000,
    async drive({ hec }, peer) {
      hec.dials.refuse = (event) => (numberIn(event) ?? 0) % 100 === 50;
      peer.start();
      return undefined;
    },
  },
  {
    name: 'Elasticsearch puts off 1 in 10, refuses 10 of 1,000',
    sink: 'elasticsearch',
    events: 1_000,
    async drive({ elasticsearch }, peer) {
      const putOff = new Set<number>();
      elasticsearch.dials.itemStatus = (document) => {
        const number = numberIn(document) ?? 0;
        if (number % 100 === 50) return 400;
        if (number % 10 !== 3 || putOff.has(number)) return undefined;
        putOff.add(number);
        return 429;
      };
      peer.start();
      return undefined;
    },
  },
  {
    name: 'disk of 8 MiB full while Splunk is down',
    sink: 'hec',
    disk: '8m',
    events: 20_000,
    async drive({ mosaic, hec }, peer) {
      hec.dials.down = true;
      peer.start();
      await sleep(4 * OUTAGE_MS);
      const { waiting } = mosaic.ledger.books(STREAM);
      hec.dials.down = false;
      return waiting === 0 ? 'the disk had room for all' : undefined;
    },
  },
];

/** Runs one peer through one trial, in a world of its own; a text says why it cannot be run. */
export async function run(trial: Trial, kind: PeerKind): Promise<Figures | string> {
  const lacking = kind.lacks(trial.sink, trial.disk !== undefined) ?? (trial.disk ? lacksMount() : undefined);
  const missing = lacking ?? kind.prepare();
  if (missing) return missing;
  const ends: (() => unknown)[] = [];
  const after = (end: () => unknown) => void ends.unshift(end);
  try {
    const world = await newWorld(trial, after);
    const peer = await kind.make(world);
    enqueue(world, trial.events);
    const spoilt = await trial.drive(world, peer);
    if (spoilt) return spoilt;
    await quiet(world, trial.events);
    const setAside = await peer.setAside();
    await peer.stop();
    return figures(world, trial.events, setAside);
  } finally {
    for (const end of ends) await end();
  }
}

async function newWorld(trial: Trial, after: (end: () => unknown) => void): Promise<World> {
  const mosaic = await startMosaic({ streams: [STREAM], clientId: CLIENT.id, clientSecret: CLIENT.secret });
  after(() => mosaic.close());
  const hec = await startHec();
  after(() => hec.close());
  const elasticsearch = await startElasticsearch({ apiKey: API_KEY });
  after(() => elasticsearch.close());
  const scope = { after: (end: () => unknown) => after(end) } as Pick<World, 'after'>;
  const disk = trial.disk ? { folder: mountDisk(scope, trial.disk).folder } : {};
  return { mosaic, hec, elasticsearch, sink: trial.sink, ...scope, ...disk };
}

/** Each activity has a number that is found again in whatever a forwarder makes of it. */
function enqueue({ mosaic }: World, events: number): void {
  const numbered = activitySource({ seed: 4 })
    .take(events)
    .map(({ json }, number) => {
      // No compression makes it shorter.
      const noise = randomBytes(300).toString('base64');
      return { key: `${number}`, json: json.replace('{', `{"peer_number":"${number}","noise":"${noise}",`) };
    });
  mosaic.enqueue(STREAM, numbered);
}

function numberIn(event: unknown): number | undefined {
  const found = /"peer_number":"(\d+)"/.exec(JSON.stringify(event));
  return found ? Number(found[1]) : undefined;
}

/** How often each activity is at the SIEM. */
function arrivals({ hec, elasticsearch, sink }: World): Map<number, number> {
  const events = sink === 'hec' ? hec.stored.map(({ event }) => event) : [...elasticsearch.stored.values()];
  const times = new Map<number, number>();
  for (const event of events) {
    const number = numberIn(event);
    if (number === undefined) throw new Error(`an event that nobody made: ${JSON.stringify(event).slice(0, 200)}`);
    times.set(number, (times.get(number) ?? 0) + 1);
  }
  return times;
}

async function quiet(world: World, events: number): Promise<void> {
  for (let [before, since] = [-1, performance.now()]; performance.now() - since < QUIET_MS; await sleep(1_000)) {
    const { size } = arrivals(world);
    if (size === events) return;
    if (size !== before) since = performance.now();
    before = size;
  }
}

function figures(world: World, given: number, setAside: number): Figures {
  const times = arrivals(world);
  const sent = [...times.values()].reduce((sum, count) => sum + count, 0);
  const again = world.sink === 'elasticsearch' ? world.elasticsearch.duplicates : sent - times.size;
  return { given, arrived: times.size, setAside, missing: given - times.size - setAside, duplicates: again };
}
