import type { Detection, Rule } from '../detection.ts';
import { CLIENTS } from './clients.ts';
import { RESULTS } from './results.ts';
import { SESSIONS } from './sessions.ts';
import { SINGLE } from './single.ts';

/** All of them, by number. */
export const DETECTIONS: readonly Detection[] = [...RESULTS, ...SESSIONS, ...CLIENTS, ...SINGLE].sort(
  (a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)),
);

export interface RuleOf {
  readonly detection: Detection;
  readonly rule: Rule;
}

/** Each rule of each detection, in their order. */
export const RULES: readonly RuleOf[] = DETECTIONS.flatMap((detection) =>
  detection.rules.map((rule) => ({ detection, rule })),
);
