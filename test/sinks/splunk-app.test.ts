import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { packed, splunkAppFiles } from '../../deploy/splunk-app.ts';
import { DASHBOARDS } from '../../sinks/content/dashboards/index.ts';
import type { Field } from '../../sinks/content/detection.ts';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import FIELDS from '../../sinks/content/fields.json' with { type: 'json' };
import { ACTIONS, cimSettings, EVENT_TYPES, OBJECTS } from '../../sinks/splunk_hec/app/cim.ts';
import { APP, allMacros, stanzas } from '../../sinks/splunk_hec/app/conf.ts';
import { exactly, nameOf, roughly } from '../../sinks/splunk_hec/app/filter.ts';
import { DEFAULT_PLACE } from '../../sinks/splunk_hec/app/macros.ts';
import { savedSearches } from '../../sinks/splunk_hec/app/saved.ts';
import { searchOf, seconds } from '../../sinks/splunk_hec/app/spl.ts';
import { definition } from '../../sinks/splunk_hec/app/studio.ts';
import { VERIFY_ACTIVITIES } from '../../src/normalize/mapping-verify.ts';
import { readExpression } from './splunk-app-eval.ts';
import { checkSearch, type Known } from './splunk-app-spl.ts';
import { studioSchema } from './splunk-app-studio.ts';

const MACROS = new Map(allMacros(DEFAULT_PLACE).map(({ name, definition: text }) => [name, text]));

/** The fields of the table that Splunk has, the aliases and calculated fields of props.conf, and the time. */
const EVENT_FIELDS: ReadonlySet<string> = new Set([
  '_time',
  ...(Object.keys(FIELDS) as Field[])
    .filter((field) => !/^source\.(geo|as)\.|^event\.ingested$/.test(field))
    .map(nameOf),
  ...Object.keys(cimSettings()).map((key) => key.replace(/^(FIELDALIAS|EVAL)-/, '')),
]);
const KNOWN: Known = { macros: MACROS, fields: EVENT_FIELDS };
/** What the forwarder's own log says of a trouble. */
const LOG: Known = {
  macros: MACROS,
  fields: new Set(['_time', 'level', 'message', 'what', 'reason', 'sink', 'count']),
};

const isOfLog = (query: string) => query.includes('mosaic_siem:log');
const queries = Object.values(definition().dataSources).map(({ options }) => options.query);
const searches = savedSearches().map(({ stanza }) => ({ name: stanza.name, search: stanza.settings['search'] ?? '' }));

for (const { name, search } of searches)
  test(`the search can be read, and each field is known where it stands: ${name}`, () => {
    checkSearch(search, KNOWN);
  });

test('so can those of the dashboard', () => {
  assert.equal(queries.length, DASHBOARDS.flatMap(({ panels }) => panels).length + 4);
  for (const query of queries) checkSearch(query, isOfLog(query) ? LOG : KNOWN);
});

test('each rule has one search, which is off, and ends where the feed is surely in', () => {
  const rules = DETECTIONS.flatMap((detection) => detection.rules);
  const saved = savedSearches();
  assert.equal(saved.length, rules.length);
  saved.forEach(({ stanza: { name, settings } }, index) => {
    const rule = rules[index] ?? assert.fail();
    assert.equal(settings['disabled'], '1', name);
    assert.equal(settings['dispatch.latest_time'], '-5m@m', name);
    assert.ok(settings['search']?.includes(rule.uuid), name);
    assert.ok(settings['description']?.startsWith(`${rule.finds}.`), name);
    assert.equal(settings['alert.suppress'], '1', name);
    if (rule.logic.kind === 'each' || rule.logic.kind === 'silence') return;
    const baseline = rule.logic.kind === 'rate' ? seconds(rule.logic.baseline) : 0;
    const back = (seconds(rule.logic.window) + baseline) / 60 + 5;
    assert.equal(settings['dispatch.earliest_time'], `-${back}m@m`, name);
    assert.equal(settings['alert.suppress.fields'], rule.logic.by.map(nameOf).join(','), name);
    assert.equal(settings['alert.suppress.period'], `${seconds(rule.logic.window) / 60}m`, name);
  });
});

test('the fields that suppress an alert, and those that say which one it is, are in its rows', () => {
  for (const { stanza } of savedSearches()) {
    const { columns } = checkSearch(stanza.settings['search'] ?? '', KNOWN);
    const keys = stanza.settings['alert.suppress.fields']?.split(',') ?? [];
    for (const key of [...keys, 'detection', 'severity', 'rule_id'])
      assert.ok(columns?.includes(key), `${stanza.name}: ${key}`);
  }
});

test('every macro is used, and each number of a detection is in one', () => {
  const used = [...searches.map(({ search }) => search), ...queries].flatMap((search) => [
    ...checkSearch(search, isOfLog(search) ? LOG : KNOWN).macros,
  ]);
  assert.deepEqual([...new Set(used)].sort(), [...MACROS.keys()].sort());
  for (const detection of DETECTIONS)
    for (const rule of detection.rules) {
      const numbers = searchOf(detection, rule).macros.map((macro) => macro.definition);
      const { logic } = rule;
      if ('atLeast' in logic) assert.ok(numbers.includes(String(logic.atLeast)), detection.id);
      if (logic.kind === 'sequence') assert.ok(numbers.includes(String(logic.after.atLeast)), detection.id);
      if (logic.kind === 'pace') assert.ok(numbers.includes(String(seconds(logic.under))), detection.id);
      if (logic.kind === 'silence') assert.deepEqual(numbers, logic.hours.map(String));
      if (logic.kind === 'group' && logic.quiet)
        for (const hour of logic.quiet) assert.ok(numbers.includes(String(hour)), detection.id);
    }
  assert.equal(MACROS.get('transmit_idv_d11_url_domains'), '"onboarding.example.com"');
});

test('a filter is found by the index without case, and compared with it', () => {
  const none = () => assert.fail('no list is asked for');
  const tags = { field: 'tags', is: ['a.b'] } as const;
  assert.deepEqual([roughly(tags), exactly(tags, none)], ['tags{}="a.b"', `isnotnull(mvfind('tags{}',"^a[.]b(?!.)"))`]);
  const starts = { field: 'event.code', starts: ['x.', 'y.'] } as const;
  assert.deepEqual(
    [roughly(starts), exactly(starts, none)],
    ['event.code IN ("x.*", "y.*")', `match('event.code',"^(?:x[.]|y[.])")`],
  );
  const not = { all: [{ field: 'url.domain', exists: true }, { not: { field: 'url.domain', is: ['a'] } }] } as const;
  assert.equal(roughly(not), 'url.domain=*');
  assert.equal(
    exactly(not, () => '`list`'),
    `(isnotnull('url.domain') AND NOT in('url.domain',\`list\`))`,
  );
  assert.equal(roughly({ any: [{ field: 'event.code', is: ['a'] }, { not: tags }] }), undefined);
  assert.throws(() => exactly({ field: 'event.code', is: ['a"b'] }, none), /needs more than quotes/);
  assert.throws(() => nameOf('source.as.number'), /Splunk has no field/);
});

const WRONG: readonly (readonly [search: string, why: RegExp])[] = [
  ['index=a | where event.code=="x"', /not a word of eval/],
  [`index=a | where 'event.cod'=="x"`, /no field event.cod/],
  [`index=a | where 'event.code'=="x`, /open at the end/],
  [`index=a | where ('event.code'=="x"`, /open at the end/],
  [`index=a | where 'event.code'`, /needs a condition/],
  [`index=a | eval b='event.code'=="x"`, /cannot be a condition/],
  [`index=a | eval b=if('event.code',1,0)`, /if takes cvv/],
  ['index=a | eval b=lowercase(message)', /no function lowercase/],
  ['index=a | stats dc(event.id) as n by source.ip | where found>1', /no field found/],
  ['index=a | stats dc(event.id) as n by source.ip | table event.code', /no field event.code/],
  ['index=a | stats dc(event.id) by source.ip', /has no name/],
  ['index=a | sort -_time', /sort needs a number/],
  ['index=a | fetch x', /no command/],
  ['index=a `no_such_macro`', /no macro/],
  ['index=a event.cod="x"', /no field event.cod/],
  ['index=a (event.code="x" OR)', /not understood/],
  ['event.code="x"', /an index is named first/],
  ['index=a | eval a=1 b=2', /too much/],
];
for (const [search, why] of WRONG)
  test(`the check refuses ${search}`, () => assert.throws(() => checkSearch(search, KNOWN), why));

test('each code of the Common Information Model is one that the mapping makes, and each event type names activities', () => {
  const codes = [...VERIFY_ACTIVITIES.values()].flatMap(({ values, other }) => [...values.values(), other]);
  const known = new Set(codes.map(({ code }) => code));
  for (const code of [...Object.values(ACTIONS), ...Object.values(OBJECTS)].flat()) assert.ok(known.has(code), code);
  for (const { name, search } of EVENT_TYPES) {
    const [, names] = / IN \((.*)\)$/.exec(search) ?? [];
    for (const activity of names?.split(', ') ?? []) assert.ok(VERIFY_ACTIVITIES.has(activity), `${name}: ${activity}`);
  }
});

test('each alias and each calculated field is of a field of the table', () => {
  for (const [key, value] of Object.entries(cimSettings())) {
    if (key.startsWith('FIELDALIAS-')) {
      const [, from = '', to = ''] = /^(\S+) ASNEW (\w+)$/.exec(value) ?? assert.fail(value);
      assert.ok(EVENT_FIELDS.has(from) && key.endsWith(`-${to}`), key);
    } else for (const field of readExpression(value).fields) assert.ok(EVENT_FIELDS.has(field), `${key}: ${field}`);
  }
});

test('the dashboard fits what Dashboard Studio takes, and each panel stands once beside the others', () => {
  const studio = studioSchema.parse(definition());
  const blocks = studio.layout.structure;
  assert.deepEqual(blocks.map(({ item }) => item).sort(), Object.keys(studio.visualizations).sort());
  for (const { dataSources } of Object.values(studio.visualizations))
    if (dataSources) assert.ok(dataSources.primary in studio.dataSources);
  const used = Object.values(studio.visualizations).map(({ dataSources }) => dataSources?.primary);
  for (const id of Object.keys(studio.dataSources)) assert.ok(used.includes(id), `${id} is drawn`);
  for (const [index, { position: one }] of blocks.entries())
    for (const { position: other } of blocks.slice(index + 1)) {
      const apart =
        one.x + one.w <= other.x ||
        other.x + other.w <= one.x ||
        one.y + one.h <= other.y ||
        other.y + other.h <= one.y;
      assert.ok(apart, 'two panels lie on each other');
    }
  // Studio closes gaps in its own way.
  for (const line of Map.groupBy(blocks, ({ position }) => position.y).values()) {
    assert.equal(
      line.reduce((width, { position }) => width + position.w, 0),
      1200,
    );
    assert.equal(new Set(line.map(({ position }) => position.h)).size, 1);
  }
  assert.throws(() => studioSchema.parse({ ...definition(), visualisations: {} }));
});

test('the files that are checked in are what the data gives', () => {
  for (const [path, text] of splunkAppFiles())
    assert.equal(
      readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'),
      text,
      `${path} is stale: npm run generate`,
    );
});

test('a configuration file holds each stanza once, and nothing that Splunk would join to another line', () => {
  const names = stanzas(DEFAULT_PLACE).map(({ conf, name }) => `${conf}/${name}`);
  assert.equal(new Set(names).size, names.length);
  for (const [path, text] of splunkAppFiles()) {
    if (!path.endsWith('.conf')) continue;
    for (const line of text.split('\n')) {
      assert.match(line, /^$|^#|^\[[^\]]+\]$|^[\w.-]+ = .+|^\| /, `${path}: ${line}`);
      assert.doesNotMatch(line.replace(/ \\$/, ''), /\\$|\s$/, `${path}: ${line}`);
    }
  }
});

test('the package is the same bytes each time, with the files in a folder of its name', () => {
  const first = packed(splunkAppFiles('9.8.7'));
  assert.ok(first.equals(packed(splunkAppFiles('9.8.7'))));
  const entries = entriesOf(gunzipSync(first));
  assert.deepEqual(
    [...entries.keys()].filter((name) => !name.startsWith(`${APP}/`)),
    [],
  );
  assert.match(entries.get(`${APP}/default/app.conf`) ?? '', /^version = 9\.8\.7$/m);
  for (const [path, text] of splunkAppFiles('9.8.7'))
    assert.equal(entries.get(path.slice(path.indexOf(APP))), text, path);
});

/** Files of a tar archive, read anew from what POSIX says of its headers. */
function entriesOf(archive: Buffer): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (let at = 0; archive[at] !== 0; ) {
    const field = (from: number, length: number) =>
      archive.toString('latin1', at + from, at + from + length).replace(/[\0 ]+$/, '');
    const size = Number.parseInt(field(124, 12), 8);
    assert.equal(field(136, 12), '02263523000', 'the first second of 1980');
    const header = Buffer.from(archive.subarray(at, at + 512)).fill(' ', 148, 156);
    assert.equal(
      Number.parseInt(field(148, 8), 8),
      header.reduce((sum, byte) => sum + byte, 0),
      'the checksum',
    );
    if (field(156, 1) === '0') entries.set(field(0, 100), archive.toString('utf8', at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return entries;
}
