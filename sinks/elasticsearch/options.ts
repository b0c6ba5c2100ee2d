import { z } from '../../src/sink.ts';

const address = z
  .url({ protocol: /^https?$/, error: 'an address such as https://es.example.com:9200, with http:// or https://' })
  .refine((url) => !URL.canParse(url) || (!new URL(url).username && !new URL(url).password), {
    error: 'no user name or password in the address: use api_key, or username and password',
  })
  .refine((url) => !URL.canParse(url) || (!new URL(url).search && !new URL(url).hash), {
    error: 'an address without ? and #',
  });

const cloudId = z
  .string()
  .refine((id) => cloudAddress(id) !== undefined, { error: 'the Cloud ID as Elastic Cloud shows it: NAME:BASE64' });

export const options = z
  .strictObject({
    url: address.optional().meta({ description: 'Address of the cluster. One of `url`, `urls` and `cloud_id`.' }),
    urls: z
      .array(address)
      .min(1)
      .refine((urls) => new Set(urls.map((url) => new URL(url).href)).size === urls.length, {
        error: 'each address once',
      })
      .optional()
      .meta({ description: 'Several nodes of one cluster: a node that fails is left out for a minute or longer.' }),
    cloud_id: cloudId.optional().meta({ description: 'Cloud ID of an Elastic Cloud deployment.' }),
    api_key: z.string().min(1).optional().meta({
      description: 'API key, in its encoded form or as `ID:KEY`. Needs `create_doc` and `auto_configure`.',
      secret: true,
    }),
    username: z.string().min(1).optional().meta({ description: 'User name, where no API key is used.' }),
    password: z.string().min(1).optional().meta({ description: 'Password of `username`.', secret: true }),
    namespace: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_.]{0,99}$/, 'lower-case letters, digits, _ and ., no hyphen, at most 100')
      .default('default')
      .meta({ description: 'Last part of the data stream: `logs-transmit_security.idv-NAMESPACE`.' }),
  })
  .superRefine((value, context) => {
    const refuse = (message: string, ...path: string[]) => context.addIssue({ code: 'custom', message, path });
    const ends = [value.url, value.urls, value.cloud_id].filter((end) => end !== undefined).length;
    if (ends !== 1) refuse('exactly one of url, urls and cloud_id');
    if (value.api_key && (value.username || value.password))
      refuse('api_key, or username and password, not both', 'api_key');
    if (value.username && !value.password) refuse('username needs password', 'username');
    if (value.password && !value.username) refuse('password needs username', 'password');
  });
export type Options = z.infer<typeof options>;

export type Credentials = { readonly apiKey: string } | { readonly username: string; readonly password: string };

export function addresses(value: Options): readonly string[] {
  const cloud = value.cloud_id === undefined ? undefined : cloudAddress(value.cloud_id);
  return [value.url, cloud, ...(value.urls ?? [])].filter((url) => url !== undefined);
}

export function credentials(value: Options): Credentials | undefined {
  if (value.api_key) return { apiKey: encodedKey(value.api_key) };
  if (value.username && value.password) return { username: value.username, password: value.password };
  return undefined;
}

/** Kibana shows both forms of a key; the header takes the encoded one, which holds no colon. */
export function encodedKey(key: string): string {
  return key.includes(':') ? Buffer.from(key).toString('base64') : key;
}

/** A Cloud ID is `NAME:` and, in base64, `HOST[:PORT]$ELASTICSEARCH[$KIBANA]`. */
function cloudAddress(id: string): string | undefined {
  const [host, elasticsearch] = Buffer.from(id.slice(id.lastIndexOf(':') + 1), 'base64')
    .toString()
    .split('$');
  const url = `https://${elasticsearch}.${host}`;
  return host && elasticsearch && id.includes(':') && URL.canParse(url) ? url : undefined;
}
