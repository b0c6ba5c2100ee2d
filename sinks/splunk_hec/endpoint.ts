import { randomUUID } from 'node:crypto';
import { type Outcome, Unavailable } from '../../src/sink.ts';
import { judge, type Unusable, type Verdict } from './answer.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import { isUnusable, orAborted, pause } from './exchange.ts';

/** What Splunk asks for with 24 and 25, and does not say how long. */
const SLOW_DOWN_MS = 1000;

/** A batch as it goes over the wire. */
export interface Packed {
  readonly events: number;
  /** Before compression. */
  readonly bytes: number;
  readonly body: Uint8Array;
}

export interface EndpointOptions extends Omit<ChannelOptions, 'cookies'> {
  readonly acknowledgement: boolean;
}

const DELIVERED: Outcome = { status: 'delivered' };
const UNSENT: Outcome = { status: 'unsent' };

/** One url. Throws BatchRefused, and the signal's reason. */
export class Endpoint {
  readonly #options: ChannelOptions;
  readonly #acknowledgement: boolean;
  /** Without acknowledgement: set once the server asks for a channel, as it does for a token that could acknowledge. */
  #plainChannel: string | undefined;
  #channel: Channel | undefined;
  /** The last channel that was refused, '' for none, until a batch is taken. */
  #refusedChannel: string | undefined;
  #opening: Promise<Channel | Unusable> | undefined;

  constructor({ acknowledgement, ...options }: EndpointOptions) {
    this.#acknowledgement = acknowledgement;
    this.#options = { ...options, cookies: { changes: 0 } };
  }

  get origin(): string {
    return this.#options.origin;
  }

  deliver(packed: Packed, signal: AbortSignal): Promise<readonly Outcome[] | Unusable> {
    return this.#acknowledgement ? this.#deliverAcknowledged(packed, signal) : this.#deliverPlain(packed, signal);
  }

  async #deliverPlain(packed: Packed, signal: AbortSignal): Promise<readonly Outcome[] | Unusable> {
    const channel = this.#plainChannel;
    const headers = { 'content-encoding': 'gzip', ...(channel && { 'x-splunk-request-channel': channel }) };
    const answer = await this.#options.exchange('event', { headers, body: packed.body }, signal);
    const verdict = isUnusable(answer) ? answer : judge(answer, { origin: this.origin, ...packed });
    const full = (verdict.kind === 'accepted' || verdict.kind === 'unavailable') && verdict.ackFull;
    if ((verdict.kind === 'channel' || full) && this.#plainChannel === channel) this.#plainChannel = randomUUID();
    return outcomes(this.#changing(verdict, channel ?? ''), packed.events, DELIVERED, signal);
  }

  async #deliverAcknowledged(packed: Packed, signal: AbortSignal): Promise<readonly Outcome[] | Unusable> {
    const channel = await this.#open(signal);
    if (isUnusable(channel)) return channel;
    const { verdict, stored } = await channel.send(packed.body, packed.events, packed.bytes, signal);
    if (verdict.kind === 'accepted' && !stored) return this.#withoutAckId();
    const taken: Outcome = (await stored) ?? { status: 'retry', reason: 'Splunk took it without an ackId', held: true };
    return outcomes(this.#changing(verdict, channel.id), packed.events, taken, signal);
  }

  /** A refused channel is changed, which costs nothing; where the next one is refused too, that is an outage to be told. */
  #changing(verdict: Verdict, channel: string): Verdict {
    if (verdict.kind !== 'channel') {
      if (verdict.kind !== 'unavailable') this.#refusedChannel = undefined;
      return verdict;
    }
    const again = this.#refusedChannel !== undefined && this.#refusedChannel !== channel;
    this.#refusedChannel = channel;
    return again ? { kind: 'unavailable', error: verdict.error, elsewhere: true, ackFull: false } : verdict;
  }

  /** Never weakened in silence: what was ordered is an acknowledgement. */
  #withoutAckId(): Unusable {
    const message = `Splunk at ${this.origin} took a batch without an ackId: switch acknowledgement on for this token in Splunk, or set acknowledgement: false`;
    return { kind: 'unavailable', error: new Unavailable(message), elsewhere: false, ackFull: false };
  }

  /** The channel in use, or a new one, which is opened once for all that wait for it. */
  #open(signal: AbortSignal): Promise<Channel | Unusable> {
    if (this.#channel?.takesBatches) return Promise.resolve(this.#channel);
    this.#opening ??= this.#openNew().finally(() => {
      this.#opening = undefined;
    });
    return orAborted(this.#opening, signal);
  }

  async #openNew(): Promise<Channel | Unusable> {
    const channel = new Channel(this.#options);
    const trouble = await channel.open();
    if (!trouble) this.#channel = channel;
    return trouble ?? channel;
  }
}

/** `taken`: the outcome of what Splunk has indexed. */
async function outcomes(
  verdict: Verdict,
  events: number,
  taken: Outcome,
  signal: AbortSignal,
): Promise<readonly Outcome[] | Unusable> {
  switch (verdict.kind) {
    case 'unavailable':
      return verdict;
    case 'refused':
      throw verdict.error;
    case 'channel':
      return Array<Outcome>(events).fill(UNSENT);
    case 'partly': {
      const refused: Outcome = { status: 'rejected', reason: verdict.reason };
      const behind = Array<Outcome>(events - verdict.at - 1).fill(UNSENT);
      return [...Array<Outcome>(verdict.at).fill(taken), refused, ...behind];
    }
    case 'accepted':
      if (verdict.slowDown) await pause(SLOW_DOWN_MS, signal);
      return Array<Outcome>(events).fill(taken);
  }
}
