import type { StreamName, StreamType } from '../types.ts';

/** Hosts and paths as the vendor's OpenAPI lists them; for Canada and Australia its documents disagree, so `base_url` can say otherwise. */
const HOSTS = {
  us: 'api.transmitsecurity.io',
  eu: 'api.eu.transmitsecurity.io',
  ca: 'api.ca.transmitsecurity.io',
  au: 'api.au.transmitsecurity.io',
  sandbox: 'api.sbx.transmitsecurity.io',
} as const;

export type Region = keyof typeof HOSTS;
export const REGIONS: readonly Region[] = ['us', 'eu', 'ca', 'au', 'sandbox'];
export const STREAM_TYPES: readonly StreamType[] = ['verify', 'cis', 'admin', 'risk'];

/** `https://HOST/activities/v1`; `/activities/collect` goes behind it. */
export function regionBaseUrl(region: Region): string {
  return `https://${HOSTS[region]}/activities/v1`;
}

/** Where a base URL's host gives out tokens. */
export function defaultTokenUrl(baseUrl: string): string {
  return `${new URL(baseUrl).origin}/oidc/token`;
}

export interface Link {
  /** Absent where the path is not the documented one: only the link itself can then be called. */
  readonly baseUrl?: string;
  readonly type: StreamType;
  readonly id: string;
  readonly batchSize?: number;
}

/** A collect link as the Admin Portal shows it. The mistake is a sentence for the config's author; it does not repeat the link. */
export function parseLink(link: string): Link | { readonly mistake: string } {
  const url = URL.canParse(link.trim()) ? new URL(link.trim()) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return { mistake: 'is not a link that begins with https://' };
  if (url.username || url.password) return { mistake: 'must not hold a user name or password' };
  const type = STREAM_TYPES.find((known) => known === url.searchParams.get('type'));
  if (!type) return { mistake: `needs ?type= with one of ${STREAM_TYPES.join(', ')}` };
  const id = url.searchParams.get('stream_id') ?? '';
  if (id === '' || /\s/.test(id)) return { mistake: 'needs &stream_id= with an identifier without spaces' };
  const size = url.searchParams.get('batch_size');
  if (size !== null && !isBatchSize(size)) return { mistake: 'has a batch_size that is not a number from 1 to 1000' };
  const base = /^(.*)\/activities\/collect\/?$/.exec(url.pathname)?.[1];
  return {
    type,
    id,
    ...(base !== undefined && { baseUrl: url.origin + base }),
    ...(size && { batchSize: Number(size) }),
  };
}

function isBatchSize(text: string): boolean {
  return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 1000;
}

export interface StreamCall {
  readonly name: StreamName;
  readonly type: StreamType;
  readonly id: string;
  /** 1 to 1000. A batch size in the link wins. */
  readonly batchSize: number;
  /** As copied from the Admin Portal; called as it is. */
  readonly link?: string | undefined;
}

export function collectUrl(baseUrl: string, stream: StreamCall): string {
  if (stream.link === undefined) {
    const query = new URLSearchParams({ type: stream.type, stream_id: stream.id, batch_size: `${stream.batchSize}` });
    return `${baseUrl.replace(/\/+$/, '')}/activities/collect?${query}`;
  }
  const link = stream.link.trim().split('#')[0] ?? '';
  return new URL(link).searchParams.has('batch_size') ? link : `${link}&batch_size=${stream.batchSize}`;
}
