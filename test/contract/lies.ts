/** Ways to be wrong: each takes the honest sink and bends it. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Outcome,
  type SecurityEvent,
  type Sink,
  type SinkContext,
  type SinkDefinition,
  Unavailable,
} from '../../src/sink.ts';
import { honest, type Options, type Siem, TOKEN } from './memory-sink.ts';

export interface Liar {
  readonly definition: SinkDefinition<unknown>;
  /** The name of the check. */
  readonly foundBy: string;
}

export type Deliver = Sink['deliver'];
type Around = (honestSink: Sink, siem: Siem, context: SinkContext) => Partial<Sink>;

export function sinkLiar(foundBy: string, lie: Around): Liar {
  const open: SinkDefinition<Options>['open'] = async (options, context) => {
    const sink = await honest.open(options);
    return { ...sink, ...lie(sink, options.siem, context) };
  };
  return { definition: { ...honest, open }, foundBy };
}

export function definitionLiar(foundBy: string, lie: Partial<SinkDefinition<Options>>): Liar {
  return { definition: { ...honest, ...lie }, foundBy };
}

export const DELIVERED: Outcome = { status: 'delivered' };

/** Takes whatever goes wrong for this outcome. */
export function instead(outcome: Outcome, when: (siem: Siem) => boolean): Around {
  return ({ deliver }, siem) => ({
    deliver: (batch, signal) =>
      deliver(batch, signal).catch((error) => {
        if (when(siem)) return batch.map(() => outcome);
        throw error;
      }),
  });
}

/** Delivers honestly, but other events. */
export function changed(change: (event: SecurityEvent) => SecurityEvent): Around {
  return ({ deliver }) => ({ deliver: (batch, signal) => deliver(batch.map(change), signal) });
}

export function withDocument(
  event: SecurityEvent,
  change: (document: Record<string, unknown>) => unknown,
): SecurityEvent {
  return { ...event, json: JSON.stringify(change(JSON.parse(event.json) as Record<string, unknown>)) };
}

export function shared({ deliver }: Sink): Partial<Sink> {
  let current: readonly SecurityEvent[] = [];
  const late: Deliver = async (batch, signal) => {
    current = batch;
    await sleep(5);
    const outcomes = await deliver(current, signal);
    return batch.map((_, index) => outcomes[index] ?? DELIVERED);
  };
  return { deliver: late };
}

export function leaky({ deliver }: Sink, siem: Siem): Partial<Sink> {
  return {
    deliver: (batch, signal) => {
      if (siem.unwelcome)
        throw new Unavailable('refused', { reopen: true, cause: { authorization: `Bearer ${TOKEN}` } });
      return deliver(batch, signal);
    },
  };
}
