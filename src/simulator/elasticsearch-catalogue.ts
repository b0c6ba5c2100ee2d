/** Everything of the simulated Elasticsearch but `_bulk`: what it is, what a key may do, templates and pipelines. */
import type { Asked, Holdings, Reply } from './elasticsearch.ts';
import { problem } from './elasticsearch-problem.ts';
import { streams } from './elasticsearch-streams.ts';

type Body = Readonly<Record<string, unknown>>;

/** Component templates that come with the server. */
const BUILT_IN = ['logs@mappings', 'logs@settings', 'ecs@mappings'];
const PROCESSORS = ['append', 'geoip', 'pipeline', 'remove', 'rename', 'set', 'user_agent'];
const KINDS = ['_ingest/pipeline', '_component_template', '_index_template', '_ilm/policy'];

export function catalogue(asked: Asked, held: Holdings): Reply {
  const { method, path } = asked;
  if (path === '/')
    return ok({ name: 'simulated', cluster_name: 'simulated', version: { number: held.dials.version } });
  if (path === '/_nodes/ingest')
    return ok({ nodes: { one: { ingest: { processors: PROCESSORS.map((type) => ({ type })) } } } });
  if (path === '/_security/user/_has_privileges') return ok(privileges(asked, held.dials.denied));
  if (path === '/_component_template')
    return ok({ component_templates: componentNames(held).map((name) => ({ name })) });
  const reply = streams(asked, held);
  if (reply) return reply;
  const [, kind = '', name = ''] = /^\/(.+)\/([^/]+)$/.exec(path) ?? [];
  if (!KINDS.includes(kind) || (kind === '_ilm/policy' && held.dials.noPolicies))
    return { status: 400, body: { error: `no handler found for uri [${path}] and method [${method}]` } };
  if (method === 'PUT') return put(path, kind, JSON.parse(asked.body) as Body, held);
  if (method === 'DELETE') return remove(path, kind, name, held);
  const body = held.installed.get(path);
  return body === undefined ? missing(kind, name) : ok(wrapped(kind, name, body));
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** As the real server: nothing that is in use goes. */
function remove(path: string, kind: string, name: string, held: Holdings): Reply {
  if (!held.installed.has(path)) return missing(kind, name);
  const user = userOf(kind, name, held);
  if (user !== undefined) return problem(400, 'illegal_argument_exception', `[${name}] is in use by ${user}`);
  held.installed.delete(path);
  return ok({ acknowledged: true });
}

function userOf(kind: string, name: string, held: Holdings): string | undefined {
  if (kind === '_index_template') {
    const user = [...held.streams].find(([, { template }]) => template === name)?.[0];
    return user && `data stream [${user}]`;
  }
  const templates = [...held.installed].filter(([path]) => path.startsWith('/_index_template/'));
  const names = JSON.stringify(name);
  const user =
    kind === '_component_template' && templates.find(([, body]) => JSON.stringify(body).includes(names))?.[0];
  return user ? `template [${user}]` : undefined;
}

function missing(kind: string, name: string): Reply {
  if (kind === '_ingest/pipeline') return { status: 404, body: {} };
  if (kind === '_ilm/policy')
    return problem(404, 'resource_not_found_exception', `Lifecycle policy not found: ${name}`);
  return problem(404, 'resource_not_found_exception', `template matching [${name}] not found`);
}

function wrapped(kind: string, name: string, body: unknown): Body {
  if (kind === '_ingest/pipeline') return { [name]: body };
  if (kind === '_ilm/policy') return { [name]: { version: 1, ...(body as Body) } };
  const inner = kind.slice(1);
  return { [`${inner}s`]: [{ name, [inner]: body }] };
}

/** As the real server, an index template may only name what is there, unless it says that it may be missing. */
function put(path: string, kind: string, body: Body, held: Holdings): Reply {
  const { composed_of: parts = [], ignore_missing_component_templates: optional = [] } = body as {
    composed_of?: readonly string[];
    ignore_missing_component_templates?: readonly string[];
  };
  const there = componentNames(held);
  const absent = parts.filter((part) => !there.includes(part) && !optional.includes(part));
  if (absent.length > 0)
    return problem(400, 'invalid_index_template_exception', `specifies missing component templates ${absent}`);
  if (kind === '_ingest/pipeline' && !Array.isArray(body['processors']))
    return problem(400, 'parse_exception', '[processors] required property is missing');
  if (kind === '_ilm/policy' && typeof (body['policy'] as Body | undefined)?.['phases'] !== 'object')
    return problem(400, 'x_content_parse_exception', '[policy] required property is missing');
  held.installed.set(path, body);
  return ok({ acknowledged: true });
}

function componentNames(held: Holdings): readonly string[] {
  const prefix = '/_component_template/';
  const put = [...held.installed.keys()].filter((path) => path.startsWith(prefix));
  return [...BUILT_IN, ...put.map((path) => path.slice(prefix.length))];
}

function privileges({ body }: Asked, denied: readonly string[]): Body {
  const { index = [] } = JSON.parse(body) as { index?: readonly { names: string[]; privileges: string[] }[] };
  const granted = index.flatMap(({ names, privileges: asked }) =>
    names.map(
      (name) => [name, Object.fromEntries(asked.map((privilege) => [privilege, !denied.includes(name)]))] as const,
    ),
  );
  const all = !index.some(({ names }) => names.some((name) => denied.includes(name)));
  return { username: 'simulated', has_all_requested: all, index: Object.fromEntries(granted) };
}
