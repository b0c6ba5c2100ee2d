import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { z } from 'zod';
import type { Selection } from '../forward/select.ts';
import type { TlsOptions } from '../http.ts';
import type { SinkDefinition } from '../sink.ts';
import type { StreamName } from '../types.ts';
import { codeWarnings } from './codes.ts';
import { checkProxy, checkTls, checkUrl, endWarnings } from './ends.ts';
import { unknownKey, validate } from './issues.ts';
import { secretsIn } from './json-schema.ts';
import { didYouMean, type Path } from './mistakes.ts';
import { type Registry, sinkCommon } from './schema.ts';
import { type ConfigTree, isPlainMap } from './tree.ts';

/** One entry of `sinks`, with every default filled in. */
export interface SinkConfig {
  readonly name: string;
  readonly definition: SinkDefinition<unknown>;
  readonly only?: Selection;
  readonly except?: Selection;
  readonly start: 'latest' | 'earliest';
  readonly was?: string;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** Events per second. */
  readonly limit?: number;
  readonly maxEvents: number;
  /** Of ECS JSON in one delivery. */
  readonly maxBytes: number;
  readonly tls: TlsOptions;
  readonly proxy?: string;
  readonly insecure: boolean;
  /** The sink's own options. Reads each `${file:PATH}` anew; throws `ConfigMistakes` when they are no longer valid. */
  options(): unknown;
}

export interface SinkSurroundings {
  /** Of the config file: modules and certificates are looked for there. */
  readonly folder: string;
  readonly registry: Registry;
  readonly streams: readonly string[];
  readonly secrets: Set<string>;
  readonly warnings: string[];
}

type Raw = Readonly<Record<string, unknown>>;

const COMMON = Object.keys(sinkCommon.shape);
const NAME = /^[^\s\p{C}](?:[^\p{C}]{0,98}[^\s\p{C}])?$/u;

/** All sinks. Whatever is wrong with one of them hides nothing of the others. */
export async function readSinks(tree: ConfigTree, surroundings: SinkSurroundings): Promise<readonly SinkConfig[]> {
  const sinks = isPlainMap(tree.value) ? tree.value['sinks'] : undefined;
  if (sinks === undefined || sinks === null)
    tree.tell(['sinks'], 'is missing, at least one sink is required', 'missing');
  else if (!isPlainMap(sinks)) tree.tell(['sinks'], 'expected a map: a name for each sink, then its type and options');
  else if (Object.keys(sinks).length === 0) tree.tell(['sinks'], 'is empty, at least one sink is required');
  if (!isPlainMap(sinks)) return [];
  checkNames(tree, sinks);
  const read = Object.entries(sinks).map(([name, raw]) => readSink(tree, name, raw, surroundings));
  return (await Promise.all(read)).filter((sink) => sink !== undefined);
}

function checkNames(tree: ConfigTree, sinks: Raw): void {
  const taken = new Map<string, string>();
  for (const [name, raw] of Object.entries(sinks)) {
    if (name === '__proto__') tree.tell(['sinks', name], unknownKey(name, []), 'key');
    else if (!NAME.test(name))
      tree.tell(
        ['sinks', name],
        'a name has 1 to 100 characters, no control characters, no blank at either end',
        'key',
      );
    const was = isPlainMap(raw) ? raw['was'] : undefined;
    if (typeof was !== 'string') continue;
    const other = taken.get(was);
    if (Object.hasOwn(sinks, was))
      tree.tell(['sinks', name, 'was'], 'names a sink of this config: only one that is no longer here can hand over');
    else if (other !== undefined)
      tree.tell(['sinks', name, 'was'], `${JSON.stringify(other)} has the same was: only one sink can take over`);
    taken.set(was, name);
  }
}

async function readSink(
  tree: ConfigTree,
  name: string,
  raw: unknown,
  surroundings: SinkSurroundings,
): Promise<SinkConfig | undefined> {
  const path = ['sinks', name];
  if (!isPlainMap(raw)) {
    tree.tell(path, 'expected a map with a type and its options', raw === null ? 'missing' : 'value');
    return undefined;
  }
  const common = validate(tree, path, sinkCommon, part(raw, true));
  const tls = checkTls(tree, path, raw, surroundings.folder);
  checkProxy(tree, path, raw);
  const { addresses, standIn } = checkAddresses(tree, path, raw);
  const definition = await findDefinition(tree, path, raw['type'], surroundings);
  if (!definition) return undefined;
  const read = (value: unknown) => {
    const options = readOptions(tree, path, definition, value);
    for (const secret of secretsIn(definition.options, part(value, false))) surroundings.secrets.add(secret);
    return options;
  };
  if (read(standIn) === undefined || !common) return undefined;
  for (const secret of secretsIn(sinkCommon, common)) surroundings.secrets.add(secret);
  surroundings.warnings.push(
    ...endWarnings(`sink ${name}`, addresses, tls),
    ...strangers(name, common, surroundings.streams),
    ...codeWarnings(`sink ${name}`, [...(common.only?.codes ?? []), ...(common.except?.codes ?? [])]),
  );
  return { name, definition, ...settings(common, definition), tls, options: () => tree.again(path, read)?.value };
}

/** The keys that all sinks share, or the others, which are the sink's own. */
function part(raw: unknown, common: boolean): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(isPlainMap(raw) ? raw : {}).filter(([key]) => COMMON.includes(key) === common),
  );
}

/** In a box, since options may be anything. */
function readOptions(
  tree: ConfigTree,
  path: Path,
  definition: SinkDefinition<unknown>,
  raw: unknown,
): { readonly value: unknown } | undefined {
  const boxed = definition.options.transform((value) => ({ value }));
  return validate(tree, path, boxed, part(raw, false), COMMON);
}

/**
 * `url`, `urls` and `address` mean the same in every sink. A wrong one is told here, and stands in as a right one when
 * the sink's own rules are looked at, so that it is told once and hides nothing.
 */
function checkAddresses(tree: ConfigTree, path: Path, raw: Raw): { addresses: readonly unknown[]; standIn: Raw } {
  const check = (key: string, at: Path, value: unknown) =>
    typeof value !== 'string' || value === '' || checkUrl(tree, [...path, ...at], value, raw)
      ? value
      : `https://${key}.invalid`;
  const url = check('url', ['url'], raw['url']);
  const urls = Array.isArray(raw['urls'])
    ? raw['urls'].map((one, index) => check(`url-${index}`, ['urls', index], one))
    : raw['urls'];
  const addresses = [raw['url'], raw['urls'], raw['address']].flat().filter((one) => typeof one === 'string');
  return { addresses, standIn: { ...raw, ...(url !== undefined && { url }), ...(urls !== undefined && { urls }) } };
}

async function findDefinition(
  tree: ConfigTree,
  path: Path,
  type: unknown,
  { registry, folder }: SinkSurroundings,
): Promise<SinkDefinition<unknown> | undefined> {
  if (typeof type !== 'string' || type === '') return undefined;
  const at = [...path, 'type'];
  if (/^(\.{0,2}\/|[A-Za-z]:[\\/])/.test(type))
    return importDefinition(resolve(folder, type), (message) => tree.tell(at, message));
  const found = registry.find((definition) => definition.type === type);
  const types = registry.map((definition) => definition.type);
  const quotable = tree.fromOutside(at).length === 0;
  if (!found)
    tree.tell(
      at,
      `${quotable ? JSON.stringify(type) : 'what was put in'} is not one of ${types.join(', ')}, nor a module as in ./my-sink.js${quotable ? didYouMean(type, types) : ''}`,
    );
  return found;
}

async function importDefinition(
  file: string,
  tell: (message: string) => void,
): Promise<SinkDefinition<unknown> | undefined> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(file).href);
    const lack = lackOf(module.default);
    if (lack === undefined) return module.default as SinkDefinition<unknown>;
    tell(`the default export of ${file} is not a sink definition: ${lack}`);
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error));
    const reason = existsSync(file) ? (message.split('\n')[0] ?? '') : 'there is no such file';
    tell(`${file} cannot be imported: ${reason}${adviceOn(reason)}`);
  }
  return undefined;
}

function adviceOn(reason: string): string {
  if (reason.startsWith('Cannot find package ')) return '; install it beside the config';
  if (!reason.startsWith('Cannot use import statement')) return '';
  return '; write "type": "module" into the package.json there, or let its name end in .mjs';
}

/** Why this is not a sink definition; undefined when it looks like one. */
function lackOf(value: unknown): string | undefined {
  if (!isPlainMap(value)) return 'it is not an object';
  const { type, options, promises, defaults, open } = value;
  if (typeof type !== 'string') return 'type is not a text';
  if (!isPlainMap(options) || typeof options['safeParse'] !== 'function') return 'options is not a zod schema';
  if (typeof open !== 'function') return 'open is not a function';
  const promised = isPlainMap(promises) ? promises : {};
  for (const key of ['acknowledged', 'idempotent', 'perEvent'])
    if (typeof promised[key] !== 'boolean') return `promises.${key} is not true or false`;
  const bounds = isPlainMap(defaults) ? defaults : {};
  for (const key of ['concurrency', 'maxEvents', 'maxBytes'])
    if (!(Number(bounds[key]) >= 1)) return `defaults.${key} is not a number of at least 1`;
  return undefined;
}

function settings(common: z.output<typeof sinkCommon>, { defaults }: SinkDefinition<unknown>) {
  const { only, except, was, proxy, limit, batch } = common;
  return {
    ...(only && { only: only as Selection }),
    ...(except && { except: except as Selection }),
    start: common.start,
    ...(was !== undefined && { was }),
    concurrency: common.concurrency ?? defaults.concurrency,
    timeoutMs: common.timeout,
    ...(limit !== undefined && { limit: Number.parseFloat(limit) }),
    maxEvents: batch.max_events ?? defaults.maxEvents,
    maxBytes: batch.max_bytes ?? defaults.maxBytes,
    ...(proxy !== undefined && { proxy }),
    insecure: common.insecure,
  };
}

/** Streams in a filter that are not collected: right for what is still in the spool, else a slip of the pen. */
function strangers(name: string, { only, except }: z.output<typeof sinkCommon>, streams: readonly string[]): string[] {
  const named = [...(only?.streams ?? []), ...(except?.streams ?? [])] as StreamName[];
  return named
    .filter((stream) => !streams.includes(stream))
    .map(
      (stream) =>
        `sink ${name}: its filter names the stream ${stream}, which is not collected${didYouMean(stream, streams)}`,
    );
}
