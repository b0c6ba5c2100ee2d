/** Saved objects of the simulated Kibana: import of a file, export, deletion. */
import type { Asked, Holdings } from './kibana.ts';
import { checked, isList, isObject, isText, type Json, newId, ok, oneOf, type Reply, refused } from './kibana-check.ts';

const ONE = /^\/api\/saved_objects\/([^/_][^/]*)\/([^/]+)$/;

export function savedObjects(asked: Asked, held: Holdings): Reply | undefined {
  const { method, path } = asked;
  if (path === '/api/saved_objects/_import' && method === 'POST') return load(asked, held);
  if (path === '/api/saved_objects/_export' && method === 'POST') return save(JSON.parse(asked.text) as Json, held);
  const [, type, id] = ONE.exec(path) ?? [];
  if (type === undefined || method !== 'DELETE') return undefined;
  if (!held.objects.delete(`${type}:${id}`)) return refused(404, `Saved object [${type}/${id}] not found`);
  held.homes.delete(`${type}:${id}`);
  return ok({});
}

/** An object that names what is not there is not put there, and the answer is 200 all the same. */
function load(asked: Asked, held: Holdings): Reply {
  const errors: Json[] = [];
  const lines = fileOf(asked)
    .split('\n')
    .filter((line) => line !== '');
  const objects = lines.map((line) => looked(JSON.parse(line)));
  for (const { type, id, attributes, references } of objects) {
    const key = `${type}:${id}`;
    const lost = references.filter((each) => !held.objects.has(`${each['type']}:${each['id']}`));
    if (held.dials.importFails) errors.push({ type, id, error: { type: 'unsupported_type' } });
    else if (lost.length > 0) errors.push({ type, id, error: { type: 'missing_references', references: lost } });
    else if (held.objects.has(key) && asked.query.get('overwrite') !== 'true')
      errors.push({ type, id, error: { type: 'conflict' } });
    else {
      const time = held.now();
      // What another space has already is put there all the same, with another id.
      const put = held.isElsewhere(key) ? newId() : id;
      held.homes.set(`${type}:${put}`, held.space);
      held.objects.set(`${type}:${put}`, { type, id: put, attributes, references, created_at: time, updated_at: time });
    }
  }
  const successCount = objects.length - errors.length;
  return ok({ success: errors.length === 0, successCount, ...(errors.length > 0 && { errors }) });
}

/** The one part of the form that holds the file. */
function fileOf({ type, text }: Asked): string {
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(type)?.[1];
  if (boundary === undefined) throw new Error('Unsupported Media Type');
  const parts = text.split(`--${boundary}`);
  if (parts.length !== 3 || parts[2] !== '--\r\n') throw new Error('Invalid multipart payload format');
  const [head = '', ...rest] = (parts[1] ?? '').split('\r\n\r\n');
  if (!/content-disposition: form-data; name="file"; filename="[^"]+\.ndjson"/i.test(head))
    throw new Error('[request body.file]: expected value of type [Stream]');
  return rest.join('\r\n\r\n').replace(/\r\n$/, '');
}

interface Looked {
  readonly type: string;
  readonly id: string;
  readonly attributes: Json;
  readonly references: readonly Json[];
}

function looked(line: unknown): Looked {
  const object = checked(
    line,
    {
      type: oneOf('index-pattern', 'dashboard'),
      id: isText,
      attributes: isObject,
      references: isList,
      coreMigrationVersion: isText,
      typeMigrationVersion: isText,
    },
    'object',
  ) as unknown as Looked;
  const { panelsJSON, optionsJSON } = object.attributes;
  if (object.type === 'dashboard') for (const text of [panelsJSON, optionsJSON]) JSON.parse(String(text));
  return object;
}

function save(body: Json, held: Holdings): Reply {
  checked(
    body,
    { objects: isList, 'excludeExportDetails?': oneOf(true), 'includeReferencesDeep?': oneOf(false) },
    'request body',
  );
  const objects = (body['objects'] as readonly Json[]).map(({ type, id }) => ({
    type,
    id,
    found: held.objects.get(`${type}:${id}`),
  }));
  const absent = objects.filter(({ found }) => !found);
  if (absent.length === 0) return ok(objects[0]?.found);
  const attributes = { objects: absent.map(({ type, id }) => ({ type, id, error: { statusCode: 404 } })) };
  return refused(400, 'Error fetching objects to export', { attributes });
}
