import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Selection, selector } from '../src/forward/select.ts';
import type { SecurityEvent, Severity, StreamName } from '../src/types.ts';

function event(code: string, stream: StreamName, severity: Severity = 'medium'): SecurityEvent {
  return { code, severity, source: { stream } } as SecurityEvent;
}

function selected(filter: { only?: Selection; except?: Selection }, ...events: readonly SecurityEvent[]): boolean[] {
  return events.map(selector(filter.only, filter.except));
}

test('what could not be mapped passes every filter', () => {
  const events = [event('pipeline_error', 'verify/siem', 'low'), event('cis.pipeline_error', 'cis/x', 'low')];
  const only: Selection = { codes: ['login'], severity: 'critical', streams: ['admin/a'] };
  assert.deepEqual(selected({ only, except: { severity: 'low' } }, ...events), [true, true]);
  assert.deepEqual(selected({ except: { streams: ['verify/siem', 'cis/x'] } }, ...events), [true, true]);
});

test('unless its code is excepted, and everything else that the exception names fits, too', () => {
  const events = [event('pipeline_error', 'verify/siem'), event('pipeline_error', 'cis/x', 'low')];
  const codes = ['pipeline_error'];
  assert.deepEqual(selected({ except: { codes } }, ...events), [false, false]);
  assert.deepEqual(selected({ except: { codes, streams: ['cis/x'] } }, ...events), [true, false]);
  assert.deepEqual(selected({ except: { codes, severity: 'medium' } }, ...events), [false, true]);
});

test('any value of a key, all keys, and except after only', () => {
  const events = [event('login.failed', 'cis/x', 'high'), event('login.ok', 'cis/x', 'low'), event('logout', 'cis/y')];
  assert.deepEqual(selected({ only: { codes: ['login.*', 'logout'] } }, ...events), [true, true, true]);
  assert.deepEqual(selected({ only: { codes: ['log*'], streams: ['cis/x'] } }, ...events), [true, true, false]);
  const both = { only: { severity: 'medium' }, except: { codes: ['login.*'], severity: 'high' } } as const;
  assert.deepEqual(selected(both, ...events), [false, false, true]);
});
