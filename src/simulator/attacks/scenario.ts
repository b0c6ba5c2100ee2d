import type { Background } from './background.ts';
import type { Stage } from './stage.ts';

/** What happens over the background, and in which words. */
export interface Story {
  /** A sentence for whoever watches. */
  readonly tells: string;
  readonly background: Background;
  readonly play: (stage: Stage) => void;
}

/** One rule of a detection as an attack that it has to find, and as something harmless that looks alike and leaves it silent. */
export interface Scenario {
  readonly name: string;
  /** The name of the detection, and behind a slash the part of it where it has several. */
  readonly rule: string;
  readonly attack: Story;
  readonly lookalike: Story;
}

/** For rules that look at an hour or less. */
export const HOURS: Background = { hours: 3, perHour: [8, 8] };
/** For rules that look at a day. */
export const DAY: Background = { hours: 30, perHour: [3, 1] };
/** For rules that compare an hour with the seven days before. */
export const WEEK: Background = { hours: 7 * 24 + 4, perHour: [4, 1], oneApplication: true };
/** For rules that compare a day with the seven days before. */
export const WEEK_AND_DAY: Background = { ...WEEK, hours: 8 * 24 + 2 };
