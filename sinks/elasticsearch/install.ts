import { type AdminContext, type InstallStep, printable } from '../../src/sink.ts';
import { connect, type ElasticsearchClient } from './client.ts';
import { DATASETS, type Dataset } from './encode.ts';
import { addresses, credentials, encodedKey, type Options } from './options.ts';
import { askComponents, askProcessors, askVersion, isAtLeast } from './server.ts';
import {
  type Abilities,
  CONTENT_VERSION,
  type Content,
  MANAGED_BY,
  mappingsContent,
  mappingsName,
  pipelineContent,
  pipelineName,
  templateContent,
  templateName,
} from './templates.ts';

/**
 * For each kind of stream its pipeline, its component template and its index template, in the order in which they name
 * each other. What is there already and equal is left; what a newer release put there is left too.
 * Throws an Error with the server's own words where it refuses: they can only speak of this content.
 */
export async function* install(
  options: Options,
  admin: AdminContext,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  if (admin.dryRun) return yield* wanted(CURRENT).map(({ path, content }) => dryStep(path, content));
  const key = admin.adminKey ? { apiKey: encodedKey(admin.adminKey) } : credentials(options);
  const client = await connect(addresses(options), key, admin);
  try {
    for (const { path, content } of wanted(await askAbilities(client, signal)))
      yield await put(client, path, content, signal);
  } finally {
    await client.close();
  }
}

const CURRENT: Abilities = { components: undefined, processors: undefined, failureStore: true };

interface Wanted {
  readonly path: string;
  readonly content: Content;
}

function wanted(abilities: Abilities): readonly Wanted[] {
  return DATASETS.flatMap((dataset) => wantedOf(dataset, abilities));
}

function wantedOf(dataset: Dataset, abilities: Abilities): readonly Wanted[] {
  const pipeline = pipelineContent(abilities);
  return [
    ...(pipeline ? [{ path: `/_ingest/pipeline/${pipelineName(dataset)}`, content: pipeline }] : []),
    { path: `/_component_template/${mappingsName(dataset)}`, content: mappingsContent(dataset, abilities) },
    { path: `/_index_template/${templateName(dataset)}`, content: templateContent(dataset, abilities) },
  ];
}

function dryStep(path: string, { body }: Content): InstallStep {
  return { request: `PUT ${path}`, body, result: 'dry-run' };
}

/** The failure store can be asked for since 8.19 and 9.1; an unknown version counts as a current one. */
async function askAbilities(client: ElasticsearchClient, signal: AbortSignal): Promise<Abilities> {
  const { version, serverless } = await askVersion(client, signal);
  const old = version !== undefined && !serverless && !(isAtLeast(version, 9, 1) || /^8\.(19|[2-9]\d)\./.test(version));
  return {
    components: await askComponents(client, signal),
    processors: await askProcessors(client, signal),
    failureStore: !old,
  };
}

async function put(
  client: ElasticsearchClient,
  path: string,
  { body, note }: Content,
  signal: AbortSignal,
): Promise<InstallStep> {
  const found = await client.ask({ method: 'GET', path }, signal);
  if (found.status !== 200 && found.status !== 404) throw refused('GET', path, found);
  const installed = found.status === 200 ? installedIn(found.body) : undefined;
  const meta = installed?.['_meta'] as { managed_by?: unknown; version?: unknown } | undefined;
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

type Body = Readonly<Record<string, unknown>>;
type Wrapped = { readonly [pipeline: string]: Body } & {
  readonly component_templates?: readonly { readonly component_template: Body }[];
  readonly index_templates?: readonly { readonly index_template: Body }[];
};

/** Each kind of thing is answered in a wrapping of its own; a pipeline under its name. */
function installedIn(body: unknown): Body | undefined {
  const { component_templates: components, index_templates: templates, ...pipelines } = body as Wrapped;
  if (components) return components[0]?.component_template;
  return templates ? templates[0]?.index_template : Object.values(pipelines)[0];
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

function refused(method: string, path: string, answer: { from: string; status: number; body: unknown }): Error {
  const { error } = (answer.body ?? {}) as { error?: { type?: string; reason?: string } | string };
  const words = typeof error === 'object' ? `${error.type}: ${error.reason}` : (error ?? 'no reason given');
  const hint =
    answer.status === 401 || answer.status === 403
      ? '; the administrative key needs manage_index_templates and manage_ingest_pipelines'
      : '';
  return new Error(
    `${answer.from} answered ${answer.status} to ${method} ${path} (${printable(words.slice(0, 300))})${hint}`,
  );
}
