import { z } from 'zod';
import { REGIONS, STREAM_TYPES } from '../mosaic/link.ts';
import { CHECK_RESULT } from '../normalize/mapping.ts';
import type { SinkDefinition } from '../sink.ts';
import { duration, size } from '../units.ts';

export type Registry = readonly SinkDefinition<unknown>[];

const SEVERITIES = ['informational', 'low', 'medium', 'high', 'critical'] as const;
const DAY_MS = 86_400_000;

const text = z.string().min(1);
const secret = (description: string) => text.meta({ description, secret: true });
/** A wait or a limit. Node's timers end at once beyond 24 days. */
const span = duration.refine((ms) => ms > 0 && ms <= DAY_MS, 'expected more than 0 and at most 24h');
const url = text.meta({ description: 'https://HOST[:PORT][/PATH]' });
const code = text.regex(/^[^*\s]*\*?$/, 'expected an event code, with * at the end at most');

const tls = z
  .strictObject({
    ca: text.optional().describe('PEM file of certificates to trust, beside those that Node trusts.'),
    cert: text.optional().describe('PEM file of the client certificate. Needs key.'),
    key: text.optional().describe('PEM file of its private key.'),
    verify: z.boolean().default(true).describe('false takes any certificate: only to try something out.'),
  })
  .prefault({})
  .describe("TLS. Relative files are looked for in the config file's folder.");
const proxy = secret(
  'HTTP proxy of this end. Without it HTTPS_PROXY, HTTP_PROXY and NO_PROXY are followed.',
).optional();
const insecure = z.boolean().default(false).describe('Allows http:// to other than this machine.');

export const stream = z
  .strictObject({
    type: z
      .enum(STREAM_TYPES)
      .optional()
      .describe('Which activities: verify (identity verification), cis, admin, risk.'),
    id: text.regex(/^\S+$/, 'expected a text without spaces').optional().describe('The name of the stream in Mosaic.'),
    link: url
      .optional()
      .describe('In place of type and id: the address of the stream, as copied from the Admin Portal.'),
    batch_size: z.int().min(1).max(1000).default(1000).describe('Activities per call.'),
    poll_interval: span.prefault('30s').describe('Wait after an empty answer.'),
  })
  .meta({ anyOf: [{ required: ['link'] }, { required: ['type', 'id'] }] });

export const mosaic = z
  .strictObject({
    region: z.enum(REGIONS).optional().describe('Where the tenant is. Or base_url.'),
    base_url: url.optional().describe('In place of region: https://HOST/activities/v1'),
    token_url: url.optional().describe('Where tokens come from. By default /oidc/token at the host of base_url.'),
    client_id: text.describe('Client of a management app.'),
    client_secret: secret('Its secret.'),
    resource: text.optional().describe('Sent with the token request, where your tenant asks for it.'),
    enrichment: z.boolean().default(false).describe('Asks Mosaic to add private data when a stream is created.'),
    timeout: span.prefault('60s').describe('Limit of one call. A collect call that is given up may lose its answer.'),
    max_answer_size: size
      .refine((bytes) => bytes >= 1024 && bytes <= 1024 ** 3, 'expected 1KiB to 1GiB')
      .prefault('64MiB')
      .describe('An answer is read up to here; the spool keeps room for one.'),
    tls,
    proxy,
    insecure,
    streams: z.array(stream).min(1).describe('What is collected. At least one; one running forwarder per stream.'),
  })
  .describe('Where activities come from.');

const KEY = 'expected 32 bytes as base64 or hex, as `openssl rand -base64 32` makes them';
/** Gives the bytes. The message never quotes what was given. */
const key = (description: string) =>
  z
    .string({ error: KEY })
    .regex(/^([\dA-Fa-f]{64}|[\w+/-]{42}[AEIMQUYcgkosw048]=?)$/, KEY)
    .meta({ description, secret: true })
    .transform((given): Uint8Array => Buffer.from(given, given.length === 64 ? 'hex' : 'base64'));

export const spoolKeys = {
  path: text.default('./data').describe('A folder on a local disk. Relative to the working directory.'),
  max_size: size.prefault('10GiB').describe('When nothing more can be dropped collecting stops, and goes on alone.'),
  retention: duration.prefault('7d').describe('How long delivered pages are kept.'),
  encryption_key: key('Encrypts what is stored from now on (AES-256-GCM): 32 bytes as base64 or hex.').optional(),
  old_keys: z.array(key('A key that was encryption_key before.')).optional().describe('They only decrypt.'),
};
export const spool = z.strictObject(spoolKeys).prefault({}).describe('The durable log between Mosaic and the sinks.');

export const events = z
  .strictObject({
    severity: z
      .record(code, z.enum(SEVERITIES))
      .default({})
      .describe('By event code, * at the end allowed; the longest match wins.'),
    original: z.boolean().default(false).describe('Adds event.original, the activity as Mosaic wrote it.'),
    drop: z.array(text).default([]).describe('ECS or vendor fields that never leave. A field takes its twins with it.'),
    redact_urls: z.boolean().default(true).describe('Replaces query values in addresses by REDACTED.'),
    timestamp_window: z
      .strictObject({
        past: duration.prefault('7d').describe('Older than this at receipt is marked.'),
        future: duration.prefault('1h').describe('Further ahead than this at receipt is marked.'),
      })
      .prefault({})
      .describe('Timestamps outside it are tagged.'),
    check_result: z
      .strictObject({
        success: z.array(text).default([...CHECK_RESULT.success]),
        failure: z.array(text).default([...CHECK_RESULT.failure]),
      })
      .prefault({})
      .describe('How words of an image quality check are read, whatever their case; * at the end allowed.'),
  })
  .prefault({})
  .describe('How activities become events.');

const filterKeys = {
  severity: z.enum(SEVERITIES).optional().describe('This severity and above.'),
  codes: z.array(code).min(1).optional().describe('Event codes, * at the end allowed.'),
  streams: z.array(text).min(1).optional().describe('Streams, as in verify/siem.'),
};
const filter = z
  .strictObject(filterKeys)
  .refine((given) => Object.values(given).some((value) => value !== undefined), 'needs severity, codes or streams');

const RATE = 'expected events per second, as in 2000/s';

/** What every sink takes beside its own options. */
export const sinkCommon = z.strictObject({
  type: z
    .string({ error: 'expected a kind of sink' })
    .min(1)
    .describe('The kind of sink, or a module of your own: ./my-sink.js'),
  only: filter.optional().describe('Nothing but these: within one key any value matches, across keys all must.'),
  except: filter.optional().describe('But not these.'),
  start: z
    .enum(['latest', 'earliest'])
    .default('latest')
    .describe('Where a new sink begins: now, or with all that is kept.'),
  was: text.optional().describe('The name this sink had before: it goes on where that one was.'),
  concurrency: z.int().min(1).max(1000).optional().describe('Deliveries at once.'),
  timeout: span.prefault('30s').describe('Limit of one request.'),
  limit: z
    .string({ error: RATE })
    .regex(/^\d+(\.\d+)?\/s$/, RATE)
    .refine((rate) => Number.parseFloat(rate) > 0, 'expected more than 0')
    .optional()
    .describe('Events per second, as in 2000/s.'),
  batch: z
    .strictObject({
      max_events: z.int().min(1).max(100_000).optional().describe('Events in one delivery.'),
      max_bytes: size
        .refine((bytes) => bytes >= 1024, 'expected at least 1KiB')
        .optional()
        .describe('Bytes of JSON in one delivery.'),
    })
    .prefault({})
    .describe('Bounds of one delivery.'),
  tls,
  proxy,
  insecure,
});

export const status = z
  .strictObject({
    listen: z
      .string({ error: 'expected HOST:PORT, as in 127.0.0.1:8686, or off' })
      .default('127.0.0.1:8686')
      .describe('HOST:PORT, or off.'),
    token: secret('Needed for other than loopback, and to change anything.').optional(),
  })
  .prefault({});
const statusOrOff = z
  .union([z.literal('off'), status])
  .prefault({})
  .describe('Status page, /metrics, /healthz and /readyz; or off.');

const logOutput = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('console') }),
  z.strictObject({ type: z.literal('file'), path: text.describe('Relative to the working directory.') }),
  z.strictObject({
    type: z.literal('syslog'),
    address: text.regex(/^udp:\/\/[^\s/]+$/, 'expected udp://HOST:PORT').describe('udp://HOST:PORT'),
    app_name: text.default('mosaic-siem').describe('APP-NAME'),
  }),
  z.strictObject({
    type: z.literal('splunk_hec'),
    url,
    token: secret('HEC token.'),
    index: text.optional(),
    source: text.optional(),
    insecure,
  }),
]);

export type LogOutputSection = z.output<typeof logOutput>;

export const log = z
  .strictObject({
    level: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
    format: z.enum(['text', 'json']).default('text'),
    outputs: z
      .array(logOutput)
      .min(1)
      .prefault([{ type: 'console' }])
      .describe('syslog and splunk_hec are best effort.'),
  })
  .prefault({})
  .describe("The forwarder's own log. It never carries events.");

export const shutdownTimeout = span.prefault('20s').describe('How long a stop waits for what is in hand.');

/** Every section but `sinks`, by its key, as it may be written. */
export const sections = { mosaic, spool, events, status: statusOrOff, shutdown_timeout: shutdownTimeout, log } as const;
export const TOP_LEVEL = [...Object.keys(sections), 'sinks'];
