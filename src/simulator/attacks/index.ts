import { playApplicants } from './background.ts';
import { CLIENT_SCENARIOS } from './clients.ts';
import { RESULT_SCENARIOS } from './results.ts';
import type { Scenario, Story } from './scenario.ts';
import { SESSION_SCENARIOS } from './sessions.ts';
import { SINGLE_SCENARIOS } from './single.ts';
import { inTimeOrder, newStage, type TimedActivity, twoApplications } from './stage.ts';

export type { Scenario, Story } from './scenario.ts';
export type { TimedActivity } from './stage.ts';

/** One for each rule of each detection. */
export const SCENARIOS: readonly Scenario[] = [
  ...RESULT_SCENARIOS,
  ...SESSION_SCENARIOS,
  ...CLIENT_SCENARIOS,
  ...SINGLE_SCENARIOS,
];

/** Nothing but ordinary applicants, for nine days: what no rule may fire on, but those that fire on each single result. */
export const ORDINARY: Story = {
  tells: 'Nothing but ordinary applicants.',
  background: { hours: 9 * 24, perHour: [6, 1] },
  play: () => {},
};

export interface PlayOptions {
  /** The same seed and end give the same activities. */
  readonly seed: number;
  /** Epoch ms: when it is now. Nothing is later. */
  readonly end: number;
}

/** Both in time order. */
export interface Played {
  readonly background: readonly TimedActivity[];
  /** What the story itself adds. */
  readonly own: readonly TimedActivity[];
}

export function playStory(story: Story, { seed, end }: PlayOptions): Played {
  const applications = twoApplications(seed, end);
  const people = newStage({ seed, end, world: 'background', applications });
  playApplicants(people, story.background);
  const silent = story.background.silent?.(end) ?? [];
  const heard = people.played().filter(({ at }) => !silent.some(([from, to]) => at >= from && at < to));
  return { background: heard, own: playAlone(story, { seed, end }) };
}

/** What the story itself adds, without the background. */
export function playAlone(story: Story, { seed, end }: PlayOptions): readonly TimedActivity[] {
  const stage = newStage({ seed, end, world: `story ${story.tells}`, applications: twoApplications(seed, end) });
  story.play(stage);
  return stage.played();
}

/** Both together, in time order. */
export function allOf({ background, own }: Played): readonly TimedActivity[] {
  return inTimeOrder([...background, ...own]);
}
