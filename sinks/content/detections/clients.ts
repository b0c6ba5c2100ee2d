import type { Detection } from '../detection.ts';
import { BY_API, code, SESSION, starting } from './codes.ts';

/** What the applicant's device tells of itself, how fast it is, where it is sent, and what fails on it. All of it can be forged. */
export const CLIENTS: readonly Detection[] = [
  {
    id: 'D6',
    name: 'idv.client_anomaly',
    title: 'A client that contradicts itself',
    why: 'A program that plays a phone has to invent what a phone says of itself, and seldom invents all of it alike.',
    rules: [
      {
        part: 'one_sign',
        uuid: 'd63e5708-c6ba-4e62-a669-80f25e7b48e0',
        finds:
          'A session shows one of the signs: a browser, a system or a model that contradicts the user agent; a platform that is no SDK; no SDK version; the user agent of a program, a headless browser or an emulation',
        severity: 'low',
        logic: { kind: 'signs', signs: signs(), by: [SESSION], window: '24h', atLeast: 1 },
      },
      {
        part: 'two_signs',
        uuid: 'fd5c2f97-d255-44b2-88fe-547e9f716d4d',
        finds: 'A session shows two or more of these signs',
        severity: 'medium',
        logic: { kind: 'signs', signs: signs(), by: [SESSION], window: '24h', atLeast: 2 },
      },
    ],
    related: [
      { framework: 'MITRE F3', id: 'F1023', name: 'Device Fingerprint Spoofing' },
      { framework: 'MITRE F3', id: 'F1002.001', name: 'Mobile API Abuse' },
    ],
    wrongWhen: [
      'A new browser that calls itself by another name than its user agent does.',
      'A new kind of SDK: add its platform.',
      'A developer who tries the application in the emulation of a browser.',
    ],
    next: ['How many sessions look the same, from which addresses (D1, D2)?', 'Did any of them succeed?'],
  },
  {
    id: 'D11',
    name: 'idv.redirect_host',
    title: 'Redirected to a strange host',
    why: 'After the last page the applicant is sent to the address of the application. Another host there is a changed setting, or an open redirect that hands the session on.',
    off: 'its list of hosts is yours to fill in',
    rules: [
      {
        part: '',
        uuid: '41343f4b-bef9-4afd-8ac0-03ab97e710de',
        finds: 'A redirect goes to a host that is not on the list',
        severity: 'high',
        logic: {
          kind: 'each',
          filter: {
            all: [
              { field: 'url.domain', exists: true },
              { not: { field: 'url.domain', is: ['onboarding.example.com'] } },
            ],
          },
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1002', name: 'API Abuse' }],
    wrongWhen: ['An application got a new host: add it.'],
    next: [
      'Who changed the callback of the application, and when?',
      'Which sessions went there, and what did they carry?',
    ],
  },
  {
    id: 'D13',
    name: 'idv.inhuman_speed',
    title: 'Faster than a person',
    why: 'Between a page and its picture a person has to take the document out. A program has the picture ready.',
    rules: [
      {
        part: 'upload',
        uuid: '9b8da91d-975a-4187-b896-cab74761559b',
        finds: 'In one session less than a second lies between the first capture page and the first upload',
        severity: 'low',
        logic: {
          kind: 'pace',
          from: code('page_loaded.document_front', 'page_loaded.document_back', 'page_loaded.selfie'),
          to: starting('image_uploaded_info.'),
          by: [SESSION],
          window: '24h',
          under: '1s',
        },
      },
      {
        part: 'flow',
        uuid: 'e87cb30d-f85d-425f-8a0d-7c037005a44f',
        finds: 'In one session less than ten seconds lie between the start and the first result',
        severity: 'low',
        logic: {
          kind: 'pace',
          from: code('session_started'),
          to: starting('verification_status_updated.'),
          by: [SESSION],
          window: '24h',
          under: '10s',
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1002', name: 'API Abuse' }],
    wrongWhen: [
      'A clock that jumps; activities with the time of a batch instead of their own.',
      'A face authentication, which is quick.',
    ],
    next: [
      'Is it one session, or one device or address with many (D2, D3)?',
      'What does the client say of itself (D6)?',
    ],
  },
  {
    id: 'D14',
    name: 'idv.error_spike',
    title: 'Errors pile up',
    why: 'Mostly trouble of the service or a bad release; now and then somebody who feeds the application what it cannot read.',
    rules: [
      {
        part: '',
        uuid: 'e4fed092-3250-4256-b82d-8b386440a241',
        finds:
          'The share of front-end errors and failed uploads in an hour is more than three times that of the seven days before, over at least 50 errors and uploads of which 10 are errors or failed',
        severity: 'medium',
        logic: {
          kind: 'rate',
          part: code('error', 'image_uploaded_info.failure'),
          of: {
            any: [code('error'), starting('image_uploaded_info.')],
          },
          by: ['transmit_security.idv.app_id'],
          window: '1h',
          baseline: '7d',
          atLeast: 50,
          partAtLeast: 10,
          above: { times: 3 },
        },
      },
    ],
    related: [],
    wrongWhen: ['The baseline is nearly zero: a few errors are then many times as many.'],
    next: [
      'Which error, which platform, which version of the SDK?',
      'Was there a release, or does Mosaic report trouble?',
    ],
  },
];

function signs() {
  return [
    { name: 'browser', filter: { field: 'transmit_security.idv.browser', exists: true } },
    { name: 'system', filter: { field: 'transmit_security.idv.os_version', exists: true } },
    { name: 'model', filter: { field: 'transmit_security.idv.device_model', exists: true } },
    {
      name: 'platform',
      filter: {
        all: [
          { field: 'transmit_security.idv.platform', exists: true },
          { not: { field: 'transmit_security.idv.platform', is: ['web-sdk', 'android-sdk', 'ios-sdk'] } },
        ],
      },
    },
    {
      name: 'no_sdk',
      filter: {
        all: [
          starting('page_loaded.', 'user_action_performed.'),
          { not: { field: 'transmit_security.idv.sdk_version', exists: true } },
        ],
      },
    },
    {
      name: 'program',
      filter: {
        all: [
          {
            field: 'user_agent.original',
            contains: [
              'HeadlessChrome',
              'PhantomJS',
              'Electron/',
              'python-requests',
              'python-httpx',
              'curl/',
              'Go-http-client',
              'Nexus 5 Build/MRA58N',
            ],
          },
          { not: BY_API },
        ],
      },
    },
  ] as const;
}
