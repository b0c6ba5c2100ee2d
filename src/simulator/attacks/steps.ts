/** What sessions of attacks and of their look-alikes are put together from. */
import type { Random } from '../random.ts';
import { action, checked, page, result, type Step, uploaded } from '../verification.ts';
import type { TimedStep } from './stage.ts';

export const CREATED: Step = { activity: 'session_created' };
export const STARTED: Step = { activity: 'session_started' };
const DENY: Step = { activity: 'deny_by_restriction_criterion' };
const ALLOW: Step = { activity: 'allow_by_restriction_criterion' };
export const DELETED: Step = { activity: 'session_deleted' };
export const COMPLETED: Step = { activity: 'verification_completed' };
export { page, result };

/** The first page and the click on it. */
export function opening(): TimedStep[] {
  return [CREATED, STARTED, page('intro'), action('start_button_clicked', 'intro')];
}

export function consenting(): TimedStep[] {
  return [
    page('consent'),
    action('consent_checked', 'consent'),
    action('accept_and_start_clicked', 'consent'),
    { activity: 'consent_approved' },
    page('instructions_screen'),
  ];
}

/** The page, the picture, its check and its upload, which all go well. */
function capturing(random: Random, pageName: string, imageType: string): TimedStep[] {
  return [
    page(pageName),
    action('capture_image', pageName),
    checked(random, imageType, false),
    uploaded(random, imageType, false),
  ];
}

export function capturingFront(random: Random): TimedStep[] {
  return capturing(random, 'document_front', 'front');
}

/** The back of the document, the face, and the wait for a result. */
export function capturingRest(random: Random): TimedStep[] {
  return [
    ALLOW,
    ...capturing(random, 'document_back', 'back'),
    ...capturing(random, 'selfie', 'selfie'),
    result('Pending'),
  ];
}

/** A whole session with these results, each behind a new picture where it is not the first. */
export function attempt(random: Random, ...results: readonly string[]): TimedStep[] {
  const [first, ...others] = results.map((value) => result(value));
  return [
    ...opening(),
    ...consenting(),
    ...capturingFront(random),
    ...capturingRest(random),
    ...(first ? [first] : []),
    ...others.flatMap((other) => [...capturing(random, 'selfie', 'selfie'), result('Pending'), other]),
    COMPLETED,
  ];
}

/** A session that restriction criteria deny at its first document, and that ends there. */
export function deniedAttempt(random: Random): TimedStep[] {
  return [...opening(), ...consenting(), ...capturingFront(random), DENY];
}

/** A session that is denied so often, and passes with another document. */
export function deniedFirst(random: Random, times = 1): TimedStep[] {
  const denials = Array.from({ length: times }, () => [DENY, ...capturingFront(random)]).flat();
  return [
    ...opening(),
    ...consenting(),
    ...capturingFront(random),
    ...denials,
    ...capturingRest(random),
    result('Success'),
    COMPLETED,
  ];
}

/** The rest of a session, begun elsewhere: at another device, another address, or both. */
export function movedTo(place: Pick<Step, 'device' | 'ip'>, [first, ...others]: readonly TimedStep[]): TimedStep[] {
  return first ? [{ ...first, ...place }, ...others] : [];
}
