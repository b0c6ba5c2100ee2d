/** What every campaign of the fault suite is, and what it counts. */
import type { Random } from '../../src/simulator/random.ts';
import type { Scope } from '../fixtures/process.ts';

/** Of a machine that has other things to do as well. */
export const PATIENCE_MS = 120_000;

export interface Campaign {
  readonly name: string;
  /** Why it cannot run on this machine; undefined: it can. */
  lacks?(): string | undefined | Promise<string | undefined>;
  /** Only where it is asked for by its name. */
  readonly byHand?: boolean;
  /** Waits more than it works: runs at the same time as others of its kind. */
  readonly besides?: boolean;
  run(stage: Stage): Promise<void>;
}

export interface Stage {
  readonly scope: Scope;
  readonly random: Random;
  readonly tally: Tally;
  readonly kills: number;
  readonly minutes: number;
  /** How far it is; shown on a terminal. */
  progress(text: string): void;
}

/** What one campaign has found out. */
export class Tally {
  activities = 0;
  /** Per sink: an event that is neither there nor a dead letter that it had to be. */
  missing = 0;
  /** Documents that differ from what the mapping makes of the activity. */
  changed = 0;
  /** Events that nobody made. */
  invented = 0;
  deadExpected = 0;
  deadFound = 0;
  recovered = 0;
  /** Why it must not pass, in words. */
  readonly faults: string[] = [];
  readonly cases = new Map<string, { count: number; needed: boolean }>();

  /** A hard case that has to happen, or the campaign has shown nothing. */
  need(...names: readonly string[]): void {
    for (const name of names) this.cases.set(name, { count: this.cases.get(name)?.count ?? 0, needed: true });
  }

  happened(name: string, times = 1): void {
    const known = this.cases.get(name) ?? { count: 0, needed: false };
    this.cases.set(name, { ...known, count: known.count + times });
  }

  fault(text: string): void {
    this.faults.push(text);
  }

  get absent(): string[] {
    return [...this.cases].filter(([, { count, needed }]) => needed && count === 0).map(([name]) => name);
  }

  get failed(): boolean {
    const dead = this.deadExpected !== this.deadFound;
    return this.missing + this.changed + this.invented + this.faults.length + this.absent.length > 0 || dead;
  }
}

/** Ends what was begun within it, the last first. */
export class Ending implements Scope {
  readonly #work: (() => unknown)[] = [];

  readonly after: Scope['after'] = (work) => {
    if (work) this.#work.push(work as () => unknown);
  };

  async end(): Promise<void> {
    for (const work of this.#work.splice(0).reverse()) await work();
  }
}

const open = new Set<Ending>();

/** Runs it in a scope of its own, which ends with it. */
export async function within<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const ending = new Ending();
  open.add(ending);
  try {
    return await work(ending);
  } finally {
    await ending.end();
    open.delete(ending);
  }
}

/** For a suite that is interrupted: no process, no server and no disk is left behind. */
export async function endAll(): Promise<void> {
  for (const ending of [...open].reverse()) await ending.end();
}
