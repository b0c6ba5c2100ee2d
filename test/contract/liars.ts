/** Sinks that are wrong in one way each, and the check that has to find them out. */
import { Unavailable, z } from '../../src/sink.ts';
import {
  changed,
  DELIVERED,
  type Deliver,
  definitionLiar,
  instead,
  type Liar,
  leaky,
  shared,
  sinkLiar,
  withDocument,
} from './lies.ts';
import { honest, store, TOKEN } from './memory-sink.ts';

const OUTAGE = 'an outage holds the events and blames none of them';
const HOSTILE = 'hostile content arrives whole';
const REFUSAL = 'a refused event is rejected with a reason, in its place, and the others pass';
const CLOSE = 'close ends, also when it is called twice';
const TOLD = 'no secret and nothing that an applicant typed is told';
const OPTIONS = 'every option is documented, and secrets are marked';
const HELD = 'delivered means that the receiver holds the event, unchanged';

export const liars: Readonly<Record<string, Liar>> = {
  'sends nothing': sinkLiar(HELD, () => ({ deliver: async (batch) => batch.map(() => DELIVERED) })),
  'sends only the first': sinkLiar(HELD, ({ deliver }) => ({
    deliver: async (batch, signal) => {
      await deliver(batch.slice(0, 1), signal);
      return batch.map(() => DELIVERED);
    },
  })),
  'adds a field': sinkLiar(
    HELD,
    changed((event) => withDocument(event, (document) => ({ ...document, extra: 1 }))),
  ),
  'gives one outcome too few': sinkLiar('each event has one outcome', ({ deliver }) => ({
    deliver: async (batch, signal) => (await deliver(batch, signal)).slice(1),
  })),
  'turns the outcomes round': sinkLiar(REFUSAL, ({ deliver }) => ({
    deliver: async (batch, signal) => (await deliver(batch, signal)).toReversed(),
  })),
  'rejects the neighbours of a refused event': sinkLiar(REFUSAL, ({ deliver }) => ({
    deliver: async (batch, signal) => {
      const outcomes = await deliver(batch, signal);
      return outcomes.find(({ status }) => status === 'rejected')
        ? batch.map(() => ({ status: 'rejected', reason: 'all' }))
        : outcomes;
    },
  })),
  'swallows a refusal': sinkLiar(REFUSAL, ({ deliver }) => ({
    deliver: async (batch, signal) =>
      (await deliver(batch, signal)).map((one) => (one.status === 'rejected' ? DELIVERED : one)),
  })),
  'rejects what is put off': sinkLiar('an event that is put off is retried, and the others pass', ({ deliver }) => ({
    deliver: async (batch, signal) =>
      (await deliver(batch, signal)).map((one) =>
        one.status === 'retry' ? { status: 'rejected', reason: one.reason } : one,
      ),
  })),
  'swallows an outage': sinkLiar(
    OUTAGE,
    instead(DELIVERED, ({ down }) => down),
  ),
  'rejects in an outage': sinkLiar(
    OUTAGE,
    instead({ status: 'rejected', reason: 'down' }, ({ down }) => down),
  ),
  'never comes back from an outage': sinkLiar(OUTAGE, ({ deliver }, siem) => {
    let broken = false;
    const once: Deliver = async (batch, signal) => {
      broken ||= siem.down;
      if (broken) throw new Unavailable('down');
      return deliver(batch, signal);
    };
    return { deliver: once };
  }),
  'blames events for the token': sinkLiar(
    'refused credentials hold the events',
    instead({ status: 'rejected', reason: '403' }, ({ unwelcome }) => unwelcome),
  ),
  'never asks to be opened with a new token': sinkLiar('refused credentials hold the events', ({ deliver }) => ({
    deliver: (batch, signal) =>
      deliver(batch, signal).catch((error: Error) => {
        throw new Unavailable(error.message);
      }),
  })),
  'delivers at most 60 events of a batch': sinkLiar(
    'the largest batch of the defaults arrives whole',
    ({ deliver }) => ({
      deliver: async (batch, signal) => {
        const outcomes = await deliver(batch.slice(0, 60), signal);
        return batch.map((_, index) => outcomes[index] ?? DELIVERED);
      },
    }),
  ),
  'takes a lost answer for a yes': sinkLiar(
    'a lost answer is no success',
    instead(DELIVERED, ({ loseAnswer }) => loseAnswer),
  ),
  'does not know that an answer was lost, and stores twice': sinkLiar(
    'an event that is sent twice is stored once',
    ({ deliver }, siem) => ({
      deliver: async (batch, signal) => {
        const again = batch.filter(({ id }) => siem.stored.some((held) => held.id === id));
        siem.stored.push(...again.map(({ id, json }) => ({ id, content: JSON.parse(json) as unknown })));
        return deliver(batch, signal);
      },
    }),
  ),
  'writes into the document': sinkLiar('a batch and its events are left as they were', ({ deliver }) => ({
    deliver: async (batch, signal) => {
      for (const { document } of batch) Object.assign(document, { forwarded: true });
      return deliver(batch, signal);
    },
  })),
  'writes into the raw bytes': sinkLiar('a batch and its events are left as they were', ({ deliver }) => ({
    deliver: async (batch, signal) => {
      for (const { source } of batch) source.raw.fill(0);
      return deliver(batch, signal);
    },
  })),
  'ignores the signal': sinkLiar('the signal ends a delivery promptly', ({ deliver }) => {
    const never = new AbortController().signal;
    return { deliver: (batch) => deliver(batch, never) };
  }),
  'says delivered once the signal fired': sinkLiar('a signal that fired before ends a delivery', ({ deliver }) => ({
    deliver: async (batch, signal) => (signal.aborted ? batch.map(() => DELIVERED) : deliver(batch, signal)),
  })),
  'mixes up deliveries': sinkLiar('several deliveries at once do not disturb each other', shared),
  'trips over an empty batch': sinkLiar('an empty batch is fine and sends nothing', ({ deliver }) => ({
    deliver: async (batch, signal) => {
      if (batch.length === 0) throw new BrokenBatch('no first event');
      return deliver(batch, signal);
    },
  })),
  'cuts long texts': sinkLiar(
    HOSTILE,
    changed((event) =>
      withDocument(event, (document) => ({ ...document, message: String(document['message']).slice(0, 1024) })),
    ),
  ),
  'strips control characters': sinkLiar(
    HOSTILE,
    changed((event) => ({ ...event, json: event.json.replaceAll(/\\u00[01][0-9a-f]/g, '') })),
  ),
  'loses __proto__': sinkLiar(
    HOSTILE,
    changed((event) => ({ ...event, json: event.json.replace('"__proto__":"own",', '') })),
  ),
  'makes two events of a line break': sinkLiar(HOSTILE, ({ deliver }, siem) => ({
    deliver: async (batch, signal) => {
      const forged = batch.filter(({ json }) => json.includes('forged'));
      if (forged.length > 0) store(siem, { id: 'forged', json: '{}' });
      return deliver(batch, signal);
    },
  })),
  'tells the token in an error': sinkLiar(TOLD, leaky),
  'tells the token in the log': sinkLiar(TOLD, (_, __, context) => {
    context.log('info', `connected with ${encodeURIComponent(TOKEN)}`);
    return {};
  }),
  'repeats the event in its reason': sinkLiar(TOLD, ({ deliver }) => ({
    deliver: async (batch, signal) =>
      (await deliver(batch, signal)).map((one, index) =>
        one.status === 'rejected' ? { ...one, reason: `cannot read ${batch[index]?.document.message}` } : one,
      ),
  })),
  'never ends to close': sinkLiar(CLOSE, () => ({ close: () => new Promise<void>(() => undefined) })),
  'closes only once': sinkLiar(CLOSE, ({ close }) => {
    let closed = false;
    const once = async () => {
      if (closed) throw new Error('it is closed');
      closed = true;
      await close();
    };
    return { close: once };
  }),
  'leaves a delivery hanging when it is closed': sinkLiar('close ends a delivery under way', () => ({
    close: async () => undefined,
  })),
  'says delivered after close': sinkLiar(
    'after close nothing is called delivered that is not there',
    ({ deliver, close }) => {
      let closed = false;
      return {
        deliver: async (batch, signal) => (closed ? batch.map(() => DELIVERED) : deliver(batch, signal)),
        close: async () => {
          closed = true;
          await close();
        },
      };
    },
  ),
  'leaves a timer running': sinkLiar('nothing stays open', () => {
    setInterval(() => undefined, 60_000);
    return {};
  }),
  'opens as if nothing were down': sinkLiar(
    'opening while the receiver is down ends with an error or waits',
    (sink, siem) => (siem.down ? { deliver: async (batch) => batch.map(() => DELIVERED) } : sink),
  ),
  'probes with an event': definitionLiar('a probe writes no event', {
    probe: async ({ siem }) => {
      store(siem, { id: 'probe', json: '{}' });
      return { ok: true, lines: ['it works'] };
    },
  }),
  'does not document an option': definitionLiar(OPTIONS, {
    options: honest.options.extend({ colour: z.string().optional() }),
  }),
  'does not mark its secret': definitionLiar(OPTIONS, {
    options: honest.options.extend({ token: z.string().min(1).describe('What it is opened with.') }),
  }),
  'throws on wrong options': definitionLiar('wrong options are told, never thrown', {
    options: honest.options.extend({
      token: z
        .string()
        .min(1)
        .meta({ secret: true })
        .describe('A token.')
        .transform((token) => new URL(`memory://${token}`).host),
    }),
  }),
  'takes options that do not exist': definitionLiar('wrong options are told, never thrown', {
    options: z.object(honest.options.shape),
  }),
  'has no bounds': definitionLiar('the definition is whole', {
    defaults: { ...honest.defaults, maxEvents: Number.POSITIVE_INFINITY },
  }),
};

class BrokenBatch extends Error {}
