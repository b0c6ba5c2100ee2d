import { after } from 'node:test';
import syslog from '../../sinks/syslog/index.ts';
import { type SyslogOptions, startSyslog } from '../../src/simulator/syslog.ts';
import { makeCertificates } from '../sinks/syslog-fixtures.ts';
import { type Fixture, type Receiver, sinkContract } from './contract.ts';
import { APPLICANT, withFields } from './events.ts';

const LARGEST = 60_000;

async function start(options: SyslogOptions, more: Readonly<Record<string, unknown>> = {}): Promise<Receiver> {
  const receiver = await startSyslog({ maxSize: LARGEST, ...options });
  const { dials, address } = receiver;
  const common: Receiver = {
    options: { address, confirm_after: '200ms', max_size: `${LARGEST}B`, enterprise_number: 64_999, ...more },
    held: () => {
      if (receiver.violations.length > 0 && options.protocol === 'udp') throw new Error(receiver.violations.join('\n'));
      return receiver.received.map(({ id, document }) => ({ id, content: document }));
    },
    close: () => receiver.close(),
    down: (on) => receiver.setDown(on),
    refuse: (event) => withFields(event, { error: { message: APPLICANT.repeat(LARGEST / APPLICANT.length) } }),
  };
  if (options.protocol === 'udp') return common;
  return {
    ...common,
    loseAnswer: (on) => {
      dials.closeAfter = on ? { messages: 1, how: 'reset' } : undefined;
    },
    slow: (on) => {
      dials.stall = on;
    },
  };
}

const NO_WORD = 'syslog has no credentials and no answers: a receiver cannot say no';
const fixture = {
  definition: syslog,
  refused: [
    { address: undefined },
    { address: 'https://syslog.example.com' },
    { address: 'tcp://syslog.example.com:99999' },
    { format: 'xml' },
    { framing: 'crlf' },
    { facility: 'local8' },
    { app_name: 'with space' },
    { enterprise_number: 0 },
    { max_size: 8192 },
    { max_size: '100B' },
    { confirm_after: '0s' },
  ],
  lacks: { unwelcome: NO_WORD, putOff: NO_WORD },
} satisfies Partial<Fixture>;

sinkContract('syslog over tcp', { ...fixture, start: () => start({ protocol: 'tcp' }) });
sinkContract('syslog over tcp, one message a line', {
  ...fixture,
  start: () => start({ protocol: 'tcp' }, { framing: 'lf' }),
});

const certificates = makeCertificates({ after });
const tls = { cert: certificates.pem('server.pem'), key: certificates.pem('server.key') };
sinkContract('syslog over tls', {
  ...fixture,
  start: () => start({ protocol: 'tls', tls }),
  context: { tls: { ca: certificates.path('ca.pem') } },
});

const NO_CONNECTION = 'udp has no connection: nothing comes back but that nobody listens';
sinkContract('syslog over udp', {
  ...fixture,
  // Nothing tells what a busy receiver's system dropped of a larger one.
  definition: { ...syslog, defaults: { ...syslog.defaults, maxEvents: 50 } },
  start: () => start({ protocol: 'udp' }),
  lacks: { ...fixture.lacks, loseAnswer: NO_CONNECTION, slow: NO_CONNECTION },
});
