/**
 * What a detection and a dashboard are. Rules for each SIEM, documents and tests are made of this, so each is written once, and a
 * field that no event has does not compile.
 */
import type { Severity } from '../../src/sink.ts';
import type fields from './fields.json';

/** A field of our events, or one that the pipeline of a SIEM adds to them. */
export type Field = keyof typeof fields;

/** `500ms`, `10m`, `24h`, `7d`. */
export type Span = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** Of one event. Texts are compared as they are, upper and lower case apart; a list means any of it. */
export type Filter =
  | { readonly field: Field; readonly is: readonly string[] }
  | { readonly field: Field; readonly starts: readonly string[] }
  | { readonly field: Field; readonly contains: readonly string[] }
  | { readonly field: Field; readonly exists: true }
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter };

/** One alert for each event. */
export interface Each {
  readonly kind: 'each';
  readonly filter: Filter;
}

/** Many events, or many different values of a field, with the same key. */
export interface Group {
  readonly kind: 'group';
  readonly filter: Filter;
  readonly by: readonly Field[];
  readonly window: Span;
  readonly atLeast: number;
  /** Different values of this are counted; without it different events (by event.id, since an event may be stored twice). */
  readonly distinct?: Field;
  /** A key with such an event in the window is left out. */
  readonly unless?: Filter;
  /**
   * The newest counted event of a key lies in this last part of the window. Without it a rule with `unless` would fire as soon as the
   * window has moved over what should have kept it silent.
   */
  readonly recent?: Span;
  /** Hours of the day, UTC, whose events do not count: from the first up to, but without, the second. */
  readonly quiet?: readonly [from: number, to: number];
}

/** Different signs of the same thing with the same key, however often each. */
export interface Signs {
  readonly kind: 'signs';
  readonly signs: readonly { readonly name: string; readonly filter: Filter }[];
  readonly by: readonly Field[];
  readonly window: Span;
  readonly atLeast: number;
}

/** An event behind the n-th event of another kind with the same key. */
export interface Sequence {
  readonly kind: 'sequence';
  readonly filter: Filter;
  readonly after: { readonly filter: Filter; readonly atLeast: number };
  readonly by: readonly Field[];
  readonly window: Span;
  /** The events of both kinds have two or more values of this. */
  readonly differing?: Field;
}

/** From the first event of one kind to the first of another at or behind it, with the same key, in less than a span. */
export interface Pace {
  readonly kind: 'pace';
  readonly from: Filter;
  readonly to: Filter;
  readonly by: readonly Field[];
  readonly window: Span;
  readonly under: Span;
}

/**
 * The share of `part` in `of` (counted by different values of `distinct`, else by events) over `window`, against the same share over
 * the `baseline` before it, key by key. A key needs `atLeast` of `of` in the window, and in the baseline,
 * and `partAtLeast` of `part` in the window: of a share that is usually next to nothing, one or two more are many times as much.
 */
export interface Rate {
  readonly kind: 'rate';
  readonly part: Filter;
  readonly of: Filter;
  readonly distinct?: Field;
  readonly by: readonly Field[];
  readonly window: Span;
  readonly baseline: Span;
  readonly atLeast: number;
  readonly partAtLeast: number;
  /** `times`: more than so many times the baseline. `sigmas`: more than p + n × √(p (1 − p) / count), p being the baseline's share. */
  readonly above: { readonly times: number } | { readonly sigmas: number };
}

/** No event at all for `window`, at a time that lies in these hours (UTC, Monday to Friday). */
export interface Silence {
  readonly kind: 'silence';
  readonly window: Span;
  readonly hours: readonly [from: number, to: number];
}

export type Logic = Each | Group | Signs | Sequence | Pace | Rate | Silence;

/** One rule of a detection. Most have one. */
export interface Rule {
  /** Tells the rules of a detection apart; '' where it has one. */
  readonly part: string;
  /** A UUID: what Kibana and Sigma know the rule by. Never changed, never used again. */
  readonly uuid: string;
  /** What it finds, as a sentence with its numbers. */
  readonly finds: string;
  readonly severity: Exclude<Severity, 'informational'>;
  readonly logic: Logic;
}

export interface Technique {
  readonly framework: 'MITRE F3' | 'MITRE ATT&CK' | 'MITRE ATLAS' | 'NIST SP 800-63A-4';
  readonly id: string;
  readonly name: string;
}

export interface Detection {
  readonly id: `D${number}`;
  /** `idv.<name>`: what logs, tickets and Sigma call it. */
  readonly name: `idv.${string}`;
  readonly title: string;
  /** What an attacker gains, and why this shows it. */
  readonly why: string;
  readonly rules: readonly [Rule, ...Rule[]];
  /** Related, never proven: the events do not show what was in the camera. */
  readonly related: readonly Technique[];
  /** When it fires and nothing is wrong. */
  readonly wrongWhen: readonly string[];
  /** What whoever gets the alert does, in this order. */
  readonly next: readonly string[];
  /** Why it is installed switched off. Without it, it is on where the SIEM's content is installed switched on at all. */
  readonly off?: string;
}

/** What a panel counts. */
export type Measure =
  | 'events'
  | 'sessions'
  /** Sessions that match, of the panel's sessions, in percent. */
  | { readonly share: Filter }
  | { readonly newest: Field }
  | { readonly average: Field };

export interface Panel {
  readonly id: string;
  readonly title: string;
  /** What it tells, and what to look for: a sentence below it and in the documents. */
  readonly tells: string;
  readonly kind: 'number' | 'line' | 'bars' | 'table';
  readonly filter?: Filter;
  readonly measure: Measure;
  /** Along the time; by the most frequent values of a field; or by named kinds, in their order. */
  readonly by?: 'time' | Field | readonly Step[];
  /** One line or colour for each value of a field, or for each named kind. */
  readonly split?: Field | readonly Step[];
  /** Of 48 columns, and in rows of 15 pixels or so. Panels fill a line from the left. */
  readonly width: 8 | 12 | 16 | 24 | 48;
}

export interface Step {
  readonly name: string;
  readonly filter: Filter;
}

export interface Dashboard {
  readonly id: string;
  readonly uuid: string;
  readonly title: string;
  readonly tells: string;
  readonly panels: readonly Panel[];
}
