import { matchesPattern } from '../pattern.ts';
import type { Severity } from '../types.ts';
import { CHECK_RESULT } from './mapping.ts';

/** `events` in the config. */
export interface EventOptions {
  /** By `event.code`, `*` at the end allowed; the longest match wins. */
  readonly severity: Readonly<Record<string, Severity>>;
  /** Whether `event.original` carries the activity's JSON, redacted like the document. */
  readonly original: boolean;
  /** ECS or vendor fields that never leave; a field takes with it all that is read from the same parameter. */
  readonly drop: readonly string[];
  readonly redactUrls: boolean;
  readonly timestampWindow: { readonly pastMs: number; readonly futureMs: number };
  /** Words in lower case for checkResult; `*` at the end allowed. */
  readonly checkResult: { readonly success: readonly string[]; readonly failure: readonly string[] };
}

const HOUR_MS = 3_600_000;

export const DEFAULT_EVENT_OPTIONS: EventOptions = {
  severity: {},
  original: false,
  drop: [],
  redactUrls: true,
  timestampWindow: { pastMs: 7 * 24 * HOUR_MS, futureMs: HOUR_MS },
  checkResult: CHECK_RESULT,
};

/** Finds the severity of a code: the override that matches it best, else its default. */
export function severityChooser(overrides: EventOptions['severity']): (code: string, byDefault: Severity) => Severity {
  const chosen = new Map<string, Severity | undefined>();
  const patterns = Object.keys(overrides).sort((a, b) => weight(b) - weight(a));
  return (code, byDefault) => {
    if (!chosen.has(code)) {
      const pattern = patterns.find((candidate) => matchesPattern(candidate, code));
      chosen.set(code, pattern === undefined ? undefined : overrides[pattern]);
    }
    return chosen.get(code) ?? byDefault;
  };
}

/** An exact code comes before a pattern of the same length. */
function weight(pattern: string): number {
  return pattern.endsWith('*') ? pattern.length - 1 : pattern.length + 0.5;
}
