import { type SinkDefinition, z } from '../../src/sink.ts';
import { FileSink } from './file.ts';

const options = z.strictObject({
  path: z
    .string()
    .min(1, 'expected the path of a file')
    .describe('The file to append to. It is made with mode 0600; its folder must exist.'),
});

type Options = z.output<typeof options>;

export default {
  type: 'file',
  summary: 'A local file, one ECS document a line (NDJSON).',
  options,
  promises: { acknowledged: true, idempotent: false, perEvent: true },
  defaults: { concurrency: 2, maxEvents: 1000, maxBytes: 1_000_000 },
  open: (given, context, signal) => FileSink.open(given.path, context, signal),
  async probe(given, context, signal) {
    const problem = await FileSink.probe(given.path, context, signal);
    return problem === undefined
      ? { ok: true, lines: [`${given.path}: can be written`] }
      : { ok: false, lines: [problem] };
  },
} satisfies SinkDefinition<Options>;
