import { span } from '../words.ts';

/** Says it with its latest reason; `lasted` where it was said before, with another. */
type Begin = (lasted?: string) => void;

interface Trouble {
  readonly since: Date;
  begin: Begin;
  reason: string;
  /** Reasons that were said of it, without their numbers. None yet: it is not said. */
  readonly said: Set<string>;
}

/** More reasons than this are not said of one trouble. */
const SAID_REASONS = 10;

/**
 * What is wrong now, by name. Each trouble is said once for each reason: when it begins, or at a summary when the reason is another
 * one then. One that ended less than a summary ago flaps: it is said when it still lasts at the next one.
 */
export class Troubles {
  readonly #now: () => Date;
  readonly #summaryMs: number;
  readonly #troubles = new Map<string, Trouble>();
  readonly #ended = new Map<string, Date>();

  constructor(now: () => Date, summaryMs: number) {
    this.#now = now;
    this.#summaryMs = summaryMs;
  }

  has(name: string): boolean {
    return this.#troubles.has(name);
  }

  names(): Iterable<string> {
    return this.#troubles.keys();
  }

  begins(name: string, begin: Begin, reason = ''): 'said' | 'flapping' | undefined {
    const known = this.#troubles.get(name);
    if (known) return void Object.assign(known, { begin, reason });
    const trouble = { since: this.#now(), begin, reason, said: new Set<string>() };
    this.#troubles.set(name, trouble);
    const last = this.#ended.get(name)?.getTime() ?? Number.NEGATIVE_INFINITY;
    if (trouble.since.getTime() - last <= this.#summaryMs) return 'flapping';
    this.#say(trouble);
    return 'said';
  }

  /** Calls `end` where it was said, with how long it lasted. */
  ends(name: string, end: (lasted: string) => void): void {
    const trouble = this.#troubles.get(name);
    if (!trouble) return;
    this.forget(name);
    this.#ended.set(name, this.#now());
    if (trouble.said.size > 0) end(this.#lasted(trouble));
  }

  forget(name: string): void {
    this.#troubles.delete(name);
  }

  sumUp(): void {
    const now = this.#now().getTime();
    for (const trouble of this.#troubles.values()) {
      const young = now - trouble.since.getTime() < this.#summaryMs / 2;
      if (trouble.said.size > 0 || !young) this.#say(trouble);
    }
    for (const [name, at] of this.#ended) if (now - at.getTime() > this.#summaryMs) this.#ended.delete(name);
  }

  #say(trouble: Trouble): void {
    const first = trouble.said.size === 0;
    const reason = trouble.reason.replace(/\d+/g, '0');
    if (trouble.said.has(reason) || trouble.said.size === SAID_REASONS) return;
    trouble.said.add(reason);
    trouble.begin(first ? undefined : this.#lasted(trouble));
  }

  #lasted({ since }: Trouble): string {
    return span(this.#now().getTime() - since.getTime());
  }
}
