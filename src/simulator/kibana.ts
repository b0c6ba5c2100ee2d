/**
 * A small Kibana for tests and the demo: the addresses that `install` asks, for dashboards, detection rules and stack rules. Strict: a
 * request that the real one refuses, for a header, a key, a field or a missing reference, this one refuses.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Json, type Reply, refused } from './kibana-check.ts';
import { detectionRules } from './kibana-detection.ts';
import { savedObjects } from './kibana-objects.ts';
import { stackRules } from './kibana-stack.ts';

interface KibanaDials {
  /** Every connection is cut before an answer. */
  down: boolean;
  /** Without the Security solution its addresses are unknown. */
  noSecurity: boolean;
  /** As before 8.19: a stack rule makes one alert for all rows. */
  noRows: boolean;
  /** An import is answered 200, and nothing of it was taken. */
  importFails: boolean;
  /** Answered to every request that writes. */
  status: number | undefined;
}

interface SavedObject {
  readonly type: string;
  readonly id: string;
  readonly attributes: Json;
  readonly references: readonly Json[];
  readonly created_at: string;
  readonly updated_at: string;
}

/** What the parts of the server share. */
export interface Holdings {
  readonly dials: KibanaDials;
  /** Detection rules by `rule_id`, stack rules by id. */
  readonly detection: Map<string, Json>;
  readonly stack: Map<string, Json>;
  /** By `type:id`. */
  readonly objects: Map<string, SavedObject>;
  /** Of the objects and stack rules of all spaces together, by `type:id`: the space. */
  readonly homes: Map<string, string>;
  readonly space: string;
  /** Another space has it. */
  isElsewhere(key: string): boolean;
  /** A clock that is never twice the same. */
  now(): string;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly type: string;
  readonly text: string;
}
export interface SimulatedKibana extends Holdings {
  readonly url: string;
  /** Method and path of every request, in order. */
  readonly requests: readonly string[];
  /**
   * As somebody does it in Kibana's pages: the object gets a new time, and loses what its page does not know. The id is that of a detection
   * rule, `stack:ID`, `dashboard:ID` or `index-pattern:ID`.
   */
  edit(id: string, change: Json): void;
  /** What another space holds. */
  in(space: string): Holdings;
  close(): Promise<void>;
}

export async function startKibana(options: { readonly apiKey?: string } = {}): Promise<SimulatedKibana> {
  let tick = Date.UTC(2026, 10, 1);
  const now = () => {
    tick += 1000;
    return new Date(tick).toISOString();
  };
  const shared = {
    dials: { down: false, noSecurity: false, noRows: false, importFails: false, status: undefined },
    homes: new Map<string, string>(),
    now,
  };
  const spaces = new Map<string, Holdings>();
  const inSpace = (space: string): Holdings => {
    const isElsewhere = (key: string) => (shared.homes.get(key) ?? space) !== space;
    const maps = { detection: new Map(), stack: new Map(), objects: new Map() };
    const held = spaces.get(space) ?? { ...shared, space, isElsewhere, ...maps };
    spaces.set(space, held);
    return held;
  };
  const held = inSpace('');
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    serve(request, response, options.apiKey, inSpace).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...held,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    edit: (id, change) => edit(id, change, held),
    in: inSpace,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function edit(id: string, change: Json, { detection, stack, objects, now }: Holdings): void {
  const own = id.replace('stack:', '');
  const [rule, stackRule, object] = [detection.get(id), own !== id && stack.get(own), objects.get(id)];
  // The page of a detection rule writes `meta` anew.
  if (rule) detection.set(id, { ...rule, ...change, meta: { from: '1m' }, updated_at: now() });
  else if (stackRule) stack.set(own, { ...stackRule, ...change, updated_at: now() });
  else if (object) objects.set(id, { ...object, attributes: { ...object.attributes, ...change }, updated_at: now() });
  else throw new Error(`nothing has the id ${id}`);
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  apiKey: string | undefined,
  inSpace: (space: string) => Holdings,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, space = '', path = ''] = /^(?:\/s\/([^/]+))?(\/.*)$/.exec(decodeURIComponent(url.pathname)) ?? [];
  const held = inSpace(space);
  if (held.dials.down) return void response.destroy();
  const asked: Asked = {
    method: request.method ?? '',
    path,
    query: url.searchParams,
    type: request.headers['content-type'] ?? '',
    text: Buffer.concat(chunks).toString(),
  };
  const { status, body } = unwelcome(request, apiKey, held.dials) ?? answer(asked, held);
  response.writeHead(status, { 'content-type': 'application/json', 'kbn-name': 'simulated' });
  response.end(status === 204 ? undefined : JSON.stringify(body));
}

function unwelcome({ method, headers }: IncomingMessage, apiKey: string | undefined, dials: KibanaDials) {
  if (apiKey !== undefined && headers.authorization !== `ApiKey ${apiKey}`)
    return refused(401, '[security_exception]: unable to authenticate with provided credentials');
  if (method === 'GET') return undefined;
  if (headers['kbn-xsrf'] === undefined) return refused(400, 'Request must contain a kbn-xsrf header.');
  return dials.status === undefined ? undefined : refused(dials.status, 'as it was told');
}

function answer(asked: Asked, held: Holdings): Reply {
  try {
    return (
      detectionRules(asked, held) ?? stackRules(asked, held) ?? savedObjects(asked, held) ?? refused(404, 'Not Found')
    );
  } catch (error) {
    return refused(400, (error as Error).message);
  }
}
