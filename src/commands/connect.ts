import type { Config } from '../config.ts';
import { mosaicOptions, sinkContext } from '../loops.ts';
import { mosaicClient } from '../mosaic.ts';
import { readVersion } from '../version.ts';

interface End {
  readonly end: string;
  readonly ok: boolean;
  readonly lines: readonly string[];
}

/** Tries every end without consuming or writing an event: a token from Mosaic, and each sink's own probe. */
export async function* connect(config: Config): AsyncIterable<End> {
  yield await tryMosaic(config);
  for (const sink of config.sinks) {
    const end = `sink ${sink.name}`;
    const { probe } = sink.definition;
    if (!probe) {
      yield { end, ok: true, lines: [`nothing to try: ${sink.definition.type} has no connection`] };
      continue;
    }
    const said: string[] = [];
    const log = (message: string) => void said.push(message);
    const context = sinkContext(sink, { version: readVersion(), log: { info: log, warn: log, error: log } });
    try {
      const report = await probe(sink.options(), context, AbortSignal.timeout(sink.timeoutMs * 2));
      yield { end, ok: report.ok, lines: [...report.lines, ...said] };
    } catch (error) {
      yield { end, ok: false, lines: [(error as Error).message, ...said] };
    }
  }
}

async function tryMosaic(config: Config): Promise<End> {
  const client = mosaicClient(mosaicOptions(config));
  try {
    const refused = await client.authenticate(new AbortController().signal);
    const lines = refused
      ? [[refused.error, refused.advice].filter(Boolean).join('. ')]
      : ['a token was given; collect is not called, because that consumes'];
    return { end: 'mosaic', ok: !refused, lines };
  } finally {
    await client.close();
  }
}
