import type { SimulatedElasticsearch } from '../../src/simulator/elasticsearch.ts';
import type { Hec } from '../../src/simulator/hec.ts';
import type { SimulatedMosaic } from '../../src/simulator/mosaic.ts';
import type { Scope } from '../../test/fixtures/process.ts';

export type SinkType = 'hec' | 'elasticsearch';

/** What a forwarder stands between. */
export interface World extends Scope {
  readonly mosaic: SimulatedMosaic;
  readonly hec: Hec;
  readonly elasticsearch: SimulatedElasticsearch;
  /** Where the trial is to one SIEM alone. */
  readonly sink: SinkType;
  /** Of a small disk, where the trial has one. */
  readonly folder?: string;
}

/** One forwarder in one trial. */
export interface Peer {
  start(): void;
  /** kill -9 */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** How many events it has kept aside, with a reason that it can tell. */
  setAside(): Promise<number>;
}

export interface PeerKind {
  readonly name: string;
  /** Builds or finds what it needs; why it cannot be had. */
  prepare(): string | undefined;
  /** Why it cannot take part in a trial. */
  lacks(sink: SinkType, needsDisk: boolean): string | undefined;
  make(world: World): Promise<Peer>;
}

export const CLIENT = { id: 'demo-client', secret: 'demo-secret' };
export const API_KEY = 'cGVlcnM6cGVlcnM=';
export const BATCH = 100;
