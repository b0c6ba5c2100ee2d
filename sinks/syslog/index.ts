import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Outcome,
  type ProbeReport,
  type SecurityEvent,
  type Sink,
  type SinkContext,
  type SinkDefinition,
  Unavailable,
} from '../../src/sink.ts';
import { connect, nameOf } from './connect.ts';
import { Connection } from './connection.ts';
import { DatagramSink } from './datagram.ts';
import { DEFAULT_MAX_SIZE, frames } from './frames.ts';
import { type Options, options, type Settings, settingsOf } from './options.ts';
import { encodeRfc5424 } from './rfc5424.ts';

export default {
  type: 'syslog',
  summary: 'Any syslog receiver: RFC 5424 over TLS, TCP or UDP.',
  options,
  promises: { acknowledged: false, idempotent: false, perEvent: true },
  // A delivery lasts confirm_after, so many are in flight at once.
  defaults: { concurrency: 64, maxEvents: 500, maxBytes: 500_000 },
  open: openSyslog,
  probe: probeSyslog,
  encode: { rfc5424: encodeWithDefaults },
} satisfies SinkDefinition<Options>;

async function openSyslog(given: Options, context: SinkContext, signal: AbortSignal): Promise<Sink> {
  const settings = settingsOf(given);
  if (settings.address.protocol === 'udp') {
    context.log('warn', 'udp gives no answer and may lose messages in silence: use tls or tcp where the receiver can');
    return await new DatagramSink(settings, context).ready(signal);
  }
  const connection = await openConnection(settings, context, signal);
  return new StreamSink(settings, context, connection, signal);
}

async function openConnection(settings: Settings, context: SinkContext, signal: AbortSignal): Promise<Connection> {
  const socket = await connect(settings.address, context, signal);
  const { confirmAfterMs } = settings;
  return new Connection(socket, { name: nameOf(settings.address), confirmAfterMs, timeoutMs: context.timeoutMs });
}

/** One connection. One that ended while nothing was unconfirmed is replaced when there is something to send. */
class StreamSink implements Sink {
  readonly #settings: Settings;
  readonly #context: SinkContext;
  /** The signal that it was opened with: it fires when everything ends at once. */
  readonly #abort: AbortSignal;
  readonly #closed = new AbortController();
  #connection: Promise<Connection>;

  constructor(settings: Settings, context: SinkContext, connection: Connection, abort: AbortSignal) {
    this.#settings = settings;
    this.#context = context;
    this.#abort = abort;
    this.#connection = Promise.resolve(connection);
  }

  async deliver(batch: readonly SecurityEvent[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const connection = await this.#live();
    await connection.send(frames(batch, this.#settings, outcomes), signal);
    return outcomes;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Unavailable(`${nameOf(this.#settings.address)}: this sink was closed`));
    await (await this.#connection.catch(() => undefined))?.close(this.#abort);
  }

  async #live(): Promise<Connection> {
    const present = this.#connection;
    const connection = await present;
    this.#closed.signal.throwIfAborted();
    if (connection.endedIdle && this.#connection === present) {
      this.#connection = openConnection(this.#settings, this.#context, this.#closed.signal);
      this.#connection.catch(() => undefined);
    }
    return await this.#connection;
  }
}

/** Connects and shakes hands, writes nothing. TLS 1.3 refuses a client only after the handshake, so it looks on for a moment. */
async function probeSyslog(given: Options, context: SinkContext, signal: AbortSignal): Promise<ProbeReport> {
  const settings = settingsOf(given);
  const name = nameOf(settings.address);
  try {
    if (settings.address.protocol === 'udp') {
      const sink = await new DatagramSink(settings, context).ready(signal);
      await sink.close();
      return { ok: true, lines: [`${name}: the name is known; whether anybody listens on udp cannot be asked`] };
    }
    const connection = await openConnection(settings, context, signal);
    await sleep(Math.min(settings.confirmAfterMs, context.timeoutMs), undefined, { signal });
    const { ended } = connection;
    await connection.close(signal);
    if (ended) return { ok: false, lines: [`connected, but ${ended.message}`] };
    return { ok: true, lines: [`${name}: connected${settings.address.protocol === 'tls' ? ', TLS is fine' : ''}`] };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return { ok: false, lines: [error instanceof Error ? error.message : String(error)] };
  }
}

/** For `map`: what this sink sends when only its address is set. An event that it would refuse is shown whole. */
function encodeWithDefaults(event: SecurityEvent): string {
  const settings = settingsOf(options.parse({ address: 'tls://localhost' }));
  const encoded = encodeRfc5424(event, settings, DEFAULT_MAX_SIZE);
  if ('text' in encoded) return encoded.text;
  const whole = encodeRfc5424(event, settings, Number.POSITIVE_INFINITY);
  return 'text' in whole ? whole.text : event.json;
}
