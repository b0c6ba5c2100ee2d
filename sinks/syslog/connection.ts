import type { Socket } from 'node:net';
import { Unavailable } from '../../src/sink.ts';
import { trouble } from './connect.ts';
import { type LookAtSendQueue, lookAtSendQueue, type SendQueue } from './send-queue.ts';

export interface ConnectionSettings {
  /** For messages. */
  readonly name: string;
  readonly confirmAfterMs: number;
  /** So long may a receiver make no progress at all. */
  readonly timeoutMs: number;
  readonly look?: LookAtSendQueue;
}

/** One delivery that is not confirmed yet. */
interface Unconfirmed {
  /** Where its last byte stands in all that this connection has sent; infinite while it is being written. */
  end: number;
  /** When the kernel has had it for `confirmAfterMs`; infinite before. */
  dueAt: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const LONGEST_TICK_MS = 250;
const CLOSING_MS = 2_000;

/**
 * A stream to a receiver that never answers. Bytes count as arrived when `confirmAfterMs` after the kernel took them the
 * connection is still whole and the receiver's TCP has acknowledged them. If it ends before, everything unconfirmed fails.
 *
 * The kernel tells how many of the last bytes it took are not acknowledged: what lies further back than that has arrived.
 * Under TLS that number counts the ciphertext, which is never shorter than the plain text: an estimate on the safe side.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #settings: ConnectionSettings;
  readonly #unconfirmed = new Set<Unconfirmed>();
  #turn: Promise<void> = Promise.resolve();
  /** Bytes given to the socket, taken from it by the kernel, acknowledged by the receiver's TCP. */
  #written = 0;
  #handed = 0;
  #arrived = 0;
  #progressAt = 0;
  #drained = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #ended: Unavailable | undefined;
  #endedIdle = false;

  constructor(socket: Socket, settings: ConnectionSettings) {
    this.#socket = socket;
    this.#settings = settings;
    socket.on('drain', () => this.#drained.resolve());
    socket.on('error', (error) => this.#end(trouble(error, settings.timeoutMs)));
    socket.on('end', () => this.#end('it closed the connection'));
    socket.on('close', () => this.#end('the connection was closed'));
    // Nothing that a receiver says has a meaning here; read it, or its end would never be seen.
    socket.resume();
    if (socket.destroyed || socket.readableEnded) this.#end('it closed the connection');
  }

  /** Why nothing can be sent any more. */
  get ended(): Unavailable | undefined {
    return this.#ended;
  }

  /** It ended while nothing was unconfirmed: nobody has lost anything, and a new connection may take its place. */
  get endedIdle(): boolean {
    return this.#endedIdle;
  }

  /** Writes whole frames, one delivery after the other, and resolves when they are confirmed. */
  send(chunks: Iterable<Buffer>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      if (signal.aborted) return reject(signal.reason);
      const aborted = () => this.#settle(entry, () => reject(signal.reason));
      const leave = () => signal.removeEventListener('abort', aborted);
      const entry: Unconfirmed = {
        end: Number.POSITIVE_INFINITY,
        dueAt: Number.POSITIVE_INFINITY,
        resolve: () => [leave(), resolve()],
        reject: (reason) => [leave(), reject(reason)],
      };
      signal.addEventListener('abort', aborted, { once: true });
      if (this.#unconfirmed.size === 0) this.#progressAt = performance.now();
      this.#unconfirmed.add(entry);
      this.#turn = this.#turn
        .then(() => this.#write(chunks, entry))
        .catch((error) => this.#settle(entry, () => entry.reject(error)));
      this.#tickLater();
    });
  }

  /** Lets what is written go out, then closes; what is unconfirmed fails. Once `abort` has fired nothing is waited for. */
  async close(abort: AbortSignal): Promise<void> {
    this.#end('this sink was closed', false);
    if (this.#socket.destroyed) return;
    const gone = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    const destroy = () => this.#socket.destroy();
    this.#socket.end();
    const timer = setTimeout(destroy, CLOSING_MS);
    abort.addEventListener('abort', destroy, { once: true });
    if (abort.aborted) destroy();
    await gone;
    clearTimeout(timer);
    abort.removeEventListener('abort', destroy);
  }

  async #write(chunks: Iterable<Buffer>, entry: Unconfirmed): Promise<void> {
    let empty = true;
    for (const chunk of chunks) {
      if (!this.#unconfirmed.has(entry)) return;
      empty = false;
      this.#written += chunk.length;
      if (!this.#socket.write(chunk, (error) => error ?? this.#taken(chunk.length))) await this.#room();
    }
    if (empty) return this.#settle(entry, entry.resolve);
    entry.end = this.#written;
    this.#markDue();
  }

  async #room(): Promise<void> {
    this.#drained = Promise.withResolvers<void>();
    if (this.#ended) return;
    await this.#drained.promise;
  }

  /** A write callback: these bytes are the kernel's now. */
  #taken(bytes: number): void {
    this.#handed += bytes;
    this.#progressAt = performance.now();
    this.#markDue();
  }

  #markDue(): void {
    const dueAt = performance.now() + this.#settings.confirmAfterMs;
    for (const entry of this.#unconfirmed) {
      if (entry.end <= this.#handed && entry.dueAt === Number.POSITIVE_INFINITY) entry.dueAt = dueAt;
    }
    this.#tickLater();
  }

  #settle(entry: Unconfirmed, then: () => void): void {
    if (this.#unconfirmed.delete(entry)) then();
  }

  #tickLater(): void {
    if (this.#timer || this.#ended || this.#unconfirmed.size === 0) return;
    const first = Math.min(...Array.from(this.#unconfirmed, (entry) => entry.dueAt));
    const { confirmAfterMs } = this.#settings;
    const wait = Math.max(confirmAfterMs / 20, first - performance.now());
    this.#timer = setTimeout(
      () => this.#tick().finally(() => this.#tickAgain()),
      Math.min(LONGEST_TICK_MS, confirmAfterMs / 4, wait),
    );
  }

  #tickAgain(): void {
    this.#timer = undefined;
    this.#tickLater();
  }

  async #tick(): Promise<void> {
    const now = performance.now();
    const due = [...this.#unconfirmed].filter((entry) => entry.dueAt <= now);
    if (due.length > 0) await this.#confirm(due);
    if (this.#ended || this.#unconfirmed.size === 0) return;
    const oldest = Math.min(...Array.from(this.#unconfirmed, (entry) => entry.dueAt));
    const since = Math.max(this.#progressAt, Number.isFinite(oldest) ? oldest : 0);
    if (performance.now() - since > this.#settings.timeoutMs)
      this.#end(`it has taken nothing for ${this.#settings.timeoutMs} ms`);
  }

  /** One look serves all deliveries that are due. */
  async #confirm(due: readonly Unconfirmed[]): Promise<void> {
    const handed = this.#handed;
    const { established, unacknowledged = 0 } = await this.#lookAtSendQueue();
    if (this.#ended || !established) return;
    const arrived = handed - unacknowledged;
    if (arrived > this.#arrived) this.#progressAt = performance.now();
    this.#arrived = Math.max(this.#arrived, arrived);
    for (const entry of due) if (entry.end <= this.#arrived) this.#settle(entry, entry.resolve);
  }

  async #lookAtSendQueue(): Promise<SendQueue> {
    const { localPort, remotePort, remoteFamily } = this.#socket;
    if (localPort === undefined || remotePort === undefined) return { established: false, unacknowledged: undefined };
    const family = remoteFamily === 'IPv6' ? 'IPv6' : 'IPv4';
    return (this.#settings.look ?? lookAtSendQueue)({ family, localPort, remotePort });
  }

  #end(reason: string, destroy = true): void {
    if (this.#ended) return;
    const count = this.#unconfirmed.size;
    const unconfirmed = count === 1 ? '; a delivery was' : `; ${count} deliveries were`;
    const lost = count === 0 ? '' : `${unconfirmed} not confirmed and will be sent again`;
    this.#ended = new Unavailable(`${this.#settings.name}: ${reason}${destroy ? this.#suspicion(reason) : ''}${lost}`, {
      reopen: true,
    });
    this.#endedIdle = count === 0;
    clearTimeout(this.#timer);
    for (const entry of [...this.#unconfirmed]) this.#settle(entry, () => entry.reject(this.#ended));
    this.#drained.resolve();
    if (destroy) this.#socket.destroy();
  }

  /** A TLS 1.3 receiver refuses a client after the handshake, and its reason may come later than the end. */
  #suspicion(reason: string): string {
    const early = this.#settings.name.startsWith('tls:') && this.#arrived === 0 && !reason.includes('tls.');
    return early ? ' (if always: it may refuse our client certificate, or miss one: see tls.cert and tls.key)' : '';
  }
}
