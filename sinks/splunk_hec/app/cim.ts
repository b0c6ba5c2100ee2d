/** The Common Information Model of Splunk: which events belong to which of its models, and what its fields are made of. */
import { text } from './filter.ts';

type Action = 'success' | 'failure' | 'pending' | 'error' | 'deleted' | 'modified' | 'read' | 'downloaded';

const RESULT = 'verification_status_updated';

/** `action` of the model, by code. Other events have none. */
export const ACTIONS: Readonly<Record<Action, readonly string[]>> = {
  success: [`${RESULT}.success`],
  failure: [`${RESULT}.rejected`, 'deny_by_restriction_criterion'],
  pending: [`${RESULT}.pending`, `${RESULT}.resubmit`, `${RESULT}.uncertain`],
  error: [`${RESULT}.error`],
  deleted: ['session_deleted', 'delete_fraud_image_data'],
  modified: ['restriction_criteria_updated'],
  read: ['read_fraud_image_data'],
  downloaded: ['download_session_zip', 'download_fraud_csv'],
};

/** `object_category`, by code. */
export const OBJECTS: Readonly<Record<string, readonly string[]>> = {
  verification_session: ['session_deleted'],
  restriction_criteria: ['restriction_criteria_updated'],
  fraud_image_data: ['read_fraud_image_data', 'delete_fraud_image_data'],
  session_archive: ['download_session_zip'],
  fraud_list: ['download_fraud_csv'],
};

export interface EventType {
  readonly name: string;
  /** Behind the source type. */
  readonly search: string;
  readonly tags: readonly string[];
  /** Why its tags are shipped commented out. */
  readonly untagged?: string;
}

export const EVENT_TYPES: readonly EventType[] = [
  {
    name: 'transmit_idv_result',
    search: `event.action IN (${RESULT}, deny_by_restriction_criterion)`,
    tags: ['authentication'],
    untagged:
      'A result is no logon: with this tag each rejected applicant is a failed logon of that address in the Authentication model, and searches for brute force fire on every call centre. Where you want that, set it in local/tags.conf.',
  },
  {
    name: 'transmit_idv_change',
    search: 'event.action IN (session_deleted, restriction_criteria_updated)',
    tags: ['change'],
  },
  {
    name: 'transmit_idv_data_access',
    search:
      'event.action IN (read_fraud_image_data, delete_fraud_image_data, download_session_zip, download_fraud_csv)',
    tags: ['data', 'access'],
  },
  { name: 'transmit_idv_alert', search: 'event.kind=alert', tags: ['alert'] },
];

/** Settings of props.conf. The session is not a user: `user` is there only where Mosaic names a real one. */
export function cimSettings(): Readonly<Record<string, string>> {
  return {
    'FIELDALIAS-src': 'source.ip ASNEW src',
    'FIELDALIAS-user': 'user.id ASNEW user',
    'FIELDALIAS-http_user_agent': 'user_agent.original ASNEW http_user_agent',
    'FIELDALIAS-signature': 'message ASNEW signature',
    'FIELDALIAS-signature_id': 'event.code ASNEW signature_id',
    'FIELDALIAS-reason': 'event.reason ASNEW reason',
    'FIELDALIAS-session_id': 'transmit_security.idv.session_id ASNEW session_id',
    'EVAL-app': '"transmit_mosaic_idv"',
    'EVAL-vendor_product': '"Transmit Security Mosaic IDV"',
    'EVAL-authentication_service': '"Transmit Security Mosaic"',
    'EVAL-authentication_method': '"identity_verification"',
    'EVAL-dest': `coalesce('transmit_security.idv.app_id',"transmit_mosaic")`,
    'EVAL-action': byCode(ACTIONS),
    'EVAL-status': `if(${isOne(Object.values(OBJECTS).flat())},'event.outcome',null())`,
    'EVAL-object_category': byCode(OBJECTS),
    'EVAL-object': `if(${isOne(Object.values(OBJECTS).flat())},coalesce('transmit_security.idv.session_id','transmit_security.idv.app_id'),null())`,
    'EVAL-severity': "'transmit_security.idv.severity'",
    'EVAL-duration': "'event.duration'/1000000000",
  };
}

function byCode(table: Readonly<Record<string, readonly string[]>>): string {
  return `case(${Object.entries(table)
    .map(([value, codes]) => `${isOne(codes)},${text(value)}`)
    .join(', ')})`;
}

function isOne(codes: readonly string[]): string {
  return codes.length === 1 ? `'event.code'==${text(codes[0] ?? '')}` : `in('event.code',${codes.map(text).join(',')})`;
}

/** The action of a code, for the lookup. */
export function actionOf(code: string): string {
  const [action = ''] = Object.entries(ACTIONS).find(([, codes]) => codes.includes(code)) ?? [];
  return action;
}
