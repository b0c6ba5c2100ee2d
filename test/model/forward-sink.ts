import { BatchRefused, Unavailable } from '../../src/sink.ts';
import type { Outcome, SecurityEvent, Sink } from '../../src/types.ts';
import type { VirtualTime } from '../fixtures/virtual-time.ts';
import type { Reply, Scenario } from './forward-scenarios.ts';

/** What the sink truly said of one event to one life of the loop; numbers tell the order of answers. */
export interface Said {
  delivered: boolean;
  inFlight: boolean;
  readonly refusals: string[];
  firstRefusedAt: number;
  /** Of the last refusal: the answer accepted others; how many had accepted any before. */
  besideOthers: boolean;
  acceptedBefore: number;
  /** When a delivery was accepted that began after its first refusal. */
  contradictedAt: number;
  readonly putOffs: string[];
  /** Counted ones: not held. */
  tries: number;
  firstPutOffAt: number;
}

/** One life of the loop, as its sink sees it. */
export class Life {
  readonly said = new Map<string, Said>();
  answers = 0;
  /** Answers in which an event was delivered, and how many were. */
  accepted = 0;
  taken = 0;
  flying = 0;
  readonly sent = new Set<string>();
  /** Refusals that were believed alone, by what had been accepted before them. */
  readonly believed = new Map<number, Set<string>>();
  ended = false;
  /** What it says no longer counts. */
  aborted = false;

  of(id: string): Said {
    const known = this.said.get(id);
    if (known) return known;
    const nothing = {
      delivered: false,
      inFlight: false,
      firstRefusedAt: Number.POSITIVE_INFINITY,
      acceptedBefore: 0,
      contradictedAt: Number.POSITIVE_INFINITY,
      besideOthers: false,
      tries: 0,
      firstPutOffAt: 0,
    };
    const said: Said = { ...nothing, refusals: [], putOffs: [] };
    this.said.set(id, said);
    return said;
  }
}

export type Nature = 'fine' | 'filtered' | 'rejected' | 'poisonous' | 'put off';

/** A sink that answers as the scenario says, until it is made well: then it refuses only what it cannot take. */
export class ScriptedSink {
  readonly #scenario: Scenario;
  readonly #time: VirtualTime;
  readonly #violate: (what: string) => void;
  readonly delivered = new Set<string>();
  /** When it last said of an event that it has it, or that it will not take it. */
  readonly lastSaid = new Map<string, number>();
  /** Events that a replay may bring again. */
  readonly replayed = new Set<string>();
  readonly happened: (what: string) => void;
  #next = 0;
  #well = false;

  constructor(
    scenario: Scenario,
    time: VirtualTime,
    violate: (what: string) => void,
    happened: (what: string) => void,
  ) {
    this.#scenario = scenario;
    this.#time = time;
    this.#violate = violate;
    this.happened = happened;
  }

  makeWell(): void {
    this.#well = true;
  }

  /** An event's name ends in its number. */
  natureOf(id: string): Nature {
    const number = Number(id.split('-')[1]);
    const { filtered, rejected, poisonous, putOff } = this.#scenario;
    const every = (nth: number, rest: number) => nth > 0 && number % nth === rest % nth;
    if (id.startsWith('last')) return 'fine';
    if (filtered && number % 5 === 4) return 'filtered';
    if (every(rejected, 3)) return 'rejected';
    if (every(poisonous, 5)) return 'poisonous';
    return every(putOff, 8) && !this.#well ? 'put off' : 'fine';
  }

  open(life: Life): Sink {
    let closed = false;
    return {
      deliver: async (batch, signal) => {
        if (closed) this.#violate('a sink is given events after it was closed');
        return await this.#deliver(life, batch, signal);
      },
      close: async () => {
        closed = true;
        if (life.flying > 0 && !life.aborted) this.#violate('a sink is closed while it has events');
      },
    };
  }

  async #deliver(life: Life, batch: readonly SecurityEvent[], signal: AbortSignal): Promise<readonly Outcome[]> {
    this.#checkBatch(life, batch, signal);
    const well: Reply = { afterMs: 5, kind: 'all', status: 'delivered' };
    const reply = (!this.#well && this.#scenario.replies[this.#next++]) || well;
    const from = this.#time.now;
    life.flying += 1;
    for (const { id } of batch) {
      life.of(id).inFlight = true;
      life.sent.add(id);
    }
    if (reply.afterMs > 0) await this.#time.sleep(reply.afterMs);
    life.flying -= 1;
    for (const { id } of batch) life.of(id).inFlight = false;
    if (signal.aborted) this.happened('an answer comes after abort');
    const outcomes = this.#answer(life, batch, reply);
    if (reply.kind !== 'lies') this.#noteAll(life, batch, outcomes, from);
    return outcomes;
  }

  #checkBatch(life: Life, batch: readonly SecurityEvent[], signal: AbortSignal): void {
    const { concurrency, maxEvents, maxBytes } = this.#scenario;
    const bytes = batch.reduce((sum, { json }) => sum + json.length, 0);
    if (life.ended || signal.aborted) this.#violate('events are sent after the end');
    if (batch.length === 0 || batch.length > maxEvents) this.#violate(`a batch of ${batch.length}`);
    if (bytes > maxBytes && batch.length > 1) this.#violate(`a batch of ${bytes} bytes`);
    if (life.flying >= concurrency) this.#violate(`${life.flying + 1} deliveries in flight`);
    if (new Set(batch.map(({ id }) => id)).size < batch.length) this.#violate('an event is twice in a batch');
    for (const { id } of batch) {
      const said = life.of(id);
      if (said.inFlight) this.#violate(`${id} is sent while it is in flight`);
      if (said.delivered && !this.replayed.has(id)) this.#violate(`${id} is sent again after it was delivered`);
      if (this.natureOf(id) === 'filtered') this.#violate(`${id} is sent, and should have been left out`);
    }
  }

  #answer(life: Life, batch: readonly SecurityEvent[], reply: Reply): readonly Outcome[] {
    life.answers += 1;
    if (reply.kind === 'unavailable') throw new Unavailable('down', reply);
    if (reply.kind === 'throws') throw thrown(reply.what);
    const poisonous = batch.some(({ id }) => this.natureOf(id) === 'poisonous');
    if (reply.kind === 'refused' || poisonous) {
      const reason = `whole ${life.answers}`;
      if (batch.length === 1) this.#note(life, batch[0]?.id ?? '', { status: 'rejected', reason });
      throw new BatchRefused(reason, { tooLarge: reply.kind === 'refused' && reply.tooLarge });
    }
    if (reply.kind === 'lies') {
      this.happened('a sink lies');
      return lie(batch, reply.how);
    }
    return batch.map(({ id }, index) => this.#outcome(id, `${life.answers} ${index}`, statusOf(reply, index)));
  }

  #noteAll(life: Life, batch: readonly SecurityEvent[], outcomes: readonly Outcome[], from: number): void {
    const accepts = outcomes.some(({ status }) => status === 'delivered');
    for (const [index, { id }] of batch.entries()) {
      this.#note(life, id, outcomes[index] as Outcome);
      life.of(id).besideOthers = accepts;
    }
    if (!accepts || life.aborted) return;
    life.accepted += 1;
    for (const said of life.said.values())
      if (said.firstRefusedAt <= from) said.contradictedAt = Math.min(said.contradictedAt, this.#time.now);
  }

  #outcome(id: string, reason: string, status: Status): Outcome {
    const nature = this.natureOf(id);
    if (nature === 'rejected') return { status: 'rejected', reason: `never ${reason}` };
    if (nature === 'put off') return { status: 'retry', reason: `later ${reason}` };
    if (status === 'rejected') return { status, reason: `no ${reason}` };
    if (status === 'retry') return { status, reason: `busy ${reason}` };
    if (status === 'held') return { status: 'retry', reason: `closed ${reason}`, held: true };
    return { status };
  }

  /** What it truly said. */
  #note(life: Life, id: string, outcome: Outcome): void {
    if (outcome.status === 'delivered') this.delivered.add(id);
    if (outcome.status === 'delivered' || outcome.status === 'rejected') this.lastSaid.set(id, this.#time.now);
    if (life.aborted) return;
    const said = life.of(id);
    if (outcome.status === 'delivered') {
      said.delivered = true;
      life.taken += 1;
    }
    if (outcome.status === 'rejected') {
      said.refusals.push(outcome.reason);
      said.firstRefusedAt = Math.min(said.firstRefusedAt, this.#time.now);
      said.acceptedBefore = life.accepted;
    }
    if (outcome.status === 'retry') {
      said.putOffs.push(outcome.reason);
      said.firstPutOffAt ||= this.#time.now;
      if (!outcome.held) said.tries += 1;
    }
  }
}

type Status = 'delivered' | 'retry' | 'held' | 'unsent' | 'rejected';

function statusOf(reply: Reply, index: number): Status {
  if (reply.kind === 'all') return reply.status;
  const bits = reply.kind === 'mixed' ? reply.bits : 0;
  const choices: Status[] = ['delivered', 'delivered', 'delivered', 'delivered', 'rejected', 'retry', 'held', 'unsent'];
  return choices[(bits >> ((index * 3) % 27)) & 7] as Status;
}

function lie(
  batch: readonly SecurityEvent[],
  how: 'too few' | 'too many' | 'no list' | 'no outcome',
): readonly Outcome[] {
  const all = batch.map((): Outcome => ({ status: 'delivered' }));
  if (how === 'too few') return all.slice(1);
  if (how === 'too many') return [...all, { status: 'delivered' }];
  const wrong: unknown = how === 'no list' ? 'ok' : [...all.slice(1), { status: 'fine' }];
  return wrong as readonly Outcome[];
}

function thrown(what: 'nothing' | 'a string' | 'an error'): unknown {
  if (what === 'nothing') return undefined;
  return what === 'a string' ? 'gone' : new TypeError('a bug');
}
