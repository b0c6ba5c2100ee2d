import type { Detection } from '../detection.ts';
import { code, DENIED, REJECTED, SESSION, SUCCESS } from './codes.ts';

/** Results that pile up. */
export const RESULTS: readonly Detection[] = [
  {
    id: 'D1',
    name: 'idv.rejection_velocity_ip',
    title: 'Many rejected sessions from one address',
    why: 'Whoever tries forged or stolen documents tries many: one place from which session after session is rejected is a workshop, not an applicant.',
    rules: [
      {
        part: '',
        uuid: '8f272ec8-29c6-4b0b-9468-6b444a0efa80',
        finds:
          'Five or more sessions from one source address are rejected, or denied by restriction criteria, within an hour',
        severity: 'high',
        logic: {
          kind: 'group',
          filter: { any: [REJECTED, DENIED] },
          by: ['source.ip'],
          window: '1h',
          atLeast: 5,
          distinct: SESSION,
        },
      },
    ],
    related: [
      { framework: 'MITRE F3', id: 'F1031', name: 'Impersonate Account Holder' },
      { framework: 'MITRE F3', id: 'F1020.001', name: 'Fake Documents' },
      { framework: 'MITRE ATT&CK', id: 'T1684.001', name: 'Impersonation' },
    ],
    wrongWhen: [
      'Many applicants share the address: a call centre, a branch office, the NAT of a mobile carrier. Put such addresses on the allow-list.',
      'An application was released that takes bad pictures: then the rejections come from many addresses at once.',
    ],
    next: [
      'Open the sessions in Mosaic and compare the documents: the same face, the same template, numbers in a row.',
      'Look for successes from the same address or devices (D9), and hold what was opened with them.',
      'Where it is an attack, block the address in front of the application, and the document type, where it was one, by restriction criteria.',
    ],
  },
  {
    id: 'D4',
    name: 'idv.resubmit_loop',
    title: 'Resubmitted again and again',
    why: 'Somebody learns what passes by trying: each Resubmit or Uncertain tells how near a forgery came.',
    rules: [
      {
        part: 'session',
        uuid: '06ec0715-a34a-49c9-9b2c-d14b40e62a1c',
        finds: 'Three or more results Resubmit or Uncertain in one session within a day',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: code('verification_status_updated.resubmit', 'verification_status_updated.uncertain'),
          by: [SESSION],
          window: '24h',
          atLeast: 3,
        },
      },
      {
        part: 'address',
        uuid: '4720d2ac-4c2c-4125-825d-47457c24d250',
        finds: 'Eight or more results Resubmit or Uncertain from one source address within an hour',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: code('verification_status_updated.resubmit', 'verification_status_updated.uncertain'),
          by: ['source.ip'],
          window: '1h',
          atLeast: 8,
        },
      },
    ],
    related: [
      { framework: 'MITRE F3', id: 'F1020.001', name: 'Fake Documents' },
      { framework: 'MITRE ATLAS', id: 'AML.T0015', name: 'Evade AI Model' },
    ],
    wrongWhen: [
      'Bad light, a worn document, a shaking hand: an honest applicant gives up after two or three.',
      'Many applicants share the address, as in D1.',
    ],
    next: [
      'Compare the pictures of the session: does one thing change from try to try, as in an experiment?',
      'See whether a Success followed, and from which device.',
    ],
  },
  {
    id: 'D8',
    name: 'idv.restriction_denied_burst',
    title: 'Restriction criteria probed or passed by',
    why: 'Restriction criteria say which documents and countries may pass. Repeated denials are somebody who looks for the edge; a Success from elsewhere after a denial is somebody who found it.',
    rules: [
      {
        part: 'burst',
        uuid: '270e038c-57f2-4453-a709-24dd0697aa60',
        finds: 'Three or more denials by restriction criteria from one source address within an hour',
        severity: 'medium',
        logic: { kind: 'group', filter: DENIED, by: ['source.ip'], window: '1h', atLeast: 3 },
      },
      {
        part: 'elsewhere',
        uuid: '828c09a7-7655-4a64-966d-bdb0848b0c30',
        finds:
          'A denial by restriction criteria and then Success in the same session from another country, within a day',
        severity: 'high',
        logic: {
          kind: 'sequence',
          filter: SUCCESS,
          after: { filter: DENIED, atLeast: 1 },
          // By session: one address is never in two countries.
          by: [SESSION],
          window: '24h',
          differing: 'source.geo.country_iso_code',
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1030', name: 'Geolocation Spoofing' }],
    wrongWhen: [
      'The applicant offers another document, as the vendor allows until the session ends: one or two denials are ordinary.',
      'A phone leaves the home network for a roaming one between two steps.',
    ],
    next: [
      'See which criterion denied, and what was offered next.',
      'For the second rule: is the second address a hosting network or a known proxy? Then reject by hand.',
    ],
  },
  {
    id: 'D9',
    name: 'idv.success_after_rejections',
    title: 'Success after rejections',
    why: 'The attempt that worked after others had failed: the one result in all of this that opens an account.',
    rules: [
      {
        part: 'address',
        uuid: '051f0eca-2672-4871-9714-86255d7274fc',
        finds: 'Three or more results Rejected and then a Success from the same source address, within a day',
        severity: 'high',
        logic: {
          kind: 'sequence',
          filter: SUCCESS,
          after: { filter: REJECTED, atLeast: 3 },
          by: ['source.ip'],
          window: '24h',
        },
      },
      {
        part: 'device',
        uuid: 'ae21db66-3945-4bee-9dfa-507e403d4695',
        finds: 'Three or more results Rejected and then a Success from the same device, within a day',
        severity: 'high',
        logic: {
          kind: 'sequence',
          filter: SUCCESS,
          after: { filter: REJECTED, atLeast: 3 },
          by: ['device.id'],
          window: '24h',
        },
      },
    ],
    related: [
      { framework: 'MITRE F3', id: 'F1031', name: 'Impersonate Account Holder' },
      { framework: 'MITRE F3', id: 'F1020.001', name: 'Fake Documents' },
    ],
    wrongWhen: [
      'Many applicants share the address: among the customers of a branch, some are rejected and the next one is not.',
      'A device in a shop on which customers verify one after the other.',
    ],
    next: [
      'Hold the account that the Success opened until a person has looked at the session.',
      'Compare its documents and face with those of the rejected sessions.',
    ],
  },
  {
    id: 'D15',
    name: 'idv.rejection_rate',
    title: 'Rejection rate of an application jumps',
    why: 'A campaign that comes from many addresses shows in no count by address, but in the share of rejected sessions.',
    rules: [
      {
        part: '',
        uuid: '46200abc-2a23-46b4-bbba-d045b190acb7',
        finds:
          'The share of rejected sessions of one application in a day is more than three standard errors above that of the seven days before, over at least 30 decided sessions of which 5 were rejected',
        severity: 'medium',
        logic: {
          kind: 'rate',
          part: REJECTED,
          of: { any: [REJECTED, SUCCESS] },
          distinct: SESSION,
          by: ['transmit_security.idv.app_id'],
          window: '24h',
          baseline: '7d',
          atLeast: 30,
          partAtLeast: 5,
          above: { sigmas: 3 },
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1020.001', name: 'Fake Documents' }],
    wrongWhen: [
      'Mosaic or the operator changed the rules of acceptance.',
      'A new market, a new kind of document, a marketing campaign: other applicants than last week.',
    ],
    next: [
      'Split the rejections by country, device and document: what do the new ones share?',
      'Ask whether rules or applications were changed that day.',
    ],
  },
];
