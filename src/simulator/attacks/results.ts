import { newAddress, newPhone } from '../applicants.ts';
import { DAY, HOURS, type Scenario, WEEK_AND_DAY } from './scenario.ts';
import { HOUR, MINUTE, SECOND, type Stage } from './stage.ts';
import { attempt, deniedAttempt, deniedFirst, movedTo } from './steps.ts';

// A block of documentation addresses stands for one country.
const WORKSHOP = '203.0.113.66';
const CALL_CENTRE = '198.51.100.40';
const BRANCH = '192.0.2.80';

/** Results that pile up. */
export const RESULT_SCENARIOS: readonly Scenario[] = [
  {
    name: 'rejection-velocity',
    rule: 'idv.rejection_velocity_ip',
    attack: {
      tells: 'Seven sessions from one address are rejected within three quarters of an hour.',
      background: HOURS,
      play: (stage) => {
        for (const at of every(stage, 7, 50 * MINUTE, 6 * MINUTE))
          stage.play({ at, ip: WORKSHOP, steps: attempt(stage.random, 'Rejected') });
      },
    },
    lookalike: {
      tells:
        'A call centre verifies its callers behind one address: twelve sessions succeed within an hour, two are rejected, and one is denied four times before it gives up.',
      background: HOURS,
      play: (stage) => {
        for (const at of every(stage, 12, 70 * MINUTE, 4 * MINUTE))
          stage.play({ at, ip: CALL_CENTRE, steps: attempt(stage.random, 'Success') });
        for (const at of every(stage, 2, 22 * MINUTE, 3 * MINUTE))
          stage.play({ at, ip: CALL_CENTRE, steps: attempt(stage.random, 'Rejected') });
        const again = deniedFirst(stage.random, 4).filter(({ activity }) => activity !== 'verification_completed');
        const given = again.filter(({ parameters }) => parameters?.['result'] === undefined);
        stage.play({ at: stage.end - 15 * MINUTE, ip: CALL_CENTRE, steps: given });
      },
    },
  },
  {
    name: 'resubmit-loop',
    rule: 'idv.resubmit_loop/session',
    attack: {
      tells: 'One session is resubmitted four times, with another picture each time, until it passes.',
      background: DAY,
      play: (stage) => {
        const steps = attempt(stage.random, 'Resubmit', 'Uncertain', 'Resubmit', 'Resubmit', 'Success');
        stage.play({ at: stage.end - 50 * MINUTE, ip: WORKSHOP, steps });
      },
    },
    lookalike: {
      tells: 'An impatient applicant in bad light: Resubmit, Uncertain, and then Success.',
      background: DAY,
      play: (stage) =>
        void stage.play({
          at: stage.end - 50 * MINUTE,
          steps: attempt(stage.random, 'Resubmit', 'Uncertain', 'Success'),
        }),
    },
  },
  {
    name: 'resubmit-loop-address',
    rule: 'idv.resubmit_loop/address',
    attack: {
      tells: 'Six sessions from one address end in Resubmit or Uncertain twice each, within an hour.',
      background: HOURS,
      play: (stage) => {
        for (const at of every(stage, 6, 55 * MINUTE, 7 * MINUTE))
          stage.play({ at, ip: WORKSHOP, steps: attempt(stage.random, 'Resubmit', 'Uncertain') });
      },
    },
    lookalike: {
      tells:
        'A call centre whose callers hold the camera badly: seven Resubmits within an hour, each followed by Success.',
      background: HOURS,
      play: (stage) => {
        for (const at of every(stage, 7, 70 * MINUTE, 8 * MINUTE))
          stage.play({ at, ip: CALL_CENTRE, steps: attempt(stage.random, 'Resubmit', 'Success') });
      },
    },
  },
  {
    name: 'restriction-burst',
    rule: 'idv.restriction_denied_burst/burst',
    attack: {
      tells:
        'Five sessions from one address are denied by restriction criteria within an hour: somebody looks for the edge.',
      background: HOURS,
      play: (stage) => {
        for (const at of every(stage, 5, 50 * MINUTE, 8 * MINUTE))
          stage.play({ at, ip: WORKSHOP, steps: deniedAttempt(stage.random) });
      },
    },
    lookalike: {
      tells:
        'One applicant is denied twice and passes with a passport; more than an hour later the next one is denied there.',
      background: HOURS,
      play: (stage) => {
        stage.play({ at: stage.end - 120 * MINUTE, ip: BRANCH, steps: deniedFirst(stage.random, 2) });
        stage.play({ at: stage.end - 40 * MINUTE, ip: BRANCH, steps: deniedFirst(stage.random) });
      },
    },
  },
  {
    name: 'restriction-elsewhere',
    rule: 'idv.restriction_denied_burst/elsewhere',
    attack: {
      tells: 'A session is denied by restriction criteria, and two hours later succeeds from another country.',
      background: DAY,
      play: (stage) => deniedThenMoved(stage, '192.0.2.150'),
    },
    lookalike: {
      tells: 'A session is denied, and later succeeds with another document from another address of the same country.',
      background: DAY,
      play: (stage) => deniedThenMoved(stage, '203.0.113.20'),
    },
  },
  {
    name: 'success-after-rejections',
    rule: 'idv.success_after_rejections/address',
    attack: {
      tells: 'Four sessions from one address are rejected over the day, and the fifth succeeds.',
      background: DAY,
      play: (stage) => {
        for (const at of every(stage, 4, 9 * HOUR, 2 * HOUR))
          stage.play({ at, ip: WORKSHOP, steps: attempt(stage.random, 'Rejected') });
        stage.play({ at: stage.end - 40 * MINUTE, ip: WORKSHOP, steps: attempt(stage.random, 'Success') });
      },
    },
    lookalike: {
      tells:
        'A branch at which six customers succeed and three are rejected, the third of them as the last of the day.',
      background: DAY,
      play: (stage) => branchDay(stage, (steps, at) => stage.play({ at, ip: BRANCH, steps })),
    },
  },
  {
    name: 'success-after-rejections-device',
    rule: 'idv.success_after_rejections/device',
    attack: {
      tells: 'One device is rejected four times, each time from another address, and then succeeds.',
      background: DAY,
      play: (stage) => {
        const device = newPhone(stage.random);
        const results = ['Rejected', 'Rejected', 'Rejected', 'Rejected', 'Success'];
        for (const [index, at] of every(stage, results.length, 9 * HOUR, 2 * HOUR).entries()) {
          const steps = attempt(stage.random, results[index] ?? 'Success');
          stage.play({ at, device, deviceId: 'dev-workshop', steps });
        }
      },
    },
    lookalike: {
      tells:
        "A shop's tablet with which nine customers verify: three are rejected, the third of them as the last of the day.",
      background: DAY,
      play: (stage) => {
        const device = newPhone(stage.random);
        branchDay(stage, (steps, at) =>
          stage.play({ at, ip: newAddress(stage.random), device, deviceId: 'dev-tablet', steps }),
        );
      },
    },
  },
  {
    name: 'rejection-rate',
    rule: 'idv.rejection_rate',
    attack: {
      tells: 'A campaign from a hundred addresses: half of an application’s sessions of this day are rejected.',
      background: WEEK_AND_DAY,
      play: (stage) => campaign(stage, ['Rejected', 'Success', 'Rejected']),
    },
    lookalike: {
      tells: 'A day with twice as many applicants, of whom no more are rejected than on other days.',
      background: WEEK_AND_DAY,
      play: (stage) =>
        campaign(
          stage,
          Array.from({ length: 40 }, (_, index) => (index === 20 ? 'Rejected' : 'Success')),
        ),
    },
  },
];

/** Evenly, the first of them so long before the end. */
function every({ end }: Stage, count: number, before: number, apart: number): number[] {
  return Array.from({ length: count }, (_, index) => end - before + index * apart);
}

/** Its last two steps, the Success and the end, come two hours later. */
function deniedThenMoved(stage: Stage, ip: string): void {
  const steps = deniedFirst(stage.random);
  const [success, ...end] = movedTo({ ip }, steps.slice(-2));
  if (!success) throw new Error('a session without an end');
  const later = [{ ...success, pause: 2 * HOUR }, ...end];
  stage.play({ at: stage.end - 4 * HOUR, ip: '203.0.113.140', steps: [...steps.slice(0, -2), ...later] });
}

/** Three are rejected, and nobody succeeds behind the third. */
function branchDay(stage: Stage, play: (steps: ReturnType<typeof attempt>, at: number) => void): void {
  const results = [
    'Success',
    'Rejected',
    'Success',
    'Success',
    'Success',
    'Rejected',
    'Success',
    'Success',
    'Rejected',
  ];
  for (const [index, at] of every(stage, results.length, 9.5 * HOUR, HOUR).entries())
    play(attempt(stage.random, results[index] ?? 'Success'), at);
}

/** Over the last twenty hours, from an address and a device of its own each. */
function campaign(stage: Stage, results: readonly string[]): void {
  for (let index = 0; index < 80; index += 1) {
    const steps = attempt(stage.random, results[index % results.length] ?? 'Success');
    stage.play({ at: stage.end - 20 * HOUR + index * 15 * MINUTE - SECOND, application: stage.application, steps });
  }
}
