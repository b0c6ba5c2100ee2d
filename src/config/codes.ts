import { EVENT_CODES } from '../normalize/mapping.ts';
import { matchesPattern } from '../pattern.ts';
import { didYouMean } from './mistakes.ts';

/** Codes in a filter or an override that no event has: nobody would see that they do nothing. */
export function codeWarnings(name: string, codes: readonly string[]): string[] {
  return codes.filter(isIdle).map((code) => `${name}: no event has the code ${code}${hint(code)}`);
}

function isIdle(code: string): boolean {
  return !EVENT_CODES.some((known) => matchesPattern(code, known));
}

/** For a pattern the nearest activity: its codes differ behind the dot. */
function hint(code: string): string {
  if (!code.endsWith('.*')) return didYouMean(code, EVENT_CODES);
  return didYouMean(code, [...new Set(EVENT_CODES.map((known) => `${known.split('.', 1)}.*`))]);
}
