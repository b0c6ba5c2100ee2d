import { once } from 'node:events';
import { hostname } from 'node:os';
import type { Entry, Sender } from './outputs.ts';

/**
 * winston-syslog over UDP, RFC 5424. It keeps what failed in a queue that it neither empties nor bounds, and its socket has no
 * error handler: both are mended here.
 * @param address `udp://HOST:PORT`; the port is 514 where it is left out
 */
export function syslogSender(address: string, appName: string): Sender {
  const { protocol, hostname: host, port } = new URL(address);
  if (protocol !== 'udp:') throw new Error(`a log output of type syslog needs udp://HOST:PORT, not ${protocol}//`);
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  let opening: Promise<SyslogTransport> | undefined;
  const open = async (): Promise<SyslogTransport> => {
    opening ??= openSyslog({
      host: bare,
      port: Number(port || 514),
      protocol: bare.includes(':') ? 'udp6' : 'udp4',
      type: '5424',
      facility: 'daemon',
      localhost: hostname(),
      app_name: appName,
    });
    return opening.catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
  };
  return {
    send: async (entries) => {
      const syslog = await open();
      for (const entry of entries) await sendDatagram(syslog, entry);
    },
    close: () => void opening?.then((syslog) => syslog.socket.close()).catch(() => undefined),
  };
}

type SyslogTransport = NodeJS.EventEmitter & {
  readonly socket: import('node:dgram').Socket;
  queue: unknown[];
  connect(done: () => void): void;
  log(info: Readonly<Record<string | symbol, unknown>>, done: () => void): void;
};

async function openSyslog(options: import('winston-syslog').SyslogTransportOptions): Promise<SyslogTransport> {
  const { Syslog } = await import('winston-syslog');
  const syslog = new Syslog(options) as unknown as SyslogTransport;
  syslog.on('error', () => undefined);
  syslog.connect(() => undefined);
  syslog.socket.on('error', () => undefined).unref();
  await once(syslog.socket, 'listening');
  return syslog;
}

/** One datagram: what does not fit into it is cut. */
const LONGEST = 8000;

async function sendDatagram(syslog: SyslogTransport, { level, message }: Entry): Promise<void> {
  const text = message.slice(0, LONGEST);
  try {
    const sent = once(syslog, 'logged');
    syslog.log({ [Symbol.for('level')]: level, [Symbol.for('message')]: text }, () => undefined);
    await sent;
  } finally {
    syslog.queue = [];
  }
}

export interface SplunkOutput {
  /** As of the collector: `https://splunk.example.com:8088`. */
  readonly url: string;
  readonly token: string;
  readonly index?: string | undefined;
  readonly source?: string | undefined;
}

/** splunk-logging, one request for all entries given, certificates checked (which it does not do by itself). */
export function splunkSender(output: SplunkOutput): Sender {
  const url = new URL(output.url);
  const secure = url.protocol === 'https:';
  return {
    send: async (entries) => {
      const { Logger } = await import('splunk-logging');
      const logger = new Logger({
        token: output.token,
        protocol: secure ? 'https' : 'http',
        host: url.hostname,
        port: Number(url.port || (secure ? 443 : 80)),
        path: url.pathname === '/' ? '/services/collector/event' : url.pathname,
        maxBatchCount: 0,
      });
      // Without this it writes to the console itself.
      logger.error = () => undefined;
      logger.eventFormatter = (event: unknown) => event;
      Object.assign(logger, {
        requestOptions: { json: false, strictSSL: true, open_timeout: 5000, response_timeout: 5000 },
      });
      for (const entry of entries)
        logger.send({ message: eventOf(entry), severity: entry.level, metadata: metadataOf(output, entry) });
      await flush(logger);
    },
    close: () => undefined,
  };
}

function eventOf({ level, message, fields }: Entry): Record<string, unknown> {
  return { level, message, ...fields };
}

function metadataOf({ index, source }: SplunkOutput, { time }: Entry) {
  return {
    time: Date.parse(time),
    host: hostname(),
    sourcetype: 'mosaic_siem:log',
    source: source ?? 'mosaic-siem',
    ...(index !== undefined && { index }),
  };
}

function flush(logger: {
  flush(callback: (error: unknown, response: unknown, body: unknown) => void): void;
}): Promise<void> {
  return new Promise((resolve, reject) => {
    logger.flush((error, response, body) => {
      const status = (response as { statusCode?: number } | undefined)?.statusCode;
      const said = body as { code?: number; text?: string } | undefined;
      if (error) reject(error);
      else if (status === 200 && said?.code === 0) resolve();
      else reject(new Error(`the collector answered ${status ?? 'nothing'} ${said?.text ?? ''}`.trim()));
    });
  });
}
