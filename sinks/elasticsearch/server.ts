/** What a server says of itself. Every question may be refused or unknown to it: then less is known, nothing fails. */
import type { Answer, ElasticsearchClient } from './client.ts';

interface ServerFacts {
  readonly version?: string | undefined;
  readonly serverless: boolean;
}

interface Root {
  readonly version?: { readonly number?: string; readonly build_flavor?: string };
}
interface Nodes<Node> {
  readonly nodes?: Readonly<Record<string, Node>>;
}

/** `GET /`, or where that is closed the version of the node that answers. */
export async function askVersion(client: ElasticsearchClient, signal: AbortSignal): Promise<ServerFacts> {
  const root = await client.ask({ method: 'GET', path: '/' }, signal);
  const version = bodyOf<Root>(root)?.version;
  if (version?.number) return { version: version.number, serverless: version.build_flavor === 'serverless' };
  const query = { filter_path: 'nodes.*.version' };
  const local = await client.ask({ method: 'GET', path: '/_nodes/_local', query }, signal);
  const [node] = Object.values(bodyOf<Nodes<{ version?: string }>>(local)?.nodes ?? {});
  return { version: node?.version, serverless: false };
}

/** The kinds of ingest processor that every node has; undefined where the server does not tell. */
export async function askProcessors(
  client: ElasticsearchClient,
  signal: AbortSignal,
): Promise<Set<string> | undefined> {
  const query = { filter_path: 'nodes.*.ingest.processors' };
  const answer = await client.ask({ method: 'GET', path: '/_nodes/ingest', query }, signal);
  type Node = { ingest?: { processors?: readonly { type: string }[] } };
  const nodes = Object.values(bodyOf<Nodes<Node>>(answer)?.nodes ?? {});
  const [first, ...others] = nodes.map((node) => node.ingest?.processors?.map(({ type }) => type) ?? []);
  return first && new Set(first.filter((kind) => others.every((kinds) => kinds.includes(kind))));
}

/** The names of all component templates; undefined where the server does not tell. */
export async function askComponents(
  client: ElasticsearchClient,
  signal: AbortSignal,
): Promise<Set<string> | undefined> {
  const query = { filter_path: 'component_templates.name' };
  const answer = await client.ask({ method: 'GET', path: '/_component_template', query }, signal);
  if (answer.status !== 200) return undefined;
  const found = bodyOf<{ component_templates?: readonly { name: string }[] }>(answer)?.component_templates ?? [];
  return new Set(found.map(({ name }) => name));
}

/** Whether there is index lifecycle management: a server without it knows not even the address. */
export async function askPolicies(client: ElasticsearchClient, policy: string, signal: AbortSignal): Promise<boolean> {
  const { status } = await client.ask({ method: 'GET', path: policy }, signal);
  return status !== 400 && status !== 405 && status !== 410;
}

/** The body of a 200, as an object. */
function bodyOf<Body>(answer: Answer): Body | undefined {
  return answer.status === 200 && typeof answer.body === 'object' && answer.body !== null
    ? (answer.body as Body)
    : undefined;
}

/** `8.19.2` is at least `8.19`. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [itsMajor = 0, itsMinor = 0] = version.split('.').map(Number);
  return itsMajor > major || (itsMajor === major && itsMinor >= minor);
}
