import type { Severity } from '../types.ts';
import type { ActivityRows, Group, Outcome, Parameter, Row } from './mapping.ts';

/** The parameters of an identity-verification activity, beside those that all streams share. */
export const VERIFY_PARAMETERS: Readonly<Record<string, Parameter>> = {
  app_id: { copy: 'app_id' },
  session_id: { vendor: ['session_id'] },
  user_id: { ecs: ['user.id', 'related.user'], vendor: ['user_id'] },
  platform: { copy: 'platform' },
  sdk_version: { copy: 'sdk_version' },
  os_version: { ecs: ['user_agent.os.version'], vendor: ['os_version'] },
  device_model: { ecs: ['device.model.identifier', 'user_agent.device.name'], vendor: ['device_model'] },
  browser: { ecs: ['user_agent.name'], vendor: ['browser'] },
  page_name: { copy: 'page_name' },
  user_action_type: { copy: 'user_action_type' },
  image_type: { copy: 'image_type' },
  process_result: { copy: 'process_result' },
  check_result: { copy: 'check_result' },
  result: { copy: 'result' },
  request_processing_time_ms: { ecs: ['event.duration'], vendor: ['request_processing_time_ms'] },
  error: { ecs: ['error.type'], vendor: ['error', 'error_name'] },
  error_name: { ecs: ['error.type'], vendor: ['error_name'] },
  error_description: { ecs: ['error.message'] },
  redirect_url: {
    ecs: ['full', 'original', 'scheme', 'domain', 'port', 'path', 'query']
      .map((field) => `url.${field}`)
      .concat('related.hosts'),
    vendor: ['redirect_host'],
  },
};

/**
 * activity | parameter=value (* is any other, or none) | group | category | types | outcome | severity | message, after
 * `IDV ` | reason. The reason of `error` is its own text. Values are in lower case. Those of check_result stand for the
 * words of the config's lists.
 */
const TABLE = `
session_created                |                                               | lifecycle | session        | start        | success | informational | session created                                  |
session_started                |                                               | decision  | authentication | start        | success | informational | session started                                  |
consent_approved               |                                               | decision  | authentication | info         | success | informational | consent recorded                                 |
session_deleted                |                                               | lifecycle | session        | end          | success | low           | session deleted                                  | Verification session deleted (API call or retention)
allow_by_restriction_criterion |                                               | decision  | authentication | info         | success | informational | restriction criteria: verification may continue  | Restriction criteria allow the verification to continue
deny_by_restriction_criterion  |                                               | decision  | authentication | end          | failure | high          | restriction criteria: verification denied        | Verification rejected by restriction criteria
verification_status_updated    | result=success                                | decision  | authentication | end          | success | informational | verification result: Success                     | Verification completed successfully
verification_status_updated    | result=pending                                | decision  | authentication | info         | unknown | informational | verification result: Pending                     | Verification in progress, all images captured
verification_status_updated    | result=rejected                               | decision  | authentication | end          | failure | high          | verification result: Rejected                    | Verification completed as rejected
verification_status_updated    | result=resubmit                               | decision  | authentication | info         | unknown | low           | verification result: Resubmit                    | Verification could not be completed; recapture required
verification_status_updated    | result=error                                  | decision  | authentication | info         | failure | medium        | verification result: Error                       | An error occurred during verification
verification_status_updated    | result=uncertain                              | decision  | authentication | info         | unknown | low           | verification result: Uncertain                   | Resubmission requested because the result is uncertain
verification_status_updated    | result=*                                      | decision  | authentication | info         | unknown | low           | verification result: not recognised              | Unrecognised verification result
image_uploaded_info            | process_result=success                        | client    | web            | info         | success | informational | image upload processed: success                  |
image_uploaded_info            | process_result=failure                        | client    | web            | info error   | failure | low           | image upload processed: failure                  | Image processing failed
image_uploaded_info            | process_result=*                              | client    | web            | info         | unknown | informational | image upload processed: not recognised           |
check_image_quality            | check_result=success                          | client    | web            | info         | success | informational | image quality check: passed                      |
check_image_quality            | check_result=failure                          | client    | web            | info error   | failure | low           | image quality check: failed                      | Image quality check failed
check_image_quality            | check_result=*                                | client    | web            | info         | unknown | informational | image quality check: not recognised              |
page_loaded                    | page_name=intro                               | client    | web            | access       |         | informational | page loaded: intro                               |
page_loaded                    | page_name=qr                                  | client    | web            | access       |         | informational | page loaded: qr                                  |
page_loaded                    | page_name=consent                             | client    | web            | access       |         | informational | page loaded: consent                             |
page_loaded                    | page_name=document_front                      | client    | web            | access       |         | informational | page loaded: document_front                      |
page_loaded                    | page_name=document_back                       | client    | web            | access       |         | informational | page loaded: document_back                       |
page_loaded                    | page_name=selfie                              | client    | web            | access       |         | informational | page loaded: selfie                              |
page_loaded                    | page_name=instructions_screen                 | client    | web            | access       |         | informational | page loaded: instructions_screen                 |
page_loaded                    | page_name=verification_completed_screen       | client    | web            | access       |         | informational | page loaded: verification_completed_screen       |
page_loaded                    | page_name=timeout                             | client    | web            | access error | failure | low           | page loaded: timeout                             | Applicant reached the timeout page
page_loaded                    | page_name=permission_denied                   | client    | web            | access error | failure | low           | page loaded: permission_denied                   | Camera permission denied on the device
page_loaded                    | page_name=permission_denied_no_refresh_button | client    | web            | access error | failure | low           | page loaded: permission_denied_no_refresh_button | Camera permission denied on the device (no retry offered)
page_loaded                    | page_name=error                               | client    | web            | access error | failure | low           | page loaded: error                               | Applicant reached the error page
page_loaded                    | page_name=*                                   | client    | web            | access       |         | informational | page loaded: not recognised                      |
user_action_performed          | user_action_type=cancel                       | client    | web            | info         | unknown | low           | user action: cancel                              | Applicant cancelled the flow
user_action_performed          | user_action_type=capture_image                | client    | web            | info         |         | informational | user action: capture_image                       |
user_action_performed          | user_action_type=accept_and_start_clicked     | client    | web            | info         |         | informational | user action: accept_and_start_clicked            |
user_action_performed          | user_action_type=consent_checked              | client    | web            | info         |         | informational | user action: consent_checked                     |
user_action_performed          | user_action_type=start_button_clicked         | client    | web            | info         |         | informational | user action: start_button_clicked                |
user_action_performed          | user_action_type=*                            | client    | web            | info         |         | informational | user action: not recognised                      |
redirect                       |                                               | client    | web            | access       | success | informational | redirect to the callback URL                     |
error                          |                                               | client    | web            | error        | failure | medium        | client error                                     |
verification_completed         |                                               | decision  | authentication | end          | unknown | informational | verification process completed                   | Verification process completed; the event does not carry the result
face_auth_session_completed    |                                               | decision  | authentication | info         | unknown | informational | face authentication session completed            | Face authentication session completed; the event does not carry the result
expiration_session             |                                               | lifecycle | session        | end          | unknown | low           | session expired                                  | Verification session expired
sdk_process_completed          |                                               | client    | web            | info         |         | informational | SDK process completed                            | SDK process reported as completed
restriction_criteria_updated   |                                               | staff     | configuration  | change       | success | medium        | restriction criteria changed                     | Restriction criteria were changed
read_fraud_image_data          |                                               | staff     | file           | access       | success | medium        | fraud image data accessed                        | Stored fraud image data was accessed
delete_fraud_image_data        |                                               | staff     | file           | deletion     | success | high          | fraud image data deleted                         | Stored fraud image data was deleted
download_session_zip           |                                               | staff     | file           | access       | success | medium        | session archive downloaded                       | A session archive was downloaded
download_fraud_csv             |                                               | staff     | file           | access       | success | medium        | fraud CSV downloaded                             | A CSV export of fraud data was downloaded
`;

/** Every activity of an identity-verification stream that is known, by its name in lower case. */
export const VERIFY_ACTIVITIES: ReadonlyMap<string, ActivityRows> = readTable(TABLE);

function readTable(table: string): ReadonlyMap<string, ActivityRows> {
  const lines = table.trim().split('\n').map(readLine);
  const activities = Map.groupBy(lines, (line) => line.activity);
  return new Map([...activities].map(([activity, group]) => [activity, rowsOf(activity, group)]));
}

interface Line {
  readonly activity: string;
  readonly parameter?: string | undefined;
  readonly value: string;
  readonly row: Row;
}

function readLine(line: string): Line {
  const cells = line.split('|').map((cell) => cell.trim());
  const [activity = '', condition = '', group, category = '', types = '', outcome, severity, message, reason] = cells;
  const [parameter, value = '*'] = condition === '' ? [] : condition.split('=');
  const suffix = parameter === undefined ? '' : `.${value === '*' ? 'unknown' : value}`;
  const row: Row = {
    group: group as Group,
    code: `${activity}${suffix}`,
    category: Object.freeze([category]),
    type: Object.freeze(types.split(' ')),
    ...(outcome && { outcome: outcome as Outcome }),
    severity: severity as Severity,
    message: `IDV ${message}`,
    ...(reason && { reason }),
  };
  return { activity, parameter, value, row };
}

function rowsOf(activity: string, lines: readonly Line[]): ActivityRows {
  const other = lines.find((line) => line.value === '*');
  if (!other) throw new Error(`the table has no row for an unlisted value of ${activity}`);
  return {
    ...(other.parameter && { parameter: other.parameter }),
    wordLists: other.parameter === 'check_result',
    values: new Map(lines.filter((line) => line !== other).map((line) => [line.value, line.row])),
    other: other.row,
  };
}
