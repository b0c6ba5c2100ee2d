import type { z } from 'zod';
import type { TlsOptions } from '../http.ts';
import { defaultTokenUrl, type Link, parseLink, REGIONS, regionBaseUrl, STREAM_TYPES } from '../mosaic/link.ts';
import type { StreamName, StreamType } from '../types.ts';
import { checkProxy, checkTls, checkUrl, endWarnings } from './ends.ts';
import { validate } from './issues.ts';
import { secretsIn } from './json-schema.ts';
import type { Path } from './mistakes.ts';
import * as schema from './schema.ts';
import { type ConfigTree, isPlainMap } from './tree.ts';

interface StreamConfig {
  readonly name: StreamName;
  readonly type: StreamType;
  readonly id: string;
  readonly batchSize: number;
  readonly pollIntervalMs: number;
  /** As copied from the Admin Portal. */
  readonly link?: string;
}

export interface MosaicConfig {
  /** As in `https://HOST/activities/v1`, without a slash at the end. */
  readonly baseUrl: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  /** Reads `${file:PATH}` anew; throws `ConfigMistakes` when it cannot. */
  clientSecret(): string;
  readonly resource?: string;
  readonly enrichment: boolean;
  readonly timeoutMs: number;
  /** In bytes. */
  readonly maxAnswerSize: number;
  readonly tls: TlsOptions;
  readonly proxy?: string;
  readonly streams: readonly StreamConfig[];
}

type Raw = Readonly<Record<string, unknown>>;

export function readMosaic(
  tree: ConfigTree,
  folder: string,
  secrets: Set<string>,
  warnings: string[],
): MosaicConfig | undefined {
  const value = isPlainMap(tree.value) ? tree.value['mosaic'] : undefined;
  const raw: Raw = isPlainMap(value) ? value : {};
  const links = readStreams(tree, raw);
  checkUrl(tree, ['mosaic', 'token_url'], raw['token_url'], raw);
  checkBase(tree, raw, links);
  const section = validate(tree, ['mosaic'], schema.mosaic, value);
  const tls = checkTls(tree, ['mosaic'], raw, folder);
  checkProxy(tree, ['mosaic'], raw);
  for (const secret of secretsIn(schema.mosaic, raw)) secrets.add(secret);
  if (!section || tree.mistakes.length > 0) return undefined;
  const streams = section.streams.map((stream, index) => streamConfig(stream, links[index]));
  const called = [section.base_url, section.token_url, ...section.streams.map((stream) => stream.link)];
  warnings.push(...endWarnings('mosaic', called, tls));
  return {
    ...addresses(section, links),
    clientId: section.client_id,
    clientSecret: () => readSecret(tree, secrets),
    ...(section.resource !== undefined && { resource: section.resource }),
    enrichment: section.enrichment,
    timeoutMs: section.timeout,
    maxAnswerSize: section.max_answer_size,
    tls,
    ...(section.proxy !== undefined && { proxy: section.proxy }),
    streams,
  };
}

function readSecret(tree: ConfigTree, secrets: Set<string>): string {
  const path = ['mosaic', 'client_secret'];
  const secret = tree.again(path, (value) => validate(tree, path, schema.mosaic.shape.client_secret, value)) ?? '';
  secrets.add(secret);
  return secret;
}

/** By index: the link of each stream that has a proper one. */
function readStreams(tree: ConfigTree, mosaic: Raw): readonly (Link | undefined)[] {
  const streams = Array.isArray(mosaic['streams']) ? mosaic['streams'] : [];
  const seen = new Map<string, number>();
  return streams.map((stream, index) => {
    if (!isPlainMap(stream)) return undefined;
    const path = ['mosaic', 'streams', index];
    const link = readLink(tree, path, stream, mosaic);
    if (!isGiven(stream['link']) && !tree.isBroken([...path, 'link'])) tellMissing(tree, path, stream);
    const { type, id } = link ?? stream;
    const name = `${String(type)}/${String(id)}`;
    const other = seen.get(name);
    if (other !== undefined)
      tree.tell(path, `the same stream as mosaic.streams[${other}]: two would take each other's activities`);
    else if (isGiven(type) && isGiven(id)) seen.set(name, index);
    return link;
  });
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function readLink(tree: ConfigTree, path: Path, stream: Raw, mosaic: Raw): Link | undefined {
  const at = [...path, 'link'];
  const link = stream['link'];
  for (const key of ['type', 'id'])
    if (isGiven(link) && isGiven(stream[key]))
      tree.tell([...path, key], 'the link says this already: leave it out', 'key');
  if (typeof link !== 'string' || !checkUrl(tree, at, link, mosaic)) return undefined;
  const parsed = parseLink(link);
  if (!('mistake' in parsed)) return parsed;
  tree.tell(at, parsed.mistake);
  return undefined;
}

function tellMissing(tree: ConfigTree, path: Path, stream: Raw): void {
  if (!isGiven(stream['type']))
    tree.tell([...path, 'type'], `is missing, one of ${STREAM_TYPES.join(', ')} is required (or a link)`, 'missing');
  if (!isGiven(stream['id']))
    tree.tell([...path, 'id'], 'is missing, the name of the stream in Mosaic is required (or a link)', 'missing');
}

function checkBase(tree: ConfigTree, mosaic: Raw, links: readonly (Link | undefined)[]): void {
  const { region, base_url: base } = mosaic;
  const at = ['mosaic', 'base_url'];
  if (isGiven(region) && isGiven(base)) tree.tell(at, 'region says this already: keep one of the two', 'key');
  const isSaid = (link: Link | undefined, index: number) =>
    link?.baseUrl !== undefined || tree.isBroken(['mosaic', 'streams', index, 'link']);
  const linksSay = links.length > 0 && links.every(isSaid);
  if (!isGiven(region) && !isGiven(base) && !tree.isBroken(at) && !linksSay)
    tree.tell(
      ['mosaic', 'region'],
      `is missing, region (one of ${REGIONS.join(', ')}) or base_url is required`,
      'missing',
    );
  if (!checkUrl(tree, at, base, mosaic) || typeof base !== 'string') return;
  if (/[?#]/.test(base))
    tree.tell(at, 'ends before ? and #; a whole link from the Admin Portal goes into streams, as link');
  else if (/\/activities\/collect\/?$/.test(base)) tree.tell(at, 'ends before /activities/collect, which is appended');
}

type Section = z.output<typeof schema.mosaic>;

function addresses(
  { region, base_url, token_url }: Section,
  links: readonly (Link | undefined)[],
): Pick<MosaicConfig, 'baseUrl' | 'tokenUrl'> {
  const first = links.find((link) => link?.baseUrl !== undefined)?.baseUrl;
  const baseUrl = (region ? regionBaseUrl(region) : (base_url ?? first ?? '')).replace(/\/+$/, '');
  return { baseUrl, tokenUrl: token_url ?? defaultTokenUrl(baseUrl) };
}

function streamConfig(stream: z.output<typeof schema.stream>, link: Link | undefined): StreamConfig {
  const { type = 'verify', id = '' } = link ?? stream;
  return {
    name: `${type}/${id}`,
    type,
    id,
    batchSize: link?.batchSize ?? stream.batch_size,
    pollIntervalMs: stream.poll_interval,
    ...(stream.link !== undefined && { link: stream.link }),
  };
}
