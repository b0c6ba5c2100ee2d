import type { Detection } from '../detection.ts';
import { BY_API, code, HANDED_OFF, REJECTED, SESSION, STARTED, SUCCESS, starting } from './codes.ts';

/** How many sessions there are, how they run, and who is on the other end. */
export const SESSIONS: readonly Detection[] = [
  {
    id: 'D2',
    name: 'idv.session_velocity_ip',
    title: 'Many sessions begun from one address',
    why: 'Enrolment by a program begins sessions faster than people walk in, whether or not it ever finishes one.',
    rules: [
      {
        part: '',
        uuid: 'f75077b1-d2b2-4c91-9687-cf1115a5df66',
        finds: '20 or more sessions are begun from one source address within ten minutes',
        severity: 'medium',
        logic: { kind: 'group', filter: STARTED, by: ['source.ip'], window: '10m', atLeast: 20, distinct: SESSION },
      },
    ],
    related: [
      { framework: 'NIST SP 800-63A-4', id: '800-63A', name: 'Automated enrolment' },
      { framework: 'MITRE F3', id: 'F1002', name: 'API Abuse' },
      { framework: 'MITRE ATT&CK', id: 'T1585', name: 'Establish Accounts' },
    ],
    wrongWhen: [
      'Many applicants share the address: a call centre, a campus, the NAT of a mobile carrier.',
      'A load test of your own.',
    ],
    next: [
      'Do the sessions go beyond the first page? How fast (D13)? With which devices (D6)?',
      'Where it is a program, limit the address in front of the application.',
    ],
  },
  {
    id: 'D3',
    name: 'idv.velocity_device',
    title: 'Many sessions from one device',
    why: 'A person verifies once. A device that does it again and again verifies others, or tries one identity after another.',
    rules: [
      {
        part: '',
        uuid: 'dd70835b-646c-46b0-8be4-ff03ac9f99c7',
        finds: 'Five or more sessions are begun from one device within a day',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: { all: [STARTED, { field: 'device.id', exists: true }] },
          by: ['device.id'],
          window: '24h',
          atLeast: 5,
          distinct: SESSION,
        },
      },
    ],
    related: [
      { framework: 'MITRE F3', id: 'F1023', name: 'Device Fingerprint Spoofing' },
      { framework: 'MITRE ATT&CK', id: 'T1585', name: 'Establish Accounts' },
    ],
    wrongWhen: [
      'A tablet in a shop on which customers verify.',
      'The device of a tester.',
      'It stays silent where Mosaic sends no device id, which only the second version of its activities has.',
    ],
    next: ['Whose sessions are they: one name in many spellings, or many names?', 'Which of them succeeded (D9)?'],
  },
  {
    id: 'D5',
    name: 'idv.geo_change_in_session',
    title: 'One session in two countries',
    why: 'A session that moves to another country within the hour was handed to somebody else, or hides where it comes from.',
    rules: [
      {
        part: '',
        uuid: 'e7ae8181-da35-4d37-b202-03d079825035',
        finds:
          'Events of one session come from two or more countries within an hour, and it was not handed to a phone by QR code',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: { all: [{ field: 'source.geo.country_iso_code', exists: true }, { not: BY_API }] },
          by: [SESSION],
          window: '1h',
          atLeast: 2,
          distinct: 'source.geo.country_iso_code',
          recent: '30m',
          unless: HANDED_OFF,
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1030', name: 'Geolocation Spoofing' }],
    wrongWhen: [
      'A phone changes between a network at home and a roaming one, near a border too.',
      'The address of a private relay or a company proxy is placed in another country.',
    ],
    next: [
      'To whom do both addresses belong: a carrier, or a hosting network?',
      'Did the device change with it (D7)? Did the session succeed?',
    ],
  },
  {
    id: 'D7',
    name: 'idv.device_change_in_session',
    title: 'One session in two browsers',
    why: 'A session that goes on in another browser, without the hand-off that is made for it, was taken over or passed on.',
    rules: [
      {
        part: '',
        uuid: '56e6ff54-7d3f-4073-997c-fbc730b7bfd9',
        finds:
          'Events of one session carry two or more user agents within a day, and it was not handed to a phone by QR code',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: { all: [{ field: 'user_agent.original', exists: true }, { not: BY_API }] },
          by: [SESSION],
          window: '24h',
          atLeast: 2,
          distinct: 'user_agent.original',
          recent: '6h',
          unless: HANDED_OFF,
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1004', name: 'Access with Stolen Session Cookie' }],
    wrongWhen: [
      'The link of the session was opened in the browser of another app first.',
      'A browser asks for the desktop page, or was updated between two steps.',
    ],
    next: ['Compare address, country and model before and after the change.', 'Did the session succeed, and for whom?'],
  },
  {
    id: 'D10',
    name: 'idv.flow_integrity',
    title: 'Success without the steps before it',
    why: 'A Success that no session start and no upload came before was not reached by the way that the SDK takes.',
    off: 'Mosaic hands out each activity at most once: whatever was lost before it reached the forwarder makes this fire',
    rules: [
      {
        part: '',
        uuid: '7411f7cc-76c9-4544-bf8f-8f30df71c554',
        finds: 'A session had the result Success within the last hour, and within a day no start and no upload',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: SUCCESS,
          by: [SESSION],
          window: '24h',
          atLeast: 1,
          recent: '1h',
          unless: {
            any: [code('session_started'), starting('image_uploaded_info.')],
          },
        },
      },
    ],
    related: [{ framework: 'MITRE F3', id: 'F1002.002', name: 'Web API Abuse' }],
    wrongWhen: [
      'Activities are missing: look at the possible gaps of that hour in `mosaic-siem status`.',
      'The session began more than a day before.',
      'A face authentication, which uploads nothing.',
    ],
    next: ['Ask Mosaic for the session, and compare what it holds with the events.'],
  },
  {
    id: 'D12',
    name: 'idv.mass_deletion',
    title: 'Sessions deleted',
    why: 'Deleted sessions are deleted evidence: in a heap by hand or by program, or one just after it was rejected.',
    rules: [
      {
        part: 'burst',
        uuid: '2e887241-004a-4426-8d32-c2d15210982b',
        finds:
          '20 or more sessions of one application are deleted within ten minutes, outside the hour of the nightly retention (02:00 to 03:00 UTC)',
        severity: 'medium',
        logic: {
          kind: 'group',
          filter: code('session_deleted'),
          by: ['transmit_security.idv.app_id'],
          window: '10m',
          atLeast: 20,
          distinct: SESSION,
          quiet: [2, 3],
        },
      },
      {
        part: 'after_rejection',
        uuid: 'b30fde93-ca4b-4e52-be72-9f2c41771f7f',
        finds: 'A session is deleted less than an hour after it was rejected',
        severity: 'medium',
        logic: {
          kind: 'pace',
          from: REJECTED,
          to: code('session_deleted'),
          by: [SESSION],
          window: '24h',
          under: '1h',
        },
      },
    ],
    related: [{ framework: 'MITRE ATT&CK', id: 'T1070', name: 'Indicator Removal' }],
    wrongWhen: [
      'The retention runs at another hour: set that hour.',
      'An applicant asked for erasure, or a test was cleaned up.',
    ],
    next: [
      'Who holds a key that may delete, and from which address did it come?',
      'What were the sessions: rejected, of one applicant, of one agent?',
    ],
  },
  {
    id: 'D16',
    name: 'idv.feed_silence',
    title: 'No events',
    why: 'Whoever cuts the feed blinds all other rules.',
    rules: [
      {
        part: '',
        uuid: '6461f822-749a-4a9b-8edf-632961a29488',
        finds: 'No event arrived for 30 minutes, between 08:00 and 18:00 UTC from Monday to Friday',
        severity: 'high',
        logic: { kind: 'silence', window: '30m', hours: [8, 18] },
      },
    ],
    related: [{ framework: 'MITRE ATT&CK', id: 'T1070', name: 'Indicator Removal' }],
    wrongWhen: [
      'Nobody verified for half an hour: set the span and the hours to your own traffic.',
      'At eight in the morning, after a quiet night: the first half hour looks back to before eight.',
      'A holiday.',
    ],
    next: [
      '`mosaic-siem status`: is the forwarder up, does Mosaic answer, is this sink behind?',
      'Mosaic keeps activities for about a day: what is not collected until then is lost.',
    ],
  },
];
