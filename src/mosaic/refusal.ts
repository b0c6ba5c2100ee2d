import { type HttpResponse, NoAnswer, retryAfterMs } from '../http.ts';

/** No activities, and why. */
export interface Refused {
  readonly status: 'refused';
  readonly result: RefusedResult;
  readonly http?: number;
  /** In the server's own words where it had any; one line, short, printable, without secrets. */
  readonly error: string;
  readonly retryAfterMs?: number;
  /** Mosaic may have moved the stream on all the same. */
  readonly gap?: 'no_answer' | 'gateway';
  /** What to do about it. */
  readonly advice?: string;
}

/** Values of the label `result` of a metric. */
type RefusedResult =
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'not_acceptable'
  | 'rate_limited'
  | 'server_error'
  | 'gateway'
  | 'redirect'
  | 'html'
  | 'refused'
  | 'no_answer'
  | 'not_sent'
  | 'token';

/** No token could be had. Nothing was sent to the activities API. */
export class TokenRefused extends Error {
  readonly http: number | undefined;
  readonly retryAfterMs: number | undefined;
  constructor(message: string, http?: number, retryAfter?: number) {
    super(message);
    this.name = 'TokenRefused';
    this.http = http;
    this.retryAfterMs = retryAfter;
  }
}

const LONGEST = 300;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Z}]+/gu;
const TOKEN_LIKE = /eyJ[\w-]{8,}(\.[\w-]*){0,2}/g;

const TOKEN_ADVICE =
  'check mosaic.token_url, client_id and client_secret: they belong to a management app of this region';

/** A server that could not be reached, is busy or is broken has not looked at who asks. */
function isAboutClient({ http = 0 }: TokenRefused): boolean {
  return http > 0 && http < 500 && http !== 429;
}

export function withoutAnswer(error: unknown, secrets: readonly string[]): Refused {
  const words = line(error instanceof Error ? error.message : String(error), secrets);
  if (error instanceof TokenRefused) {
    return {
      status: 'refused',
      result: 'token',
      error: words,
      ...(error.http !== undefined && { http: error.http }),
      ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
      ...(isAboutClient(error) && { advice: TOKEN_ADVICE }),
    };
  }
  // Anything but NoAnswer comes from before the request left.
  if (error instanceof NoAnswer && error.sent) {
    return { status: 'refused', result: 'no_answer', error: words, gap: 'no_answer' };
  }
  return { status: 'refused', result: 'not_sent', error: words };
}

const RESULTS: Readonly<Record<number, readonly [RefusedResult, string?]>> = {
  401: [
    'unauthorized',
    'Mosaic refuses a new token too: check that the client is a management app of this tenant and region',
  ],
  403: ['forbidden', 'collecting is not started for this type, or the client may not: run `mosaic-siem setup`'],
  404: ['not_found', 'there is no such stream: run `mosaic-siem setup`, or make it in the Admin Portal'],
  406: ['not_acceptable', "Mosaic does not take this stream id: check the stream's `id`"],
  429: ['rate_limited'],
  502: ['gateway'],
  504: ['gateway'],
  // What Cloudflare says in place of 502 and 504 once it has passed the call on.
  520: ['gateway'],
  524: ['gateway'],
};

export function refusalOf(response: HttpResponse, url: string, secrets: readonly string[]): Refused {
  const [result, advice] = resultOf(response);
  const after = retryAfterMs(response.headers['retry-after']);
  return {
    status: 'refused',
    result,
    http: response.status,
    error: describe(response, url, secrets),
    ...(after !== undefined && { retryAfterMs: after }),
    ...(result === 'gateway' && { gap: 'gateway' }),
    ...(advice && { advice }),
  };
}

function resultOf(response: HttpResponse): readonly [RefusedResult, string?] {
  const { status } = response;
  if (status < 400)
    return ['redirect', 'set mosaic.base_url to the address that answers: a redirect is never followed'];
  if (status < 500 && status !== 429 && isHtml(response)) {
    return [
      'html',
      'this page does not come from Mosaic: check mosaic.base_url, the proxy and the firewall on the way',
    ];
  }
  return RESULTS[status] ?? (status >= 500 ? ['server_error'] : ['refused']);
}

/** Replaces each secret, in the forms that a server might echo it in, and everything that looks like a JWT. */
function hideSecrets(text: string, secrets: readonly string[]): string {
  let hidden = text;
  const forms = secrets.filter(Boolean).flatMap((secret) => [secret, ...encodedForms(secret)]);
  for (const form of [...new Set(forms)].sort((a, b) => b.length - a.length)) hidden = hidden.replaceAll(form, '***');
  return hidden.replace(TOKEN_LIKE, '***');
}

function encodedForms(secret: string): string[] {
  const form = new URLSearchParams({ '': secret }).toString().slice(1);
  return [JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), form];
}

/** One printable line of at most 300 characters, without secrets. */
export function line(text: string, secrets: readonly string[]): string {
  const safe = hideSecrets(text, secrets).replace(UNPRINTABLE, ' ').trim();
  return safe.length > LONGEST ? `${safe.slice(0, LONGEST)}…` : safe;
}

/** What a refusing answer says, for people: `HOST answered 403: its words`. */
export function describe(response: HttpResponse, url: string, secrets: readonly string[]): string {
  const { origin, pathname } = new URL(url);
  const said = line(words(response), secrets);
  return `${origin}${pathname} answered ${response.status}${said && `: ${said}`}`;
}

function isHtml(response: HttpResponse): boolean {
  return /\bhtml\b/i.test(response.headers['content-type'] ?? '') || /^\s*<(!doctype|html)/i.test(start(response));
}

function words(response: HttpResponse): string {
  const location = response.headers['location'];
  if (response.status >= 300 && response.status < 400 && location) return `redirects to ${withoutQuery(location)}`;
  // Of a body that was cut off, the end may be half a secret, which no mask would know.
  if (response.incomplete === 'cut_off') return '(the rest of the answer did not arrive)';
  if (isHtml(response)) return `an HTML page${title(response)}`;
  return fromJson(response) ?? start(response);
}

function fromJson(response: HttpResponse): string | undefined {
  try {
    const parsed: unknown = JSON.parse(response.body.toString());
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const fields = parsed as Record<string, unknown>;
    const told = ['message', 'error', 'error_description'].flatMap((name) => textOf(fields[name]) ?? []);
    const code = textOf(fields['error_code']);
    const said = [[...new Set(told)].join(', '), ...(code ? [`(error_code ${code})`] : [])].filter(Boolean).join(' ');
    return said || undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function title(response: HttpResponse): string {
  const text = /<title[^>]*>([^<]*)/i.exec(start(response))?.[1]?.trim();
  return text ? ` titled "${text}"` : '';
}

/** Enough of the body for any title or message; never cut within what is shown, because that is far shorter. */
function start(response: HttpResponse): string {
  return response.body.subarray(0, 16 * 1024).toString();
}

function withoutQuery(location: string): string {
  return location.split(/[?#]/)[0] ?? '';
}
