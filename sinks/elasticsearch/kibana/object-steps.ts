/** The data view and the dashboards into Kibana and out of it. A dashboard that somebody has changed is not overwritten. */
import type { InstallStep } from '../../../src/sink.ts';
import { CONTENT_VERSION } from '../templates.ts';
import type { Answer, Kibana } from './client.ts';
import { readMark } from './mark.ts';
import { type SavedObject, savedObjects } from './saved-objects.ts';

export const IMPORT = '/api/saved_objects/_import?overwrite=true';
const EXPORT = '/api/saved_objects/_export';

interface Found {
  readonly attributes: { readonly description?: string; readonly title?: string };
  readonly created_at?: string;
  readonly updated_at?: string;
}

export async function* putObjects(kibana: Kibana, dryRun: boolean): AsyncGenerator<InstallStep, void, undefined> {
  for (const object of savedObjects(kibana.space)) {
    const step = { request: `POST ${IMPORT} (${nameOf(object)})`, body: object };
    if (dryRun) yield { ...step, result: 'dry-run' };
    else yield { ...step, ...(await putObject(kibana, object)) };
  }
}

function nameOf({ type, attributes }: SavedObject): string {
  return `${type === 'index-pattern' ? 'data view' : 'dashboard'} ${attributes['title']}`;
}

async function putObject(kibana: Kibana, object: SavedObject): Promise<Omit<InstallStep, 'request' | 'body'>> {
  const found = await find(kibana, object);
  const note = found && whyLeft(object, found);
  if (found && note !== undefined) return { result: 'unchanged', ...(note && { note }) };
  const answer = await kibana.upload(IMPORT, object);
  // What could not be put there is told in an answer of 200 too.
  const { success, errors } = (answer.body ?? {}) as { success?: boolean; errors?: readonly unknown[] };
  if (answer.status !== 200) throw kibana.refused('POST', IMPORT, answer);
  if (success !== true)
    throw kibana.refused('POST', IMPORT, { status: 200, body: `${nameOf(object)}: ${JSON.stringify(errors)}` });
  return { result: found ? 'updated' : 'created' };
}

/** Undefined: it has to be replaced. Empty: it is as it should be. */
function whyLeft(object: SavedObject, found: Found): string | undefined {
  // Formats and runtime fields that users add to a data view are in it.
  if (object.type === 'index-pattern') return '';
  const [theirs, ours] = [markIn(found), markIn(object)];
  if (!theirs) return 'is there without our mark in its description: left alone';
  if (theirs.version > CONTENT_VERSION) return `version ${theirs.version} of a newer release stays`;
  if (theirs.digest === ours?.digest) return '';
  return found.created_at === found.updated_at
    ? undefined
    : `was changed and stays so; to get version ${CONTENT_VERSION}, delete it and install again`;
}

function markIn({ attributes }: Pick<Found | SavedObject, 'attributes'>) {
  return readMark([String(attributes['description'] ?? '')]);
}

/** The export is the one way of asking that every Kibana has. It refuses an object that is not there, and says so. */
async function find(kibana: Kibana, { type, id }: SavedObject): Promise<Found | undefined> {
  const body = { objects: [{ type, id }], excludeExportDetails: true, includeReferencesDeep: false };
  const answer = await kibana.ask('POST', EXPORT, body);
  if (isMissing(answer)) return undefined;
  if (answer.status !== 200) throw kibana.refused('POST', EXPORT, answer);
  const found = answer.body as Partial<Found>;
  if (!found.attributes) throw kibana.strange('POST', EXPORT);
  return { ...found, attributes: found.attributes };
}

function isMissing({ status, body }: Answer): boolean {
  if (status !== 400) return false;
  const { attributes } = (body ?? {}) as { attributes?: { objects?: readonly { error?: { statusCode?: number } }[] } };
  return attributes?.objects?.some(({ error }) => error?.statusCode === 404) ?? false;
}

/** The dashboards first: they name the data view. */
export async function* removeObjects(kibana: Kibana, dryRun: boolean): AsyncGenerator<InstallStep, void, undefined> {
  for (const object of savedObjects(kibana.space).toReversed()) {
    const path = `/api/saved_objects/${object.type}/${object.id}`;
    const request = `DELETE ${path} (${nameOf(object)})`;
    if (dryRun) yield { request, result: 'dry-run' };
    else yield { request, ...(await removeObject(kibana, object, path)) };
  }
}

async function removeObject(kibana: Kibana, object: SavedObject, path: string): Promise<Omit<InstallStep, 'request'>> {
  const found = await find(kibana, object);
  if (!found) return { result: 'unchanged', note: 'is not there' };
  if (object.type === 'dashboard' && !markIn(found))
    return { result: 'unchanged', note: 'has not our mark in its description: stays' };
  if (object.type === 'index-pattern' && found.created_at !== found.updated_at)
    return { result: 'unchanged', note: 'was changed: stays' };
  const answer = await kibana.ask('DELETE', path);
  if (answer.status !== 200) throw kibana.refused('DELETE', path, answer);
  const changed = found.created_at !== found.updated_at;
  return { result: 'removed', ...(changed && { note: 'with what was changed in Kibana' }) };
}
