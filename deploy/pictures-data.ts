/** A day of simulated activities, some of them attacks, as the events that a SIEM would hold. Always the same. */

import { playApplicants } from '../src/simulator/attacks/background.ts';
import { SCENARIOS } from '../src/simulator/attacks/index.ts';
import { HOUR, inTimeOrder, newStage, type TimedActivity, twoApplications } from '../src/simulator/attacks/stage.ts';
import { documentsOf } from '../test/detections/documents.ts';

type Document = Readonly<Record<string, unknown>>;

const SEED = 5;
/** A Wednesday. */
export const END = Date.parse('2026-09-16T18:00:00.000Z');
export const HOURS = 24;
export const START = END - HOURS * HOUR;

/** What happens over the ordinary applicants, and how many hours before the end it is over. */
const ATTACKS: readonly (readonly [name: string, hoursAgo: number])[] = [
  ['rejection-velocity', 9],
  ['restriction-burst', 6],
  ['session-velocity', 15],
  ['resubmit-loop-address', 4],
  ['success-after-rejections', 2],
  ['client-signs', 7],
];

export function dayOfEvents(): readonly { readonly at: number; readonly document: Document }[] {
  const applications = twoApplications(SEED, END);
  const people = newStage({ seed: SEED, end: END, world: 'background', applications });
  playApplicants(people, { hours: HOURS + 1, perHour: [30, 6] });
  const attacks = ATTACKS.flatMap(([name, hoursAgo]): readonly TimedActivity[] => {
    const scenario = SCENARIOS.find((each) => each.name === name);
    if (!scenario) throw new Error(`there is no scenario ${name}`);
    const stage = newStage({ seed: SEED, end: END - hoursAgo * HOUR, world: name, applications });
    scenario.attack.play(stage);
    return stage.played();
  });
  return documentsOf(inTimeOrder([...people.played(), ...attacks])).filter(({ at }) => at >= START && at < END);
}
