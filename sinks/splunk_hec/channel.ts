import { randomUUID } from 'node:crypto';
import type { HttpResponse, Outcome } from '../../src/sink.ts';
import { Unavailable } from '../../src/sink.ts';
import { judge, readAcks, type Unusable, type Verdict } from './answer.ts';
import { type Exchange, isUnusable, orAborted, pause } from './exchange.ts';

/** Splunk forgets a channel that was idle for 600 s, and counts from 0 again. */
const IDLE_MS = 300_000;
/** After so many acknowledgements another channel takes over: ids are remembered, and that must have an end. */
const MAX_IDS = 10_000;
const MIN_POLL_MS = 100;
const MAX_POLL_MS = 1000;

export interface ChannelOptions {
  readonly origin: string;
  readonly exchange: Exchange;
  /** How long an acknowledgement is waited for. */
  readonly timeoutMs: number;
  /** Ends all waiting. */
  readonly closing: AbortSignal;
  readonly cookies: CookieWatch;
  readonly warn: (message: string) => void;
}

/** Outlives the channels of one url: whether a cookie that changes means another server. */
interface CookieWatch {
  /** Channels in a row that were given up for a changed cookie, without any acknowledgement between. */
  changes: number;
}
/** From here on the cookie is one that changes with every answer, and says nothing about the server behind it. */
const ROTATING = 3;

interface Waiting {
  readonly since: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

export interface Sending {
  readonly verdict: Verdict;
  /** What became of the events that were taken, where an ackId says so. */
  readonly stored?: Promise<Outcome>;
}

/**
 * One channel of one HEC: Splunk numbers the requests of a channel from 0, and tells by these numbers which of them are
 * stored. A number must never be taken for another request's: so a channel takes no more batches after any trouble (the
 * server may have started anew and count from 0), and a number given twice loses the channel with all that waits on it.
 */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #id = randomUUID();
  readonly #waiting = new Map<number, Waiting>();
  readonly #seen = new Set<number>();
  readonly #sending = new Set<Promise<unknown>>();
  readonly #cookies = new Map<string, string>();
  #retired = false;
  #lost: string | undefined;
  #polling = false;
  #warned = false;
  #usedAt = Date.now();

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#id;
  }

  get takesBatches(): boolean {
    const idle = this.#waiting.size === 0 && this.#sending.size === 0 && Date.now() - this.#usedAt > IDLE_MS;
    return !this.#retired && !idle;
  }

  /**
   * Asks for a number that nobody has: this shows that the token works and has acknowledgement before any event is sent,
   * and brings the load balancer's cookie. Undefined when all is well.
   */
  async open(): Promise<Unusable | undefined> {
    const answer = await this.#ask([0]);
    if (isUnusable(answer)) return answer;
    if (readAcks(answer.body) && answer.status === 200) return undefined;
    const verdict = judge(answer, { origin: this.#options.origin, events: 0, bytes: 0 });
    return verdict.kind === 'unavailable' ? verdict : undefined;
  }

  /** `events` and `bytes` are for the verdict. Rejects with the signal's reason. */
  send(body: Uint8Array, events: number, bytes: number, signal: AbortSignal): Promise<Sending> {
    const sending = this.#send(body, events, bytes, signal);
    const done: Promise<unknown> = sending.then(
      () => this.#sending.delete(done),
      () => this.#sending.delete(done),
    );
    this.#sending.add(done);
    return sending;
  }

  async #send(body: Uint8Array, events: number, bytes: number, signal: AbortSignal): Promise<Sending> {
    this.#usedAt = Date.now();
    const headers = { ...this.#headers(), 'content-encoding': 'gzip' };
    const answer = await this.#options.exchange('event', { headers, body }, signal).catch((error: unknown) => {
      this.#retired = true;
      throw error;
    });
    const verdict = isUnusable(answer) ? answer : judge(answer, { origin: this.#options.origin, events, bytes });
    if (verdict.kind === 'unavailable' || verdict.kind === 'channel') this.#retired = true;
    if (!isUnusable(answer)) this.#keepCookies(answer);
    const taken = verdict.kind === 'accepted' || (verdict.kind === 'partly' && verdict.at > 0);
    if (!taken || verdict.ackId === undefined) return { verdict };
    const stored = this.#acknowledged(verdict.ackId, signal);
    return { verdict, stored };
  }

  #acknowledged(ackId: number, signal: AbortSignal): Promise<Outcome> {
    if (this.#seen.has(ackId)) this.#lose('it gave the same ackId twice, as after a start or from another server');
    if (this.#lost !== undefined) return Promise.resolve(putOff(this.#lost));
    this.#seen.add(ackId);
    if (this.#seen.size >= MAX_IDS) this.#retired = true;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.#waiting.set(ackId, { since: Date.now(), resolve, reject });
    if (!this.#polling) void this.#poll();
    return orAborted(promise, signal).finally(() => this.#waiting.delete(ackId));
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    while (this.#waiting.size > 0) {
      await pause(this.#pauseMs(), this.#options.closing);
      if (this.#options.closing.aborted) this.#fail(new Unavailable('the sink was closed before Splunk acknowledged'));
      if (this.#waiting.size > 0) await this.#collectAcks().catch(() => undefined);
      this.#expire();
    }
    this.#polling = false;
  }

  /** Half the age of the youngest: at once where Splunk is quick, once a second where it is not. */
  #pauseMs(): number {
    const youngest = Math.max(...[...this.#waiting.values()].map((one) => one.since));
    return Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, (Date.now() - youngest) / 2));
  }

  async #collectAcks(): Promise<void> {
    const ids = [...this.#waiting.keys()];
    const sending = [...this.#sending];
    const answer = await this.#ask(ids);
    if (isUnusable(answer)) return void this.#pollFailed(answer);
    const stored = answer.status === 200 && !answer.incomplete ? readAcks(answer.body) : undefined;
    if (!stored) return void this.#pollFailed(judge(answer, { origin: this.#options.origin, events: 0, bytes: 0 }));
    // A number in this answer may be that of a request still on its way: only when that one is in is it sure whose it is.
    await Promise.all(sending);
    const { cookies } = this.#options;
    if (stored.size > 0 && cookies.changes < ROTATING) cookies.changes = 0;
    for (const id of ids) if (stored.has(id)) this.#settle(id, { status: 'delivered' });
  }

  async #ask(ids: readonly number[]): Promise<HttpResponse | Unusable> {
    const request = { headers: this.#headers(), body: JSON.stringify({ acks: ids }) };
    const answer = await this.#options.exchange('ack', request, this.#options.closing);
    if (!isUnusable(answer)) this.#keepCookies(answer);
    return answer;
  }

  /** What waits goes on waiting, up to its time: the next answer may be a good one. A refused token cannot give one. */
  #pollFailed(verdict: Verdict): void {
    this.#retired = true;
    if (verdict.kind !== 'unavailable') return;
    if (!verdict.elsewhere) return void this.#fail(verdict.error);
    if (!this.#warned) this.#options.warn(`cannot ask for acknowledgements: ${verdict.error.message}`);
    this.#warned = true;
  }

  #expire(): void {
    const { timeoutMs, origin } = this.#options;
    const reason = `Splunk at ${origin} took it but did not acknowledge it within ${timeoutMs / 1000} s`;
    for (const [id, { since }] of this.#waiting) {
      if (Date.now() - since >= timeoutMs) this.#settle(id, putOff(reason));
    }
  }

  #settle(id: number, outcome: Outcome): void {
    this.#waiting.get(id)?.resolve(outcome);
    this.#waiting.delete(id);
  }

  #fail(error: Error): void {
    this.#retired = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #lose(why: string): void {
    this.#retired = true;
    this.#lost ??= `the acknowledgement of Splunk at ${this.#options.origin} is lost: ${why}`;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, putOff(this.#lost));
  }

  #headers(): Record<string, string> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return { 'x-splunk-request-channel': this.#id, ...(cookie && { cookie }) };
  }

  /** A load balancer keeps to one server by its cookie. Another one means another server, which knows nothing of ours. */
  #keepCookies(answer: HttpResponse): void {
    for (const [name, value] of setCookies(answer.headers['set-cookie'])) {
      const before = this.#cookies.get(name);
      this.#cookies.set(name, value);
      if (before === undefined || before === value || this.#lost !== undefined) continue;
      if (this.#options.cookies.changes >= ROTATING) continue;
      this.#options.cookies.changes += 1;
      this.#lose('the load balancer changed its cookie, so another server answers');
    }
  }
}

/** Not the events' fault, so it never counts against them. */
function putOff(reason: string): Outcome {
  return { status: 'retry', reason, held: true };
}

/** Names and values of Set-Cookie headers that were joined with commas, which dates hold too. */
function setCookies(header = ''): readonly (readonly [name: string, value: string])[] {
  return header.split(/,\s*(?=[^\s;,=]+=)/).flatMap((cookie) => {
    const pair = /^\s*([^\s;,=]+)=([^;]*)/.exec(cookie);
    return pair?.[1] ? [[pair[1], pair[2]?.trim() ?? ''] as const] : [];
  });
}
