/** One receiver, one sink open on it, and everything that the sink ever said. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Outcome, SecurityEvent, Sink, SinkContext } from '../../src/sink.ts';
import { someEvents } from './events.ts';
import type { Fixture, Held, Receiver } from './fixture.ts';

/** What became of one delivery. */
export type Answer = { readonly outcomes: readonly Outcome[] } | { readonly error: unknown };

export class World {
  readonly fixture: Fixture;
  readonly receiver: Receiver;
  readonly patienceMs: number;
  /** Every error, reason and log line, as a log could print it. */
  readonly said: string[] = [];
  #sink: Sink | undefined;

  private constructor(fixture: Fixture, receiver: Receiver) {
    this.fixture = fixture;
    this.receiver = receiver;
    this.patienceMs = fixture.patienceMs ?? 10_000;
  }

  static async start(fixture: Fixture): Promise<World> {
    const world = new World(fixture, await fixture.start());
    try {
      await world.open();
      return world;
    } catch (error) {
      await world.receiver.close();
      throw error;
    }
  }

  get sink(): Sink {
    assert.ok(this.#sink, 'the sink is not open');
    return this.#sink;
  }

  get context(): SinkContext {
    const log: SinkContext['log'] = (level, message) => this.said.push(`${level} ${message}`);
    return { name: 'contract', timeoutMs: 4_000, tls: {}, version: '0.0.0', log, ...this.fixture.context };
  }

  options(): unknown {
    return this.fixture.definition.options.parse(this.receiver.options);
  }

  async open(): Promise<void> {
    const opening = this.fixture.definition.open(this.options(), this.context, new AbortController().signal);
    this.#sink = await this.within('open', opening);
  }

  async reopen(): Promise<void> {
    const old = this.#sink;
    this.#sink = undefined;
    if (old) await this.within('close', old.close());
    await this.open();
  }

  /** One call of deliver. Whatever comes of it is noted; a wrong number of outcomes fails the check. */
  async deliver(batch: readonly SecurityEvent[], signal: AbortSignal = new AbortController().signal): Promise<Answer> {
    try {
      const outcomes = await this.within('deliver', this.sink.deliver(batch, signal));
      assertOutcomes(outcomes, batch.length);
      for (const outcome of outcomes) if ('reason' in outcome) this.said.push(outcome.reason);
      return { outcomes };
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      this.said.push(inspect(error, { depth: 12 }));
      return { error };
    }
  }

  /** Delivers as the forwarder does, until each event is delivered or rejected. Gives the reasons of the rejected ones. */
  async settle(batch: readonly SecurityEvent[]): Promise<ReadonlyMap<string, string>> {
    const rejected = new Map<string, string>();
    const end = Date.now() + this.patienceMs;
    for (let waiting = [batch]; waiting.length > 0; ) {
      const [next = [], ...others] = waiting;
      if (Date.now() > end) assert.fail(`${next.length} events are not settled after ${this.patienceMs} ms`);
      const left = await this.#once(next, rejected);
      waiting = [...left.filter((part) => part.length > 0), ...others];
    }
    return rejected;
  }

  /** One try. Gives what is left, in the batches in which it has to be sent again. */
  async #once(batch: readonly SecurityEvent[], rejected: Map<string, string>) {
    const answer = await this.deliver(batch);
    if ('outcomes' in answer) {
      answer.outcomes.forEach((outcome, index) => {
        if (outcome.status === 'rejected') rejected.set(batch[index]?.id ?? '', outcome.reason);
      });
      const left = batch.filter((_, index) => ['retry', 'unsent'].includes(answer.outcomes[index]?.status ?? ''));
      if (left.length === batch.length && batch.length > 0) await sleep(20);
      return [left];
    }
    const { error } = answer;
    // By its name, as the forwarder does: a sink may bring its own copy of the class.
    if (!(error instanceof Error) || error.name !== 'BatchRefused') {
      await sleep(50);
      if ((error as { reopen?: unknown } | null)?.reopen === true) await this.#tryToReopen();
      return [batch];
    }
    const [first] = batch;
    if (batch.length === 1 && first) rejected.set(first.id, error.message);
    const half = batch.length >> 1;
    return batch.length === 1 ? [] : [batch.slice(0, half), batch.slice(half)];
  }

  async #tryToReopen(): Promise<void> {
    const old = this.#sink;
    try {
      await this.reopen();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      this.said.push(inspect(error, { depth: 12 }));
      // The closed one: its errors hold the events until opening succeeds.
      this.#sink = old;
    }
  }

  /** Once these events are there. A sink that is not acknowledged may be ahead of its receiver for a moment. */
  async heldOf(batch: readonly SecurityEvent[]): Promise<ReadonlyMap<string, readonly Held[]>> {
    const end = Date.now() + (this.fixture.definition.promises.acknowledged ? 0 : Math.min(2_000, this.patienceMs));
    for (;;) {
      const held = Map.groupBy(await this.receiver.held(), ({ id }) => id);
      if (batch.every(({ id }) => held.has(id)) || Date.now() >= end) return held;
      await sleep(20);
    }
  }

  /** Each is held, at least once, and each time with the content it was sent with. */
  async assertHeld(batch: readonly SecurityEvent[]): Promise<void> {
    const held = await this.heldOf(batch);
    const expected = this.fixture.expected ?? (({ json }: SecurityEvent) => JSON.parse(json) as unknown);
    const missing = batch.filter(({ id }) => !held.has(id));
    assert.equal(missing.length, 0, `${missing.length} of ${batch.length} were called delivered and are not there`);
    for (const event of batch)
      for (const { content } of held.get(event.id) ?? [])
        assert.deepEqual(content, expected(event), `${event.id} arrived with other content`);
  }

  /** Also what a sink may have to learn first about its receiver is learnt by then. */
  async works(): Promise<void> {
    const batch = someEvents('it works', 2);
    await this.settle(batch);
    await this.assertHeld(batch);
  }

  async within<T>(what: string, promise: Promise<T>, ms = this.patienceMs): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new assert.AssertionError({ message: `${what} has not ended after ${ms} ms` });
      timer = setTimeout(() => reject(error), ms);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    try {
      if (this.#sink) await this.within('close', this.#sink.close());
    } finally {
      await this.receiver.close();
    }
  }
}

/** The batch's events with this outcome. */
export function chosen(batch: readonly SecurityEvent[], answer: Answer, ...statuses: Outcome['status'][]) {
  if (!('outcomes' in answer)) return [];
  return batch.filter((_, index) => statuses.some((status) => status === answer.outcomes[index]?.status));
}

function assertOutcomes(outcomes: readonly Outcome[], count: number): void {
  assert.ok(Array.isArray(outcomes), 'deliver gives an array of outcomes');
  assert.equal(outcomes.length, count, `${outcomes.length} outcomes for ${count} events`);
  for (const outcome of outcomes as readonly { status?: unknown; reason?: unknown }[]) {
    const { status, reason } = outcome ?? {};
    assert.ok(['delivered', 'retry', 'unsent', 'rejected'].includes(String(status)), `no status: ${inspect(outcome)}`);
    if (status === 'retry' || status === 'rejected')
      assert.ok(typeof reason === 'string' && reason !== '', `${status} comes with a reason`);
  }
}
