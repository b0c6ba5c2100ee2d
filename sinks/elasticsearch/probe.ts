import type { ProbeReport, SinkContext } from '../../src/sink.ts';
import { PRIVILEGES_HINT, spokenByElasticsearch } from './answer.ts';
import { connect, type ElasticsearchClient } from './client.ts';
import { DATASETS, dataStream, streamType } from './encode.ts';
import { addresses, credentials, type Options } from './options.ts';
import { askVersion } from './server.ts';
import { templateName } from './templates.ts';

/** Asks each node by itself, and writes nothing. What a server does not have or does not tell is no fault. */
export async function probe(options: Options, context: SinkContext, signal: AbortSignal): Promise<ProbeReport> {
  const reports: ProbeReport[] = [];
  for (const url of addresses(options)) reports.push(await probeNode(url, options, context, signal));
  return { ok: reports.every(({ ok }) => ok), lines: reports.flatMap(({ lines }) => lines) };
}

async function probeNode(
  url: string,
  options: Options,
  context: SinkContext,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const client = await connect([url], credentials(options), context);
  const from = new URL(url).origin;
  try {
    const { version, serverless } = await askVersion(client, signal);
    const named = serverless
      ? 'Elasticsearch serverless'
      : `Elasticsearch ${version ?? '(it does not tell its version)'}`;
    const privileges = await askPrivileges(client, options.namespace, signal);
    const lines = [named, ...privileges.lines, ...(privileges.ok ? await askTemplates(client, signal) : [])];
    return { ok: privileges.ok, lines: lines.map((line) => `${from}: ${line}`) };
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, lines: [`${from}: ${(error as Error).message}`] };
  } finally {
    await client.close();
  }
}

const NEEDED = ['create_doc', 'auto_configure'];

async function askPrivileges(
  client: ElasticsearchClient,
  namespace: string,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const names = DATASETS.map((dataset) => dataStream(dataset, namespace));
  const body = { index: [{ names, privileges: NEEDED }] };
  const answer = await client.ask({ method: 'POST', path: '/_security/user/_has_privileges', body }, signal);
  if (answer.status === 401)
    return { ok: false, lines: ['401: the api_key, or username and password, are not accepted'] };
  if (answer.status >= 500 || answer.status === 429)
    return { ok: false, lines: [`answered ${answer.status} when asked for the privileges`] };
  if (answer.status !== 200 && answer.status !== 403)
    return spokenByElasticsearch(answer)
      ? { ok: true, lines: ['security is off, or privileges cannot be asked for'] }
      : { ok: false, lines: [`answered ${answer.status}, and not as Elasticsearch does: is the address right?`] };
  const found = (answer.body as { index?: Record<string, Record<string, boolean>> }).index ?? {};
  const allowed = (name: string) => NEEDED.every((privilege) => found[name]?.[privilege]);
  const lines = DATASETS.map((dataset) => {
    const name = dataStream(dataset, namespace);
    const lost = `may NOT be written: events of ${streamType(dataset)} streams cannot be delivered`;
    return `${name}: ${allowed(name) ? 'may be written' : lost}`;
  });
  const all = names.every(allowed) ? lines : [...lines, PRIVILEGES_HINT];
  // Which types of streams are collected is not known here: a key for the wanted ones alone is fine.
  return { ok: names.some(allowed), lines: all };
}

async function askTemplates(client: ElasticsearchClient, signal: AbortSignal): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const dataset of DATASETS) {
    const name = templateName(dataset);
    const { status } = await client.ask({ method: 'GET', path: `/_index_template/${name}` }, signal);
    if (status === 403) return ['whether our templates are installed cannot be seen with this key'];
    if (status === 200) lines.push(`template ${name} is installed`);
    else
      lines.push(
        `warning: template ${name} is missing: the built-in template serves, \`mosaic-siem install\` adds ours`,
      );
  }
  return lines;
}
