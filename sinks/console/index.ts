import { type SinkDefinition, z } from '../../src/sink.ts';
import { openConsole } from './console.ts';

const options = z.strictObject({});

export default {
  type: 'console',
  summary: 'Standard output, one line an event, for people.',
  options,
  promises: { acknowledged: false, idempotent: false, perEvent: true },
  defaults: { concurrency: 1, maxEvents: 200, maxBytes: 200_000 },
  open: async (_, context) => openConsole(process.stdout, context.timeoutMs),
  probe: async () => ({ ok: true, lines: ['standard output'] }),
} satisfies SinkDefinition<z.output<typeof options>>;
