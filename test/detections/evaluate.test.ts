/** The edges of each kind of rule, on events made by hand: what the engines are held against has to be right itself. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Filter, Group, Logic, Pace, Rate, Sequence } from '../../sinks/content/detection.ts';
import type { StoredEvent } from './documents.ts';
import { evaluator } from './evaluate.ts';
import { HOUR, MINUTE, timesOf } from './schedule.ts';

/** A Wednesday. */
const NOW = Date.parse('2026-11-25T12:00:00Z');
const code = (...is: string[]): Filter => ({ field: 'event.code', is });

interface Made {
  readonly ip?: string;
  readonly session?: string;
  readonly id?: string;
  readonly country?: string;
}

/** So many minutes before now. */
function event(
  minutes: number,
  name: string,
  { ip = '192.0.2.1', session = 's', id, country }: Made = {},
): StoredEvent {
  const at = NOW - minutes * MINUTE;
  const made = id ?? `${name} ${at} ${session} ${ip}`;
  const geo = country && { geo: { country_iso_code: country } };
  return {
    at,
    id: made,
    code: name,
    document: {
      '@timestamp': new Date(at).toISOString(),
      event: { id: made, code: name },
      source: { ip, ...geo },
      transmit_security: { idv: { session_id: session, app_id: 'app' } },
    },
  };
}

const found = (logic: Logic, events: readonly StoredEvent[], now = NOW) => evaluator(logic, events)(now);

describe('a group', () => {
  const logic: Group = { kind: 'group', filter: code('no'), by: ['source.ip'], window: '1h', atLeast: 3 };
  const three = [event(50, 'no'), event(30, 'no'), event(10, 'no')];

  it('fires at its threshold and not one below', () => {
    assert.deepEqual(found(logic, three), ['192.0.2.1']);
    assert.deepEqual(found(logic, three.slice(1)), []);
    assert.deepEqual(found(logic, [...three.slice(1), event(5, 'yes')]), [], 'another kind does not count');
  });

  it('has a window that is open where it begins and closed at now', () => {
    const [, , last] = three;
    assert.ok(last);
    const edge = (minutes: number) => [event(minutes, 'no'), event(30, 'no'), last];
    assert.deepEqual(found(logic, edge(60)), [], 'an event as old as the window is no longer in it');
    assert.deepEqual(found(logic, edge(60 - 1 / 60_000)), ['192.0.2.1']);
    assert.deepEqual(found(logic, edge(0)), ['192.0.2.1'], 'an event of this moment is');
    assert.deepEqual(found(logic, edge(-1 / 60_000)), [], 'one of the future is not');
  });

  it('counts an event that is stored twice once, and two keys apart', () => {
    const [first] = three;
    assert.ok(first);
    assert.deepEqual(found(logic, [first, first, first]), []);
    assert.deepEqual(found(logic, [first, { ...first }, event(20, 'no', { ip: '192.0.2.2' })]), []);
    const others = [5, 6, 7].map((minutes) => event(minutes, 'no', { ip: '192.0.2.2' }));
    assert.deepEqual(found(logic, [...others, ...three]), ['192.0.2.1', '192.0.2.2']);
  });

  it('counts different values where it says so', () => {
    const distinct = { ...logic, distinct: 'transmit_security.idv.session_id' } as const;
    assert.deepEqual(found(distinct, three), [], 'three events of one session');
    const sessions = ['a', 'b', 'c'].map((session, index) => event(index + 1, 'no', { session }));
    assert.deepEqual(found(distinct, sessions), ['192.0.2.1']);
    assert.deepEqual(found(distinct, sessions.slice(1)), []);
  });

  it('leaves out a key with an event that silences it, in the window and of the same key only', () => {
    const unless = { ...logic, unless: code('qr') };
    assert.deepEqual(found(unless, [...three, event(59, 'qr')]), []);
    assert.deepEqual(found(unless, [...three, event(60, 'qr')]), ['192.0.2.1']);
    assert.deepEqual(found(unless, [...three, event(20, 'qr', { ip: '192.0.2.2' })]), ['192.0.2.1']);
  });

  it('does not count events of its quiet hours', () => {
    const quiet = { ...logic, quiet: [11, 12] } as const;
    assert.deepEqual(found(quiet, three), [], '11:10 to 11:50');
    const later = NOW + 20 * MINUTE;
    const behind = [-1, 0, -20].map((minutes) => event(minutes, 'no'));
    assert.deepEqual(found(quiet, behind, later), ['192.0.2.1'], '12:00 is no longer quiet');
    assert.deepEqual(found(quiet, [...behind.slice(1), event(1 / 60_000, 'no')], later), [], '11:59:59.999 is');
  });

  it('with `recent`, wants its newest event in that last part', () => {
    const recent = { ...logic, recent: '10m' } as const;
    assert.deepEqual(found(recent, three), [], 'the newest is ten minutes old');
    assert.deepEqual(found(recent, [...three, event(9, 'no')]), ['192.0.2.1']);
    assert.deepEqual(found(recent, [...three, event(1, 'yes')]), [], 'another kind does not make it new');
  });

  it('gives no key to an event that lacks the field', () => {
    const bare = three.map(({ document: { source: _, ...document }, ...rest }) => ({ ...rest, document }));
    assert.deepEqual(found(logic, bare), []);
  });
});

describe('a sequence', () => {
  const logic: Sequence = {
    kind: 'sequence',
    filter: code('yes'),
    after: { filter: code('no'), atLeast: 3 },
    by: ['source.ip'],
    window: '24h',
  };
  const three = [event(40, 'no'), event(30, 'no'), event(20, 'no')];

  it('fires on an event behind the n-th of the other kind, and on none before or beside it', () => {
    assert.deepEqual(found(logic, [...three, event(10, 'yes')]), ['192.0.2.1']);
    assert.deepEqual(found(logic, [...three, event(25, 'yes')]), [], 'behind the second');
    assert.deepEqual(found(logic, [...three, event(20, 'yes')]), [], 'at the same millisecond as the third');
    assert.deepEqual(found(logic, [event(10, 'yes'), ...three.toReversed()]), ['192.0.2.1'], 'however they come in');
    assert.deepEqual(
      found(logic, [event(50, 'yes'), ...three, event(5, 'yes')]),
      ['192.0.2.1'],
      'one before is no harm',
    );
  });

  it('counts an event that is stored twice once, and one that has left the window not at all', () => {
    const [first, second, third] = three;
    assert.ok(first && second && third);
    assert.deepEqual(found(logic, [first, second, second, event(10, 'yes')]), []);
    assert.deepEqual(found(logic, [event(24 * 60, 'no'), second, third, event(10, 'yes')]), []);
  });

  it('wants two values of a field where it says so', () => {
    const elsewhere = {
      ...logic,
      after: { filter: code('no'), atLeast: 1 },
      differing: 'source.geo.country_iso_code',
    } as const;
    const denied = event(30, 'no', { country: 'DE' });
    assert.deepEqual(found(elsewhere, [denied, event(10, 'yes', { country: 'DE' })]), []);
    assert.deepEqual(found(elsewhere, [denied, event(10, 'yes', { country: 'FR' })]), ['192.0.2.1']);
    assert.deepEqual(found(elsewhere, [denied, event(10, 'yes')]), [], 'a place that is not known is no other place');
  });
});

describe('a pace', () => {
  const logic: Pace = {
    kind: 'pace',
    from: code('page'),
    to: code('upload'),
    by: ['transmit_security.idv.session_id'],
    window: '24h',
    under: '1s',
  };
  const SECOND = 1 / 60;

  it('fires below its span and not at it', () => {
    assert.deepEqual(found(logic, [event(10, 'page'), event(10 - SECOND * 0.999, 'upload')]), ['s']);
    assert.deepEqual(found(logic, [event(10, 'page'), event(10 - SECOND, 'upload')]), []);
    assert.deepEqual(found(logic, [event(10, 'page'), event(10, 'upload')]), ['s'], 'at the same millisecond');
  });

  it('takes the first of the one kind, and the first of the other at or behind it', () => {
    const early = event(10 + SECOND / 2, 'upload');
    assert.deepEqual(found(logic, [early, event(10, 'page')]), [], 'one before does not count');
    assert.deepEqual(found(logic, [early, event(10, 'page'), event(10 - SECOND / 2, 'upload')]), ['s']);
    const later = [event(5, 'page'), event(5 - SECOND / 2, 'upload')];
    assert.deepEqual(found(logic, [event(10, 'page'), ...later]), [], 'a second page is not the first');
    assert.deepEqual(found(logic, [event(10, 'page'), event(10, 'upload', { session: 'other' })]), []);
  });
});

describe('signs', () => {
  const logic: Logic = {
    kind: 'signs',
    signs: ['a', 'b'].map((name) => ({ name, filter: code(name) })),
    by: ['transmit_security.idv.session_id'],
    window: '24h',
    atLeast: 2,
  };
  it('count kinds, not events', () => {
    assert.deepEqual(found(logic, [event(3, 'a'), event(2, 'a')]), []);
    assert.deepEqual(found(logic, [event(3, 'a'), event(2, 'b')]), ['s']);
    assert.deepEqual(found(logic, [event(3, 'a'), event(2, 'b', { session: 'other' })]), []);
    assert.deepEqual(found({ ...logic, atLeast: 1 }, [event(3, 'a'), event(2, 'a')]), ['s']);
  });
});

describe('a rate', () => {
  const logic: Rate = {
    kind: 'rate',
    part: code('no'),
    of: code('no', 'yes'),
    by: ['transmit_security.idv.app_id'],
    window: '1h',
    baseline: '7d',
    atLeast: 10,
    partAtLeast: 2,
    above: { times: 3 },
  };
  /** So many of each kind, one a second from so many minutes before now on. */
  const some = (minutes: number, no: number, yes: number) =>
    Array.from({ length: no + yes }, (_, index) => event(minutes - index / 60, index < no ? 'no' : 'yes'));
  const usual = some(600, 2, 14);

  it('fires above so many times the share before, and not at it', () => {
    assert.deepEqual(found(logic, [...usual, ...some(30, 6, 10)]), [], 'six of 16 are three times two of 16');
    assert.deepEqual(found(logic, [...usual, ...some(30, 7, 9)]), ['app']);
  });

  it('wants enough of them, now and before', () => {
    assert.deepEqual(found(logic, [...usual, ...some(30, 9, 0)]), []);
    assert.deepEqual(found(logic, [...usual, ...some(30, 10, 0)]), ['app']);
    assert.deepEqual(found(logic, [...some(600, 0, 9), ...some(30, 10, 0)]), []);
    assert.deepEqual(found(logic, [...some(600, 0, 10), ...some(30, 10, 0)]), ['app']);
    assert.deepEqual(found(logic, [...some(8 * 24 * 60, 1, 19), ...some(30, 10, 0)]), [], 'older than the baseline');
  });

  it('wants enough of the kind that is watched, however small the share before', () => {
    const none = some(600, 0, 100);
    assert.deepEqual(found(logic, [...none, ...some(30, 1, 20)]), []);
    assert.deepEqual(found(logic, [...none, ...some(30, 2, 20)]), ['app']);
  });

  it('with sigmas, fires above so many standard errors of the share before', () => {
    const sigmas = { ...logic, above: { sigmas: 3 } } as const;
    const before = some(600, 20, 180);
    // 10 % and 3 × √(0.1 × 0.9 / 100), which is 9 %.
    assert.deepEqual(found(sigmas, [...before, ...some(30, 19, 81)]), []);
    assert.deepEqual(found(sigmas, [...before, ...some(30, 20, 80)]), ['app']);
  });

  it('counts different values where it says so', () => {
    const distinct = { ...logic, distinct: 'transmit_security.idv.session_id' } as const;
    assert.deepEqual(found(distinct, [...usual, ...some(30, 10, 0)]), [], 'all of one session');
  });
});

describe('silence', () => {
  const logic: Logic = { kind: 'silence', window: '30m', hours: [8, 18] };
  const at = (time: string) => (NOW - Date.parse(time)) / MINUTE;

  it('fires when the window is empty, in its hours and on working days', () => {
    assert.deepEqual(found(logic, [event(30, 'yes')]), ['silence'], 'an event as old as the window');
    assert.deepEqual(found(logic, [event(29, 'yes')]), []);
    const friday = [event(at('2026-11-27T07:00:00Z'), 'yes')];
    const when = (time: string) => found(logic, friday, Date.parse(time));
    assert.deepEqual(when('2026-11-27T07:59:00Z'), []);
    assert.deepEqual(when('2026-11-27T08:00:00Z'), ['silence']);
    assert.deepEqual(when('2026-11-27T17:59:00Z'), ['silence']);
    assert.deepEqual(when('2026-11-27T18:00:00Z'), []);
    assert.deepEqual(when('2026-11-28T12:00:00Z'), [], 'a Saturday');
    assert.deepEqual(when('2026-11-30T12:00:00Z'), ['silence'], 'a Monday');
  });
});

describe('single events', () => {
  const logic: Logic = { kind: 'each', filter: code('no') };
  it('are alerted on by the one run behind them', () => {
    const events = [event(12, 'no', { id: 'one' }), event(2, 'no', { id: 'two' }), event(2, 'yes')];
    const runs = timesOf(logic, NOW - HOUR, NOW).map(evaluator(logic, [...events, ...events]));
    assert.deepEqual(runs.flat(), ['one', 'two']);
  });
});

describe('the schedule', () => {
  it('runs on the clock, behind the first time and up to the last', () => {
    const group = { kind: 'group', filter: code('no'), by: [], atLeast: 1 } as const;
    assert.deepEqual(timesOf({ ...group, window: '1h' }, NOW - 12 * MINUTE, NOW + MINUTE), [
      NOW - 10 * MINUTE,
      NOW - 5 * MINUTE,
      NOW,
    ]);
    assert.deepEqual(timesOf({ ...group, window: '24h' }, NOW - HOUR, NOW), [NOW]);
  });
});
