/** One piece of content into Elasticsearch, or out of it, and what is said of it. */
import { type InstallStep, printable } from '../../src/sink.ts';
import type { Answer, ElasticsearchClient } from './client.ts';
import { CONTENT_VERSION, type Content, MANAGED_BY } from './templates.ts';

export interface Wanted {
  readonly path: string;
  readonly content: Content;
}

type Body = Readonly<Record<string, unknown>>;

export async function put(
  client: ElasticsearchClient,
  { path, content: { body: wanted, note } }: Wanted,
  signal: AbortSignal,
): Promise<InstallStep> {
  const { installed, meta } = await find(client, path, signal);
  const body = withPhases(wanted, installed);
  const step = { request: `PUT ${path}`, body };
  if (installed && meta?.managed_by !== MANAGED_BY)
    throw new Error(
      `${path} is there already and was not made by this program: rename or remove it, then install again`,
    );
  if (typeof meta?.version === 'number' && meta.version > CONTENT_VERSION)
    return { ...step, result: 'unchanged', note: `version ${meta.version} of a newer release stays` };
  const noted = { ...step, ...(note && { note }) };
  if (installed && covers(installed, body)) return { ...noted, result: 'unchanged' };
  const answer = await client.ask({ method: 'PUT', path, body }, signal);
  if (answer.status !== 200) throw refused('PUT', path, answer);
  return { ...noted, result: installed ? 'updated' : 'created' };
}

interface Phased {
  readonly policy?: { readonly phases?: Body };
}

/** A phase that a user has put to the policy stays, as the one that deletes: without it all would be kept for ever again. */
function withPhases(wanted: Body, installed: Body | undefined): Body {
  const [ours, theirs] = [(wanted as Phased).policy, (installed as Phased | undefined)?.policy];
  return ours && theirs ? { ...wanted, policy: { ...ours, phases: { ...theirs.phases, ...ours.phases } } } : wanted;
}

/** What something else still uses, Elasticsearch does not let go, and says by what. */
export async function remove(client: ElasticsearchClient, path: string, signal: AbortSignal): Promise<InstallStep> {
  const request = `DELETE ${path}`;
  const { installed, meta } = await find(client, path, signal);
  if (!installed) return { request, result: 'unchanged', note: 'is not there' };
  if (meta?.managed_by !== MANAGED_BY)
    return { request, result: 'unchanged', note: 'was not made by this program: stays' };
  const answer = await client.ask({ method: 'DELETE', path }, signal);
  if (answer.status === 200) return { request, result: 'removed' };
  if (answer.status !== 400 && answer.status !== 409) throw refused('DELETE', path, answer);
  return { request, result: 'unchanged', note: `stays: ${wordsOf(answer)}` };
}

async function find(client: ElasticsearchClient, path: string, signal: AbortSignal) {
  const found = await client.ask({ method: 'GET', path }, signal);
  if (found.status !== 200 && found.status !== 404) throw refused('GET', path, found);
  const installed = found.status === 200 ? installedIn(found.body) : undefined;
  const { policy } = (installed ?? {}) as { policy?: Body };
  const meta = (policy ?? installed)?.['_meta'] as { managed_by?: unknown; version?: unknown } | undefined;
  return { installed, meta };
}

type Wrapped = { readonly [name: string]: Body } & {
  readonly component_templates?: readonly { readonly component_template: Body }[];
  readonly index_templates?: readonly { readonly index_template: Body }[];
};

/** Each kind of thing is answered in a wrapping of its own; a pipeline and a policy under its name. */
function installedIn(body: unknown): Body | undefined {
  const { component_templates: components, index_templates: templates, ...named } = body as Wrapped;
  if (components) return components[0]?.component_template;
  return templates ? templates[0]?.index_template : Object.values(named)[0];
}

/** All that is wanted is there. What a server adds by itself is no difference, nor is a number that it gives as text. */
function covers(installed: unknown, desired: unknown): boolean {
  if (Array.isArray(desired))
    return (
      Array.isArray(installed) &&
      installed.length === desired.length &&
      desired.every((value, index) => covers(installed[index], value))
    );
  if (typeof desired !== 'object' || desired === null) return String(installed) === String(desired);
  if (typeof installed !== 'object' || installed === null) return false;
  return Object.entries(desired).every(([key, value]) => covers((installed as Body)[key], value));
}

const RIGHTS =
  'manage_index_templates, manage_ingest_pipelines and manage_ilm, and on logs-transmit_security.*-* the index privilege manage';

export function refused(method: string, path: string, answer: Answer): Error {
  const hint =
    answer.status === 401 || answer.status === 403 ? `; the administrative key needs the privileges ${RIGHTS}` : '';
  return new Error(`${answer.from} answered ${answer.status} to ${method} ${path} (${wordsOf(answer)})${hint}`);
}

function wordsOf({ body }: Answer): string {
  const { error } = (body ?? {}) as { error?: { type?: string; reason?: string } | string };
  const words = typeof error === 'object' ? `${error.type}: ${error.reason}` : (error ?? 'no reason given');
  return printable(words.slice(0, 300));
}
