import type { Detection } from '../detection.ts';
import { DENIED, REJECTED } from './codes.ts';

/** One alert for each result of a kind. */
export const SINGLE: readonly Detection[] = [
  {
    id: 'D17',
    name: 'idv.rejected',
    title: 'Verification rejected',
    why: 'Each rejection is an attempt that failed. It proves no fraud: the reason is only in the verification result at Mosaic.',
    rules: [
      {
        part: '',
        uuid: '67f51e1b-408a-4d26-b20d-73879da4fd29',
        finds: 'A verification was rejected',
        severity: 'low',
        logic: { kind: 'each', filter: REJECTED },
      },
    ],
    related: [
      { framework: 'NIST SP 800-63A-4', id: '800-63A', name: 'Fraud management: review of automated rejections' },
    ],
    wrongWhen: ['Always, for an honest applicant: a person looks at it before anything follows from it.'],
    next: [
      'Open the session in Mosaic and read the reason.',
      'Where applicants complain, review the rejected by group: cameras and documents are not equally good for all.',
    ],
  },
  {
    id: 'D18',
    name: 'idv.restriction_denied',
    title: 'Verification denied by restriction criteria',
    why: 'A rule that the operator made has stopped an applicant: either it works, or it stops the wrong ones.',
    rules: [
      {
        part: '',
        uuid: '2b81dcf2-6f97-4adb-962a-756d97591b70',
        finds: 'Restriction criteria denied a verification',
        severity: 'low',
        logic: { kind: 'each', filter: DENIED },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1030', name: 'Geolocation Spoofing' }],
    wrongWhen: ['The applicant has another document that is allowed, and goes on.'],
    next: ['See whether the session went on, and with what (D8).'],
  },
];
