import { createHash } from 'node:crypto';
import { type Device, newAddress, newDevice } from '../applicants.ts';
import { base62, type Random, randomFrom } from '../random.ts';
import { applicationId, keyOf, type SimulatedActivity, subjectId } from '../sessions.ts';
import { inSpelling, SPELLINGS, type Spelling, type Subject } from '../spelling.ts';
import type { Step } from '../verification.ts';
import { pauseBefore } from './pauses.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export interface TimedActivity extends SimulatedActivity {
  /** Epoch ms. */
  readonly at: number;
}

/** `pause` in ms before it; without it as long as a person or Mosaic takes for such a step. */
export type TimedStep = Step & { readonly pause?: number };

/** What one subject does, from when on and where. What is not said is taken by chance. */
interface Visit {
  readonly at: number;
  readonly steps: readonly TimedStep[];
  readonly ip?: string;
  readonly device?: Device;
  readonly application?: string;
  readonly spelling?: Spelling;
  /** Mosaic's id of the device, which only activities of version 2 have. */
  readonly deviceId?: string;
  /** False: staff, who have a user id and no session. */
  readonly session?: boolean;
}

export interface Stage {
  readonly random: Random;
  readonly end: number;
  /** Of the two applications the one that attacks are on. */
  readonly application: string;
  /** What would come behind the end has not happened yet. Gives the time of the last step. */
  play(visit: Visit): number;
}

export interface StageOptions {
  readonly seed: number;
  readonly end: number;
  /** Tells worlds with the same seed and end apart: no two share a session. */
  readonly world: string;
  readonly applications: readonly [string, string];
}

/** A stage, and what was played on it so far, in time order. */
export function newStage({ seed, end, world, applications }: StageOptions): Stage & { played(): TimedActivity[] } {
  const digest = createHash('sha256').update(`${world} ${seed} ${end}`).digest();
  const random = randomFrom(digest.readInt32BE(0));
  const run = base62(digest.readUIntBE(4, 6), 7);
  const played: TimedActivity[] = [];
  let made = 0;
  return {
    random,
    end,
    application: applications[0],
    play: (visit) => {
      made += 1;
      const activities = activitiesOf(
        visit,
        subjectOf(visit, subjectId(random, run, made), applications, random),
        random,
      );
      for (const activity of activities) if (activity.at <= end) played.push(activity);
      return activities.at(-1)?.at ?? visit.at;
    },
    played: () => inTimeOrder(played),
  };
}

export function inTimeOrder(activities: readonly TimedActivity[]): TimedActivity[] {
  return activities.toSorted((one, other) => one.at - other.at || (one.key < other.key ? -1 : 1));
}

export function twoApplications(seed: number, end: number): readonly [string, string] {
  const digest = createHash('sha256').update(`applications ${seed} ${end}`).digest();
  return [applicationId(digest, 0), applicationId(digest, 16)];
}

function subjectOf(visit: Visit, id: string, applications: readonly [string, string], random: Random): Subject {
  return {
    id,
    session: visit.session ?? true,
    application: visit.application ?? random.pick(applications),
    device: visit.device ?? newDevice(random),
    ip: visit.ip ?? newAddress(random),
    spelling: visit.spelling ?? (visit.deviceId ? 'v2' : random.pick(SPELLINGS)),
  };
}

function activitiesOf({ at, steps, deviceId }: Visit, first: Subject, random: Random): TimedActivity[] {
  let subject = first;
  let now = Math.floor(at);
  return steps.map((step, index) => {
    // No two activities of a subject share a millisecond: that makes every key unique.
    if (index > 0) now += Math.max(1, Math.floor(step.pause ?? pauseBefore(random, step, now)));
    subject = { ...subject, device: step.device ?? subject.device, ip: step.ip ?? subject.ip };
    const written = inSpelling(subject, step, now, 'verify');
    const json = JSON.stringify(deviceId ? { ...written, device_id: deviceId } : written);
    return { at: now, key: keyOf(subject.id, now, step.activity), json };
  });
}
