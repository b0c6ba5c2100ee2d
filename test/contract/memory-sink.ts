/** A SIEM that is an object in memory, and an honest sink to it: what the liars start from. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outcome, type SecurityEvent, type Sink, type SinkDefinition, Unavailable, z } from '../../src/sink.ts';
import type { Fixture, Held, Receiver } from './contract.ts';

export interface Siem {
  readonly stored: Held[];
  down: boolean;
  unwelcome: boolean;
  loseAnswer: boolean;
  slow: boolean;
  refused: string | undefined;
  putOff: string | undefined;
}

export const TOKEN = 'memory-token-4711';

const options = z.strictObject({
  siem: z.custom<Siem>((value) => typeof value === 'object' && value !== null).describe('The SIEM itself.'),
  token: z.string().min(1).meta({ secret: true }).describe('What it is opened with.'),
});
export type Options = z.output<typeof options>;

export const honest = {
  type: 'memory',
  summary: 'An object in memory',
  options,
  promises: { acknowledged: true, idempotent: true, perEvent: true },
  defaults: { concurrency: 2, maxEvents: 100, maxBytes: 100_000 },
  open: async ({ siem }) => openMemory(siem),
  probe: async ({ siem }) => ({ ok: !siem.down, lines: [siem.down ? 'it is down' : 'it is up'] }),
} satisfies SinkDefinition<Options>;

function openMemory(siem: Siem): Sink {
  const closed = new AbortController();
  return {
    async deliver(batch, signal) {
      const either = AbortSignal.any([signal, closed.signal]);
      either.throwIfAborted();
      while (siem.slow) await sleep(5, undefined, { signal: either });
      if (siem.down) throw new Unavailable('the memory cannot be reached');
      if (siem.unwelcome) throw new Unavailable('the memory refuses the token', { reopen: true });
      const outcomes = batch.map((event) => store(siem, event));
      if (siem.loseAnswer) throw new Unavailable('the answer of the memory was lost');
      return outcomes;
    },
    close: async () => closed.abort(new Error('this sink was closed')),
  };
}

export function store(siem: Siem, { id, json }: Pick<SecurityEvent, 'id' | 'json'>): Outcome {
  if (id === siem.refused) return { status: 'rejected', reason: 'the memory does not like it' };
  if (id === siem.putOff) return { status: 'retry', reason: 'the memory has no room now' };
  if (!siem.stored.some((held) => held.id === id)) siem.stored.push({ id, content: JSON.parse(json) });
  return { status: 'delivered' };
}

async function start(): Promise<Receiver> {
  const siem: Siem = {
    stored: [],
    down: false,
    unwelcome: false,
    loseAnswer: false,
    slow: false,
    refused: undefined,
    putOff: undefined,
  };
  const dial = (name: 'down' | 'unwelcome' | 'loseAnswer' | 'slow') => (on: boolean) => {
    siem[name] = on;
  };
  return {
    options: { siem, token: TOKEN },
    held: () => siem.stored,
    close: async () => undefined,
    down: dial('down'),
    unwelcome: dial('unwelcome'),
    loseAnswer: dial('loseAnswer'),
    slow: dial('slow'),
    refuse: (event) => {
      siem.refused = event.id;
      return event;
    },
    putOff: (id) => {
      siem.putOff = id;
    },
  };
}

export const memoryFixture: Fixture = { definition: honest, start, refused: [{ token: '' }] };
