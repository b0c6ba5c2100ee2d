import { SENSITIVE_KEYS } from './mapping.ts';

const REDACTED = 'REDACTED';

/** Fields of ECS `url`, and the host. */
export interface UrlParts {
  readonly full: string;
  readonly original?: string;
  readonly scheme: string;
  readonly domain?: string;
  readonly port?: number;
  readonly path?: string;
  readonly query?: string;
}

/** An absolute URL in parts; undefined where the text is none. With `redact`: as `redactUrl` leaves it. */
export function urlParts(text: string, redact: boolean): UrlParts | undefined {
  if (!URL.canParse(text)) return undefined;
  const full = redact ? redactUrl(text) : text;
  const url = new URL(full);
  return {
    full,
    ...(!redact && { original: text }),
    scheme: url.protocol.slice(0, -1),
    ...(url.hostname && { domain: url.hostname }),
    ...(url.port && { port: Number(url.port) }),
    ...(url.pathname && { path: url.pathname }),
    ...(url.search.length > 1 && { query: url.search.slice(1) }),
  };
}

/** Without user-info and fragment, each query value REDACTED. A URL without a host keeps only its scheme. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return redactRelative(text);
  const url = new URL(text);
  const path = url.host || url.protocol === 'file:' ? url.pathname : REDACTED;
  const authority = url.host || url.protocol === 'file:' ? `//${url.host}` : '';
  return `${url.protocol}${authority}${path}${redactQuery(url.search)}`;
}

/** A path with a query, or any text that may hold one. */
function redactRelative(text: string): string {
  const [withoutFragment = ''] = text.split('#', 1);
  const question = withoutFragment.indexOf('?');
  if (question < 0) return withoutFragment;
  return withoutFragment.slice(0, question) + redactQuery(withoutFragment.slice(question));
}

/** A part without `=` may be a token as a whole. */
function redactQuery(search: string): string {
  if (search.length < 2) return '';
  const parts = search.slice(1).split('&').map(redactPair);
  return `?${parts.join('&')}`;
}

function redactPair(pair: string): string {
  const equals = pair.indexOf('=');
  if (equals >= 0) return `${pair.slice(0, equals)}=${REDACTED}`;
  return pair === '' ? '' : REDACTED;
}

/** The bound on the scheme keeps the search linear. */
const URL_IN_TEXT = /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>]+/gi;

export function redactUrlsInText(text: string): string {
  return text.includes('://') ? text.replace(URL_IN_TEXT, redactUrl) : text;
}

/** What leaves out of values that have no place of their own. */
export interface Policy {
  readonly sensitive: boolean;
  readonly pairs: boolean;
  readonly redactUrls: boolean;
}

/** A copy of a value with its secrets and personal data replaced, at any depth; `touched` is called for each of them. */
export function scrub(value: unknown, policy: Policy, touched: (what: 'personal' | 'url') => void): unknown {
  if (typeof value === 'string') {
    const text = policy.redactUrls ? redactUrlsInText(value) : value;
    if (text !== value) touched('url');
    return text;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => scrub(element, policy, touched));
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) {
    const personal = (policy.sensitive && isSensitive(key)) || (policy.pairs && isPair(member));
    if (personal && member !== null) touched('personal');
    copy[key] = personal && member !== null ? REDACTED : scrub(member, policy, touched);
  }
  return copy;
}

/** `{prev, current}`: what an attribute of a person was and is. */
export function isPair(value: unknown): value is { readonly prev?: unknown; readonly current?: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.hasOwn(value, 'prev') || Object.hasOwn(value, 'current');
}

/** Compared by letters only, in lower case: a second `email_2` is no less an address. */
function isSensitive(key: string): boolean {
  return SENSITIVE_KEYS.has(plainName(key).replace(/\d+$/, ''));
}

export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '');
}
