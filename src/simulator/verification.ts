import { type Device, forgedDevice, hotAddress, newAddress, newDevice, newPhone } from './applicants.ts';
import type { Random } from './random.ts';

/** One activity to come. Without its time and its session, which the source adds. */
export interface Step {
  readonly activity: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** With what the SDK tells of the device. */
  readonly sdk?: boolean;
  /** From here on the applicant sits at another device. */
  readonly device?: Device;
  readonly ip?: string;
}

/** The steps of one subject, in their order. */
export interface Script {
  readonly device: Device;
  readonly ip: string;
  /** Mosaic gives the session id as the user id too. Staff have a user id and no session. */
  readonly session: boolean;
  readonly steps: readonly Step[];
}

/** One verification session of an applicant; now and then a visit of staff. */
export function verification(random: Random, forgedShare = 0.06): Script {
  if (random.chance(0.01)) return staffVisit(random);
  const forged = random.chance(forgedShare);
  const device = forged ? forgedDevice(random) : newDevice(random);
  const ip = forged ? hotAddress(random) : newAddress(random);
  const steps: Step[] = [{ activity: 'session_created' }];
  if (random.chance(0.03)) steps.push({ activity: 'session_started' }, { activity: 'face_auth_session_completed' });
  else walk(random, steps, device, forged);
  if (random.chance(0.02)) steps.push({ activity: 'session_deleted' });
  if (random.chance(0.01)) steps.splice(random.between(1, steps.length), 0, unknown(random));
  return { device, ip, session: true, steps };
}

function walk(random: Random, steps: Step[], device: Device, forged: boolean): void {
  steps.push({ activity: 'session_started' }, page('intro'), action('start_button_clicked', 'intro'));
  const handedOff = device.deviceModel === '' && random.chance(0.6);
  const phone = handedOff && { device: newPhone(random), ip: newAddress(random) };
  if (phone) steps.push(page('qr'));
  const onward: Step[] = [];
  if (random.chance(0.05)) leave(random, onward);
  else if (random.chance(0.02)) fail(random, onward);
  else offerDocuments(random, onward, forged);
  // The code is shown on the desktop; the phone begins with the page behind it.
  const [first, ...others] = onward;
  if (first) steps.push({ ...first, ...phone }, ...others);
}

function offerDocuments(random: Random, steps: Step[], forged: boolean): void {
  steps.push(page('consent'), action('consent_checked', 'consent'), action('accept_and_start_clicked', 'consent'));
  steps.push({ activity: 'consent_approved' }, page('instructions_screen'));
  capture(random, steps, 'document_front', 'front');
  if (random.chance(0.015)) {
    steps.push({ activity: 'deny_by_restriction_criterion' });
    capture(random, steps, 'document_front', 'front');
  }
  steps.push({ activity: 'allow_by_restriction_criterion' });
  capture(random, steps, 'document_back', 'back');
  if (random.chance(0.04)) {
    leave(random, steps);
    return;
  }
  capture(random, steps, 'selfie', 'selfie');
  decide(random, steps, forged);
}

function capture(random: Random, steps: Step[], name: string, imageType: string): void {
  steps.push(page(name));
  for (let again = true; again; ) {
    again = random.chance(0.1);
    steps.push(action('capture_image', name), checked(random, imageType, again));
    if (!again || random.chance(0.3)) steps.push(uploaded(random, imageType, again));
  }
}

function decide(random: Random, steps: Step[], forged: boolean): void {
  steps.push(result('Pending'));
  if (random.chance(0.05)) {
    steps.push(result(random.pick(['Resubmit', 'Uncertain'])));
    capture(random, steps, 'selfie', 'selfie');
    steps.push(result('Pending'));
  }
  steps.push({ activity: 'sdk_process_completed', sdk: true }, page('verification_completed_screen'));
  steps.push({ activity: 'redirect', sdk: true, parameters: { redirectUrl: callback(random) } });
  if (random.chance(forged ? 0.45 : 0.018)) steps.push(result('Rejected'));
  else if (random.chance(0.02)) steps.push(result('Error'));
  else steps.push(result(random.chance(0.002) ? 'Escalated' : 'Success'));
  steps.push({ activity: 'verification_completed' });
}

/** The applicant gives up: by a click, by denying the camera, or by doing nothing. */
function leave(random: Random, steps: Step[]): void {
  const way = random.between(0, 3);
  if (way === 0) steps.push(action('cancel', 'consent'));
  else if (way === 1) steps.push(page('permission_denied'), page('permission_denied_no_refresh_button'));
  else if (way === 2) steps.push(page('timeout'), { activity: 'expiration_session' });
  else steps.push({ activity: 'expiration_session' }, { activity: 'session_deleted' });
}

function fail(random: Random, steps: Step[]): void {
  const name = random.pick(['camera_unavailable', 'network_error', 'session_not_found']);
  const spelling = random.pick(['error', 'errorName']);
  const parameters = {
    [spelling]: name,
    errorDescription: `The step could not be finished: ${name.replaceAll('_', ' ')}`,
  };
  steps.push({ activity: 'error', sdk: true, parameters }, page('error'), result('Error'));
}

function staffVisit(random: Random): Script {
  const steps: Step[] = [];
  for (let left = random.between(1, 3); left > 0; left -= 1) {
    steps.push({
      activity: random.pick([
        'read_fraud_image_data',
        'read_fraud_image_data',
        'download_session_zip',
        'download_fraud_csv',
        'restriction_criteria_updated',
        'delete_fraud_image_data',
      ]),
      parameters: { itemCount: random.between(1, 40) },
    });
  }
  return { device: newDevice(random), ip: newAddress(random), session: false, steps };
}

/** A name that nobody has listed yet. */
function unknown(random: Random): Step {
  const activity = random.pick(['liveness_retry_requested', 'nfc_chip_read', 'document_type_selected']);
  return { activity, sdk: true, parameters: { retryNo: random.between(1, 5) } };
}

export function page(pageName: string): Step {
  return { activity: 'page_loaded', sdk: true, parameters: { pageName } };
}

export function action(userActionType: string, pageName: string): Step {
  return { activity: 'user_action_performed', sdk: true, parameters: { pageName, userActionType } };
}

export function result(value: string): Step {
  return { activity: 'verification_status_updated', parameters: { result: value } };
}

export function checked(random: Random, imageType: string, failed: boolean): Step {
  const checkResult = failed ? random.pick(['blur', 'glare', 'failure', 'obstructed']) : random.pick(['success', 'ok']);
  return { activity: 'check_image_quality', parameters: { imageType, checkResult } };
}

export function uploaded(random: Random, imageType: string, failed: boolean): Step {
  const requestProcessingTimeMs = random.between(180, 2400);
  const parameters = { imageType, processResult: failed ? 'failure' : 'success', requestProcessingTimeMs };
  return { activity: 'image_uploaded_info', sdk: true, parameters };
}

function callback(random: Random): string {
  return `https://onboarding.example.com/idv/done?state=${random.between(1e8, 1e9)}`;
}
