import type { StreamType } from '../types.ts';
import type { Device } from './applicants.ts';
import type { Step } from './verification.ts';

/** The vendor's three: camelCase with epoch ms; snake_case with ISO 8601 time; version 2, snake_case throughout. */
export type Spelling = 'camel' | 'snake' | 'v2';
export const SPELLINGS: readonly [Spelling, ...Spelling[]] = ['camel', 'snake', 'v2'];

/** Who the activity is about, and where from. */
export interface Subject {
  readonly id: string;
  readonly session: boolean;
  readonly application: string;
  readonly device: Device;
  readonly ip: string;
  readonly spelling: Spelling;
}

type Fields = Record<string, unknown>;

/** One activity, ready to be written as JSON. `at` in epoch ms. */
export function inSpelling(subject: Subject, step: Step, at: number, type: StreamType): Fields {
  const details = detailsOf(subject, step);
  if (type === 'admin') return administrative(subject, step, at, details);
  return WRITE[subject.spelling](subject, step.activity, at, details);
}

const WRITE: Readonly<Record<Spelling, (subject: Subject, activity: string, at: number, details: Fields) => Fields>> = {
  camel: (subject, activity, at, details) => ({
    activity,
    appId: subject.application,
    userId: subject.id,
    ip: subject.ip,
    userAgent: subject.device.userAgent,
    timestamp: at,
    ...(!isEmpty(details) && { additionalParams: details }),
  }),
  snake: (subject, activity, at, details) => ({
    activity,
    app_id: subject.application,
    ip: subject.ip,
    timestamp: new Date(at).toISOString(),
    user_agent: subject.device.userAgent,
    user_id: subject.id,
    additionalParams: details,
  }),
  v2: (subject, activity, at, details) => ({
    activity,
    app_id: subject.application,
    tenant_id: 'kq2mZt9BvXn4Lw7RyPd1',
    client_id: 'c7Yh2LqWz0Tn',
    correlation_id: `corr-${subject.id}`,
    invocation_id: `inv-${subject.id}-${at}`,
    device_id: `dev-${subject.id.slice(0, 8)}`,
    user_id: subject.id,
    ip: subject.ip,
    user_agent: subject.device.userAgent,
    timestamp: new Date(at).toISOString(),
    additional_params: Object.fromEntries(Object.entries(details).map(([name, value]) => [toSnake(name), value])),
  }),
};

function administrative(subject: Subject, step: Step, at: number, details: Fields): Fields {
  return {
    activity: step.activity,
    actor_id: subject.id,
    actor_type: 'user',
    ip: subject.ip,
    target_resource_id: 'admin-portal',
    target_resource_type: 'app',
    timestamp: new Date(at).toISOString(),
    user_agent: subject.device.userAgent,
    ...(!isEmpty(details) && { additionalParams: details }),
  };
}

/** Where the vendor lists no parameters, the session id is only in the user id. */
function detailsOf(subject: Subject, step: Step): Fields {
  if (!step.parameters && !step.sdk) return {};
  const { platform, sdkVersion, osVersion, deviceModel, browser } = subject.device;
  return {
    ...(subject.session && { sessionId: subject.id }),
    ...step.parameters,
    ...(step.sdk && { sdkVersion, platform }),
    ...(step.sdk && osVersion && { osVersion }),
    ...(step.sdk && deviceModel && { deviceModel }),
    ...(step.sdk && browser && { browser }),
  };
}

function isEmpty(fields: Fields): boolean {
  for (const _ in fields) return false;
  return true;
}

function toSnake(name: string): string {
  return name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}
