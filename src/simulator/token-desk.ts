import { randomBytes } from 'node:crypto';
import type { TrueAnswer } from './faults.ts';

interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Gives out tokens and knows which of them still count. */
export interface TokenDesk {
  /** `form` as sent. `life` in seconds; without `telling`, only the token itself says how long it lives. */
  answer(contentType: string, form: string, client: Client, life: number, telling: boolean): TrueAnswer;
  accepts(authorization: string): boolean;
  /** All tokens so far become useless. */
  revoke(): void;
}

export function tokenDesk(): TokenDesk {
  const ends = new Map<string, number>();
  return {
    answer(contentType, form, client, life, telling) {
      const mistake = mistakeIn(contentType, new URLSearchParams(form), client);
      if (mistake) return json(400, { message: mistake, error_code: 400 });
      const token = newToken(client, life);
      ends.set(token, performance.now() + life * 1000);
      return json(200, {
        access_token: token,
        token_type: 'Bearer',
        scope: '',
        ...(telling && { expires_in: life }),
      });
    },
    accepts: (authorization) => performance.now() < (ends.get(authorization.replace(/^Bearer /, '')) ?? 0),
    revoke: () => ends.clear(),
  };
}

function mistakeIn(contentType: string, form: URLSearchParams, client: Client): string | undefined {
  if (!contentType.startsWith('application/x-www-form-urlencoded')) return 'The body must be a form';
  if (form.get('grant_type') !== 'client_credentials') return 'Unsupported grant_type';
  const known = form.get('client_id') === client.clientId && form.get('client_secret') === client.clientSecret;
  return known ? undefined : 'Invalid client credentials';
}

/** Looks like the vendor's JWT; the signature is noise. */
function newToken(client: Client, life: number): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { sub: client.clientId, iss: 'mosaic', iat, exp: iat + life, aud: 'userid-api', tid: 'tenant' };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ ...claims, jti: randomBytes(8).toString('hex') })}.${randomBytes(48).toString('base64url')}`;
}

export function json(status: number, value: unknown): TrueAnswer {
  return { status, type: 'application/json', body: Buffer.from(JSON.stringify(value)) };
}
