import { after, test } from 'node:test';
import splunkHec from '../../sinks/splunk_hec/index.ts';
import { type Fixture, type Held, type Receiver, sinkContract } from '../contract/contract.ts';
import { makeCertificates } from './certificates.ts';
import { storedObjects } from './received.ts';
import { startRelay } from './relay.ts';
import { lacking, type Server, startServer } from './servers.ts';

const skip = await lacking('otel');
if (skip) test('splunk_hec to an OpenTelemetry Collector', { skip });
else contracts();

function contracts(): void {
  const certificates = makeCertificates({ after });
  const environment = { CERTIFICATES: certificates.folder, CLIENT_CA: certificates.path('ca.pem') };
  const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map(certificates.path);
  const common = {
    definition: splunkHec,
    refused: [{ token: undefined }],
    lacks: {
      unwelcome: 'the collector looks at no token',
      refuse: 'it refuses none of what this sink can make but what is over 20 MiB, and then it names no event',
      putOff: 'it puts off a whole request, never one event',
    },
  } satisfies Partial<Fixture>;
  sinkContract('splunk_hec to an OpenTelemetry Collector', {
    ...common,
    start: () => startReceiver({}, 'http', false),
  });
  sinkContract('splunk_hec to an OpenTelemetry Collector, acknowledged, over tls with client certificates', {
    ...common,
    start: () => startReceiver(environment, 'https', true),
    context: { tls: { ca, cert, key } },
  });
}

async function startReceiver(
  environment: Readonly<Record<string, string>>,
  scheme: 'http' | 'https',
  acknowledgement: boolean,
): Promise<Receiver> {
  const endings: (() => Promise<void>)[] = [];
  const server = await startServer({ after: (end) => void endings.push(end) }, 'otel', { environment, scheme });
  const relay = await startRelay(server.port);
  const token = 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29';
  return {
    options: { url: `${scheme}://127.0.0.1:${relay.port}`, token, acknowledgement, acknowledgement_timeout: '2s' },
    held: () => heldBy(server),
    close: async () => {
      await relay.close();
      for (const end of endings) await end();
    },
    down: relay.down,
    loseAnswer: relay.loseAnswer,
    slow: relay.slow,
  };
}

function heldBy(server: Server): Held[] {
  const { whole, torn } = storedObjects(server);
  if (torn.length > 0) throw new Error(`${torn.length} lines that are none: ${torn[0]}`);
  return whole.map(({ event, fields }) => ({ id: (fields as { idv_event_id: string }).idv_event_id, content: event }));
}
