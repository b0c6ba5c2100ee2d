/**
 * Every rule on a real Elasticsearch, with the templates that `install` puts there: over its attack, over its look-alike, and over
 * ordinary days. The evaluator has to say the same, run after run.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { ORDINARY, type Story } from '../../src/simulator/attacks/index.ts';
import { type Cluster, startCluster } from '../integration/cluster.ts';
import { lacking, shared } from '../integration/servers.ts';
import { CONTEXT, never } from '../sinks/elasticsearch-fixture.ts';
import type { StoredEvent } from './documents.ts';
import { CROWDED_RULES, crowdedEvents, crowdedTimes } from './edges.ts';
import { evaluator } from './evaluate.ts';
import {
  type Alerts,
  END,
  evaluatorOf,
  foundOnlyOwn,
  hasAlert,
  NAMED_RULES,
  type NamedRule,
  runsOver,
  type Scene,
  scenarioOf,
  sceneOf,
} from './judge.ts';
import { askRule, engineOf, type Search } from './query.ts';
import { HOUR } from './schedule.ts';
import { addRow } from './table.ts';

const lack = await lacking('elasticsearch9');

describe('the detections', () => {
  const cluster = lack ? undefined : shared(started);
  // The evaluator looks at all of its days, the engine at the last twelve hours.
  const ordinary = sceneOf(ORDINARY);
  before(async () => cluster && store(cluster(), 'ordinary', ordinary.events), { timeout: 300_000 });

  for (const named of NAMED_RULES)
    test(`${named.detection.id} ${named.name}`, { timeout: 300_000 }, async () => {
      const { attack, lookalike } = scenarioOf(named);
      const found = await judged(cluster?.(), named, 'attack', attack);
      const harmless = await judged(cluster?.(), named, 'lookalike', lookalike);
      const usual = await overOrdinaryDays(cluster?.(), named, ordinary);
      const agreed = [found, harmless, usual].every(({ said, evaluated }) => isSame(said, evaluated));
      const { kind } = named.rule.logic;
      addRow({
        id: named.detection.id,
        rule: named.name,
        engine: lack ? 'evaluator alone' : engineOf(named.rule.logic),
        fired: foundOnlyOwn(named, found.scene, found.said),
        silent: !hasAlert(harmless.said),
        ordinary: kind === 'each' && hasAlert(usual.evaluated) ? 'by design' : !hasAlert(usual.evaluated),
        agrees: lack ? 'alone' : agreed,
      });
      for (const { said, evaluated } of [found, harmless, usual])
        assert.deepEqual(said, evaluated, 'both say the same');
      assert.ok(hasAlert(found.said), `silent on: ${attack.tells}`);
      assert.ok(foundOnlyOwn(named, found.scene, found.said), `fired on more than: ${attack.tells}`);
      assert.deepEqual(harmless.said.flat(), [], `fired on: ${lookalike.tells}`);
      if (kind !== 'each') assert.deepEqual(usual.alldays.flat(), [], 'fired on ordinary days');
    });
});

test('over small crowded worlds the engine and the evaluator say the same', { skip: lack }, async (context) => {
  const cluster = await started(context);
  const worlds = [1, 2].map((seed) => ({ name: `crowded_${seed}`, events: crowdedEvents(seed, END) }));
  for (const { name, events } of worlds) await store(cluster, name, events);
  const times = crowdedTimes(END);
  for (const logic of CROWDED_RULES) {
    const kinds = new Set<string>();
    for (const { name, events } of worlds) {
      const evaluated = times.map(evaluator(logic, events));
      assert.deepEqual(
        await askRule(searchIn(cluster, streamOf(name)), logic, times),
        evaluated,
        JSON.stringify(logic),
      );
      for (const keys of evaluated) kinds.add(JSON.stringify(keys));
    }
    assert.ok(kinds.size > 2 || logic.kind === 'silence', `seldom anything new: ${JSON.stringify(logic)}`);
    assert.ok(kinds.size > 1, `always the same: ${JSON.stringify(logic)}`);
  }
});

interface Judged {
  readonly scene: Scene;
  readonly said: Alerts;
  readonly evaluated: Alerts;
}

async function judged(cluster: Cluster | undefined, named: NamedRule, which: string, story: Story): Promise<Judged> {
  const scene = sceneOf(story);
  const times = runsOver(named, scene);
  const evaluated = times.map(evaluatorOf(named, scene));
  if (!cluster) return { scene, said: evaluated, evaluated };
  const stream = await store(cluster, `${scenarioOf(named).name}.${which}`.replaceAll('-', '_'), scene.events);
  const said = await askRule(searchIn(cluster, stream), named.rule.logic, times);
  return { scene, said, evaluated };
}

async function overOrdinaryDays(cluster: Cluster | undefined, named: NamedRule, scene: Scene) {
  const evaluate = evaluatorOf(named, scene);
  const alldays = runsOver(named, scene).map(evaluate);
  const times = runsOver(named, scene).filter((time) => time > END - 12 * HOUR);
  const evaluated = times.map(evaluate);
  const said = cluster ? await askRule(searchIn(cluster, streamOf('ordinary')), named.rule.logic, times) : evaluated;
  return { said, evaluated, alldays };
}

function isSame(one: Alerts, other: Alerts): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function started(context: Parameters<typeof startCluster>[0]): Promise<Cluster> {
  const cluster = await startCluster(context, 'elasticsearch9');
  const options = elasticsearch.options.parse({ url: cluster.server.url });
  const steps = await Array.fromAsync(elasticsearch.install?.(options, { ...CONTEXT, dryRun: false }, never) ?? []);
  assert.ok(steps.some(({ request }) => request.includes('/_index_template/transmit_security.idv')));
  return cluster;
}

const streamOf = (namespace: string) => `logs-transmit_security.idv-${namespace}`;

/** Into a data stream of its own. Past its pipeline, which this server has no processors for. */
async function store(cluster: Cluster, namespace: string, events: readonly StoredEvent[]): Promise<string> {
  const stream = streamOf(namespace);
  for (let from = 0; from < events.length; from += 2_000) {
    const lines = events.slice(from, from + 2_000).flatMap(({ document }) => {
      const data_stream = { type: 'logs', dataset: 'transmit_security.idv', namespace };
      // Without an id: an event may be stored a second time, in another index of its data stream.
      return ['{"create":{}}', JSON.stringify({ ...document, data_stream })];
    });
    const { body } = await cluster.must('POST', `/${stream}/_bulk?pipeline=_none`, `${lines.join('\n')}\n`);
    assert.equal(body['errors'] as unknown, false, JSON.stringify(body).slice(0, 1_000));
  }
  await cluster.must('POST', `/${stream}/_refresh`);
  const { body } = await cluster.must('POST', `/${stream}/_search`, { track_total_hits: true, size: 1 });
  assert.equal(Number(body['hits']?.['total']?.['value']), events.length, `${stream} holds all of them`);
  assert.match(String(body['hits']?.['hits']?.[0]?.['_index']), /^\.ds-/, 'it is a data stream');
  return stream;
}

/** Many questions in one call. */
function searchIn(cluster: Cluster, stream: string): Search {
  return async (bodies) => {
    const answers = [];
    for (let from = 0; from < bodies.length; from += 60) {
      const lines = bodies.slice(from, from + 60).flatMap((body) => ['{}', JSON.stringify(body)]);
      const { body } = await cluster.must('POST', `/${stream}/_msearch`, `${lines.join('\n')}\n`);
      answers.push(...(body['responses'] ?? []));
    }
    for (const answer of answers) assert.equal(Number(answer['status']), 200, JSON.stringify(answer).slice(0, 1_000));
    return answers;
  };
}
