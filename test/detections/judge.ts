/** What a rule alerts on over a story, run after run, and whether that is as it should be. */

import { RULES, type RuleOf } from '../../sinks/content/detections/index.ts';
import { allOf, playStory, SCENARIOS, type Scenario, type Story } from '../../src/simulator/attacks/index.ts';
import { documentsOf, type StoredEvent } from './documents.ts';
import { type Evaluate, evaluator, keysOf } from './evaluate.ts';
import { msOf, timesOf } from './schedule.ts';

/** A Thursday, in the afternoon: the same activities at each run. */
export const END = Date.parse('2026-11-26T16:00:00Z');
const SEED = 20_261_126;

export interface NamedRule extends RuleOf {
  /** As scenarios name it: the detection, and behind a slash its part. */
  readonly name: string;
}

export const NAMED_RULES: readonly NamedRule[] = RULES.map(({ detection, rule }) => ({
  detection,
  rule,
  name: rule.part === '' ? detection.name : `${detection.name}/${rule.part}`,
}));

export function scenarioOf({ name }: NamedRule): Scenario {
  const scenario = SCENARIOS.find(({ rule }) => rule === name);
  if (!scenario) throw new Error(`no scenario plays ${name}`);
  return scenario;
}

export interface Scene {
  readonly events: readonly StoredEvent[];
  /** What the story added to the background. */
  readonly own: readonly StoredEvent[];
}

export function sceneOf(story: Story): Scene {
  const played = playStory(story, { seed: SEED, end: END });
  return { events: documentsOf(allOf(played)), own: documentsOf(played.own) };
}

/** When a rule runs over a scene: a rule that compares with days before, only when they are all there. */
export function runsOver({ rule: { logic } }: NamedRule, { events }: Scene, to = END): readonly number[] {
  const begin = events[0]?.at ?? to;
  return timesOf(logic, logic.kind === 'rate' ? begin + msOf(logic.baseline) : begin, to);
}

export function evaluatorOf({ rule }: NamedRule, { events }: Scene): Evaluate {
  return evaluator(rule.logic, events);
}

export type Alerts = readonly (readonly string[])[];

export function hasAlert(alerts: Alerts): boolean {
  return alerts.some((keys) => keys.length > 0);
}

/** It fired, and on nothing but what the story had added. */
export function foundOnlyOwn({ rule: { logic } }: NamedRule, { own }: Scene, alerts: Alerts): boolean {
  if (!hasAlert(alerts) || logic.kind === 'silence') return hasAlert(alerts);
  const keys = new Set(own.flatMap((event) => (logic.kind === 'each' ? [event.id] : keysOf(event, logic.by))));
  return alerts.flat().every((key) => keys.has(key));
}
