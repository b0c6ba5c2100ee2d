/**
 * The searches of the Splunk app over the simulated attacks and their look-alikes, run by the small reader of test/sinks/splunk-app-run.ts: each finds
 * the same keys as the evaluator, at the same times.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Logic } from '../../sinks/content/detection.ts';
import { allMacros } from '../../sinks/splunk_hec/app/conf.ts';
import { nameOf } from '../../sinks/splunk_hec/app/filter.ts';
import { DEFAULT_PLACE } from '../../sinks/splunk_hec/app/macros.ts';
import { searchOf } from '../../sinks/splunk_hec/app/spl.ts';
import type { Story } from '../../src/simulator/attacks/index.ts';
import type { Row } from '../sinks/splunk-app-functions.ts';
import { rowOf, runSearch } from '../sinks/splunk-app-run.ts';
import { evaluatorOf, type NamedRule, RULES, runsOver, type Scene, scenarioOf, sceneOf } from './judge.ts';
import { msOf, windowOf } from './schedule.ts';

const MACROS = new Map(allMacros(DEFAULT_PLACE).map(({ name, definition }) => [name, definition]));
/** Runs that fire, and runs that do not, of each scene. */
const [FIRING, SILENT] = [4, 8];

/** How far back a rule looks, in ms. */
function backOf(logic: Logic): number {
  return windowOf(logic) + (logic.kind === 'rate' ? msOf(logic.baseline) : 0);
}

function keyOf({ rule: { logic } }: NamedRule, row: Row): string {
  if (logic.kind === 'silence') return 'silence';
  const names = logic.kind === 'each' ? ['event.id'] : logic.by.map(nameOf);
  return names.map((name) => row.get(name)).join(' ');
}

/** Some of them, from the first to the last. */
function some(times: readonly number[], number: number): readonly number[] {
  const step = Math.max(1, Math.floor(times.length / number));
  return times.filter((_, index) => index % step === 0).slice(0, number);
}

/** Every event twice: the forwarder may send one again. The newest first, as Splunk finds them. */
function rowsOf({ events }: Scene): readonly Row[] {
  const sorted = events.toSorted((one, other) => other.at - one.at);
  return sorted.flatMap((event) => [rowOf(event), rowOf(event)]);
}

/** @returns how many of the compared runs fired */
function compared(named: NamedRule, story: Story): number {
  const scene = sceneOf(story);
  const rows = rowsOf(scene);
  const evaluate = evaluatorOf(named, scene);
  const { search } = searchOf(named.detection, named.rule);
  const byAlert = Object.groupBy(runsOver(named, scene), (now) => (evaluate(now).length > 0 ? 'firing' : 'silent'));
  const times = [...some(byAlert.firing ?? [], FIRING), ...some(byAlert.silent ?? [], SILENT)];
  assert.ok(times.length > 0, 'it is run at all');
  for (const now of times) {
    const span = { from: (now - backOf(named.rule.logic)) / 1000, to: now / 1000 };
    const keys = runSearch(search, MACROS, rows, span).map((row) => keyOf(named, row));
    assert.deepEqual(keys.sort(), evaluate(now), `at ${new Date(now).toISOString()}\n${search}`);
  }
  return byAlert.firing?.length ?? 0;
}

describe('the searches for Splunk, run by a small reader of our own', () => {
  for (const named of RULES) {
    const { attack, lookalike } = scenarioOf(named);
    it(`${named.name} finds its attack`, () => assert.ok(compared(named, attack) > 0));
    it(`${named.name} finds in its look-alike what the evaluator finds`, () => void compared(named, lookalike));
  }
});
