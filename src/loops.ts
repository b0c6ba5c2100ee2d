import { censoredSink } from './censored-sink.ts';
import { collect } from './collect.ts';
import type { Config, SinkConfig } from './config.ts';
import { selector } from './forward/select.ts';
import { type Forwarder, forward } from './forward.ts';
import type { Log } from './log.ts';
import { mosaicClient } from './mosaic.ts';
import type { Tell } from './news.ts';
import { countActivities, isEmptyAnswer } from './normalize/elements.ts';
import { normalizer } from './normalize.ts';
import type { SinkContext } from './sink.ts';
import { trimmer } from './trimming.ts';
import type { Normalize, Page, SecurityEvent, Spool } from './types.ts';

export interface LoopsOptions {
  readonly config: Config;
  readonly spool: Spool;
  readonly log: Log;
  readonly tell: Tell;
  readonly version: string;
  /** Takes secrets out of what sinks say. */
  readonly censor: (text: string) => string;
  /** Each page's events, once, as they are first mapped. */
  readonly seen: (events: readonly SecurityEvent[]) => void;
}
export interface Loops {
  /** Resolves once both loops of everything have ended. */
  readonly ended: Promise<void>;
  /** Finish what is in flight, as far as `shutdown_timeout` lets the sinks. */
  stop(): void;
  /** End at once. */
  abort(): void;
  /** SIGUSR2: open files anew. */
  reopen(): Promise<void>;
}

const TRIM_EVERY_MS = 30_000;

/** The two loops, once per stream and once per sink, around one spool that has been started. */
export function startLoops(options: LoopsOptions): Loops {
  const { config, spool, tell } = options;
  const stop = new AbortController();
  const abort = new AbortController();
  const late = new AbortController();
  // First what can throw, so that a start that fails leaves nothing running.
  const client = mosaicClient(mosaicOptions(config));
  const forwarders = startSinks(options, { stop: stop.signal, abort: AbortSignal.any([abort.signal, late.signal]) });
  const collectors = config.mosaic.streams.map((stream) =>
    collect(
      {
        spool,
        tell,
        count: countActivities,
        isEmpty: isEmptyAnswer,
        collect: (call, signal) => client.collect(call, signal),
      },
      { ...stream, maxAnswerSize: config.mosaic.maxAnswerSize },
      { stop: stop.signal, abort: abort.signal },
    ),
  );
  const trimming = setInterval(trimmer(spool, tell), TRIM_EVERY_MS);
  const lateTimer = () =>
    setTimeout(() => late.abort(new Error('shutdown_timeout is over')), config.shutdownTimeoutMs).unref();
  const ended = Promise.all([...collectors, ...forwarders.map((forwarder) => forwarder.ended)]).then(async () => {
    clearInterval(trimming);
    await client.close();
  });
  return {
    ended,
    stop: () => {
      stop.abort(new Error('stopping'));
      lateTimer();
    },
    abort: () => {
      stop.abort(new Error('stopping at once'));
      abort.abort(new Error('stopping at once'));
    },
    reopen: async () => void (await Promise.allSettled(forwarders.map((forwarder) => forwarder.reopen()))),
  };
}

function startSinks(options: LoopsOptions, signals: { stop: AbortSignal; abort: AbortSignal }): Forwarder[] {
  const { config, spool, tell, censor } = options;
  const normalize = shared(normalizer(config.events), options.seen);
  const open = async (sink: SinkConfig, signal: AbortSignal) =>
    sink.definition.open(sink.options() as never, sinkContext(sink, options), signal);
  return config.sinks.map((sink) =>
    forward(
      { spool, normalize, tell, clock: () => performance.now() },
      {
        ...sink,
        selects: selector(sink.only, sink.except),
        open: (signal) => censoredSink(() => open(sink, signal), censor),
      },
      signals,
    ),
  );
}

interface Telling {
  readonly version: string;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export function sinkContext(sink: SinkConfig, options: Telling): SinkContext {
  return {
    name: sink.name,
    timeoutMs: sink.timeoutMs,
    tls: sink.tls,
    proxy: sink.proxy,
    version: options.version,
    log: (level, message) => options.log[level](`sink ${sink.name}: ${message}`),
  };
}

export function mosaicOptions(config: Config): Parameters<typeof mosaicClient>[0] {
  const { mosaic } = config;
  return { ...mosaic, http: { tls: mosaic.tls, proxy: mosaic.proxy } };
}

const SHARED_PAGES = 2;

type Part = { readonly events: readonly SecurityEvent[]; readonly last: boolean };

/** Sinks at the head of the log share what is normalized first of a page, which is mostly all; the rest each maps for itself. */
function shared(normalize: Normalize, seen: LoopsOptions['seen']): Normalize {
  let latest = 0;
  const known = new Map<number, Promise<Part>>();
  const firstOf = (page: Page): Promise<Part> => {
    const found = known.get(page.number);
    if (found !== undefined) return found;
    const first = firstPart(normalize, page);
    if (page.number > latest) void first.then(({ events }) => seen(events));
    latest = Math.max(latest, page.number);
    if (page.number > latest - SHARED_PAGES) known.set(page.number, first);
    for (const number of known.keys()) if (number <= latest - SHARED_PAGES) known.delete(number);
    return first;
  };
  return {
    ...normalize,
    async *parts(page) {
      const first = await firstOf(page);
      yield first;
      if (first.last) return;
      let isFirst = true;
      for await (const part of normalize.parts(page)) {
        if (!isFirst) yield part;
        isFirst = false;
      }
    },
  };
}

async function firstPart(normalize: Normalize, page: Page): Promise<Part> {
  for await (const part of normalize.parts(page)) return part;
  return { events: [], last: true };
}
