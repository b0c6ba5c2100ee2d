import { type Device, newAddress, newPhone } from '../applicants.ts';
import { DAY, HOURS, type Scenario } from './scenario.ts';
import { HOUR, MINUTE, SECOND, type Stage } from './stage.ts';
import {
  attempt,
  COMPLETED,
  CREATED,
  capturingFront,
  capturingRest,
  consenting,
  DELETED,
  movedTo,
  opening,
  page,
  result,
  STARTED,
} from './steps.ts';

const DESKTOP: Device = browserOnWindows('Chrome/129.0.0.0 Safari/537.36', 'Chrome');
const OTHER_BROWSER: Device = browserOnWindows('Chrome/128.0.0.0 Safari/537.36 Edg/128.0.0.0', 'Edge');
const HOME = '198.51.100.77';
const OFFICE_AT_HOME = '198.51.100.190';
const ABROAD = '192.0.2.33';

/** How many sessions there are, how they run, and who is on the other end. */
export const SESSION_SCENARIOS: readonly Scenario[] = [
  {
    name: 'session-velocity',
    rule: 'idv.session_velocity_ip',
    attack: {
      tells: 'A program begins forty sessions from one address within seven minutes and finishes none.',
      background: HOURS,
      play: (stage) => {
        for (let index = 0; index < 40; index += 1) {
          const at = stage.end - 30 * MINUTE + index * 10 * SECOND;
          stage.play({ at, ip: '203.0.113.66', steps: [CREATED, STARTED, page('intro')] });
        }
      },
    },
    lookalike: {
      tells: 'The NAT of a mobile carrier: an applicant every forty seconds for half an hour, all behind one address.',
      background: HOURS,
      play: (stage) => {
        for (let index = 0; index < 45; index += 1) {
          const at = stage.end - 60 * MINUTE + index * 40 * SECOND;
          stage.play({
            at,
            ip: '198.51.100.1',
            device: newPhone(stage.random),
            steps: attempt(stage.random, 'Success'),
          });
        }
      },
    },
  },
  {
    name: 'device-velocity',
    rule: 'idv.velocity_device',
    attack: {
      tells: 'One device begins seven sessions in a day, each from another address.',
      background: DAY,
      play: (stage) => oneDevice(stage, [11, 10, 8, 6, 5, 3, 1], () => newAddress(stage.random)),
    },
    lookalike: {
      tells: "A shop's tablet with which customers verify: six in thirty hours, never more than four in one day.",
      background: DAY,
      play: (stage) => oneDevice(stage, [29, 27, 22, 10, 4, 1], () => '192.0.2.80'),
    },
  },
  {
    name: 'country-change',
    rule: 'idv.geo_change_in_session',
    attack: {
      tells: 'A session begins in one country and goes on in another a few minutes later, without a QR code.',
      background: HOURS,
      play: (stage) => handedOver(stage, { device: newPhone(stage.random) }, { ip: ABROAD }, false),
    },
    lookalike: {
      tells:
        'A desktop hands its session to a phone that is on a roaming network, by QR code; another applicant goes from one network to another of the same country.',
      background: HOURS,
      play: (stage) => {
        handedOver(stage, { device: DESKTOP }, { ip: ABROAD, device: newPhone(stage.random) }, true);
        handedOver(stage, { device: newPhone(stage.random) }, { ip: OFFICE_AT_HOME }, false);
      },
    },
  },
  {
    name: 'device-change',
    rule: 'idv.device_change_in_session',
    attack: {
      tells: 'A session goes on in another browser, at another address of the same country, without a QR code.',
      background: DAY,
      play: (stage) => handedOver(stage, { device: DESKTOP }, { ip: OFFICE_AT_HOME, device: OTHER_BROWSER }, false),
    },
    lookalike: {
      tells: 'A desktop hands its session to a phone by QR code.',
      background: DAY,
      play: (stage) =>
        handedOver(stage, { device: DESKTOP }, { ip: OFFICE_AT_HOME, device: newPhone(stage.random) }, true),
    },
  },
  {
    name: 'flow-integrity',
    rule: 'idv.flow_integrity',
    attack: {
      tells: 'A session is created and has the result Success, with no start and no picture between.',
      background: DAY,
      play: (stage) => void stage.play({ at: stage.end - 90 * MINUTE, steps: [CREATED, result('Success'), COMPLETED] }),
    },
    lookalike: {
      tells: 'A person looks at a session before it succeeds, nine hours after its pictures.',
      background: DAY,
      play: (stage) => {
        const steps = attempt(stage.random, 'Success').slice(0, -2);
        const late = { ...result('Success'), pause: 9 * HOUR };
        stage.play({ at: stage.end - 10 * HOUR, steps: [...steps, late, COMPLETED] });
      },
    },
  },
  {
    name: 'mass-deletion',
    rule: 'idv.mass_deletion/burst',
    attack: {
      tells: 'Forty sessions of one application are deleted within four minutes, in the middle of the day.',
      background: HOURS,
      play: (stage) => deletions(stage, awake(stage.end - 30 * MINUTE), 40, 6 * SECOND),
    },
    lookalike: {
      tells: 'The nightly retention deletes ninety sessions from 02:05 on; by day somebody deletes fifteen.',
      background: DAY,
      play: (stage) => {
        deletions(stage, nightBefore(stage.end), 90, 4 * SECOND);
        deletions(stage, awake(stage.end - 30 * MINUTE), 15, 6 * SECOND);
      },
    },
  },
  {
    name: 'deletion-after-rejection',
    rule: 'idv.mass_deletion/after_rejection',
    attack: {
      tells: 'A session is rejected, and deleted twelve minutes later.',
      background: DAY,
      play: (stage) => deletedAfter(stage, 'Rejected', stage.end - 40 * MINUTE, 12 * MINUTE),
    },
    lookalike: {
      tells:
        'A rejected session is deleted by the retention of the night; one that succeeded is deleted at once, as its applicant asks.',
      background: DAY,
      play: (stage) => {
        deletedAfter(stage, 'Rejected', nightBefore(stage.end) - 4 * HOUR, 4 * HOUR);
        deletedAfter(stage, 'Success', stage.end - 40 * MINUTE, 12 * MINUTE);
      },
    },
  },
  {
    name: 'feed-silence',
    rule: 'idv.feed_silence',
    attack: {
      tells: 'Nothing comes for three quarters of an hour on a working day.',
      background: { hours: 78, perHour: [6, 1], silent: (end) => [workingMorning(end, 45)] },
      play: () => {},
    },
    lookalike: {
      tells: 'Nothing comes for a whole night, and for twenty minutes of a working day.',
      background: { hours: 78, perHour: [6, 1], silent: (end) => [...quietNights(end), workingMorning(end, 20)] },
      play: () => {},
    },
  },
];

function browserOnWindows(products: string, browser: string): Device {
  return {
    userAgent: `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ${products}`,
    platform: 'web-sdk',
    sdkVersion: '1.3.37',
    osVersion: '10',
    deviceModel: '',
    browser,
  };
}

function oneDevice(stage: Stage, hoursBefore: readonly number[], ip: () => string): void {
  const device = newPhone(stage.random);
  for (const hours of hoursBefore) {
    const steps = attempt(stage.random, 'Success');
    stage.play({
      at: stage.end - hours * HOUR + MINUTE,
      ip: ip(),
      device,
      deviceId: `dev-${hoursBefore.length}`,
      steps,
    });
  }
}

/** Begun at home, and from the consent on somewhere else. */
function handedOver(
  stage: Stage,
  { device }: { readonly device: Device },
  to: { readonly ip: string; readonly device?: Device },
  byCode: boolean,
): void {
  const onward = [...consenting(), ...capturingFront(stage.random), ...capturingRest(stage.random), result('Success')];
  const steps = [...opening(), ...(byCode ? [page('qr')] : []), ...movedTo(to, onward), COMPLETED];
  stage.play({ at: stage.end - 40 * MINUTE, ip: HOME, device, steps });
}

function deletions(stage: Stage, from: number, count: number, apart: number): void {
  for (let index = 0; index < count; index += 1)
    stage.play({ at: from + index * apart, ip: '192.0.2.9', application: stage.application, steps: [DELETED] });
}

function deletedAfter(stage: Stage, value: string, at: number, pause: number): void {
  stage.play({ at, steps: [...attempt(stage.random, value), { ...DELETED, pause }] });
}

const A_DAY = 24 * HOUR;

/** 02:05 of the last night that is over. */
function nightBefore(end: number): number {
  const night = Math.floor(end / A_DAY) * A_DAY + 2 * HOUR + 5 * MINUTE;
  return night + HOUR <= end ? night : night - A_DAY;
}

/** The same time, or one before the hour of the retention where it falls into that. */
function awake(time: number): number {
  const hour = new Date(time).getUTCHours();
  return hour === 2 ? time - HOUR : time;
}

/** So many minutes from 10:00 on, of the last working day that has them. */
function workingMorning(end: number, minutes: number): readonly [number, number] {
  let from = Math.floor(end / A_DAY) * A_DAY + 10 * HOUR;
  const isWorking = () => ![0, 6].includes(new Date(from).getUTCDay());
  while (from + HOUR > end || !isWorking()) from -= A_DAY;
  return [from, from + minutes * MINUTE];
}

function quietNights(end: number): readonly (readonly [number, number])[] {
  const last = nightBefore(end);
  return [0, 1, 2].map((days) => [last - days * A_DAY - 5 * HOUR, last - days * A_DAY + 4 * HOUR]);
}
