/**
 * The searches of the Splunk app over the simulated attacks, their look-alikes and crowded little worlds, run by the small reader of
 * test/sinks/splunk-app-run.ts: each finds the same keys as the evaluator, at the same times.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Logic, Rule } from '../../sinks/content/detection.ts';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import { allMacros } from '../../sinks/splunk_hec/app/conf.ts';
import { nameOf } from '../../sinks/splunk_hec/app/filter.ts';
import { DEFAULT_PLACE } from '../../sinks/splunk_hec/app/macros.ts';
import { searchOf } from '../../sinks/splunk_hec/app/spl.ts';
import type { Story } from '../../src/simulator/attacks/index.ts';
import type { Row } from '../sinks/splunk-app-functions.ts';
import { rowOf, runSearch, type Span } from '../sinks/splunk-app-run.ts';
import type { StoredEvent } from './documents.ts';
import { CROWDED_RULES, crowdedEvents, crowdedTimes } from './edges.ts';
import { evaluator } from './evaluate.ts';
import { END, evaluatorOf, NAMED_RULES, type NamedRule, runsOver, scenarioOf, sceneOf } from './judge.ts';
import { msOf, windowOf } from './schedule.ts';

const MACROS = new Map(allMacros(DEFAULT_PLACE).map(({ name, definition }) => [name, definition]));
/** Runs that fire, and runs that do not, of each scene. */
const [FIRING, SILENT] = [4, 8];

/** How far back a rule looks, in ms. */
function backOf(logic: Logic): number {
  return windowOf(logic) + (logic.kind === 'rate' ? msOf(logic.baseline) : 0);
}

function keyOf(logic: Logic, row: Row): string {
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
function rowsOf(events: readonly StoredEvent[]): readonly Row[] {
  const sorted = events.toSorted((one, other) => other.at - one.at);
  return sorted.flatMap((event) => [rowOf(event), rowOf(event)]);
}

/** @returns how many of the compared runs fired */
function compared(named: NamedRule, story: Story): number {
  const scene = sceneOf(story);
  const rows = rowsOf(scene.events);
  const evaluate = evaluatorOf(named, scene);
  const { search } = searchOf(named.detection, named.rule);
  const byAlert = Object.groupBy(runsOver(named, scene), (now) => (evaluate(now).length > 0 ? 'firing' : 'silent'));
  const times = [...some(byAlert.firing ?? [], FIRING), ...some(byAlert.silent ?? [], SILENT)];
  assert.ok(times.length > 0, 'it is run at all');
  for (const now of times) {
    const keys = runSearch(search, MACROS, rows, spanOf(named.rule.logic, now)).map((row) =>
      keyOf(named.rule.logic, row),
    );
    assert.deepEqual(keys.sort(), evaluate(now), `at ${new Date(now).toISOString()}\n${search}`);
  }
  return byAlert.firing?.length ?? 0;
}

/** A window of Splunk is closed where it begins and open at its end, that of the evaluator the other way: a millisecond later. */
function spanOf(logic: Logic, now: number): Span {
  return { from: (now - backOf(logic) + 1) / 1000, to: (now + 1) / 1000 };
}

/** No detection: any rule that the language has. */
function searchFor(logic: Logic) {
  const rule: Rule = { part: '', uuid: 'none', finds: '', severity: 'low', logic };
  const [detection] = DETECTIONS;
  return searchOf({ ...(detection ?? assert.fail()), rules: [rule] }, rule);
}

describe('any rule of any kind finds what the evaluator finds, to the edges of its window', () => {
  for (const logic of CROWDED_RULES)
    it(JSON.stringify(logic), () => {
      const { search, macros } = searchFor(logic);
      const all = new Map([...MACROS, ...macros.map(({ name, definition }) => [name, definition] as const)]);
      let fired = 0;
      for (const seed of [1, 2, 3]) {
        const events = crowdedEvents(seed, END);
        const [rows, evaluate] = [rowsOf(events), evaluator(logic, events)];
        for (const now of crowdedTimes(END)) {
          const keys = runSearch(search, all, rows, spanOf(logic, now)).map((row) => keyOf(logic, row));
          assert.deepEqual(keys.sort(), evaluate(now), `world ${seed} at ${new Date(now).toISOString()}\n${search}`);
          fired += keys.length > 0 ? 1 : 0;
        }
      }
      assert.ok(fired > 0, 'it finds something at all');
    });
});

describe('the searches for Splunk, run by a small reader of our own', () => {
  for (const named of NAMED_RULES) {
    const { attack, lookalike } = scenarioOf(named);
    it(`${named.name} finds its attack`, () => assert.ok(compared(named, attack) > 0));
    it(`${named.name} finds in its look-alike what the evaluator finds`, () => void compared(named, lookalike));
  }
});
