/** What rules about one session must not take for a change of hands, run after run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rule } from '../sinks/content/detection.ts';
import { DETECTIONS } from '../sinks/content/detections/index.ts';
import { esql } from '../sinks/elasticsearch/kibana/esql.ts';
import type { StoredEvent } from './detections/documents.ts';
import { evaluator } from './detections/evaluate.ts';
import { HOUR, MINUTE } from './detections/schedule.ts';

const BEGIN = Date.parse('2026-11-25T12:00:00Z');
const DESKTOP = { country: 'DE', agent: 'Desktop/1.0' };
const PHONE = { country: 'FR', agent: 'Phone/1.0' };

function event(minutes: number, code: string, { country, agent } = DESKTOP): StoredEvent {
  const at = BEGIN + minutes * MINUTE;
  const document = {
    '@timestamp': new Date(at).toISOString(),
    event: { id: `${code} ${at}`, code },
    source: { geo: { country_iso_code: country } },
    user_agent: { original: agent },
    transmit_security: { idv: { session_id: 's', app_id: 'app', sdk_version: '1' } },
  };
  return { at, id: document.event.id, code, document };
}

function rulesOf(...names: readonly string[]): readonly Rule[] {
  const rules = DETECTIONS.filter(({ name }) => names.includes(name)).flatMap((detection) => detection.rules);
  assert.ok(rules.length >= names.length);
  return rules;
}

/** The minutes at which the rule fires, over a day and a half. */
function firesAt({ logic }: Rule, events: readonly StoredEvent[]): readonly number[] {
  const fires = evaluator(logic, events);
  return Array.from({ length: 36 * 60 }, (_, minute) => minute).filter(
    (minute) => fires(BEGIN + minute * MINUTE).length > 0,
  );
}

const CHANGES = ['idv.geo_change_in_session', 'idv.device_change_in_session'];

test('a session that was handed to a phone is left alone, when its QR code has left the window too', () => {
  const phone = [event(5, 'page_loaded.consent', PHONE), event(9, 'image_uploaded_info.success', PHONE)];
  const back = event(10, 'page_loaded.verification_completed_screen');
  for (const rule of rulesOf(...CHANGES)) {
    assert.deepEqual(firesAt(rule, [event(0, 'page_loaded.qr'), ...phone, back]), [], rule.finds);
    const [first = -1] = firesAt(rule, [event(0, 'page_loaded.intro'), ...phone, back]);
    assert.equal(first, 5, `${rule.finds}: without the code it fires at once`);
  }
});

test('what servers of the operator do over the API is no other device, and no other country', () => {
  const server = { country: 'US', agent: 'python-requests/2.32' };
  const events = [
    event(0, 'session_created', server),
    event(1, 'page_loaded.intro'),
    event(9, 'session_deleted', server),
  ];
  for (const rule of rulesOf(...CHANGES, 'idv.client_anomaly')) assert.deepEqual(firesAt(rule, events), [], rule.finds);
  const played = [event(1, 'page_loaded.intro', server)];
  for (const rule of rulesOf('idv.client_anomaly').slice(0, 1))
    assert.equal(firesAt(rule, played).length, (24 * HOUR) / MINUTE);
});

test('shares are of exact counts, also where an application has many sessions', () => {
  for (const { logic } of rulesOf('idv.rejection_rate', 'idv.error_spike')) {
    const counts = esql(logic).match(/COUNT_DISTINCT\(CASE\([^)]*(?:\([^)]*\)[^)]*)*\)(?:, (\d+))?\)/g) ?? [];
    assert.equal(counts.length, 4);
    for (const count of counts) assert.match(count, /, 40000\)$/);
  }
});
