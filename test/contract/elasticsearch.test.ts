import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { startElasticsearch } from '../../src/simulator/elasticsearch.ts';
import { type Receiver, sinkContract } from './contract.ts';
import { APPLICANT, withFields } from './events.ts';

const API_KEY = 'c2VjcmV0LWtleS1pZDpzZWNyZXQ=';

async function start(version?: string): Promise<Receiver> {
  const server = await startElasticsearch({ apiKey: API_KEY, ...(version && { dials: { version } }) });
  const { dials } = server;
  return {
    options: { url: server.url, api_key: API_KEY },
    held: () => [...server.stored].map(([id, content]) => ({ id, content })),
    close: () => server.close(),
    down: (on) => {
      dials.down = on;
    },
    unwelcome: (on) => {
      dials.status = on ? 401 : undefined;
      dials.errorType = 'security_exception';
    },
    loseAnswer: (on) => {
      dials.loseAnswer = on;
    },
    slow: (on) => {
      dials.delayMs = on ? 60_000 : 0;
    },
    // The server's own words then hold the value.
    refuse: (event) => withFields(event, { source: { ip: APPLICANT } }),
    putOff: (id) => {
      dials.itemStatus = (document) => ((document['event'] as { id: string }).id === id ? 429 : undefined);
    },
  };
}

for (const version of ['9.5.3', '8.17.0'])
  sinkContract(`elasticsearch ${version}`, {
    definition: elasticsearch,
    start: () => start(version),
    refused: [
      { url: undefined },
      { url: 'es.example.com:9200' },
      { url: 'https://elastic:changeme@es.example.com:9200' },
      { urls: ['https://es.example.com:9200'] },
      { cloud_id: 'no-cloud' },
      { username: 'elastic' },
      { namespace: 'with-hyphen' },
    ],
    expected: ({ json }) => ({
      ...JSON.parse(json),
      data_stream: { type: 'logs', dataset: 'transmit_security.idv', namespace: 'default' },
    }),
  });
