/** Data streams of the simulated Elasticsearch: made by a test, rolled over and given options by who is tested. */
import type { Asked, Holdings, Reply } from './elasticsearch.ts';
import { problem } from './elasticsearch-problem.ts';

export interface DataStream {
  /** The index template that serves it. */
  readonly template: string;
  /** Oldest first, with the `_meta` that its mapping has. */
  readonly indices: { readonly name: string; readonly meta?: unknown }[];
  options?: unknown;
}

const STREAM = /^\/_data_stream\/([^/]+)(\/_options)?$/;
const ROLLOVER = /^\/([^/_][^/]*)\/_rollover$/;
const MAPPING = /^\/([^/_][^/]*|\.ds-[^/]+)\/_mapping$/;

/** Undefined: not about data streams. */
export function streams(asked: Asked, held: Holdings): Reply | undefined {
  const { method, path } = asked;
  const [, pattern, options] = STREAM.exec(path) ?? [];
  if (pattern !== undefined && method === 'GET') return list(pattern, options !== undefined, held);
  if (pattern !== undefined && options !== undefined && method === 'PUT') return setOptions(pattern, asked, held);
  const rolled = ROLLOVER.exec(path)?.[1];
  if (rolled !== undefined && method === 'POST') return rollOver(rolled, held);
  const index = MAPPING.exec(path)?.[1];
  return index !== undefined && method === 'GET' ? mapping(index, held) : undefined;
}

function list(pattern: string, options: boolean, held: Holdings): Reply {
  const form = new RegExp(`^${pattern.replace(/[.]/g, '\\.').replaceAll('*', '.*')}$`);
  const found = [...held.streams].filter(([name]) => form.test(name));
  if (found.length === 0 && !pattern.includes('*')) return absent(pattern);
  const rows = found.map(([name, stream]) =>
    options
      ? { name, ...(stream.options !== undefined && { options: stream.options }) }
      : { name, template: stream.template, indices: stream.indices.map((index) => ({ index_name: index.name })) },
  );
  return { status: 200, body: { data_streams: rows } };
}

function setOptions(name: string, { body }: Asked, held: Holdings): Reply {
  const stream = held.streams.get(name);
  if (!stream) return absent(name);
  stream.options = JSON.parse(body);
  return { status: 200, body: { acknowledged: true } };
}

/** The new index is made by what the components say now. */
function rollOver(name: string, held: Holdings): Reply {
  const stream = held.streams.get(name);
  if (!stream) return absent(name);
  const template = held.installed.get(`/_index_template/${stream.template}`) as { composed_of?: readonly string[] };
  const metas = (template?.composed_of ?? []).map((part) => {
    const component = held.installed.get(`/_component_template/${part}`);
    return (component as { template?: { mappings?: { _meta?: unknown } } } | undefined)?.template?.mappings?._meta;
  });
  const meta = metas.findLast((each) => each !== undefined);
  const index = `.ds-${name}-${String(stream.indices.length + 1).padStart(6, '0')}`;
  stream.indices.push({ name: index, ...(meta !== undefined && { meta }) });
  return { status: 200, body: { acknowledged: true, rolled_over: true, new_index: index } };
}

function mapping(index: string, held: Holdings): Reply {
  const found = [...held.streams.values()].flatMap(({ indices }) => indices).find(({ name }) => name === index);
  if (!found) return absent(index);
  return { status: 200, body: found.meta === undefined ? {} : { [index]: { mappings: { _meta: found.meta } } } };
}

function absent(name: string): Reply {
  return problem(404, 'index_not_found_exception', `no such index [${name}]`);
}
