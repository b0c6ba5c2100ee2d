/** `install` and `uninstall`: the app over the REST interface of splunkd, object by object. */
import type { AdminContext, InstallStep } from '../../../src/sink.ts';
import { type Options, urlsOf } from '../options.ts';
import { APP, CODES, DESCRIPTION, LABEL } from './conf.ts';
import { DEFAULT_PLACE, INDEX, type Place } from './macros.ts';
import { COLLECTIONS, differenceOf, recordOf, type Wanted, wantedObjects } from './objects.ts';
import { APP_PATH, type Entity, pathOf, type Splunkd, splunkd } from './rest.ts';

type Steps = AsyncGenerator<InstallStep, void, undefined>;

const RECORD: Entity = { collection: 'configs/conf-macros', name: 'transmit_idv_installed' };
const WITHOUT_FILES = `the lookup ${CODES} is a file, which REST cannot put there: install the app as a package where you want it`;

/** What is there and equal is left, and so are what a newer release has put there and what a user has changed. */
export async function* install(options: Options, admin: AdminContext, signal: AbortSignal): Steps {
  const objects = wantedObjects(placeOf(options));
  if (admin.dryRun) return yield* dryRun(objects, admin.version);
  const server = splunkd(managementOf(options, admin), admin, signal);
  try {
    const app = await putApp(server, admin.version);
    yield { ...app.step, ...noteOf([app.step.note, placeNote(options)]) };
    if (app.stop) return;
    const record = await readRecord(server);
    const wish = recordOf(objects);
    // Before anything is written: an install that breaks off must not take its own work for a user's.
    if (![...wish].every((each) => record?.has(each)))
      await writeRecord(server, record, new Set([...(record ?? []), ...wish]));
    for (const object of objects) yield await put(server, object, record);
    yield await finishRecord(server, record, wish);
  } finally {
    await server.close();
  }
}

/** Objects that users have added stay, and with them the app. */
export async function* uninstall(options: Options, admin: AdminContext, signal: AbortSignal): Steps {
  const objects = wantedObjects(placeOf(options)).toReversed();
  if (admin.dryRun) {
    yield* [...objects, RECORD].map(({ collection, name }) => dry(`DELETE ${pathOf({ collection, name })}`));
    return yield dry(`DELETE ${APP_PATH}`);
  }
  const server = splunkd(managementOf(options, admin), admin, signal);
  try {
    const request = `DELETE ${APP_PATH}`;
    if (!(await server.app())) return yield { request, result: 'unchanged', note: 'the app is not there' };
    if (await isPackage(server)) return yield { request, result: 'unchanged', note: PACKAGE };
    const record = (await readRecord(server)) ?? new Set();
    for (const object of objects) yield await take(server, object, record);
    yield await take(server, { ...RECORD, settings: {}, exported: false }, record);
    yield await takeApp(server, request);
  } finally {
    await server.close();
  }
}

const PACKAGE =
  'the app was installed as a package, and is updated and removed as one: in Splunk Web under Apps, or with `splunk install app` and `splunk remove app`';

function placeOf({ index, sourcetype }: Options): Place {
  return { index: index ?? DEFAULT_PLACE.index, sourcetype: sourcetype ?? DEFAULT_PLACE.sourcetype };
}

function placeNote({ index }: Options): string | undefined {
  if (index !== undefined) return undefined;
  return `the sink names no index, so the macro ${INDEX} says ${DEFAULT_PLACE.index}: set it to the index of the token`;
}

function noteOf(notes: readonly (string | undefined)[]): { readonly note?: string } {
  const said = notes.filter((each) => each !== undefined);
  return said.length > 0 ? { note: said.join('; ') } : {};
}

function managementOf(options: Options, { management }: AdminContext): string {
  if (management) return management;
  const [first = ''] = urlsOf(options);
  return `https://${new URL(first).hostname}:8089`;
}

function* dryRun(objects: readonly Wanted[], version: string): Generator<InstallStep> {
  yield { ...dry('POST /services/apps/local'), body: { name: APP, ...appFields(version) }, note: WITHOUT_FILES };
  for (const object of objects) yield { ...dry(`POST ${pathOf(object)}`), body: object.settings };
  yield { ...dry(`POST ${pathOf(RECORD)}`), body: recordFields(recordOf(objects)) };
}

function dry(request: string): InstallStep {
  return { request, result: 'dry-run' };
}

function appFields(version: string) {
  return { label: LABEL, version, description: DESCRIPTION, visible: '1' };
}

async function putApp(
  server: Splunkd,
  version: string,
): Promise<{ readonly step: InstallStep; readonly stop: boolean }> {
  const found = await server.app();
  if (!found) {
    const fields = { ...appFields(version), author: 'Mosaic SIEM Forwarder', template: 'barebones' };
    await server.createApp(fields);
    const step = {
      request: 'POST /services/apps/local',
      body: fields,
      result: 'created',
      note: WITHOUT_FILES,
    } as const;
    return { step, stop: false };
  }
  const request = `POST ${APP_PATH}`;
  const there = String(found.settings['version'] ?? '');
  if (isNewer(there, version))
    return { step: { request, result: 'unchanged', note: `version ${there} of a newer release stays` }, stop: true };
  if (await isPackage(server)) return { step: { request, result: 'unchanged', note: PACKAGE }, stop: true };
  if (there === version) return { step: { request, result: 'unchanged' }, stop: false };
  const fields = appFields(version);
  await server.updateApp(fields);
  return { step: { request, body: fields, result: 'updated' }, stop: false };
}

/** By its numbers; what is behind them is of the same release. */
function isNewer(one: string, other: string): boolean {
  const numbers = (version: string) => (/^\d+(\.\d+)*/.exec(version)?.[0] ?? '0').split('.').map(Number);
  const [ones, others] = [numbers(one), numbers(other)];
  const place = ones.findIndex((number, index) => number !== (others[index] ?? 0));
  return place >= 0 && (ones[place] ?? 0) > (others[place] ?? 0);
}

/** One that came over REST has a record. One that broke off before that has nothing at all. */
async function isPackage(server: Splunkd): Promise<boolean> {
  if (await server.find(RECORD)) return false;
  return (await server.find({ collection: 'configs/conf-macros', name: INDEX })) !== undefined;
}

/** @param record none: the app is new, and what Splunk has made with it is no user's */
async function put(server: Splunkd, wanted: Wanted, record: ReadonlySet<string> | undefined): Promise<InstallStep> {
  const step = { request: `POST ${pathOf(wanted)}`, body: wanted.settings };
  const found = await server.find(wanted);
  if (!found) {
    await server.create(wanted, wanted.settings);
    if (wanted.exported) await server.share(wanted);
    return { ...step, result: 'created' };
  }
  const { ours, theirs } = differenceOf(wanted, found, record);
  const changes = Object.fromEntries(ours.map((key) => [key, wanted.settings[key] ?? '']));
  if (ours.length > 0) await server.update(wanted, changes);
  const share = wanted.exported && found.sharing !== 'global';
  if (share) await server.share(wanted);
  const note = theirs.length > 0 ? `left as it was changed in Splunk: ${theirs.join(', ')}` : undefined;
  return { ...step, result: ours.length > 0 || share ? 'updated' : 'unchanged', ...noteOf([note]) };
}

async function readRecord(server: Splunkd): Promise<ReadonlySet<string> | undefined> {
  const found = await server.find(RECORD);
  return (
    found &&
    new Set(
      String(found.settings['definition'] ?? '')
        .split(' ')
        .filter(Boolean),
    )
  );
}

function recordFields(record: ReadonlySet<string>) {
  return {
    definition: [...record].toSorted().join(' '),
    description:
      'What was installed, as a hash of each setting, so that an update knows what is yours. Leave it as it is.',
  };
}

async function writeRecord(server: Splunkd, found: ReadonlySet<string> | undefined, record: ReadonlySet<string>) {
  if (found) await server.update(RECORD, recordFields(record));
  else await server.create(RECORD, recordFields(record));
}

/** Hashes of an older release go when all is done. */
async function finishRecord(
  server: Splunkd,
  before: ReadonlySet<string> | undefined,
  wish: ReadonlySet<string>,
): Promise<InstallStep> {
  const step = { request: `POST ${pathOf(RECORD)}`, body: recordFields(wish) };
  if (!before) return { ...step, result: 'created' };
  if (before.size === wish.size && [...wish].every((each) => before.has(each))) return { ...step, result: 'unchanged' };
  await server.update(RECORD, recordFields(wish));
  return { ...step, result: 'updated' };
}

async function take(server: Splunkd, wanted: Wanted, record: ReadonlySet<string>): Promise<InstallStep> {
  const request = `DELETE ${pathOf(wanted)}`;
  const found = await server.find(wanted);
  if (!found) return { request, result: 'unchanged', note: 'it is not there' };
  if (!found.removable) return { request, result: 'unchanged', note: 'it comes with the app, and goes with it' };
  const { theirs } = differenceOf(wanted, found, record);
  await server.remove(wanted);
  const note = theirs.length > 0 ? `with what was changed in Splunk: ${theirs.join(', ')}` : undefined;
  return { request, result: 'removed', ...noteOf([note]) };
}

async function takeApp(server: Splunkd, request: string): Promise<InstallStep> {
  const left: string[] = [];
  for (const collection of COLLECTIONS)
    for (const { name } of await server.list(collection)) left.push(`${collection}/${name}`);
  if (left.length > 0)
    return {
      request,
      result: 'unchanged',
      note: `the app stays, for what others have put into it: ${left.join(', ')}`,
    };
  await server.removeApp();
  return { request, result: 'removed', note: 'Splunk may show it until its next restart' };
}
