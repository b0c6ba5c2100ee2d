/**
 * The mapping as data: the severity ladder, and per stream type the parameters, rows and names that `normalize/ecs.ts` reads.
 * A stream type whose activities are not listed yet has no rows: each of its activities is `<type>.unknown`.
 */

import type { Severity, StreamType } from '../types.ts';
import { VERIFY_ACTIVITIES, VERIFY_PARAMETERS } from './mapping-verify.ts';

export type Outcome = 'success' | 'failure' | 'unknown';
export type Group = 'lifecycle' | 'decision' | 'client' | 'staff' | 'unknown';

/** What one activity, or one activity with one value, becomes. */
export interface Row {
  readonly group: Group;
  /** `<activity>[.<value>]`: the key for rules, searches and severity overrides. */
  readonly code: string;
  readonly category?: readonly string[];
  readonly type?: readonly string[];
  readonly outcome?: Outcome;
  /** A default; the config may set another per code. */
  readonly severity: Severity;
  readonly reason?: string;
  /** A fixed sentence: never a text that came with the activity. */
  readonly message: string;
}

export interface ActivityRows {
  /** The parameter whose value, in lower case, chooses the row. */
  readonly parameter?: string;
  /** The value is first put through the config's word lists, which make it `success` or `failure`. */
  readonly wordLists?: boolean;
  readonly values: ReadonlyMap<string, Row>;
  /** For any other value, and for none. */
  readonly other: Row;
}

/** A named field of an activity, in snake_case. `additionalParams` and the top level may both carry it. */
export interface Parameter {
  /** Below `transmit_security.<name>`: the text is copied there as it is. */
  readonly copy?: string;
  /** The fields that are made from it: dropping one of them drops the parameter, and so all of them. */
  readonly ecs?: readonly string[];
  readonly vendor?: readonly string[];
}

export interface StreamMapping {
  /** `transmit_security.<name>`, the data set, and the start of the tags of this type. */
  readonly name: 'idv' | 'cis' | 'admin' | 'risk';
  readonly observer: { readonly vendor: string; readonly product: string; readonly type: string };
  /** Who the activity is about: an applicant's session, a user, or an actor and a target. */
  readonly subject: 'session' | 'user' | 'actor';
  /** `{prev, current}` pairs hold personal data: names of what changed are kept, values are not. */
  readonly pairs: boolean;
  /** Values of sensitive keys in the parameters are replaced. */
  readonly sensitive: boolean;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly activities: ReadonlyMap<string, ActivityRows>;
  readonly unknown: Row;
  readonly failed: { readonly code: string; readonly action: string; readonly message: string };
}

export const ECS_VERSION = '9.4.0';

export const SEVERITIES: Readonly<
  Record<Severity, { readonly ecs: number; readonly syslog: number; readonly logLevel: string }>
> = {
  informational: { ecs: 10, syslog: 6, logLevel: 'info' },
  low: { ecs: 21, syslog: 5, logLevel: 'notice' },
  medium: { ecs: 47, syslog: 4, logLevel: 'warning' },
  high: { ecs: 73, syslog: 3, logLevel: 'error' },
  critical: { ecs: 99, syslog: 2, logLevel: 'critical' },
};

/** Words for checkResult, compared in lower case; a `*` at the end stands for any ending. The vendor lists none. */
export const CHECK_RESULT = {
  success: ['success', 'ok', 'pass', 'passed', 'true', 'good'],
  failure: ['failure', 'fail', 'failed', 'false', 'bad', 'blur*', 'glare*'],
} as const;

const vendor = 'Transmit Security';
const ADDRESS = ['source.ip', 'source.address', 'client.ip', 'client.address', 'related.ip'];
const USER_AGENT = ['original', 'name', 'version', 'os.name', 'os.version', 'device.name'].map(
  (field) => `user_agent.${field}`,
);

const COMMON_PARAMETERS: Readonly<Record<string, Parameter>> = {
  activity: { copy: 'activity' },
  timestamp: {},
  ip: { ecs: ADDRESS },
  user_agent: { ecs: USER_AGENT },
  device_id: { ecs: ['device.id'] },
  tenant_id: { copy: 'tenant_id', ecs: ['organization.id'] },
  client_id: { copy: 'client_id' },
  correlation_id: { copy: 'correlation_id' },
  flow_id: { copy: 'flow_id' },
  invocation_id: { copy: 'invocation_id' },
  actor_id: { copy: 'actor.id' },
  actor_type: { copy: 'actor.type' },
  original_actor_id: { copy: 'original.actor_id' },
  original_user_id: { copy: 'original.user_id' },
  original_app_id: { copy: 'original.app_id' },
  target_resource_id: { copy: 'target_resource.id' },
  target_resource_type: { copy: 'target_resource.type' },
};
const USER_PARAMETERS: Readonly<Record<string, Parameter>> = {
  ...COMMON_PARAMETERS,
  app_id: { copy: 'app_id' },
  user_id: { ecs: ['user.id', 'related.user'] },
};
const ACTOR_PARAMETERS: Readonly<Record<string, Parameter>> = {
  ...COMMON_PARAMETERS,
  actor_id: { copy: 'actor.id', ecs: ['user.id', 'related.user'] },
  target_resource_id: { copy: 'target_resource.id', ecs: ['user.target.id', 'related.user'] },
};

function unlisted(code: string, message: string): Row {
  return { group: 'unknown', code, severity: 'informational', message };
}

function failed(name: string, code: string, subject: string): StreamMapping['failed'] {
  return { code, action: `${name}_mapping_failed`, message: `${subject} event could not be mapped` };
}

export const STREAM_MAPPINGS: Readonly<Record<StreamType, StreamMapping>> = {
  verify: {
    name: 'idv',
    observer: { vendor, product: 'Mosaic Identity Verification', type: 'identity-verification' },
    subject: 'session',
    pairs: false,
    sensitive: false,
    parameters: { ...COMMON_PARAMETERS, ...VERIFY_PARAMETERS },
    activities: VERIFY_ACTIVITIES,
    unknown: unlisted('unknown', 'IDV activity not recognised'),
    failed: failed('idv', 'pipeline_error', 'IDV'),
  },
  cis: {
    name: 'cis',
    observer: { vendor, product: 'Mosaic Identity Management', type: 'identity-management' },
    subject: 'user',
    pairs: true,
    sensitive: true,
    parameters: USER_PARAMETERS,
    activities: new Map(),
    unknown: unlisted('cis.unknown', 'Mosaic activity not recognised'),
    failed: failed('cis', 'cis.pipeline_error', 'Mosaic'),
  },
  admin: {
    name: 'admin',
    observer: { vendor, product: 'Mosaic Platform Administration', type: 'identity-administration' },
    subject: 'actor',
    pairs: true,
    sensitive: true,
    parameters: ACTOR_PARAMETERS,
    activities: new Map(),
    unknown: unlisted('admin.unknown', 'Mosaic admin activity not recognised'),
    failed: failed('admin', 'admin.pipeline_error', 'Mosaic'),
  },
  risk: {
    name: 'risk',
    observer: { vendor, product: 'Mosaic Fraud Prevention', type: 'fraud-prevention' },
    subject: 'user',
    pairs: false,
    sensitive: true,
    parameters: USER_PARAMETERS,
    activities: new Map(),
    unknown: unlisted('risk.unknown', 'Mosaic risk activity not recognised'),
    failed: failed('risk', 'risk.pipeline_error', 'Mosaic'),
  },
};

/** Compared by letters and digits only, in lower case: `e-mail` is `email`. */
export const SENSITIVE_KEYS: ReadonlySet<string> = new Set(
  `email emails mail phone phonenumber mobile secondaryemails secondaryphonenumbers username firstname lastname
   middlename fullname birthday birthdate dateofbirth address streetaddress postalcode picture externaluserid
   externalaccountid customdata customappdata nationalid documentnumber passportnumber accountnumber bankidentifier
   branchidentifier iban cardnumber payer payee transactiondata password otp pin passcode token accesstoken
   refreshtoken idtoken actiontoken secret clientsecret authorization cookie`.split(/\s+/),
);

/** In a failed creation or update the name of a given key is kept, its value is not. Names as in SENSITIVE_KEYS. */
export const FAILED_CREATION = {
  activities: new Set(['createuserfailure', 'updateuserfailure']),
  keys: new Set(['email', 'username', 'externaluserid']),
} as const;

type VendorFieldType = 'keyword' | 'long' | 'boolean' | 'flattened';

function vendorFields(): Record<string, VendorFieldType> {
  const fields: Record<string, VendorFieldType> = {};
  for (const { name, parameters, pairs } of Object.values(STREAM_MAPPINGS)) {
    const declare = (field: string, type: VendorFieldType) => {
      fields[`transmit_security.${name}.${field}`] = type;
    };
    for (const { copy, vendor: made = [] } of Object.values(parameters)) {
      for (const field of copy ? [copy, ...made] : made) declare(field, 'keyword');
    }
    for (const field of ['severity', 'spool_ref']) declare(field, 'keyword');
    declare('params', 'flattened');
    if (!pairs) continue;
    for (const field of ['changed_fields', 'status.prev', 'status.current']) declare(field, 'keyword');
    for (const flag of ['email_verified', 'phone_number_verified']) {
      for (const state of ['prev', 'current']) declare(`${flag}.${state}`, 'boolean');
    }
  }
  return {
    ...fields,
    'transmit_security.idv.request_processing_time_ms': 'long',
    'transmit_security.idv.session_ids': 'keyword',
    'transmit_security.cis.supplied_fields': 'keyword',
  };
}

/** Every field below `transmit_security`, with its Elasticsearch type. */
export const VENDOR_FIELD_TYPES: Readonly<Record<string, VendorFieldType>> = vendorFields();

/** Every code that an event can have. */
export const EVENT_CODES: readonly string[] = Object.values(STREAM_MAPPINGS).flatMap(
  ({ activities, unknown, failed: broken }) =>
    [...[...activities.values()].flatMap(({ values, other }) => [...values.values(), other]), unknown, broken].map(
      ({ code }) => code,
    ),
);
