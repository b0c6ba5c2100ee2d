import type { StreamMapping } from './mapping.ts';

/** An activity read into its named parameters and all others. `additionalParams` wins over the top level. */
export interface Inputs {
  /** By name in snake_case; never an empty string. */
  readonly known: Readonly<Record<string, Scalar>>;
  /** What has no place of its own, or is a list or an object where a text belongs: by name in snake_case. */
  readonly other: ReadonlyMap<string, unknown>;
}
export type Scalar = string | number | boolean;

/** What the operator lets no event carry: names in snake_case. */
export interface Dropped {
  readonly names: ReadonlySet<string>;
  readonly allOther: boolean;
}

type Members = Readonly<Record<string, unknown>>;
const ADDITIONAL = 'additional_params';

/** Reads the activities of one stream type. Both spellings of every name are taken, on both levels. */
export function activityReader(mapping: StreamMapping, dropped: Dropped): (activity: Members) => Inputs {
  const name = snakeCaser();
  const parameters = new Set(Object.keys(mapping.parameters));
  return (activity) => {
    const reading = new Reading(parameters, dropped);
    for (const key in activity) {
      if (name(key) === ADDITIONAL) reading.additional(activity[key], name);
    }
    for (const key in activity) {
      if (name(key) !== ADDITIONAL) reading.add(name(key), activity[key]);
    }
    return reading;
  };
}

class Reading implements Inputs {
  readonly known: Record<string, Scalar> = {};
  readonly other = new Map<string, unknown>();
  readonly #parameters: ReadonlySet<string>;
  readonly #dropped: Dropped;
  #inAdditional = false;
  /** How many names `additionalParams` brought; they are the first ones. */
  #additionalKnown = 0;
  #additionalOther = 0;
  #additionalNames: Set<string> | undefined;
  #spellings: Map<string, number> | undefined;

  constructor(parameters: ReadonlySet<string>, dropped: Dropped) {
    this.#parameters = parameters;
    this.#dropped = dropped;
  }

  additional(members: unknown, name: (key: string) => string): void {
    if (!isObject(members)) {
      this.add(ADDITIONAL, members);
      return;
    }
    this.#inAdditional = true;
    for (const key in members) this.add(name(key), members[key]);
    this.#inAdditional = false;
  }

  add(name: string, value: unknown): void {
    if (value === null || value === undefined || this.#dropped.names.has(name)) return;
    if (typeof value === 'object' || !this.#parameters.has(name)) {
      this.#keep(name, value);
      return;
    }
    const taken = this.known[name];
    if (value === '' || taken === value) return;
    if (taken === undefined) {
      this.known[name] = value as Scalar;
      if (this.#inAdditional) this.#additionalKnown++;
    } else if (this.#onThisLevel(name)) this.#keepSpelling(name, value);
  }

  #keep(name: string, value: unknown): void {
    if (this.#dropped.allOther) return;
    if (!this.other.has(name)) {
      this.other.set(name, value);
      if (this.#inAdditional) this.#additionalOther++;
    } else if (this.#onThisLevel(name)) this.#keepSpelling(name, value);
  }

  /** The same name in two spellings on one level, with two values: both are kept. */
  #keepSpelling(name: string, value: unknown): void {
    if (this.#dropped.allOther) return;
    this.#spellings ??= new Map();
    let count = (this.#spellings.get(name) ?? 1) + 1;
    while (this.other.has(`${name}_${count}`)) count++;
    this.#spellings.set(name, count);
    this.other.set(`${name}_${count}`, value);
    if (this.#inAdditional) this.#additionalOther++;
  }

  #onThisLevel(name: string): boolean {
    if (this.#inAdditional) return true;
    this.#additionalNames ??= new Set([
      ...Object.keys(this.known).slice(0, this.#additionalKnown),
      ...[...this.other.keys()].slice(0, this.#additionalOther),
    ]);
    return !this.#additionalNames.has(name);
  }
}

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Remembers what it has seen: names repeat for ever, and hardly any is new. */
function snakeCaser(): (name: string) => string {
  const seen = new Map<string, string>();
  return (name) => {
    const known = seen.get(name);
    if (known !== undefined) return known;
    const snake = snakeCase(name);
    if (seen.size >= 5000) seen.clear();
    if (name.length <= 128) seen.set(name, snake);
    return snake;
  };
}

/** `sessionId`, `SessionID` and `session-id` are `session_id`. */
export function snakeCase(name: string): string {
  const words = name
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1_$2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1_$2')
    .replace(/[^\p{L}\p{M}\p{N}_]+/gu, '_')
    .toLowerCase();
  return words === '' ? '_' : words;
}
