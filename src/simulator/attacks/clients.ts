import { type Device, newPhone, phone } from '../applicants.ts';
import type { Step } from '../verification.ts';
import { DAY, HOURS, type Scenario, WEEK } from './scenario.ts';
import { MINUTE, SECOND, type Stage, type TimedStep } from './stage.ts';
import {
  attempt,
  COMPLETED,
  CREATED,
  capturingFront,
  capturingRest,
  consenting,
  opening,
  result,
  STARTED,
} from './steps.ts';

const KIT = 'AppleWebKit/537.36 (KHTML, like Gecko)';
const PHONE_OF_A_PROGRAM: Device = {
  userAgent: 'python-requests/2.32.3',
  platform: 'ios-sdk',
  sdkVersion: '1.3.37',
  osVersion: '17.6',
  deviceModel: 'iPhone',
  browser: 'Mobile Safari',
};
const HEADLESS = phone(`(X11; Linux x86_64) ${KIT} HeadlessChrome/129.0.0.0 Safari/537.36`, '', '', 'Chrome');
/** Frozen versions, an SDK without a browser: unusual, and no contradiction. */
const ODD_BUT_HONEST: readonly Device[] = [
  phone(`(Linux; Android 10; K) ${KIT} Chrome/129.0.0.0 Mobile Safari/537.36`, '14', 'Pixel 8', 'Chrome'),
  phone(
    '(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15',
    '15.1',
    '',
    'Safari',
  ),
  {
    userAgent: 'okhttp/4.12.0',
    platform: 'android-sdk',
    sdkVersion: '2.1.0',
    osVersion: '14',
    deviceModel: 'moto g54',
    browser: '',
  },
];
const RENAMED_BROWSER = phone(`(Windows NT 10.0; Win64; x64) ${KIT} Chrome/129.0.0.0 Safari/537.36`, '10', '', 'Brave');

/** What the applicant's device tells of itself, how fast it is, where it is sent, and what fails on it. */
export const CLIENT_SCENARIOS: readonly Scenario[] = [
  {
    name: 'client-sign',
    rule: 'idv.client_anomaly/one_sign',
    attack: {
      tells: 'A headless browser walks through a session.',
      background: DAY,
      play: (stage) => onDevice(stage, HEADLESS),
    },
    lookalike: {
      tells: 'Honest devices that look odd: browsers that freeze their versions, an SDK that names no browser.',
      background: DAY,
      play: (stage) => {
        for (const device of ODD_BUT_HONEST) onDevice(stage, device);
      },
    },
  },
  {
    name: 'client-signs',
    rule: 'idv.client_anomaly/two_signs',
    attack: {
      tells: 'A script sends what a phone would say of itself, with the user agent of a script.',
      background: DAY,
      play: (stage) => onDevice(stage, PHONE_OF_A_PROGRAM),
    },
    lookalike: {
      tells: 'A browser that calls itself by another name than its user agent does: one sign, which is not two.',
      background: DAY,
      play: (stage) => onDevice(stage, RENAMED_BROWSER),
    },
  },
  {
    name: 'redirect-host',
    rule: 'idv.redirect_host',
    attack: {
      tells: 'A session ends with a redirect to a host that is not the application’s.',
      background: HOURS,
      play: (stage) => redirected(stage, 'https://onboarding.example.net/idv/done?state=1'),
    },
    lookalike: {
      tells: 'A redirect to the right host, with another path and a strange host in its query.',
      background: HOURS,
      play: (stage) => redirected(stage, 'https://onboarding.example.com/welcome?next=https://onboarding.example.net/'),
    },
  },
  {
    name: 'inhuman-upload',
    rule: 'idv.inhuman_speed/upload',
    attack: {
      tells: 'A program uploads a picture 300 ms after the page that asks for it.',
      background: DAY,
      play: (stage) => hurried(stage, 40, 200),
    },
    lookalike: {
      tells: 'An applicant in a hurry, who has the document in the hand: three seconds from page to upload.',
      background: DAY,
      play: (stage) => hurried(stage, 300, 2_400),
    },
  },
  {
    name: 'inhuman-flow',
    rule: 'idv.inhuman_speed/flow',
    attack: {
      tells: 'A program takes seven seconds from the start of a session to its result.',
      background: DAY,
      play: (stage) => wholeFlow(stage, 240),
    },
    lookalike: {
      tells: 'An applicant who verifies for the second time takes half a minute; a face authentication, three seconds.',
      background: DAY,
      play: (stage) => {
        wholeFlow(stage, 1_200);
        const steps = [CREATED, STARTED, { activity: 'face_auth_session_completed', pause: 3_000 }];
        stage.play({ at: stage.end - 30 * MINUTE, steps });
      },
    },
  },
  {
    name: 'error-spike',
    rule: 'idv.error_spike',
    attack: {
      tells: 'Within an hour every second session of an application runs into errors.',
      background: WEEK,
      play: (stage) => busyHour(stage, 2),
    },
    lookalike: {
      tells: 'A busy hour with the ordinary share of errors.',
      background: WEEK,
      play: (stage) => busyHour(stage, 24),
    },
  },
];

function onDevice(stage: Stage, device: Device): void {
  stage.play({ at: stage.end - 45 * MINUTE, device, steps: attempt(stage.random, 'Success') });
}

function redirected(stage: Stage, redirectUrl: string): void {
  const [completed, ...before] = attempt(stage.random, 'Success').reverse();
  if (!completed) throw new Error('a session without steps');
  const redirect: Step = { activity: 'redirect', sdk: true, parameters: { redirectUrl } };
  stage.play({ at: stage.end - 30 * MINUTE, steps: [...before.reverse(), redirect, completed] });
}

/** From a capture page to its upload: so long before the click, and so long from there to the upload. */
function hurried(stage: Stage, click: number, upload: number): void {
  const [front, ...others] = capturingFront(stage.random);
  const pauses = [click, upload / 4, (upload * 3) / 4];
  const quick = others.map((step, index) => ({ ...step, pause: pauses[index] ?? click }));
  const rest = [...capturingRest(stage.random), result('Success'), COMPLETED];
  const steps = [...opening(), ...consenting(), ...(front ? [front] : []), ...quick, ...rest];
  stage.play({ at: stage.end - 45 * MINUTE, device: newPhone(stage.random), steps });
}

/** A pause of this many ms before each step; a picture takes five times that. */
function wholeFlow(stage: Stage, pause: number): void {
  const pauseOf = ({ activity }: TimedStep) => (activity === 'image_uploaded_info' ? pause * 5 : pause / 2);
  const steps = attempt(stage.random, 'Success').map((step) => ({ ...step, pause: pauseOf(step) }));
  stage.play({ at: stage.end - 45 * MINUTE, device: newPhone(stage.random), steps });
}

/** Forty-eight sessions; one of so many runs into an error before each of its pictures. */
function busyHour(stage: Stage, oneOf: number): void {
  for (let index = 0; index < 48; index += 1) {
    const steps = attempt(stage.random, 'Success');
    const failing =
      index % oneOf === oneOf / 2 ? steps.flatMap((step) => (isCapture(step) ? [trouble(), step] : [step])) : steps;
    stage.play({ at: stage.end - 56 * MINUTE + index * 65 * SECOND, application: stage.application, steps: failing });
  }
}

function isCapture({ parameters }: Step): boolean {
  return parameters?.['userActionType'] === 'capture_image';
}

function trouble(): TimedStep {
  const parameters = { errorName: 'network_error', errorDescription: 'The picture could not be sent' };
  return { activity: 'error', sdk: true, parameters, pause: 4_000 };
}
