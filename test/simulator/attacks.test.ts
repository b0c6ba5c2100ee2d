import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import {
  allOf,
  ORDINARY,
  playAlone,
  playStory,
  SCENARIOS,
  type Story,
  type TimedActivity,
} from '../../src/simulator/attacks/index.ts';
import { playLive } from '../../src/simulator/attacks/live.ts';
import { newStage, twoApplications } from '../../src/simulator/attacks/stage.ts';
import { activityKey, type SimulatedActivity } from '../../src/simulator/sessions.ts';
import { documentsOf, type StoredEvent } from '../detections/documents.ts';
import {
  evaluatorOf,
  foundOnlyOwn,
  hasAlert,
  NAMED_RULES,
  runsOver,
  scenarioOf,
  sceneOf,
} from '../detections/judge.ts';
import { placeOf } from '../detections/places.ts';

const END = Date.parse('2026-11-25T11:00:00Z');
const OPTIONS = { seed: 7, end: END };
const STORIES: readonly (readonly [name: string, story: Story])[] = SCENARIOS.flatMap(({ name, attack, lookalike }) => [
  [`${name}, attack`, attack] as const,
  [`${name}, look-alike`, lookalike] as const,
]);

const fieldsOf = ({ json }: SimulatedActivity) => JSON.parse(json) as Readonly<Record<string, unknown>>;

describe('the scenarios', () => {
  it('are one for each rule of each detection, with names of their own', () => {
    const rules = DETECTIONS.flatMap(({ name, rules }) => rules.map(({ part }) => (part ? `${name}/${part}` : name)));
    assert.deepEqual(SCENARIOS.map(({ rule }) => rule).sort(), rules.sort());
    assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
    for (const { name } of SCENARIOS) assert.match(name, /^[a-z]+(-[a-z]+)*$/);
  });

  it('play the same at each time with the same seed and end, and another world with others', () => {
    for (const [name, story] of STORIES) {
      const once = playAlone(story, OPTIONS);
      assert.deepEqual(playAlone(story, OPTIONS), once, name);
      const keys = new Set(once.map(({ key }) => key));
      for (const other of [
        { ...OPTIONS, seed: 8 },
        { ...OPTIONS, end: END - 1 },
      ])
        assert.ok(
          playAlone(story, other).every(({ key }) => !keys.has(key)),
          name,
        );
    }
    const { background } = ORDINARY;
    const short = { ...ORDINARY, background: { ...background, hours: 20 } };
    assert.deepEqual(playStory(short, OPTIONS), playStory(short, OPTIONS));
  });
});

it('a stage plays nothing that is later than its end', () => {
  const stage = newStage({ seed: 1, end: END, world: 'late', applications: twoApplications(1, END) });
  const steps = [0, 1_000, 1_000, 1].map((pause) => ({ activity: 'session_started', pause }));
  const last = stage.play({ at: END - 2_000, steps });
  assert.equal(last, END + 1, 'it says when the visit would have ended');
  assert.deepEqual(
    stage.played().map(({ at }) => at - END),
    [-2_000, -1_000, 0],
  );
});

/** Of a story: in time order, none later than the end, as Mosaic writes them, and from nobody's addresses. */
function assertWellMade(name: string, activities: readonly TimedActivity[]): void {
  assert.equal(new Set(activities.map(({ key }) => key)).size, activities.length, name);
  for (const [index, activity] of activities.entries()) {
    const { at, key, json } = activity;
    assert.ok(at <= END && at >= (activities[index - 1]?.at ?? 0), `${name}: ${json}`);
    assert.equal(activityKey(json), key);
    const { timestamp, ip } = fieldsOf(activity);
    assert.equal(typeof timestamp === 'number' ? timestamp : Date.parse(String(timestamp)), at);
    assert.match(String(ip), /^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}$|^2001:db8:/);
    assert.ok(placeOf(String(ip)), `${ip} has a place`);
  }
}

const tagsOf = (document: StoredEvent['document']) => document['tags'] as readonly string[];

describe('the activities of', () => {
  for (const [name, story] of STORIES)
    it(`${name} are as Mosaic writes them, and all of them can be mapped`, () => {
      // What the story adds is whole; of the background a few hours say as much as eight days.
      const background = { ...story.background, hours: Math.min(4, story.background.hours) };
      const played = playStory({ ...story, background }, OPTIONS);
      const all = allOf(played);
      assertWellMade(name, all);
      const documents = documentsOf(all);
      assert.equal(documents.length, all.length);
      for (const [index, { at, code, document }] of documents.entries()) {
        assert.equal(at, all[index]?.at, 'the time is believed');
        assert.doesNotMatch(code, /pipeline_error/);
        assert.ok(!tagsOf(document).some((tag) => tag.startsWith('idv_bad_')), all[index]?.json);
      }
      // Of ordinary applicants some do what nobody has listed; a story that did would prove less than it seems to.
      for (const { code, document } of documentsOf(played.own))
        assert.ok(!tagsOf(document).some((tag) => tag.startsWith('idv_unmapped_')), code);
    });

  it('two stories and their background share no session', () => {
    // Without the last four letters, which are chance.
    const subjects = (activities: readonly TimedActivity[]) => new Set(activities.map(({ key }) => key.slice(0, 12)));
    const [first, second] = SCENARIOS;
    assert.ok(first && second);
    const { background, own } = playStory(first.attack, OPTIONS);
    const [ordinary, mine, others] = [background, own, playAlone(second.attack, OPTIONS)].map(subjects);
    assert.ok(ordinary && mine && others && ordinary.size > 10 && mine.size === 7);
    for (const subject of mine) assert.ok(!ordinary.has(subject) && !others.has(subject), subject);
  });
});

/** Those that need days of background are judged with all others by `npm run test:detections`. */
const SHORT = NAMED_RULES.filter((named) => scenarioOf(named).attack.background.hours <= 30);

describe('by the evaluator', () => {
  assert.ok(SHORT.length > 15);
  for (const named of SHORT)
    it(`${named.name} fires on its attack and on nothing else in it, and is silent on its look-alike`, () => {
      const { attack, lookalike } = scenarioOf(named);
      const scene = sceneOf(attack);
      assert.ok(foundOnlyOwn(named, scene, runsOver(named, scene).map(evaluatorOf(named, scene))), attack.tells);
      const other = sceneOf(lookalike);
      assert.ok(!hasAlert(runsOver(named, other).map(evaluatorOf(named, other))), lookalike.tells);
    });
});

test('an attack that is played live is handed out whole, in its order, over the time that it is given', async () => {
  const [scenario] = SCENARIOS;
  assert.ok(scenario);
  const activities = playAlone(scenario.attack, OPTIONS);
  const handed: SimulatedActivity[] = [];
  let calls = 0;
  const began = performance.now();
  await new Promise<void>((ended) => {
    const enqueue = (_: string, some: readonly SimulatedActivity[]) => {
      calls += some.length > 0 ? 1 : 0;
      handed.push(...some);
    };
    playLive({ enqueue }, activities, { stream: 'verify/demo', overMs: 900, ended });
  });
  assert.deepEqual(handed, activities);
  assert.ok(performance.now() - began >= 900);
  assert.ok(calls > 1, 'not all at once');
});
