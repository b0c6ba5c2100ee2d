/** What each kind of rule means at its edges, as its search says it: run by the small reader of splunk-app-run.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import { allMacros } from '../../sinks/splunk_hec/app/conf.ts';
import { DEFAULT_PLACE } from '../../sinks/splunk_hec/app/macros.ts';
import { searchOf } from '../../sinks/splunk_hec/app/spl.ts';
import { rowOf, runSearch, type StoredEvent } from './splunk-app-run.ts';

/** A Thursday. */
const NOON = Date.parse('2026-11-26T12:00:00Z');
const MACROS = new Map(allMacros(DEFAULT_PLACE).map(({ name, definition }) => [name, definition]));

interface Told {
  readonly session?: string;
  readonly ip?: string;
  readonly country?: string;
  readonly app?: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

/** One that happened so many seconds before noon; its id is made of all that it holds. */
function event(code: string, ago: number, told: Told = {}): StoredEvent {
  const { session = 's', ip = '192.0.2.1', country, app = 'a', more } = told;
  const document = {
    event: { code, id: JSON.stringify([code, ago, told]) },
    source: { ip, ...(country && { geo: { country_iso_code: country } }) },
    transmit_security: { idv: { session_id: session, app_id: app, ...more } },
  };
  return { at: NOON - ago * 1000, document };
}

interface Own {
  readonly macros?: Readonly<Record<string, string>>;
  /** How far back it looks, in seconds. */
  readonly back?: number;
}

/** How many rows a rule gives, `D1` or `D4 session`, over these events. */
function rowsOf(name: string, events: readonly StoredEvent[], { macros = {}, back = 86_400 }: Own = {}): number {
  const [id, part = ''] = name.split(' ');
  const detection = DETECTIONS.find((each) => each.id === id) ?? assert.fail(name);
  const rule = detection.rules.find((each) => each.part === part) ?? assert.fail(name);
  const rows = events.toSorted((one, other) => other.at - one.at).map(rowOf);
  const all = new Map([...MACROS, ...Object.entries(macros)]);
  const { search } = searchOf(detection, rule);
  return runSearch(search, all, rows, { from: NOON / 1000 - back, to: NOON / 1000 }).length;
}

const times = (number: number, make: (index: number) => StoredEvent) =>
  Array.from({ length: number }, (_, i) => make(i));
const REJECTED = 'verification_status_updated.rejected';
const SUCCESS = 'verification_status_updated.success';

test('a group counts sessions, each once, and not those of other addresses', () => {
  const rejected = (number: number) => times(number, (i) => event(REJECTED, 60 + i, { session: `s${i}` }));
  assert.equal(rowsOf('D1', rejected(5)), 1);
  assert.equal(rowsOf('D1', rejected(4)), 0);
  assert.equal(rowsOf('D1', [...rejected(4), ...rejected(4)]), 0, 'each came twice');
  assert.equal(
    rowsOf(
      'D1',
      times(5, (i) => event(REJECTED, 60 + i)),
    ),
    0,
    'one session',
  );
  assert.equal(
    rowsOf(
      'D1',
      times(5, (i) => event(REJECTED, 60, { session: `s${i}`, ip: `192.0.2.${i}` })),
    ),
    0,
  );
  assert.equal(rowsOf('D1', rejected(5).with(0, event('VERIFICATION_STATUS_UPDATED.REJECTED', 60))), 0, 'by case');
});

test('a group without another field counts events by their id', () => {
  const denied = times(3, (i) => event('deny_by_restriction_criterion', 60 + i));
  assert.equal(rowsOf('D8 burst', denied), 1);
  assert.equal(
    rowsOf(
      'D8 burst',
      times(3, () => event('deny_by_restriction_criterion', 60)),
    ),
    0,
  );
});

test('a threshold and the allowed addresses are what the macros say', () => {
  const rejected = times(5, (i) => event(REJECTED, 60 + i, { session: `s${i}` }));
  assert.equal(rowsOf('D1', rejected, { macros: { transmit_idv_d1_at_least: '6' } }), 0);
  const allowed = (list: string) => ({ macros: { transmit_idv_allowed_addresses: `in('source.ip',${list})` } });
  assert.equal(rowsOf('D1', rejected, allowed('"192.0.2.9","192.0.2.1"')), 0);
  assert.equal(rowsOf('D1', rejected, allowed('"192.0.2.9"')), 1);
});

test('a key with an event that silences it is left out, wherever that lies in the window', () => {
  const moved = [event('page_loaded.intro', 90, { country: 'FR' }), event('redirect', 60, { country: 'DE' })];
  assert.equal(rowsOf('D5', moved), 1);
  assert.equal(rowsOf('D5', [...moved, event('page_loaded.qr', 120)]), 0);
  assert.equal(rowsOf('D5', [...moved, event('page_loaded.qr', 120, { session: 'other' })]), 1);
  assert.equal(rowsOf('D5', moved.with(1, event('redirect', 60, { country: 'FR' }))), 0);
  assert.equal(rowsOf('D5', moved.with(1, event('redirect', 60))), 0, 'no place is not another place');
});

test('only a recent Success asks for its steps', () => {
  assert.equal(rowsOf('D10', [event(SUCCESS, 60)]), 1);
  assert.equal(rowsOf('D10', [event(SUCCESS, 7200)]), 0);
  assert.equal(rowsOf('D10', [event(SUCCESS, 60), event('image_uploaded_info.success', 120)]), 0);
});

test('what is deleted in the quiet hours does not count, and these may go over midnight', () => {
  const deleted = (hoursAgo: number) =>
    times(20, (i) => event('session_deleted', hoursAgo * 3600 - i, { session: `s${i}` }));
  const quiet = (from: number, until: number) => ({
    macros: {
      transmit_idv_d12_burst_quiet_from: String(from),
      transmit_idv_d12_burst_quiet_until: String(until),
    },
  });
  assert.equal(rowsOf('D12 burst', deleted(10)), 0, 'at two');
  assert.equal(rowsOf('D12 burst', deleted(9)), 1, 'at three');
  assert.equal(rowsOf('D12 burst', deleted(1)), 1, 'at eleven');
  for (const hoursAgo of [13, 12, 11]) assert.equal(rowsOf('D12 burst', deleted(hoursAgo), quiet(23, 2)), 0);
  for (const hoursAgo of [14, 10]) assert.equal(rowsOf('D12 burst', deleted(hoursAgo), quiet(23, 2)), 1);
  assert.equal(rowsOf('D12 burst', deleted(10), quiet(0, 0)), 1, 'no hour is quiet');
});

test('signs count once each, however often they show', () => {
  const intro = 'page_loaded.intro';
  const odd = { browser: 'Other', sdk_version: '1' };
  assert.equal(rowsOf('D6 one_sign', [event(intro, 60, { more: odd })]), 1);
  assert.equal(
    rowsOf(
      'D6 two_signs',
      times(9, (i) => event(intro, 60 + i, { more: odd })),
    ),
    0,
  );
  assert.equal(rowsOf('D6 two_signs', [event(intro, 60, { more: { ...odd, platform: 'made-up' } })]), 1);
  assert.equal(rowsOf('D6 one_sign', [event(intro, 60, { more: { sdk_version: '1', platform: 'ios-sdk' } })]), 0);
  assert.equal(rowsOf('D6 one_sign', [event(intro, 60)]), 1, 'a page without a version of the SDK');
  const allowed = { macros: { transmit_idv_d6_platforms: '"made-up"' } };
  assert.equal(
    rowsOf('D6 one_sign', [event(intro, 60, { more: { sdk_version: '1', platform: 'made-up' } })], allowed),
    0,
  );
});

test('a sequence needs its last event behind the n-th of the others, and each of these once', () => {
  const rejected = times(3, (i) => event(REJECTED, 300 + i, { session: `s${i}` }));
  assert.equal(rowsOf('D9 address', rejected), 0, 'no Success');
  assert.equal(rowsOf('D9 address', [...rejected, event(SUCCESS, 60)]), 1);
  assert.equal(rowsOf('D9 address', [...rejected, event(SUCCESS, 400)]), 0, 'in front of them');
  assert.equal(rowsOf('D9 address', [...rejected, event(SUCCESS, 300)]), 0, 'at the same time is not behind');
  assert.equal(rowsOf('D9 address', [...rejected, event(SUCCESS, 60, { ip: '192.0.2.2' })]), 0, 'another address');
  const [one = assert.fail()] = rejected;
  assert.equal(rowsOf('D9 address', [one, one, one, event(SUCCESS, 60)]), 0, 'one that came three times');
});

test('a sequence in two countries needs both in its own events', () => {
  const denied = event('deny_by_restriction_criterion', 300, { country: 'FR' });
  assert.equal(rowsOf('D8 elsewhere', [denied, event(SUCCESS, 60, { country: 'DE' })]), 1);
  assert.equal(rowsOf('D8 elsewhere', [denied, event(SUCCESS, 60, { country: 'FR' })]), 0);
  assert.equal(rowsOf('D8 elsewhere', [denied, event(SUCCESS, 60)]), 0, 'no place is not another place');
  const between = event('redirect', 100, { country: 'DE' });
  assert.equal(rowsOf('D8 elsewhere', [denied, between, event(SUCCESS, 60, { country: 'FR' })]), 0);
});

test('a pace goes from the first event of a kind to the first of the other at or behind it', () => {
  const [page, upload] = ['page_loaded.selfie', 'image_uploaded_info.success'];
  assert.equal(rowsOf('D13 upload', [event(page, 60), event(upload, 59.5)]), 1);
  assert.equal(rowsOf('D13 upload', [event(page, 60), event(upload, 59)]), 0, 'a second is not less than one');
  assert.equal(rowsOf('D13 upload', [event(page, 60), event(upload, 60)]), 1);
  assert.equal(rowsOf('D13 upload', [event(upload, 60.5), event(page, 60)]), 0, 'only in front of it');
  assert.equal(rowsOf('D13 upload', [event(upload, 60.5), event(page, 60), event(upload, 59.9)]), 1);
  assert.equal(rowsOf('D13 upload', [event(page, 90), event(page, 60), event(upload, 59.9)]), 0, 'the first page');
});

test('a rate is held against the same key before, where both are numbers enough', () => {
  const uploads = (number: number, failed: number, ago: number, app = 'a') =>
    times(number, (i) => event(`image_uploaded_info.${i < failed ? 'failure' : 'success'}`, ago + i / 100, { app }));
  const week = { back: 3600 + 7 * 86_400 };
  const before = uploads(100, 10, 7200);
  assert.equal(rowsOf('D14', [...before, ...uploads(50, 16, 60)], week), 1);
  assert.equal(rowsOf('D14', [...before, ...uploads(50, 15, 60)], week), 0, 'three times is not more than three');
  assert.equal(rowsOf('D14', [...before, ...uploads(49, 49, 60)], week), 0, 'too few');
  assert.equal(rowsOf('D14', [...uploads(49, 1, 7200), ...uploads(50, 50, 60)], week), 0, 'too few before');
  assert.equal(rowsOf('D14', [...uploads(100, 10, 7200, 'b'), ...uploads(50, 50, 60)], week), 0, 'another application');
});

test('a silence is one in its hours, on its days', () => {
  assert.equal(rowsOf('D16', [], { back: 1800 }), 1);
  assert.equal(rowsOf('D16', [event('redirect', 60)], { back: 1800 }), 0);
  assert.equal(rowsOf('D16', [], { back: 1800, macros: { transmit_idv_d16_from_hour: '13' } }), 0);
  assert.equal(rowsOf('D16', [], { back: 1800, macros: { transmit_idv_d16_until_hour: '12' } }), 0);
});

test('a single event gives one row, however often it came, and an allowed host none', () => {
  assert.equal(rowsOf('D17', [event(REJECTED, 60), event(REJECTED, 60), event(SUCCESS, 60)]), 1);
  const redirected = event('redirect', 60);
  const to = (domain: string) => ({ ...redirected, document: { ...redirected.document, url: { domain } } });
  assert.equal(rowsOf('D11', [to('evil.example')]), 1);
  assert.equal(rowsOf('D11', [to('onboarding.example.com'), redirected]), 0);
});
