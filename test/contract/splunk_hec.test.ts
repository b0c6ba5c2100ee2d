import splunkHec from '../../sinks/splunk_hec/index.ts';
import type { HecOptions } from '../../src/simulator/hec.ts';
import { startHec } from '../../src/simulator/hec.ts';
import { type Fixture, type Receiver, sinkContract } from './contract.ts';

const TOKEN = 'b0221cd8-c4b4-465a-9a3c-273e3a75aa29';

interface Kind {
  readonly acknowledgement: boolean;
  /** How an answer gets lost: the one to the request, or the acknowledgement that should follow it. */
  readonly lost: 'answer' | 'acknowledgement';
}

async function start({ acknowledgement, lost }: Kind): Promise<Receiver> {
  const hec = await startHec({ token: TOKEN, acknowledgement } satisfies HecOptions);
  const { dials } = hec;
  return {
    options: { url: hec.url, token: TOKEN, acknowledgement, acknowledgement_timeout: '600ms' },
    held: () => hec.stored.map(({ fields, event }) => ({ id: String(fields?.['idv_event_id']), content: event })),
    close: () => hec.close(),
    down: (on) => {
      dials.down = on;
    },
    unwelcome: (on) => {
      dials.status = on ? 403 : undefined;
      dials.code = on ? 4 : undefined;
    },
    loseAnswer: (on) => {
      if (lost === 'answer') dials.loseAnswer = on;
      else dials.withholdAck = () => on;
    },
    slow: (on) => {
      dials.eventAnswerDelayMs = on ? 60_000 : undefined;
    },
    refuse: (event) => {
      dials.refuse = (one) => (one as { event: { id: string } }).event.id === event.id;
      return event;
    },
  };
}

function fixtureOf(kind: Kind): Fixture {
  return {
    definition: splunkHec,
    start: () => start(kind),
    refused: [
      { url: undefined },
      { url: 'splunk.example.com:8088' },
      { url: 'ftp://splunk.example.com' },
      { urls: ['https://splunk.example.com:8088'] },
      { token: undefined },
      { token: 'two words' },
      { index: 'Upper' },
      { acknowledgement: 'yes' },
      { acknowledgement_timeout: 300 },
    ],
    lacks: { putOff: 'an answer of Splunk puts off a whole request, never one event' },
  };
}

sinkContract('splunk_hec', fixtureOf({ acknowledgement: false, lost: 'answer' }));
sinkContract('splunk_hec with acknowledgement', fixtureOf({ acknowledgement: true, lost: 'answer' }));
sinkContract(
  'splunk_hec with acknowledgements withheld',
  fixtureOf({ acknowledgement: true, lost: 'acknowledgement' }),
);
