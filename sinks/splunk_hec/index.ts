import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  type HttpClient,
  httpClient,
  type Outcome,
  type SecurityEvent,
  type Sink,
  type SinkContext,
  type SinkDefinition,
} from '../../src/sink.ts';
import { install, uninstall } from './app/install.ts';
import { encodeBatch, envelopeEncoder } from './encode.ts';
import { Endpoint, type Packed } from './endpoint.ts';
import { exchanger } from './exchange.ts';
import { type Options, optionsSchema, urlsOf } from './options.ts';
import { probe } from './probe.ts';
import { inTurn, type Turns } from './turns.ts';

const compress = promisify(gzip);

const splunkHec: SinkDefinition<Options> = {
  type: 'splunk_hec',
  summary: "Splunk's HTTP Event Collector, with or without indexer acknowledgement",
  options: optionsSchema,
  promises: { acknowledged: false, idempotent: false, perEvent: true },
  defaults: { concurrency: 8, maxEvents: 500, maxBytes: 500_000 },
  open: async (options, context) => openSink(options, context, httpClient(context)),
  probe,
  install,
  uninstall,
  sample: { url: 'https://splunk.invalid:8088', token: 'none' },
  encode: { hec: (event) => envelopeEncoder({ host: hostname() })(event) },
};
export default splunkHec;

function openSink(options: Options, context: SinkContext, client: HttpClient): Sink {
  const closing = new AbortController();
  const encode = envelopeEncoder({ ...options, host: options.host ?? hostname() });
  const turns = inTurn(endpoints(options, context, client, closing.signal), context.log);
  return {
    deliver: async (batch, signal) => {
      if (batch.length === 0) return [];
      return deliver(turns, await pack(batch, encode), signal);
    },
    close: async () => {
      closing.abort();
      await client.close();
    },
  };
}

function endpoints(options: Options, context: SinkContext, client: HttpClient, closing: AbortSignal): Endpoint[] {
  return urlsOf(options).map(
    (url) =>
      new Endpoint({
        origin: new URL(url).origin,
        exchange: exchanger(client, url, options.token, context.timeoutMs),
        acknowledgement: options.acknowledgement,
        timeoutMs: options.acknowledgement_timeout,
        closing,
        warn: (message) => context.log('warn', message),
      }),
  );
}

async function pack(batch: readonly SecurityEvent[], encode: (event: SecurityEvent) => string): Promise<Packed> {
  const plain = encodeBatch(batch, encode);
  return { events: batch.length, bytes: plain.length, body: await compress(plain, { level: 1 }) };
}

/** One try at one url. Where that one fails and another is left, all is `unsent`: the next try goes there. */
async function deliver(turns: Turns, packed: Packed, signal: AbortSignal): Promise<readonly Outcome[]> {
  const endpoint = turns.next();
  const result = await endpoint.deliver(packed, signal);
  if (!('kind' in result)) {
    turns.worked(endpoint);
    return result;
  }
  const another = result.elsewhere && turns.failed(endpoint, result.error);
  if (!another) throw result.error;
  return Array<Outcome>(packed.events).fill({ status: 'unsent' });
}
