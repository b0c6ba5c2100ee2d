/** When a search runs, how far it looks back, and what an alert of it looks like. */

import type { Detection, Rule } from '../../content/detection.ts';
import { RULES } from '../../content/detections/index.ts';
import { nameOf } from './filter.ts';
import type { Macro } from './macros.ts';
import { searchOf, seconds } from './spl.ts';
import type { Stanza } from './stanza.ts';

/** The feed is polled, and an upload takes its time: what happened this long ago is in Splunk. */
const LATE_MINUTES = 5;
/** How far back a search for single events looks, so that one that comes late is found. Suppression keeps it from being told twice. */
const EACH_SECONDS = 24 * 3600;
const EACH_STEP = 5;
/** Every so many minutes; each divides an hour. More often is a burden for the scheduler. */
const STEPS = [60, 30, 15, 10, 5] as const;

const SEVERITY: Readonly<Record<Rule['severity'], string>> = { low: '2', medium: '3', high: '4', critical: '5' };

export interface Saved {
  readonly stanza: Stanza;
  readonly macros: readonly Macro[];
}

export function savedSearches(): readonly Saved[] {
  return RULES.map(({ detection, rule }, index) => saved(detection, rule, index));
}

export function titleOf({ id, title }: Detection, { part }: Rule): string {
  return `Mosaic IDV - ${id} ${title}${part === '' ? '' : ` (${part.replaceAll('_', ' ')})`}`;
}

function saved(detection: Detection, rule: Rule, index: number): Saved {
  const { search, macros } = searchOf(detection, rule);
  const { back, step, again } = timing(rule);
  const keys = keysOf(rule);
  const settings = {
    description: descriptionOf(detection, rule),
    search,
    disabled: '1',
    enableSched: '1',
    cron_schedule: cron(step, index),
    'dispatch.earliest_time': `-${back / 60 + LATE_MINUTES}m@m`,
    'dispatch.latest_time': `-${LATE_MINUTES}m@m`,
    schedule_window: 'auto',
    counttype: 'number of events',
    relation: 'greater than',
    quantity: '0',
    'alert.track': '1',
    'alert.severity': SEVERITY[rule.severity],
    'alert.digest_mode': keys.length > 0 ? '0' : '1',
    'alert.suppress': '1',
    'alert.suppress.period': `${again / 60}m`,
    ...(keys.length > 0 && { 'alert.suppress.fields': keys.join(',') }),
  };
  return { stanza: { conf: 'savedsearches', name: titleOf(detection, rule), settings }, macros };
}

/** In seconds what is searched and for how long a key is not told again; in minutes how often it runs. */
function timing({ logic }: Rule): { readonly back: number; readonly step: number; readonly again: number } {
  if (logic.kind === 'each') return { back: EACH_SECONDS, step: EACH_STEP, again: EACH_SECONDS + 3600 };
  const window = seconds(logic.window);
  if (logic.kind === 'rate')
    return { back: window + seconds(logic.baseline), step: stepOf(window / 4, 60), again: window };
  return { back: window, step: stepOf(window / 10, 15), again: window };
}

function stepOf(most: number, bound: number): number {
  return STEPS.find((step) => step <= bound && step * 60 <= most) ?? EACH_STEP;
}

/** Not all at the same minute. */
function cron(step: number, index: number): string {
  return step === 60 ? `${(index * 7) % 60} * * * *` : `${index % step}-59/${step} * * * *`;
}

function keysOf({ logic }: Rule): readonly string[] {
  if (logic.kind === 'each') return [nameOf('event.id')];
  return logic.kind === 'silence' ? [] : logic.by.map(nameOf);
}

function descriptionOf({ why, off, wrongWhen, next }: Detection, { finds }: Rule): string {
  const sentences = [
    `${finds}.`,
    why,
    ...(off ? [`Think before you enable it: ${off}.`] : []),
    `Wrong when: ${wrongWhen.join(' ')}`,
    `Next: ${next.join(' ')}`,
  ];
  return sentences.join(' ');
}
