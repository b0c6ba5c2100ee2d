import { hostname as systemHostname } from 'node:os';
import { duration, size, z } from '../../src/sink.ts';

/** RFC 5424 section 6.2.1, in the order of their codes. */
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'audit', 'alert', 'clock'],
  ...['local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
] as const;

export interface Address {
  readonly protocol: 'tls' | 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORTS = { tls: 6514, tcp: 601, udp: 514 } as const;
const ADDRESS = /^(tls|tcp|udp):\/\/(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?\/?$/i;

/** `tls://HOST[:PORT]`, tcp or udp; IPv6 in brackets. undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, scheme = '', ipv6, name, digits] = ADDRESS.exec(text) ?? [];
  const protocol = scheme.toLowerCase() as Address['protocol'];
  const port = digits === undefined ? DEFAULT_PORTS[protocol] : Number(digits);
  const host = ipv6 ?? name;
  return host && port > 0 && port < 65_536 ? { protocol, host, port } : undefined;
}

/** RFC 5424 section 6.1: every receiver takes this much. */
const SMALLEST_MESSAGE = 480;
/** The largest datagram that IPv4 can carry. */
const LARGEST_DATAGRAM = 65_507;
const LARGEST_MESSAGE = 16 * 1024 * 1024;

const address = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'expected tls://HOST:PORT, tcp://HOST:PORT or udp://HOST:PORT')
  .describe('`tls://HOST`, `tcp://HOST` or `udp://HOST`, with `:PORT` (default 6514, 601, 514).');

export const options = z
  .strictObject({
    address,
    format: z
      .enum(['rfc5424'], { error: 'rfc5424 is the only format that this version writes' })
      .default('rfc5424')
      .describe('What a message looks like: RFC 5424 with the ECS document as JSON.'),
    framing: z
      .enum(['octet-counting', 'lf'])
      .optional()
      // Told in the schema and filled in later: on udp it must not be given.
      .meta({ default: 'octet-counting' })
      .describe('How messages are told apart on tls and tcp: by their length, or one a line. Not on udp.'),
    facility: z.enum(FACILITIES).default('local4').describe('The syslog facility.'),
    app_name: z
      .string()
      .regex(/^[!-~]{1,48}$/, 'expected at most 48 printable ASCII characters without a space')
      .default('mosaic-siem')
      .describe('APP-NAME.'),
    hostname: z
      .string()
      .regex(/^[!-~]{1,255}$/, 'expected at most 255 printable ASCII characters without a space')
      .optional()
      .describe("HOSTNAME; by default this machine's name."),
    enterprise_number: z
      .int()
      .min(1)
      .max(4_294_967_295)
      .optional()
      .describe('Your private enterprise number: adds structured data. Without it there is none.'),
    max_size: size
      .refine((bytes) => bytes >= SMALLEST_MESSAGE, `expected at least ${SMALLEST_MESSAGE}B`)
      .refine((bytes) => bytes <= LARGEST_MESSAGE, 'expected at most 16MiB')
      .optional()
      .describe('The largest message, without its framing. Default: 8KiB; on udp 1180B over IPv6, 2048B over IPv4.'),
    confirm_after: duration
      .refine((ms) => ms >= 10 && ms <= 300_000, 'expected 10ms to 5m')
      .prefault('2s')
      .describe('How long after it was written a message must have gone without trouble to count as delivered.'),
  })
  .superRefine((value, context) => {
    if (parseAddress(value.address)?.protocol !== 'udp') return;
    if (value.framing !== undefined)
      context.addIssue({ code: 'custom', path: ['framing'], message: 'has no meaning on udp: leave it out' });
    if ((value.max_size ?? 0) > LARGEST_DATAGRAM)
      context.addIssue({ code: 'custom', path: ['max_size'], message: `expected at most ${LARGEST_DATAGRAM}B on udp` });
  });

export type Options = z.output<typeof options>;

export interface Settings {
  readonly address: Address;
  readonly facility: number;
  readonly hostname: string;
  readonly appName: string;
  readonly processId: number;
  readonly enterpriseNumber: number | undefined;
  readonly framing: 'octet-counting' | 'lf';
  /** undefined: by the kind of connection. */
  readonly maxSize: number | undefined;
  readonly confirmAfterMs: number;
}

/** The options with every default filled in. Throws on an address that the schema would refuse. */
export function settingsOf(given: Options): Settings {
  const parsed = parseAddress(given.address);
  if (!parsed) throw new Error('the address was not validated');
  return {
    address: parsed,
    facility: FACILITIES.indexOf(given.facility),
    hostname: given.hostname ?? systemHostname(),
    appName: given.app_name,
    processId: process.pid,
    enterpriseNumber: given.enterprise_number,
    framing: given.framing ?? 'octet-counting',
    maxSize: given.max_size,
    confirmAfterMs: given.confirm_after,
  };
}
