/** splunkd over its REST interface, as far as putting an app in place needs it. */
import { type AdminContext, type HttpClient, type HttpResponse, httpClient, printable } from '../../../src/sink.ts';
import { APP } from './conf.ts';

/** An object of the app, wherever its settings lie. */
export interface Entity {
  /** As in `configs/conf-props`, below the app. */
  readonly collection: string;
  readonly name: string;
}

export interface Found {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** `app` or `global`. */
  readonly sharing: string;
  /** false: it is of the app's package, and goes only with it. */
  readonly removable: boolean;
}

type Fields = Readonly<Record<string, string>>;

const NAMESPACE = `/servicesNS/nobody/${APP}`;
const APPS = '/services/apps/local';
/** Searches of all apps may be in an answer. */
const MOST_BYTES = 32 * 1024 * 1024;

export function pathOf({ collection, name }: Entity): string {
  return `${NAMESPACE}/${collection}/${encodeURIComponent(name)}`;
}

export const APP_PATH = `${APPS}/${APP}`;

export interface Splunkd {
  app(): Promise<Found | undefined>;
  createApp(fields: Fields): Promise<void>;
  updateApp(fields: Fields): Promise<void>;
  removeApp(): Promise<void>;
  find(entity: Entity): Promise<Found | undefined>;
  create(entity: Entity, fields: Fields): Promise<void>;
  update(entity: Entity, fields: Fields): Promise<void>;
  /** Other apps see it too. */
  share(entity: Entity): Promise<void>;
  remove(entity: Entity): Promise<void>;
  /** What the app holds of a collection, whoever has added it. */
  list(collection: string): Promise<readonly Found[]>;
  close(): Promise<void>;
}

/** @param origin of the management port */
export function splunkd(origin: string, admin: AdminContext, signal: AbortSignal): Splunkd {
  const client = httpClient(admin);
  const ask = asker(client, origin, admin, signal);
  const post = async (path: string, fields: Fields) => {
    await ask('POST', path, fields);
  };
  const one = async (path: string) => {
    const [entry] = (await ask('GET', path, {}, [404])) ?? [];
    return entry && read(entry);
  };
  return {
    app: () => one(APP_PATH),
    createApp: (fields) => post(APPS, { name: APP, ...fields }),
    updateApp: (fields) => post(APP_PATH, fields),
    removeApp: async () => void (await ask('DELETE', APP_PATH)),
    find: async (entity) => {
      const [entry] = (await ask('GET', pathOf(entity), {}, [404])) ?? [];
      // Another app may share one of this name.
      return entry && isOurs(entry) ? read(entry) : undefined;
    },
    create: ({ collection, name }, fields) => post(`${NAMESPACE}/${collection}`, { name, ...fields }),
    update: (entity, fields) => post(pathOf(entity), fields),
    share: (entity) =>
      post(`${pathOf(entity)}/acl`, { sharing: 'global', owner: 'nobody', 'perms.read': '*', 'perms.write': 'admin' }),
    remove: async (entity) => void (await ask('DELETE', pathOf(entity))),
    list: async (collection) => {
      const query = { count: '0', search: `eai:acl.app=${APP}` };
      const entries = (await ask('GET', `/servicesNS/-/${APP}/${collection}`, query, [404])) ?? [];
      return entries.filter(isOurs).map(read);
    },
    close: () => client.close(),
  };
}

interface Entry {
  readonly name: string;
  readonly content?: Readonly<Record<string, unknown>>;
  readonly acl?: { readonly app?: string; readonly sharing?: string; readonly removable?: boolean };
}

function isOurs({ acl }: Entry): boolean {
  return acl?.app === APP;
}

function read({ name, content = {}, acl = {} }: Entry): Found {
  return { name, settings: content, sharing: acl.sharing ?? '', removable: acl.removable ?? false };
}

type Method = 'GET' | 'POST' | 'DELETE';

/** Gives the entries of an answer; undefined for a status that counts as an answer too. */
function asker(client: HttpClient, origin: string, admin: AdminContext, signal: AbortSignal) {
  const headers = { authorization: authorization(admin.adminKey), accept: 'application/json' };
  return async (
    method: Method,
    path: string,
    fields: Fields = {},
    also: readonly number[] = [],
  ): Promise<readonly Entry[] | undefined> => {
    const query = new URLSearchParams({ output_mode: 'json', ...(method === 'GET' && fields) });
    const request = {
      method,
      url: `${origin}${path}?${query}`,
      timeoutMs: admin.timeoutMs,
      maxBytes: MOST_BYTES,
      ...(method === 'POST'
        ? {
            headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams(fields).toString(),
          }
        : { headers }),
    };
    const answer = await client.request(request, signal);
    const body = parsed(answer);
    if (also.includes(answer.status) && body) return undefined;
    if (answer.status < 200 || answer.status > 299 || !body) throw refused(origin, method, path, answer, body);
    if (method === 'GET' && !Array.isArray(body.entry)) throw refused(origin, method, path, answer, undefined);
    return body.entry ?? [];
  };
}

/** A token of Splunk has no colon in it. */
function authorization(key: string | undefined): string {
  if (!key)
    throw new Error(
      'Splunk is managed with a key of its own: --admin-key-file or MOSAIC_SIEM_ADMIN_KEY, with a token of Splunk or USER:PASSWORD',
    );
  return key.includes(':') ? `Basic ${Buffer.from(key).toString('base64')}` : `Bearer ${key}`;
}

interface Body {
  readonly entry?: readonly Entry[];
  readonly messages?: readonly { readonly text?: string }[];
}

function parsed({ body }: HttpResponse): Body | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : undefined;
  } catch {
    return undefined;
  }
}

function refused(origin: string, method: Method, path: string, answer: HttpResponse, body: Body | undefined): Error {
  const words = body?.messages?.map(({ text }) => text).join('; ') || 'no reason given';
  const said = body
    ? printable(words.slice(0, 300))
    : 'not as splunkd does: is this the management port, 8089 by default?';
  const hint =
    answer.status === 401 || answer.status === 403
      ? '; the key must be of a user who may write to apps, as the role admin may'
      : '';
  return new Error(`${origin} answered ${answer.status} to ${method} ${path} (${said})${hint}`);
}
