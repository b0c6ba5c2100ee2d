import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { codeWarnings } from './config/codes.ts';
import { checkUrl, endWarnings, isLoopback } from './config/ends.ts';
import { checkFiles } from './config/files.ts';
import { type Outside, reasonOf } from './config/interpolate.ts';
import { unknownKey, validate } from './config/issues.ts';
import { secretsIn } from './config/json-schema.ts';
import { ConfigMistakes, didYouMean } from './config/mistakes.ts';
import { type MosaicConfig, readMosaic } from './config/mosaic.ts';
import * as schema from './config/schema.ts';
import { readSinks, type SinkConfig } from './config/sinks.ts';
import { type SpoolConfig, spoolConfig } from './config/spool.ts';
import { ConfigTree, isPlainMap } from './config/tree.ts';
import { droppableFields, isDroppable, isNeeded } from './normalize/drop.ts';
import type { EventOptions } from './normalize/event-options.ts';
import { Failure } from './terminal.ts';

export { urlMistake } from './config/ends.ts';
export { reasonOf } from './config/interpolate.ts';
export { ConfigMistakes } from './config/mistakes.ts';
export type { SinkConfig } from './config/sinks.ts';

/** The config as the program uses it: every default filled in, times in ms, sizes in bytes, paths absolute. */
export interface Config {
  /** As the user named it. */
  readonly file: string;
  readonly mosaic: MosaicConfig;
  readonly spool: SpoolConfig;
  readonly events: EventOptions;
  readonly sinks: readonly SinkConfig[];
  /** undefined: switched off. */
  readonly status?: StatusConfig;
  readonly shutdownTimeoutMs: number;
  readonly log: LogConfig;
  /** What is allowed, and said at every start. */
  readonly warnings: readonly string[];
  /** Every secret that has been read so far, also those before a rotation: for taking them out of texts. */
  secrets(): readonly string[];
}
interface StatusConfig {
  readonly host: string;
  readonly port: number;
  readonly token?: string;
}
interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'text' | 'json';
  readonly outputs: readonly LogOutput[];
}
type LogOutput =
  | { readonly type: 'console' }
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'syslog'; readonly address: string; readonly appName?: string }
  | {
      readonly type: 'splunk_hec';
      readonly url: string;
      readonly token: string;
      readonly index?: string;
      readonly source?: string;
    };

const DEFAULT_FILES = ['./forwarder.yaml', '/etc/mosaic-siem/forwarder.yaml'];
/** Beside one answer, what an empty spool takes. */
const SMALLEST_SPOOL = 1024 * 1024;

/** Whether a config lies where it is looked for when none is named. */
export function isThereConfig(): boolean {
  return DEFAULT_FILES.some((file) => existsSync(file));
}

/**
 * Reads and checks a config. It opens and creates nothing. Throws `ConfigMistakes` with all that is wrong, and `Failure`
 * (78) where there is nothing to read.
 *
 * @param file without it ./forwarder.yaml, then /etc/mosaic-siem/forwarder.yaml
 */
export async function loadConfig(
  file: string | undefined,
  registry: schema.Registry,
  environment: Outside['environment'] = process.env,
): Promise<Config> {
  const { name, text } = await readConfig(file);
  const folder = dirname(resolve(name));
  const tree = new ConfigTree(name, text, { environment, folder });
  const secrets = new Set<string>();
  const warnings: string[] = [];
  const raw = topLevel(tree);
  const mosaic = raw && readMosaic(tree, folder, secrets, warnings);
  const rest = raw && readRest(tree, raw, secrets, warnings);
  const streams = mosaic?.streams.map((stream) => stream.name) ?? [];
  const sinks = raw ? await readSinks(tree, { folder, registry, streams, secrets, warnings }) : [];
  if (raw) checkRoom(tree, raw);
  checkFiles(tree);
  if (tree.mistakes.length > 0 || !mosaic || !rest) throw new ConfigMistakes(tree.mistakes);
  return { file: name, mosaic, ...rest, sinks, warnings, secrets: () => [...secrets] };
}

async function readConfig(file: string | undefined): Promise<{ name: string; text: string }> {
  for (const name of file === undefined ? DEFAULT_FILES : [file]) {
    try {
      return { name, text: new TextDecoder('utf-8', { fatal: true }).decode(await readFile(name)) };
    } catch (error) {
      if (error instanceof TypeError && !('errno' in error))
        throw new Failure(`${name} is not UTF-8: save it as UTF-8`, 78, error);
      if (file === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new Failure(`the config ${name} cannot be read: ${reasonOf(error)}`, 78, error);
    }
  }
  throw new Failure(
    `no config: neither ${DEFAULT_FILES.join(' nor ')} is there. Name it with --config FILE, or see config/example.yaml`,
    78,
  );
}

function topLevel(tree: ConfigTree): Readonly<Record<string, unknown>> | undefined {
  if (!isPlainMap(tree.value)) {
    if (tree.value === null || tree.value === undefined)
      tree.tell([], 'the config is empty: mosaic and sinks are required', 'key');
    else tree.tell([], 'expected a map with mosaic and sinks', 'key');
    return undefined;
  }
  for (const key of Object.keys(tree.value))
    if (!schema.TOP_LEVEL.includes(key)) tree.tell([key], unknownKey(key, schema.TOP_LEVEL), 'key');
  return tree.value;
}

type Rest = Pick<Config, 'spool' | 'events' | 'status' | 'shutdownTimeoutMs' | 'log'>;

function readRest(
  tree: ConfigTree,
  raw: Readonly<Record<string, unknown>>,
  secrets: Set<string>,
  warnings: string[],
): Rest | undefined {
  const spool = validate(tree, ['spool'], schema.spool, raw['spool']);
  const events = validate(tree, ['events'], schema.events, raw['events']);
  checkDrop(tree, raw['events']);
  warnings.push(...codeWarnings('events.severity', Object.keys(events?.severity ?? {})));
  const status = readStatus(tree, raw['status']);
  const shutdownTimeoutMs = validate(tree, ['shutdown_timeout'], schema.shutdownTimeout, raw['shutdown_timeout']);
  const log = readLog(tree, raw['log'], warnings);
  for (const [section, value] of [
    [schema.spool, raw['spool']],
    [schema.status, raw['status']],
    [schema.log, raw['log']],
  ] as const)
    for (const secret of secretsIn(section, value)) secrets.add(secret);
  if (!spool || !events || !status || shutdownTimeoutMs === undefined || !log) return undefined;
  return {
    spool: spoolConfig(spool),
    events: {
      severity: events.severity,
      original: events.original,
      drop: events.drop,
      redactUrls: events.redact_urls,
      timestampWindow: { pastMs: events.timestamp_window.past, futureMs: events.timestamp_window.future },
      checkResult: events.check_result,
    },
    ...(status !== 'off' && { status }),
    shutdownTimeoutMs,
    log,
  };
}

/** A misspelt field would leave with every event, and nobody would see it. */
function checkDrop(tree: ConfigTree, events: unknown): void {
  const names = isPlainMap(events) && Array.isArray(events['drop']) ? events['drop'] : [];
  for (const [index, name] of names.entries()) {
    if (typeof name !== 'string' || name === '' || isDroppable(name)) continue;
    const at = ['events', 'drop', index];
    const hint = tree.fromOutside(at).length === 0 ? didYouMean(name, droppableFields()) : '';
    const no = `is no field that can be left out, as source.ip, idv.session_id or the name of a parameter are${hint}`;
    tree.tell(at, isNeeded(name) ? 'must stay: without it a document is no event' : no);
  }
}

function readStatus(tree: ConfigTree, raw: unknown): StatusConfig | 'off' | undefined {
  if (isOff(raw)) return 'off';
  if (isPlainMap(raw) && isOff(raw['listen'])) return 'off';
  const status = validate(tree, ['status'], schema.status, raw);
  if (!status) return undefined;
  const at = ['status', 'listen'];
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/i.exec(status.listen) ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  if (host === undefined || port > 65_535) tree.tell(at, 'expected HOST:PORT, as in 127.0.0.1:8686, or off');
  else if (isLoopback(host) || status.token !== undefined)
    return { host, port, ...(status.token !== undefined && { token: status.token }) };
  else if (!tree.isBroken(['status', 'token']))
    tree.tell(at, 'anybody could read this: other than 127.0.0.1 and localhost needs status.token');
  return undefined;
}

/** YAML 1.1 read `off` as false, and many still do. */
function isOff(value: unknown): boolean {
  return value === 'off' || value === false;
}

function readLog(tree: ConfigTree, raw: unknown, warnings: string[]): LogConfig | undefined {
  const written = isPlainMap(raw) && Array.isArray(raw['outputs']) ? raw['outputs'] : [];
  written.forEach((output, index) => {
    if (isPlainMap(output)) checkUrl(tree, ['log', 'outputs', index, 'url'], output['url'], output);
  });
  const log = validate(tree, ['log'], schema.log, raw);
  for (const output of log?.outputs ?? [])
    warnings.push(...endWarnings(`log output ${output.type}`, Object.values(output), {}));
  return log && { level: log.level, format: log.format, outputs: log.outputs.map(logOutput) };
}

function logOutput(output: schema.LogOutputSection): LogOutput {
  if (output.type === 'file') return { type: 'file', path: resolve(output.path) };
  if (output.type === 'syslog') return { type: 'syslog', address: output.address, appName: output.app_name };
  if (output.type === 'console') return { type: 'console' };
  const { url, token, index, source } = output;
  return {
    type: 'splunk_hec',
    url,
    token,
    ...(index !== undefined && { index }),
    ...(source !== undefined && { source }),
  };
}

function checkRoom(tree: ConfigTree, raw: Readonly<Record<string, unknown>>): void {
  const part = (section: string, key: string) =>
    isPlainMap(raw[section]) ? (raw[section][key] ?? undefined) : undefined;
  const answer = schema.mosaic.shape.max_answer_size.safeParse(part('mosaic', 'max_answer_size'));
  const room = schema.spoolKeys.max_size.safeParse(part('spool', 'max_size'));
  if (answer.success && room.success && room.data < answer.data + SMALLEST_SPOOL)
    tree.tell(
      ['spool', 'max_size'],
      'has no room for an answer: at least 1MiB more than mosaic.max_answer_size (64MiB by default)',
    );
}
