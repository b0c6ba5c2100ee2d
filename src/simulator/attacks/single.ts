import { HOURS, type Scenario, type Story } from './scenario.ts';
import { MINUTE } from './stage.ts';
import { attempt, deniedAttempt } from './steps.ts';

/** One result of a kind. */
export const SINGLE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'rejected',
    rule: 'idv.rejected',
    attack: single('A verification is rejected.', ['Rejected']),
    lookalike: single('A verification is resubmitted, uncertain, and ends in an error.', [
      'Resubmit',
      'Uncertain',
      'Error',
    ]),
  },
  {
    name: 'restriction-denied',
    rule: 'idv.restriction_denied',
    attack: {
      tells: 'Restriction criteria deny a verification.',
      background: { ...HOURS, unblemished: true },
      play: (stage) => void stage.play({ at: stage.end - 20 * MINUTE, steps: deniedAttempt(stage.random) }),
    },
    lookalike: {
      tells: 'Staff change the restriction criteria, and the next applicant passes them.',
      background: { ...HOURS, unblemished: true },
      play: (stage) => {
        const steps = [{ activity: 'restriction_criteria_updated' }];
        stage.play({ at: stage.end - 30 * MINUTE, session: false, steps });
        stage.play({ at: stage.end - 20 * MINUTE, steps: attempt(stage.random, 'Success') });
      },
    },
  },
];

function single(tells: string, results: readonly string[]): Story {
  return {
    tells,
    background: { ...HOURS, unblemished: true },
    play: (stage) => void stage.play({ at: stage.end - 20 * MINUTE, steps: attempt(stage.random, ...results) }),
  };
}
