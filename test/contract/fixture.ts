/** What the contract suite has to be given to try a kind of sink. */
import type { SecurityEvent, SinkContext, SinkDefinition } from '../../src/sink.ts';

/** One event as the receiver holds it. An event that it holds twice is there twice. */
export interface Held {
  readonly id: string;
  /** What is compared with `expected`: for most receivers the document, parsed. */
  readonly content: unknown;
}

/**
 * What a receiver can be made to do. Each dial acts from the next request on, until it is set back. One that is left out
 * must be declared in `lacks`, with the reason.
 */
export interface Dials {
  /** Cannot be reached; what it holds it keeps. */
  down?(on: boolean): Promise<void> | void;
  /** Accepts no credentials. */
  unwelcome?(on: boolean): Promise<void> | void;
  /** It takes what comes, or not, and no word of that gets back. */
  loseAnswer?(on: boolean): Promise<void> | void;
  /** Answers come later than any check waits. */
  slow?(on: boolean): Promise<void> | void;
  /** Refuses this event for ever. Gives it back, with other content where only the content can make it be refused. */
  refuse?(event: SecurityEvent): Promise<SecurityEvent> | SecurityEvent;
  /** Puts this event off, and no other; undefined: none. */
  putOff?(id: string | undefined): Promise<void> | void;
}

/** A receiver that one check has for itself, empty at first. */
export interface Receiver extends Dials {
  /** The sink's own options as a config would hold them, before they are validated. Secrets at least 8 characters long. */
  readonly options: Readonly<Record<string, unknown>>;
  held(): Promise<readonly Held[]> | readonly Held[];
  close(): Promise<void>;
}

export interface Fixture {
  readonly definition: SinkDefinition<unknown>;
  start(): Promise<Receiver>;
  /** Own options that the schema must refuse, each for one reason. At least one, where there are options. */
  readonly refused: readonly Readonly<Record<string, unknown>>[];
  /** What this kind of receiver cannot do, and why. The suite prints it in place of the check. */
  readonly lacks?: Readonly<Partial<Record<keyof Dials, string>>>;
  /** The content under which the receiver holds an event. Without it: the document. */
  readonly expected?: (event: SecurityEvent) => unknown;
  readonly context?: Partial<SinkContext>;
  /** So long may anything take before it counts as hanging. Default 10,000. */
  readonly patienceMs?: number;
}
