/** The contract suite of the syslog sink against a real server, for each way to reach it. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import syslog from '../../sinks/syslog/index.ts';
import type { SecurityEvent } from '../../src/sink.ts';
import { type Fixture, type Held, type Receiver, sinkContract } from '../contract/contract.ts';
import { APPLICANT, withFields } from '../contract/events.ts';
import { type Certificates, CLIENT_NAME, makeCertificates } from './certificates.ts';
import { storedMessages } from './received.ts';
import { type Relay, startRelay } from './relay.ts';
import { type Ends, type Server, startServer } from './servers.ts';

export type SyslogServer = 'rsyslog' | 'syslog-ng';
export type Protocol = 'udp' | 'tcp' | 'tls';
export type Framing = 'octet-counting' | 'lf';

export interface Way {
  readonly protocol: Protocol;
  readonly framing?: Framing;
  readonly certificates?: Certificates;
  /** The largest message that the server takes, in bytes. Default 64 KiB. */
  readonly maxSize?: number;
}

/** How each server is told to take only clients of our CA; rsyslog looks at the name, too. */
const CLIENTS: Readonly<Record<SyslogServer, Readonly<Record<string, string>>>> = {
  rsyslog: { CLIENTS: 'x509/name', CLIENT_NAME },
  'syslog-ng': { CLIENTS: 'required-trusted' },
};

export function startSyslogServer(context: Ends, name: SyslogServer, way: Way): Promise<Server> {
  const { protocol, framing = 'octet-counting', certificates, maxSize = 65_536 } = way;
  return startServer(context, name, {
    scheme: protocol,
    environment: {
      ...{ PROTOCOL: protocol, FRAMING: framing, MAX_SIZE: String(maxSize) },
      ...(certificates && { CERTIFICATES: certificates.folder, ...CLIENTS[name] }),
    },
  });
}

const ENTERPRISE = 64_999;
const LARGEST = 60_000;
const NO_WORD = 'syslog has no credentials and no answers: a receiver cannot say no';
const NO_CONNECTION = 'udp has no connection: nothing comes back but that nobody listens';

export function syslogContracts(name: SyslogServer): void {
  const certificates = makeCertificates({ after });
  const contract = (way: Way, more: Partial<Fixture> = {}) =>
    sinkContract(`syslog to ${name} over ${way.protocol}${way.framing ? `, ${way.framing}` : ''}`, {
      definition: syslog,
      start: () => startReceiver(name, way),
      refused: [{ address: 'https://syslog.example.com' }],
      lacks: { unwelcome: NO_WORD, putOff: NO_WORD },
      expected,
      ...more,
    });
  contract({ protocol: 'tcp', framing: 'octet-counting' });
  contract({ protocol: 'tcp', framing: 'lf' });
  const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map(certificates.path);
  contract({ protocol: 'tls', certificates }, { context: { tls: { ca, cert, key } } });
  contract(
    { protocol: 'udp' },
    {
      // Nothing tells what a busy receiver's system dropped of a larger one.
      definition: { ...syslog, defaults: { ...syslog.defaults, maxEvents: 50 } },
      lacks: { unwelcome: NO_WORD, putOff: NO_WORD, loseAnswer: NO_CONNECTION, slow: NO_CONNECTION },
    },
  );
}

function expected(event: SecurityEvent): unknown {
  const document = JSON.parse(event.json) as { event: { id: string } };
  const { id } = document.event;
  return { document, structuredData: { [`idv@${ENTERPRISE}`]: { id, session: id } }, msgid: 'page_loaded', pri: '166' };
}

function heldBy(server: Server): Held[] {
  const { whole, torn } = storedMessages(server);
  if (torn.length > 0) throw new Error(`${torn.length} lines that are none: ${torn[0]}`);
  return whole.map(({ msg, structuredData, msgid, pri }) => {
    const document = JSON.parse(msg) as { event: { id: string } };
    return { id: document.event.id, content: { document, structuredData, msgid, pri } };
  });
}

async function startReceiver(name: SyslogServer, way: Way): Promise<Receiver> {
  const endings: (() => Promise<void>)[] = [];
  const server = await startSyslogServer({ after: (end) => void endings.push(end) }, name, way);
  const relay = way.protocol === 'udp' ? undefined : await startRelay(server.port);
  const loseAnswer = relay && breaking(relay, server);
  const options = {
    address: `${way.protocol}://127.0.0.1:${relay?.port ?? server.port}`,
    ...{ confirm_after: '200ms', max_size: `${LARGEST}B`, enterprise_number: ENTERPRISE },
    ...(way.framing && { framing: way.framing }),
  };
  return {
    options,
    held: () => heldBy(server),
    close: async () => {
      await loseAnswer?.(false);
      await relay?.close();
      for (const end of endings) await end();
    },
    down: (on) => (relay ? relay.down(on) : on ? server.stop() : server.start()),
    refuse: (event) => withFields(event, { error: { message: APPLICANT.repeat(LARGEST / APPLICANT.length) } }),
    ...(relay && loseAnswer && { loseAnswer, slow: (on: boolean) => relay.slow(on) }),
  };
}

const BEFORE_CONFIRMED_MS = 80;

/** What arrives is stored, and a little later, before it could be confirmed, the connection breaks. */
function breaking(relay: Relay, server: Server): (on: boolean) => Promise<void> {
  const size = () => statSync(join(server.folder, 'stored.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
  let watch: NodeJS.Timeout | undefined;
  let breaks = Promise.resolve();
  return async (on) => {
    clearInterval(watch);
    await breaks;
    if (!on) return;
    let before = size();
    watch = setInterval(() => {
      if (size() === before) return;
      before = size();
      breaks = breaks
        .then(() => sleep(BEFORE_CONFIRMED_MS))
        .then(() => relay.down(true))
        .then(() => relay.down(false));
    }, 5);
  };
}
