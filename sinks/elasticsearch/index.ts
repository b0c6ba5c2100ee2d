import { type SecurityEvent, type Sink, type SinkContext, type SinkDefinition, Unavailable } from '../../src/sink.ts';
import { readAnswer } from './answer.ts';
import { connect, type ElasticsearchClient, type Question } from './client.ts';
import { encodeBulk } from './encode.ts';
import { held } from './held.ts';
import { install, uninstall } from './install.ts';
import { addresses, credentials, type Options, options } from './options.ts';
import { probe } from './probe.ts';

const elasticsearch: SinkDefinition<Options> = {
  type: 'elasticsearch',
  summary: 'Elasticsearch 8 and 9: one document for each event, in a data stream, under the id of the event',
  options,
  promises: { acknowledged: true, idempotent: true, perEvent: true },
  defaults: { concurrency: 4, maxEvents: 1000, maxBytes: 5_000_000 },
  open: async (value, context) => {
    const client = await connect(addresses(value), credentials(value), context);
    return sinkOver(client, value.namespace, context);
  },
  probe,
  install,
  uninstall,
  sample: { url: 'https://elasticsearch.invalid:9200' },
  held,
};
export default elasticsearch;

/** A way of asking. Newer servers understand the first, which hides more and checks more; older ones refuse it by name. */
interface Dialect {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

const EXTRAS = { require_data_stream: 'true', include_source_on_error: 'false' };
const DIALECTS: readonly Dialect[] = [
  { name: 'version 9', headers: compatibleWith(9), query: EXTRAS },
  { name: 'version 8', headers: compatibleWith(8), query: EXTRAS },
  { name: 'version 8 before 8.18', headers: compatibleWith(8), query: {} },
  { name: 'no version', headers: { 'content-type': 'application/x-ndjson', accept: 'application/json' }, query: {} },
];

function compatibleWith(version: number): Dialect['headers'] {
  return {
    'content-type': `application/vnd.elasticsearch+x-ndjson; compatible-with=${version}`,
    accept: `application/vnd.elasticsearch+json; compatible-with=${version}`,
  };
}

function sinkOver(client: ElasticsearchClient, namespace: string, context: SinkContext): Sink {
  let current = 0;
  return {
    async deliver(batch, signal) {
      if (batch.length === 0) return [];
      const used = current;
      const answer = await client.ask(question(batch, namespace, DIALECTS[used], context.timeoutMs), signal);
      const outcomes = readAnswer(answer, batch.length);
      if (outcomes !== 'other_dialect') return outcomes;
      const next = DIALECTS[used + 1];
      if (!next)
        throw new Unavailable(`${answer.from} understands no form of the bulk request: is it Elasticsearch 8 or 9?`);
      if (current === used) context.log('info', `${answer.from} is asked in the words of ${next.name} from now on`);
      current = Math.max(current, used + 1);
      return batch.map(() => ({ status: 'unsent' }));
    },
    close: () => client.close(),
  };
}

/** Of an answer only what decides: for each item its status, its error and whether the failure store took it. */
const FILTER = [
  'items.*.status',
  'items.*.failure_store',
  'items.*.error.type',
  'items.*.error.reason',
  'items.*.error.caused_by.type',
  'items.*.error.caused_by.reason',
  'error',
].join(',');

function question(
  batch: readonly SecurityEvent[],
  namespace: string,
  dialect: Dialect | undefined,
  timeoutMs: number,
): Question {
  return {
    method: 'POST',
    path: '/_bulk',
    query: { ...dialect?.query, filter_path: FILTER, timeout: `${serverTimeoutMs(timeoutMs)}ms` },
    headers: dialect?.headers ?? {},
    bulkBody: encodeBulk(batch, namespace),
  };
}

/** Elasticsearch may wait this long on top of 30 s for a blocked cluster: it should answer before the client gives up. */
function serverTimeoutMs(timeoutMs: number): number {
  return Math.max(1000, Math.floor(timeoutMs / 3));
}
