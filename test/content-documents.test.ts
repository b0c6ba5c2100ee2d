/** The documents, pictures and Sigma files that are made from the data: complete, and right in what they say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { generatedDocuments } from '../deploy/documents.ts';
import { type Event, type Shown, shown } from '../deploy/pictures-panel.ts';
import { DASHBOARDS } from '../sinks/content/dashboards/index.ts';
import type { Measure, Panel, Span } from '../sinks/content/detection.ts';
import { DETECTIONS } from '../sinks/content/detections/index.ts';
import { filterWords, logicWords, spanWords } from '../sinks/content/documents-words.ts';
import { notInSigma, sigmaFiles, sigmaRules } from '../sinks/content/sigma.ts';
import { yamlFile } from '../sinks/content/sigma-yaml.ts';

const RULES = DETECTIONS.flatMap((detection) => detection.rules);

const made = generatedDocuments();

/** Every number and span of a rule, as the documents write it. */
function numbersOf(value: unknown): readonly string[] {
  if (typeof value === 'number') return [String(value)];
  if (typeof value === 'string') return /^\d+(ms|s|m|h|d)$/.test(value) ? [spanWords(value as Span)] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

describe('docs/detections.md', () => {
  const text = made.get('docs/detections.md') ?? '';

  it('tells every detection: its numbers, when it is wrong, and what to do', () => {
    for (const { id, title, why, wrongWhen, next, rules, off } of DETECTIONS) {
      const section = text.split(`### ${id} ${title}\n`)[1]?.split('\n### ')[0] ?? '';
      const told = [why, ...wrongWhen, ...next, ...(off ? [off] : []), ...rules.map(({ finds }) => finds)];
      for (const sentence of told) assert.ok(section.includes(sentence), `${id}: ${sentence}`);
      for (const { logic } of rules) {
        const words = logicWords(logic).join(' ');
        for (const line of logicWords(logic)) assert.ok(section.includes(line), `${id}: ${line}`);
        const numbers = numbersOf(logic);
        for (const number of numbers) assert.ok(words.includes(number), `${id}: ${number} in ${words}`);
        assert.ok(logic.kind === 'each' || numbers.length > 1, `${id} has its numbers`);
      }
    }
  });

  it('tells every panel, and why a rule is no Sigma file', () => {
    for (const { title, panels } of DASHBOARDS)
      for (const panel of panels) assert.ok(text.includes(`| ${panel.title} | ${panel.kind} | ${panel.tells}`), title);
    for (const { why } of notInSigma()) assert.ok(text.includes(why));
    assert.equal(sigmaRules().length + notInSigma().length, RULES.length);
  });

  it('says of a filter what it does', () => {
    const filter = {
      all: [
        { field: 'event.code', starts: ['a.', 'b.'] },
        { not: { field: 'url.domain', exists: true } },
        { any: [{ field: 'tags', is: ['x'] }, { not: { field: 'tags', contains: ['y'] } }] },
      ],
    } as const;
    assert.equal(
      filterWords(filter),
      '`event.code` begins with `a.` or `b.`, and `url.domain` is missing, and (`tags` is `x`, or not: `tags` contains `y`)',
    );
  });
});

describe('Sigma files', () => {
  it('are YAML that says what was meant', () => {
    const documents = [
      { title: "it's: a #test", id: '123', yes: 'no', list: ['a b', '- c', '*d'], map: { 'e|f': 'g', h: true, i: 5 } },
      { second: 'one' },
    ];
    assert.deepEqual(
      parseAllDocuments(yamlFile(documents)).map((each) => each.toJS()),
      documents,
    );
    for (const { path, documents: meant } of sigmaRules())
      assert.deepEqual(
        parseAllDocuments(sigmaFiles().get(path) ?? '').map((each) => each.toJS()),
        meant,
      );
  });

  it('have ids that differ, and the one of the rule where it alerts', () => {
    const ids = sigmaRules().flatMap(({ documents }) => documents.map((each) => String(each['id'])));
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    for (const { rule, documents } of sigmaRules()) assert.equal(documents.at(-1)?.['id'], rule.uuid);
    for (const path of sigmaFiles().keys()) assert.match(path, /\/[a-z0-9_]{5,66}\.yml$/);
  });
});

describe('a picture', () => {
  const HOUR = 3_600_000;
  const span = { from: 0, to: 2 * HOUR, buckets: 2 };
  const event = (id: string, at: number, session: string, code: string, ms?: number): Event => ({
    at,
    document: {
      '@timestamp': new Date(at).toISOString(),
      event: { id, code },
      transmit_security: { idv: { session_id: session, ...(ms && { request_processing_time_ms: ms }) } },
    },
  });
  const events = [
    event('1', 0, 'a', 'x', 100),
    event('1', 0, 'a', 'x', 100),
    event('2', HOUR - 1, 'a', 'y', 300),
    event('3', HOUR, 'b', 'x'),
    event('4', 2 * HOUR - 1, 'c', 'z'),
  ];
  const show = (panel: Partial<Panel> & { measure: Measure }): Shown =>
    shown({ id: 'p', title: 'p', tells: '', kind: 'number', width: 8, ...panel }, events, span);

  it('counts events by id, sessions once, and shares of sessions', () => {
    assert.deepEqual(show({ measure: 'events' }), { kind: 'number', value: 4 });
    assert.deepEqual(show({ measure: 'sessions' }), { kind: 'number', value: 3 });
    const filter = { field: 'event.code', is: ['x', 'z'] } as const;
    const share = show({ measure: { share: { field: 'event.code', is: ['z'] } }, filter });
    assert.deepEqual(share, { kind: 'number', value: 100 / 3 });
    assert.deepEqual(show({ measure: { newest: '@timestamp' } }), { kind: 'number', value: 2 * HOUR - 1 });
    const average = { average: 'transmit_security.idv.request_processing_time_ms' } as const;
    assert.deepEqual(show({ measure: average, filter: { field: 'event.code', is: ['z'] } }), {
      kind: 'number',
      value: undefined,
    });
  });

  it('parts by time, by the values that have the most, and by named kinds in their order', () => {
    assert.deepEqual(show({ measure: 'events', by: 'time' }), { kind: 'lines', lines: [{ name: '', values: [2, 2] }] });
    assert.deepEqual(show({ measure: 'sessions', by: 'event.code' }), {
      kind: 'rows',
      rows: [
        { name: 'x', value: 2 },
        { name: 'y', value: 1 },
        { name: 'z', value: 1 },
      ],
    });
    const steps = ['z', 'none', 'x'].map((name) => ({ name, filter: { field: 'event.code', is: [name] } as const }));
    assert.deepEqual(show({ measure: 'sessions', by: steps }), {
      kind: 'rows',
      rows: [
        { name: 'z', value: 1 },
        { name: 'none', value: 0 },
        { name: 'x', value: 2 },
      ],
    });
    assert.deepEqual(show({ measure: 'sessions', by: 'time', split: 'event.code' }), {
      kind: 'lines',
      lines: [
        { name: 'x', values: [1, 1] },
        { name: 'y', values: [1, 0] },
        { name: 'z', values: [0, 1] },
      ],
    });
  });

  it('has every panel, a title and a description, and nothing that runs or is fetched', () => {
    for (const { id, title, panels } of DASHBOARDS) {
      const svg = made.get(`docs/pictures/${id}.svg`) ?? '';
      assert.ok(svg.includes(`<title id="title">${title}</title>`));
      for (const panel of panels) assert.ok(svg.includes(`class="head">${panel.title}</text>`), panel.title);
      assert.doesNotMatch(svg, /<script|href|url\(|NaN|undefined|Infinity/);
    }
  });
});
