/** What the simulated splunkd holds, and how it is read, made, changed and removed. */

interface Held {
  readonly app: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly sharing: 'app' | 'global';
  /** false: from the default folder of an app. */
  readonly removable: boolean;
}
export type Entries = Map<string, Held>;

export interface Holdings {
  readonly apps: Map<string, Readonly<Record<string, string>>>;
  /** By `collection/name`. */
  readonly objects: Entries;
}

interface Call {
  readonly method: string;
  readonly path: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
}
interface Reply {
  readonly status: number;
  readonly body: object;
}

export function emptyHoldings(): Holdings {
  return { apps: new Map([['search', { label: 'Search', version: '9.4.0' }]]), objects: new Map() };
}

export function serveObjects(holdings: Holdings, call: Call): Reply {
  const [root, ...rest] = call.path;
  if (root === 'services' && rest[0] === 'apps' && rest[1] === 'local') return apps(holdings, call, rest[2]);
  if (root === 'servicesNS') return inNamespace(holdings, call);
  return refused(404, 'Not Found');
}

const APP_FIELDS = ['name', 'label', 'version', 'author', 'description', 'template', 'visible', 'configured'];

function apps({ apps: all, objects }: Holdings, { method, fields }: Call, name: string | undefined): Reply {
  if (name === undefined && method === 'POST') return createApp(all, objects, fields);
  const found = name === undefined ? undefined : all.get(name);
  if (!found || name === undefined) return refused(404, `Could not find object id=${name}`);
  if (method === 'GET') return entries([{ name, content: { ...found, visible: true, disabled: false }, acl: {} }]);
  if (method === 'DELETE') {
    all.delete(name);
    for (const [key, { app }] of objects) if (app === name) objects.delete(key);
    return entries([]);
  }
  const odd = Object.keys(fields).find((field) => !APP_FIELDS.includes(field) || field === 'name');
  if (odd) return unsupported(odd);
  all.set(name, { ...found, ...fields });
  return entries([]);
}

function createApp(all: Holdings['apps'], objects: Entries, fields: Call['fields']): Reply {
  const { name = '', ...settings } = fields;
  const odd = Object.keys(fields).find((field) => !APP_FIELDS.includes(field));
  if (odd) return unsupported(odd);
  if (!/^\w+$/.test(name)) return refused(400, 'The name of an app is letters, digits and _');
  if (all.has(name)) return refused(409, `App ${name} already exists`);
  if (settings['template'] !== 'barebones' && settings['template'] !== 'sample_app')
    return refused(400, 'There is no such template');
  all.set(name, settings);
  // The template brings a menu along.
  const menu = { 'eai:data': '<nav search_view="search"><view name="search" default="true"/></nav>' };
  objects.set('data/ui/nav/default', { app: name, settings: menu, sharing: 'app', removable: false });
  return { status: 201, body: { entry: [] } };
}

const CONFS = ['props', 'eventtypes', 'tags', 'macros', 'transforms', 'savedsearches'];
const COLLECTIONS = ['saved/searches', 'data/ui/views', 'data/ui/nav', ...CONFS.map((conf) => `configs/conf-${conf}`)];

function inNamespace(holdings: Holdings, call: Call): Reply {
  const [, owner = '', app = '', ...rest] = call.path;
  if (!holdings.apps.has(app)) return refused(404, `Application does not exist: ${app}`);
  const path = rest.join('/');
  const collection = COLLECTIONS.find((each) => path === each || path.startsWith(`${each}/`));
  if (!collection) return refused(404, 'Not Found');
  const [name, action] = rest.slice(collection.split('/').length);
  if (name === undefined)
    return call.method === 'GET' ? list(holdings, collection) : create(holdings, collection, call);
  if (owner !== 'nobody') return refused(403, 'in this test only the app itself is written to');
  const key = `${collection}/${name}`;
  const found = holdings.objects.get(key);
  if (!found) return refused(404, `Could not find object id=${name}`);
  if (action === 'acl') return share(holdings, key, found, call.fields);
  if (call.method === 'GET') return entries([entryOf(collection, name, found)]);
  if (call.method === 'DELETE') return remove(holdings, key, found);
  const wrong = mistake(collection, call.fields, { ...found.settings, ...call.fields });
  if (wrong) return wrong;
  holdings.objects.set(key, { ...found, settings: { ...found.settings, ...call.fields } });
  return entries([entryOf(collection, name, found)]);
}

function list({ objects }: Holdings, collection: string): Reply {
  const here = [...objects].filter(([key]) => key.startsWith(`${collection}/`));
  return entries(here.map(([key, held]) => entryOf(collection, key.slice(collection.length + 1), held)));
}

function create({ objects }: Holdings, collection: string, { path, fields }: Call): Reply {
  const { name, ...settings } = fields;
  if (!name) return refused(400, 'Required argument "name" is missing');
  const key = `${collection}/${name}`;
  if (objects.has(key)) return refused(409, `An object with name=${name} already exists`);
  const wrong = mistake(collection, settings, settings);
  if (wrong) return wrong;
  objects.set(key, { app: path[2] ?? '', settings, sharing: 'app', removable: true });
  return { status: 201, body: { entry: [] } };
}

function share({ objects }: Holdings, key: string, found: Held, fields: Call['fields']): Reply {
  const { sharing, owner } = fields;
  if (!owner || (sharing !== 'app' && sharing !== 'global')) return refused(400, 'owner and sharing are required');
  objects.set(key, { ...found, sharing });
  return entries([]);
}

function remove({ objects }: Holdings, key: string, found: Held): Reply {
  if (!found.removable) return refused(403, `Cannot remove ${key}: it is in the default folder of the app`);
  objects.delete(key);
  return entries([]);
}

/** Names that the handler of saved searches takes; others than these it refuses by name. */
const SEARCH_FIELDS =
  /^(search|description|disabled|is_scheduled|cron_schedule|schedule_window|schedule_priority|alert_type|alert_comparator|alert_threshold|alert_condition|alert\.(track|severity|digest_mode|expires|suppress(\.(period|fields))?)|dispatch\.[a-z_]+|actions|action\.[\w.]+|is_visible|realtime_schedule)$/;

function mistake(collection: string, given: Call['fields'], all: Call['fields']): Reply | undefined {
  if ('name' in given) return unsupported('name');
  if (collection === 'saved/searches') {
    const odd = Object.keys(given).find((field) => !SEARCH_FIELDS.test(field));
    if (odd) return unsupported(odd);
    if (!all['search']) return refused(400, 'Required argument "search" is missing');
    const cron = all['cron_schedule'];
    if (cron !== undefined && !/^\S+( \S+){4}$/.test(cron)) return refused(400, `Invalid cron_schedule="${cron}"`);
  }
  if (collection === 'configs/conf-macros' && !all['definition']) return refused(400, 'A macro needs a definition');
  if (collection.startsWith('data/ui/') && !/^<(dashboard|form|nav)\b[\s\S]*>\s*$/.test(all['eai:data'] ?? ''))
    return refused(400, 'eai:data is no view');
  return undefined;
}

/** As the real one answers: numbers and yes or no by type, and not all of them as they were given. */
function entryOf(collection: string, name: string, { app, settings, sharing, removable }: Held) {
  const typed = Object.entries(settings).map(([key, value]) => [key, typedValue(key, value)]);
  const content = Object.fromEntries(typed);
  return {
    name,
    content: collection === 'saved/searches' ? { ...content, is_visible: true } : { ...content, disabled: false },
    acl: { app, sharing, removable, owner: 'nobody' },
  };
}

function typedValue(key: string, value: string): unknown {
  if (/^(disabled|is_scheduled|alert\.(track|suppress|digest_mode)|SHOULD_LINEMERGE)$/.test(key))
    return value === '1' || value === 'true';
  return /^(alert\.severity|TRUNCATE)$/.test(key) ? Number(value) : value.replace(/ +$/gm, '');
}

function entries(entry: readonly object[]): Reply {
  return { status: 200, body: { entry, messages: [] } };
}

function refused(status: number, text: string): Reply {
  return { status, body: { messages: [{ type: 'ERROR', text }] } };
}

function unsupported(argument: string): Reply {
  return refused(400, `Argument "${argument}" is not supported by this handler.`);
}
