import type { AdminContext, InstallStep } from '../../src/sink.ts';
import { connect, type ElasticsearchClient } from './client.ts';
import { DATASETS, type Dataset } from './encode.ts';
import { installKibana, uninstallKibana } from './kibana/install.ts';
import { addresses, type Credentials, credentials, encodedKey, type Options } from './options.ts';
import { askComponents, askPolicies, askProcessors, askVersion, isAtLeast } from './server.ts';
import { put, remove, type Wanted } from './steps.ts';
import { dryStreamSteps, streamSteps } from './streams.ts';
import {
  type Abilities,
  LIFECYCLE,
  lifecycleContent,
  mappingsContent,
  mappingsName,
  pipelineContent,
  pipelineName,
  policyContent,
  templateContent,
  templateName,
} from './templates.ts';

/**
 * The lifecycle, and for each kind of stream its pipeline, its component template and its index template, in the order in which they
 * name each other; then the data streams that are there; then Kibana. What is there already and equal is left; what a newer release
 * put there is left too. Throws an Error with the server's own words where it refuses: they can only speak of this content.
 */
export async function* install(
  options: Options,
  admin: AdminContext,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const key = keyOf(options, admin);
  if (admin.dryRun) {
    yield* wanted(CURRENT).map(dryStep);
    yield* dryStreamSteps();
  } else {
    const client = await connect(addresses(options), key, admin);
    try {
      yield* installElasticsearch(client, signal);
    } finally {
      await client.close();
    }
  }
  yield* installKibana(admin, key, signal);
}

async function* installElasticsearch(
  client: ElasticsearchClient,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const abilities = await askAbilities(client, signal);
  const changed = new Set<Dataset>();
  for (const each of wanted(abilities)) {
    const step = await put(client, each, signal);
    if (step.result !== 'unchanged') for (const dataset of each.datasets) changed.add(dataset);
    yield step;
  }
  yield* streamSteps(client, abilities, changed, signal);
}

/** The opposite order. Data streams and the components named `…-custom` stay, and with the data streams what they need. */
export async function* uninstall(
  options: Options,
  admin: AdminContext,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  const key = keyOf(options, admin);
  yield* uninstallKibana(admin, key, signal);
  if (admin.dryRun)
    return yield* removable().map((path) => ({ request: `DELETE ${path}`, result: 'dry-run' as const }));
  const client = await connect(addresses(options), key, admin);
  try {
    yield* uninstallElasticsearch(client, signal);
  } finally {
    await client.close();
  }
}

async function* uninstallElasticsearch(
  client: ElasticsearchClient,
  signal: AbortSignal,
): AsyncGenerator<InstallStep, void, undefined> {
  let needed = false;
  for (const dataset of DATASETS) {
    const template = await remove(client, pathOfTemplate(dataset), signal);
    yield template;
    // To ask for what a template names would take the pipeline from a data stream that goes on, where a server allows that.
    const stays = template.result === 'unchanged' && template.note?.startsWith('stays');
    needed ||= stays === true;
    for (const path of partsOf(dataset)) yield stays ? staying(path) : await remove(client, path, signal);
  }
  const shared = (await askPolicies(client, POLICY, signal)) ? SHARED : [COMPONENT];
  for (const path of shared) yield needed ? staying(path) : await remove(client, path, signal);
}

function staying(path: string): InstallStep {
  return { request: `DELETE ${path}`, result: 'unchanged', note: 'stays with the index template that names it' };
}

const POLICY = `/_ilm/policy/${LIFECYCLE}`;
const COMPONENT = `/_component_template/${LIFECYCLE}`;
const SHARED = [COMPONENT, POLICY];

function pathOfTemplate(dataset: Dataset): string {
  return `/_index_template/${templateName(dataset)}`;
}

/** What the index template names. */
function partsOf(dataset: Dataset): readonly string[] {
  return [`/_component_template/${mappingsName(dataset)}`, `/_ingest/pipeline/${pipelineName(dataset)}`];
}

function removable(): readonly string[] {
  return [...DATASETS.flatMap((dataset) => [pathOfTemplate(dataset), ...partsOf(dataset)]), ...SHARED];
}

function keyOf(options: Options, { adminKey }: AdminContext): Credentials | undefined {
  return adminKey ? { apiKey: encodedKey(adminKey) } : credentials(options);
}

const CURRENT: Abilities = {
  components: undefined,
  processors: undefined,
  failureStore: true,
  policies: true,
  dataStreamLifecycle: true,
};

interface WantedFor extends Wanted {
  /** Whose new indices it shapes. */
  readonly datasets: readonly Dataset[];
}

function wanted(abilities: Abilities): readonly WantedFor[] {
  const shared = [
    { path: POLICY, content: policyContent(abilities), datasets: [] },
    { path: COMPONENT, content: lifecycleContent(abilities), datasets: DATASETS },
  ];
  const own = DATASETS.flatMap((dataset) => {
    const [mappings = '', pipeline = ''] = partsOf(dataset);
    return [
      // A pipeline is looked up by its name for each event: it needs no new index.
      { path: pipeline, content: pipelineContent(abilities), datasets: [] },
      { path: mappings, content: mappingsContent(dataset, abilities), datasets: [dataset] },
      { path: pathOfTemplate(dataset), content: templateContent(dataset, abilities), datasets: [dataset] },
    ];
  });
  return [...shared, ...own].flatMap(({ content, ...rest }) => (content ? [{ ...rest, content }] : []));
}

function dryStep({ path, content: { body } }: Wanted): InstallStep {
  return { request: `PUT ${path}`, body, result: 'dry-run' };
}

/**
 * The failure store can be asked for since 8.19 and 9.1, the lifecycle of data streams since 8.14; an unknown version counts as a
 * current one.
 */
async function askAbilities(client: ElasticsearchClient, signal: AbortSignal): Promise<Abilities> {
  const { version, serverless } = await askVersion(client, signal);
  const since = (major: number, minor: number) =>
    version === undefined || serverless || isAtLeast(version, major, minor);
  return {
    components: await askComponents(client, signal),
    processors: await askProcessors(client, signal),
    failureStore: since(9, 1) || /^8\.(19|[2-9]\d)\./.test(version ?? ''),
    policies: await askPolicies(client, POLICY, signal),
    dataStreamLifecycle: since(8, 14),
  };
}
