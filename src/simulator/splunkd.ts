/**
 * The management port of a small Splunk, for tests: apps, configuration, saved searches and views over REST, with the manners of the
 * real one. Strict: what a real one refuses, this one refuses. It runs no search.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Entries, emptyHoldings, type Holdings, serveObjects } from './splunkd-objects.ts';

/** Each may be changed while the server runs, and acts from the next request on. */
interface SplunkdDials {
  /** Every connection is cut before an answer. */
  down: boolean;
  /** A proxy's page with status 200 instead of an answer. */
  html: boolean;
  /** The user of the key may read only. */
  readOnly: boolean;
  /** Writes are done up to this number, and then the connection is cut. */
  writesLeft: number;
}

export interface SplunkdOptions {
  /** Default: any. `USER:PASSWORD` for Basic, anything else for Bearer. */
  readonly key?: string;
  readonly dials?: Partial<SplunkdDials>;
}

export interface SimulatedSplunkd {
  readonly url: string;
  readonly dials: SplunkdDials;
  /** What is there, by `collection/name`. */
  readonly objects: Entries;
  readonly apps: Holdings['apps'];
  /** Method and path of every request, in order, without the query. */
  readonly requests: readonly string[];
  /** As a user does in Splunk Web: changes settings, or adds an object. */
  change(collection: string, name: string, settings: Readonly<Record<string, string>>): void;
  /** As `splunk install app`: each object is of the package, and can only be overridden. */
  installPackage(version: string, objects: readonly PackagedObject[]): void;
  close(): Promise<void>;
}

interface PackagedObject {
  readonly collection: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
}

const APP = 'transmit_mosaic_idv';

export async function startSplunkd(options: SplunkdOptions = {}): Promise<SimulatedSplunkd> {
  const holdings = emptyHoldings();
  const dials: SplunkdDials = {
    down: false,
    html: false,
    readOnly: false,
    writesLeft: Number.POSITIVE_INFINITY,
    ...options.dials,
  };
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(`${request.method} ${decodeURIComponent(request.url?.split('?')[0] ?? '')}`);
    answer(request, response, { options, dials, holdings }).catch(() => response.destroy());
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    dials,
    objects: holdings.objects,
    apps: holdings.apps,
    requests,
    change: (collection, name, settings) => changed(holdings, collection, name, settings),
    installPackage: (version, objects) => {
      holdings.apps.set(APP, { version, label: APP });
      for (const { collection, name, settings } of objects)
        holdings.objects.set(`${collection}/${name}`, { app: APP, settings, sharing: 'global', removable: false });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function changed({ objects }: Holdings, collection: string, name: string, settings: Readonly<Record<string, string>>) {
  const present = objects.get(`${collection}/${name}`);
  objects.set(`${collection}/${name}`, {
    app: APP,
    sharing: 'app',
    removable: true,
    ...present,
    settings: { ...present?.settings, ...settings },
  });
}

interface Server {
  readonly options: SplunkdOptions;
  readonly dials: SplunkdDials;
  readonly holdings: Holdings;
}

async function answer(request: IncomingMessage, response: ServerResponse, server: Server): Promise<void> {
  const { dials, holdings } = server;
  const body = await textOf(request);
  if (dials.down) return void response.destroy();
  if (dials.html) return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>sign in</html>');
  const writes = request.method !== 'GET';
  if (!isKnown(request.headers.authorization, server.options.key))
    return say(response, 401, problem('WARN', 'call not properly authenticated'));
  if (writes && dials.readOnly)
    return say(response, 403, problem('ERROR', 'You (user=reader) do not have permission to perform this operation.'));
  if (writes && dials.writesLeft <= 0) return void response.destroy();
  if (writes) dials.writesLeft -= 1;
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://splunkd');
  if (searchParams.get('output_mode') !== 'json')
    return void response.writeHead(200, { 'content-type': 'text/xml' }).end('<?xml version="1.0"?><feed/>');
  if (request.method === 'POST' && request.headers['content-type'] !== 'application/x-www-form-urlencoded')
    return say(response, 400, problem('ERROR', 'Could not read the arguments.'));
  const reply = serveObjects(holdings, {
    method: request.method ?? '',
    path: pathname.split('/').slice(1).map(decodeURIComponent),
    fields: Object.fromEntries(request.method === 'POST' ? new URLSearchParams(body) : searchParams),
  });
  say(response, reply.status, reply.body);
}

function problem(type: 'WARN' | 'ERROR', text: string) {
  return { messages: [{ type, text }] };
}

function isKnown(authorization = '', key: string | undefined): boolean {
  if (key === undefined) return /^(Basic|Bearer) ./.test(authorization);
  const basic = key.includes(':');
  return authorization === (basic ? `Basic ${Buffer.from(key).toString('base64')}` : `Bearer ${key}`);
}

function say(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
