import { duration, z } from '../../src/sink.ts';

const url = z
  .url({ protocol: /^https?$/, error: 'expected a url with http:// or https://' })
  .refine((text) => !hasMore(text), { error: 'expected a url without user, query or fragment' });

export const optionsSchema = z
  .strictObject({
    url: url.optional().describe('Where the HTTP Event Collector listens, as in `https://splunk.example.com:8088`.'),
    urls: z
      .array(url)
      .min(1)
      .optional()
      .describe('Several of them in place of `url`: taken in turn, and one that fails is left out for 30 s.'),
    token: z
      .string()
      .regex(/^[\x21-\x7e]+$/, { error: 'expected a token without blanks' })
      .meta({ secret: true })
      .describe('The token of the HTTP Event Collector.'),
    index: z
      .string()
      .regex(/^[a-z0-9_][a-z0-9_-]*$/, { error: 'expected lower-case letters, digits, _ and -' })
      .optional()
      .describe("The index. Default: the token's own."),
    source: z.string().min(1).optional().describe('Default: `transmit:mosaic:` and the stream type.'),
    sourcetype: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Default: `transmitsecurity:mosaic:idv` for verify streams, else `transmitsecurity:mosaic:` and the type.',
      ),
    host: z.string().min(1).optional().describe("Default: this machine's name."),
    acknowledgement: z
      .boolean()
      .default(false)
      .describe('Wait until Splunk says that an event is stored. The token must have it too.'),
    acknowledgement_timeout: duration
      .refine((ms) => ms > 0, { error: 'expected more than 0' })
      .prefault('5m')
      .describe('What is not acknowledged by then is sent again.'),
  })
  .refine((options) => (options.url === undefined) !== (options.urls === undefined), {
    path: ['url'],
    error: 'expected exactly one of url and urls',
    when: ({ value }) => typeof value === 'object' && value !== null,
  });

export type Options = z.output<typeof optionsSchema>;

function hasMore(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return Boolean(username || password || search || hash);
}

export function urlsOf(options: Options): readonly string[] {
  return options.urls ?? (options.url ? [options.url] : []);
}
