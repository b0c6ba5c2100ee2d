import type { Random } from '../random.ts';
import type { Step } from '../verification.ts';

const DAY = 86_400_000;
/** Sessions are deleted in the hour that follows, UTC. */
const RETENTION_AT = 2 * 3_600_000;

type Span = readonly [low: number, high: number];

/** Milliseconds from the step before: a click takes a person, what follows it a machine. */
const PAUSES: Readonly<Record<string, Span>> = {
  session_started: [400, 3_000],
  page_loaded: [600, 2_500],
  user_action_performed: [2_500, 12_000],
  consent_approved: [150, 500],
  check_image_quality: [300, 900],
  image_uploaded_info: [900, 3_000],
  allow_by_restriction_criterion: [400, 1_500],
  deny_by_restriction_criterion: [400, 1_500],
  verification_status_updated: [8_000, 60_000],
  sdk_process_completed: [300, 900],
  redirect: [800, 2_500],
  verification_completed: [300, 2_000],
  face_auth_session_completed: [6_000, 15_000],
  error: [12_000, 30_000],
  expiration_session: [900_000, 960_000],
};
const OTHERS: Span = [2_000, 20_000];
const PENDING: Span = [500, 2_000];
const CAPTURE: Span = [4_000, 15_000];

/** How long a person, or Mosaic, takes for this step behind the one before, which was at `now`. */
export function pauseBefore(random: Random, step: Step, now: number): number {
  if (step.activity === 'session_deleted') return nextNight(random, now) - now;
  return random.between(...spanOf(step));
}

function spanOf({ activity, parameters }: Step): Span {
  if (parameters?.['result'] === 'Pending') return PENDING;
  if (parameters?.['userActionType'] === 'capture_image') return CAPTURE;
  return PAUSES[activity] ?? OTHERS;
}

/** The retention runs each night, and takes some time. */
function nextNight(random: Random, now: number): number {
  const today = Math.floor(now / DAY) * DAY + RETENTION_AT;
  return (today > now ? today : today + DAY) + random.between(0, 50 * 60_000);
}
