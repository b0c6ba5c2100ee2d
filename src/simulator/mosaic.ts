import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StreamName, StreamType } from '../types.ts';
import type { Ledger } from './ledger.ts';
import { answer, type MosaicDials, newWorld, type SimulatedMosaicOptions, type World } from './mosaic-calls.ts';
import { type ActivitySource, activitySource, type SimulatedActivity } from './sessions.ts';

export type { Fault } from './faults.ts';
export type { SimulatedMosaicOptions } from './mosaic-calls.ts';

export interface SimulatedMosaic {
  readonly baseUrl: string;
  readonly tokenUrl: string;
  readonly dials: MosaicDials;
  readonly ledger: Ledger;
  /** How often each was called, as in `calls['DELETE stop-collect']`. */
  readonly calls: Readonly<Record<string, number>>;
  /** The most collect calls that were under way for one stream at once. */
  readonly maximumParallelCollects: number;
  enqueue(stream: StreamName, activities: readonly SimulatedActivity[]): void;
  /** Keeps enqueuing until it is stopped. */
  flow(stream: StreamName, ratePerSecond: number, source?: ActivitySource): { stop(): void };
  revokeTokens(): void;
  /** Refuses connections until `up`, which listens on the same port. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

/** A Mosaic that consumes like the real one: what it has handed out is gone, even when the answer is lost. */
export async function startMosaic(options: SimulatedMosaicOptions = {}): Promise<SimulatedMosaic> {
  const world = newWorld(options);
  const server = createServer((request, response) => {
    answer(world, request, response).catch(() => response.destroy());
  });
  // As a load balancer: it outlasts its clients' patience, so that no call crosses the end of a connection.
  server.keepAliveTimeout = 65_000;
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
  const down = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  return {
    baseUrl: `${origin}/activities/v1`,
    tokenUrl: `${origin}/oidc/token`,
    dials: world.dials,
    ledger: world.queues,
    calls: world.calls,
    get maximumParallelCollects() {
      return world.parallel.maximum;
    },
    enqueue: (stream, activities) => world.queues.enqueue(stream, activities),
    flow: (stream, rate, source) => flow(world, stream, rate, source),
    revokeTokens: () => world.desk.revoke(),
    down,
    up: () => listen(port),
    async close() {
      for (const timer of world.flows) clearInterval(timer);
      await down();
    },
  };
}

function flow(world: World, stream: StreamName, rate: number, given?: ActivitySource): { stop(): void } {
  const source = given ?? activitySource({ type: stream.split('/')[0] as StreamType, rate });
  const began = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * rate) - made;
    world.queues.enqueue(
      stream,
      Array.from({ length: due }, () => source.next(Date.now())),
    );
    made += due;
  }, 50);
  world.flows.add(timer);
  return {
    stop() {
      clearInterval(timer);
      world.flows.delete(timer);
    },
  };
}
