/** Small worlds in which little is far from an edge, and rules of every kind with every option, for engine and evaluator to agree on. */
import type { Filter, Logic } from '../../sinks/content/detection.ts';
import { randomFrom } from '../../src/simulator/random.ts';
import type { StoredEvent } from './documents.ts';
import { HOUR, MINUTE } from './schedule.ts';

const CODES = ['no', 'yes', 'page', 'upload.front', 'upload.back'] as const;
const ADDRESSES = ['192.0.2.1', '198.51.100.2', '2001:db8::3'] as const;

/**
 * Events on full minutes over four hours, some at the same one, some stored twice, some without a session or a country; and at each
 * full hour one of a session of its own.
 */
export function crowdedEvents(seed: number, end: number): readonly StoredEvent[] {
  const random = randomFrom(seed);
  const events = Array.from({ length: 300 }, (_, index) => {
    const hour = Math.floor(end / HOUR - index) * HOUR;
    const isEdge = index < 4;
    const at = isEdge ? hour : end - random.between(0, 240) * MINUTE;
    const code = isEdge ? 'no' : random.pick(CODES);
    const geo = random.chance(0.9) && { geo: { country_iso_code: random.pick(['DE', 'GB']) } };
    const session = random.chance(0.95) && { session_id: isEdge ? `hour${index}` : `s${random.between(1, 12)}` };
    const id = `e${seed}-${index}`;
    const document = {
      '@timestamp': new Date(at).toISOString(),
      event: { id, code },
      source: { ip: random.pick(ADDRESSES), ...geo },
      user_agent: { original: random.pick(['curl/8.1', 'a *? \\ b', 'Mozilla/5.0']) },
      transmit_security: { idv: { app_id: random.pick(['one', 'two']), ...session } },
    };
    return { at, id, code, document };
  });
  return [...events, ...events.filter(() => random.chance(0.1))];
}

const code = (...is: string[]): Filter => ({ field: 'event.code', is });
const SESSION = 'transmit_security.idv.session_id';
const APPLICATION = 'transmit_security.idv.app_id';
const COUNTRY = 'source.geo.country_iso_code';
const UPLOAD: Filter = { field: 'event.code', starts: ['upload.'] };
const MADE_BY_PROGRAM: Filter = { field: 'user_agent.original', contains: ['*?', 'curl/'] };

const NO = { kind: 'group', filter: code('no'), window: '1h' } as const;
const SEQUENCE = { kind: 'sequence', filter: code('yes'), window: '1h' } as const;
const RATE = {
  kind: 'rate',
  part: code('no'),
  of: code('no', 'yes'),
  by: [APPLICATION],
  atLeast: 3,
  partAtLeast: 2,
} as const;

export const CROWDED_RULES: readonly Logic[] = [
  { kind: 'each', filter: { all: [UPLOAD, { not: MADE_BY_PROGRAM }] } },
  { kind: 'each', filter: { any: [{ not: { field: SESSION, exists: true } }, MADE_BY_PROGRAM] } },
  { ...NO, by: ['source.ip'], atLeast: 6 },
  { ...NO, by: ['source.ip', APPLICATION], atLeast: 3 },
  { ...NO, by: ['source.ip'], atLeast: 4, distinct: SESSION },
  { ...NO, by: [SESSION], atLeast: 1, unless: UPLOAD },
  { ...NO, by: [SESSION], atLeast: 1, unless: UPLOAD, recent: '10m' },
  { ...NO, by: [SESSION], atLeast: 1, quiet: [14, 15] },
  { ...NO, by: [SESSION], filter: { field: COUNTRY, exists: true }, atLeast: 2, distinct: COUNTRY },
  {
    kind: 'signs',
    signs: ['no', 'yes', 'page'].map((name) => ({ name, filter: code(name) })),
    by: [SESSION],
    window: '1h',
    atLeast: 2,
  },
  { ...SEQUENCE, after: { filter: code('no'), atLeast: 3 }, by: ['source.ip'] },
  { ...SEQUENCE, after: { filter: code('no'), atLeast: 1 }, by: [SESSION], differing: COUNTRY },
  { kind: 'pace', from: code('page'), to: UPLOAD, by: [SESSION], window: '1h', under: '5m' },
  { kind: 'pace', from: code('no'), to: code('yes'), by: [SESSION], window: '3h', under: '20m' },
  { ...RATE, window: '1h', baseline: '2h', above: { sigmas: 1 } },
  { ...RATE, window: '30m', baseline: '3h', above: { times: 1 }, distinct: SESSION },
  { kind: 'silence', window: '2m', hours: [13, 15] },
];

/** Each full minute of the last hour and a half. */
export function crowdedTimes(end: number): readonly number[] {
  const times = Array.from({ length: 91 }, (_, index) => end - index * MINUTE);
  return times.filter((time) => time > end - 2 * HOUR);
}
