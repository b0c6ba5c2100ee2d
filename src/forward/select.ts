import { matchesPattern } from '../pattern.ts';
import type { SecurityEvent, Severity, StreamName } from '../types.ts';

/** What a sink's `only` or `except` names. Within one key any value matches, across keys all must. */
export interface Selection {
  /** This severity and above. */
  readonly severity?: Severity | undefined;
  /** Event codes; `*` at the end stands for any rest. */
  readonly codes?: readonly string[] | undefined;
  readonly streams?: readonly StreamName[] | undefined;
}

const LADDER: readonly Severity[] = ['informational', 'low', 'medium', 'high', 'critical'];

/** The events that reach a sink. What could not be mapped passes every filter unless an exception names its code and fits. */
export function selector(only?: Selection, except?: Selection): (event: SecurityEvent) => boolean {
  return (event) => {
    if (event.code === 'pipeline_error' || event.code.endsWith('.pipeline_error'))
      return !(except?.codes && matches(except, event));
    return (!only || matches(only, event)) && !(except && matches(except, event));
  };
}

function matches({ severity, codes, streams }: Selection, event: SecurityEvent): boolean {
  if (severity && LADDER.indexOf(event.severity) < LADDER.indexOf(severity)) return false;
  if (codes && !matchesCode(codes, event.code)) return false;
  return !streams || streams.includes(event.source.stream);
}

function matchesCode(codes: readonly string[], code: string): boolean {
  return codes.some((pattern) => matchesPattern(pattern, code));
}
