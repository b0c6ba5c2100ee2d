import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outcome, type SecurityEvent, type Sink, type SinkContext, Unavailable } from '../../src/sink.ts';
import { nameOf, trouble } from './connect.ts';
import { tooLarge } from './frames.ts';
import type { Settings } from './options.ts';
import { encodeRfc5424 } from './rfc5424.ts';

/**
 * A receiver's kernel drops what its program has not read in time, and nobody is told: a short pause after so many bytes
 * leaves it the time.
 */
const BURST_BYTES = 16 * 1024;
const PAUSE_MS = 2;

/** RFC 5426 section 3.2: what every receiver of that family takes, or should. */
const MAX_SIZE = { 4: 2048, 6: 1180 } as const;

interface Channel {
  readonly socket: Socket;
  readonly maxSize: number;
  /** Fires when the receiver's system says that nobody listens, and on every other error. */
  readonly failed: AbortSignal;
}

/** A UDP socket to one receiver, opened anew after each error, so that the name is looked up again. */
export class DatagramSink implements Sink {
  readonly #settings: Settings;
  readonly #context: SinkContext;
  readonly #closed = new AbortController();
  #channel: Channel | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: Settings, context: SinkContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async ready(signal: AbortSignal): Promise<this> {
    this.#channel = await this.#open(signal);
    return this;
  }

  async deliver(batch: readonly SecurityEvent[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const either = AbortSignal.any([signal, this.#closed.signal]);
    const sending = this.#turn.then(() => this.#send(batch, either));
    this.#turn = sending.catch(() => undefined);
    const { channel, outcomes } = await orAborted(sending, either);
    if (outcomes.some(({ status }) => status === 'delivered'))
      await quiet(this.#settings.confirmAfterMs, AbortSignal.any([either, channel.failed]));
    return outcomes;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Unavailable(`${nameOf(this.#settings.address)}: this sink was closed`));
    await this.#turn;
    if (this.#channel) await closeSocket(this.#channel.socket);
  }

  async #send(batch: readonly SecurityEvent[], signal: AbortSignal) {
    signal.throwIfAborted();
    if (!this.#channel || this.#channel.failed.aborted) this.#channel = await this.#open(signal);
    const channel = this.#channel;
    const outcomes: Outcome[] = [];
    let burst = 0;
    for (const event of batch) {
      if (burst > BURST_BYTES) {
        await quiet(PAUSE_MS, signal);
        burst = 0;
      }
      signal.throwIfAborted();
      channel.failed.throwIfAborted();
      outcomes.push(await this.#sendOne(channel, event));
      burst += event.json.length;
    }
    return { channel, outcomes };
  }

  async #sendOne({ socket, maxSize, failed }: Channel, event: SecurityEvent): Promise<Outcome> {
    const encoded = encodeRfc5424(event, this.#settings, maxSize);
    if ('tooLarge' in encoded) return tooLarge(encoded.tooLarge, maxSize);
    const error = await new Promise<Error | null>((resolve) => socket.send(encoded.text, resolve));
    if (!error) return { status: 'delivered' };
    if ('code' in error && error.code === 'EMSGSIZE') return tooLarge(encoded.bytes, maxSize);
    if (!failed.aborted) socket.emit('error', error);
    throw failed.reason;
  }

  async #open(signal: AbortSignal): Promise<Channel> {
    const { host, port } = this.#settings.address;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#context.timeoutMs)]);
      const { address, family } = await orAborted(lookup(host), limit);
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      const failure = new AbortController();
      socket.on('error', (error) => {
        failure.abort(this.#unavailable(error));
        closeSocket(socket).catch(() => undefined);
      });
      const connected = new Promise<void>((resolve) => socket.connect(port, address, resolve));
      await orAborted(connected, AbortSignal.any([limit, failure.signal]));
      const maxSize = this.#settings.maxSize ?? MAX_SIZE[family === 6 ? 6 : 4];
      return { socket, maxSize, failed: failure.signal };
    } catch (error) {
      throw signal.aborted || error instanceof Unavailable ? error : this.#unavailable(error);
    }
  }

  #unavailable(error: unknown): Unavailable {
    const told = trouble(error, this.#context.timeoutMs);
    return new Unavailable(`${nameOf(this.#settings.address)}: ${told}`, { cause: error });
  }
}

/** Resolves when the signal has not fired for so long; rejects with its reason. */
async function quiet(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      resolve();
    }
  });
}

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
