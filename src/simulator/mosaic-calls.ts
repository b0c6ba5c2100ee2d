import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamName } from '../types.ts';
import { consumes, type FaultRow, faultFor, newFaultRow, send, type TrueAnswer } from './faults.ts';
import { Queues } from './ledger.ts';
import { json, tokenDesk } from './token-desk.ts';

/** How the simulated Mosaic behaves; each may be changed at any time. */
export interface MosaicDials {
  readonly collect: FaultRow;
  readonly token: FaultRow;
  /** Before each collect answer is begun. */
  delayMs: number;
  emptyAs: '[]' | '204' | '' | '{}' | 'null';
  contentType: string;
  /** Puts the array into an object under this name. */
  wrapIn: string | undefined;
  /** Each answer ends with its first activity once more. */
  duplicates: boolean;
  /** Answers are filled up with spaces to this many bytes. */
  padTo: number;
  /** What waits longer is gone. Counted from `enqueue`, so that old examples can be collected too. */
  retentionMs: number;
  maximumStreams: number;
  /** Where `PUT stream` wants the flag; elsewhere it is a 400. */
  enrichmentIn: 'query' | 'body';
  clientSecret: string;
  /** Seconds. 0: a token is dead when it arrives. */
  tokenLife: number;
  /** Whether a token's answer says `expires_in`. */
  tokenTells: boolean;
}

export interface SimulatedMosaicOptions {
  /** That exist from the start; others are made with PUT, as `setup` does. */
  readonly streams?: readonly StreamName[];
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** false: the ledger counts only; for benchmarks. */
  readonly keep?: boolean;
  /** Default 0: chosen by the system. */
  readonly port?: number;
}

export type World = ReturnType<typeof newWorld>;

export function newWorld(options: SimulatedMosaicOptions) {
  const dials: MosaicDials = {
    collect: newFaultRow(),
    token: newFaultRow(),
    delayMs: 0,
    emptyAs: '[]',
    contentType: 'application/json',
    wrapIn: undefined,
    duplicates: false,
    padTo: 0,
    retentionMs: 86_400_000,
    maximumStreams: 10,
    enrichmentIn: 'query',
    clientSecret: options.clientSecret ?? 'demo-secret',
    tokenLife: 3600,
    tokenTells: true,
  };
  const streams = new Set<StreamName>(options.streams);
  return {
    dials,
    streams,
    clientId: options.clientId ?? 'demo-client',
    collecting: new Set<string>([...streams].map((name) => name.split('/')[0] ?? '')),
    queues: new Queues(options.keep ?? true),
    desk: tokenDesk(),
    calls: {} as Record<string, number>,
    parallel: { now: new Map<string, number>(), maximum: 0 },
    flows: new Set<NodeJS.Timeout>(),
  };
}

/** Answers one request as Mosaic would, spoilt where a dial says so. */
export async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const url = new URL(request.url ?? '/', 'http://mosaic');
  if (url.pathname === '/oidc/token') return giveToken(world, request, body, response);
  const operation = /^\/(?:activities|risk)\/v[12]\/activities\/([a-z-]+)$/.exec(url.pathname)?.[1];
  const call = `${request.method} ${operation ?? url.pathname}`;
  const number = count(world, call);
  if (!world.desk.accepts(request.headers.authorization ?? '')) send(response, refusal(401, 'Unauthorized'), undefined);
  else if (call === 'POST collect') await collect(world, url, number, response);
  else send(response, (OPERATIONS[call] ?? unknownCall)(world, url.searchParams, body), undefined);
}

function count(world: World, call: string): number {
  const number = (world.calls[call] ?? 0) + 1;
  world.calls[call] = number;
  return number;
}

function giveToken(world: World, request: IncomingMessage, body: string, response: ServerResponse): void {
  const { dials, clientId, desk } = world;
  const fault = faultFor(dials.token, count(world, 'POST token'));
  const type = request.headers['content-type'] ?? '';
  const client = { clientId, clientSecret: dials.clientSecret };
  send(response, desk.answer(type, body, client, dials.tokenLife, dials.tokenTells), fault);
}

async function collect(world: World, url: URL, number: number, response: ServerResponse): Promise<void> {
  const { dials, queues } = world;
  const query = url.searchParams;
  const limit = Number(query.get('batch_size') ?? 100);
  const refused = refuse(world, query) ?? (isBatchSize(limit) ? undefined : refusal(400, 'Bad batch_size'));
  if (refused) return send(response, refused, undefined);
  const stream = nameOf(query);
  const leave = enter(world, stream);
  response.once('close', leave);
  const fault = faultFor(dials.collect, number);
  const taken = consumes(fault) ? queues.take(stream, limit, dials.retentionMs) : undefined;
  if (dials.delayMs > 0) await sleep(dials.delayMs, undefined, { ref: false });
  if (taken) taken.batch.completed = !response.destroyed && (!fault || fault.kind === 'drip');
  response.once('close', () => {
    if (taken && !response.writableFinished) taken.batch.completed = false;
  });
  send(response, taken ? page(dials, taken.json) : empty(dials), fault, leave);
}

/** Counts the collect calls under way for a stream; the result ends this one, once. */
function enter({ parallel }: World, stream: StreamName): () => void {
  const now = (parallel.now.get(stream) ?? 0) + 1;
  parallel.now.set(stream, now);
  parallel.maximum = Math.max(parallel.maximum, now);
  let left = false;
  return () => {
    if (!left) parallel.now.set(stream, (parallel.now.get(stream) ?? 1) - 1);
    left = true;
  };
}

function page(dials: MosaicDials, activities: readonly string[]): TrueAnswer {
  const all = dials.duplicates ? [...activities, activities[0] ?? 'null'] : activities;
  const array = `[${all.join(',')}]`;
  const body = dials.wrapIn === undefined ? array : `{${JSON.stringify(dials.wrapIn)}:${array}}`;
  return { status: 201, type: dials.contentType, body: Buffer.from(body.padEnd(dials.padTo)) };
}

function empty(dials: MosaicDials): TrueAnswer {
  if (dials.emptyAs === '204') return { status: 204, type: '', body: Buffer.alloc(0) };
  return { status: 201, type: dials.contentType, body: Buffer.from(dials.emptyAs) };
}

function isBatchSize(limit: number): boolean {
  return Number.isInteger(limit) && limit >= 1 && limit <= 1000;
}

function nameOf(query: URLSearchParams): StreamName {
  return `${query.get('type')}/${query.get('stream_id')}` as StreamName;
}

function refusal(status: number, message: string): TrueAnswer {
  return json(status, { message });
}

function done(message: string): TrueAnswer {
  return { status: 200, type: 'text/plain', body: Buffer.from(message) };
}

const TYPES = ['cis', 'admin', 'verify', 'risk'];

function refuseType(query: URLSearchParams): TrueAnswer | undefined {
  return TYPES.includes(query.get('type') ?? '') ? undefined : refusal(400, 'Bad type');
}

function refuseId(world: World, query: URLSearchParams): TrueAnswer | undefined {
  if (!world.collecting.has(query.get('type') ?? '')) return refusal(403, 'Collecting is not started for this type');
  return /^\S+$/.test(query.get('stream_id') ?? '') ? undefined : refusal(406, 'Bad stream_id');
}

function refuse(world: World, query: URLSearchParams): TrueAnswer | undefined {
  const refused = refuseType(query) ?? refuseId(world, query);
  return refused ?? (world.streams.has(nameOf(query)) ? undefined : refusal(404, 'No such stream'));
}

type Operation = (world: World, query: URLSearchParams, body: string) => TrueAnswer;

const unknownCall: Operation = () => refusal(404, 'Not found');
const gone: Operation = () => refusal(410, 'This endpoint was removed');

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'PUT start-collect': (world, query) => {
    const type = query.get('type') ?? '';
    if (world.collecting.has(type)) return refusal(409, 'Already collecting');
    const refused = refuseType(query);
    if (!refused) world.collecting.add(type);
    return refused ?? done('Started');
  },
  'PUT stream': (world, query, body) => {
    const refused = refuseType(query) ?? refuseId(world, query);
    if (refused) return refused;
    if (world.dials.enrichmentIn === 'body' ? query.has('enrichment') : body !== '')
      return refusal(400, 'Bad enrichment');
    if (world.streams.has(nameOf(query))) return refusal(409, 'The stream exists');
    if (world.streams.size >= world.dials.maximumStreams) return refusal(429, 'Maximum number of streams reached');
    world.streams.add(nameOf(query));
    return done('Created');
  },
  'DELETE stream': (world, query) => {
    const refused = refuse(world, query);
    if (!refused) world.streams.delete(nameOf(query));
    return refused ?? done('Deleted');
  },
  'DELETE stop-collect': (world, query) => {
    world.collecting.delete(query.get('type') ?? '');
    for (const name of world.streams) if (name.startsWith(`${query.get('type')}/`)) world.streams.delete(name);
    return done('Stopped');
  },
  'GET user': gone,
  'GET admin': gone,
};
