/** The rules and dashboards that are made for Kibana. The grammars of their queries: test/detections/ql.detections.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { DASHBOARDS } from '../../sinks/content/dashboards/index.ts';
import type { Filter, Logic, Rule } from '../../sinks/content/detection.ts';
import { DETECTIONS } from '../../sinks/content/detections/index.ts';
import { condition } from '../../sinks/elasticsearch/kibana/conditions.ts';
import { esql } from '../../sinks/elasticsearch/kibana/esql.ts';
import { kibanaFiles } from '../../sinks/elasticsearch/kibana/files.ts';
import { kql } from '../../sinks/elasticsearch/kibana/kql.ts';
import { readMark } from '../../sinks/elasticsearch/kibana/mark.ts';
import { detectionRules } from '../../sinks/elasticsearch/kibana/rules.ts';
import { DATA_VIEW, savedObjects } from '../../sinks/elasticsearch/kibana/saved-objects.ts';
import { stackRules } from '../../sinks/elasticsearch/kibana/stack-rules.ts';
import { CONTENT_VERSION } from '../../sinks/elasticsearch/templates.ts';
import { detectionRule, type Panel, savedObject, stackRule } from './kibana-schema.ts';

const RULES: readonly Rule[] = DETECTIONS.flatMap(({ rules }) => rules);
const logicOf = (uuid: string): Logic => RULES.find((rule) => rule.uuid === uuid)?.logic ?? assert.fail(uuid);

describe('ES|QL', () => {
  const A: Filter = { field: 'event.code', is: ['a'] };
  const B: Filter = { field: 'event.code', starts: ['b.'] };
  const lines = (logic: Logic) => esql(logic).split('\n| ');

  test('a group counts different values by key, in its window', () => {
    assert.deepEqual(
      lines({ kind: 'group', filter: A, by: ['source.ip'], window: '90m', atLeast: 5, distinct: 'user.id' }),
      [
        'FROM logs-transmit_security.idv-*',
        'WHERE @timestamp >= NOW() - 90 minutes',
        'WHERE source.ip IS NOT NULL AND event.code == "a"',
        'STATS id_values = COUNT_DISTINCT(user.id), events = COUNT_DISTINCT(event.id), first_seen = MIN(@timestamp), ' +
          'last_seen = MAX(@timestamp), apps = VALUES(transmit_security.idv.app_id), ' +
          'session_ids = VALUES(transmit_security.idv.session_id), id_values_seen = VALUES(user.id) BY source.ip',
        'WHERE id_values >= 5',
        'EVAL session_ids = MV_SLICE(session_ids, 0, 19)',
        'SORT id_values DESC',
      ],
    );
  });

  test('what exempts a key is looked at, and not counted; the newest counted event may have to be recent', () => {
    const text = esql({
      kind: 'group',
      filter: A,
      by: ['user.id'],
      window: '24h',
      atLeast: 1,
      unless: B,
      recent: '1h',
    });
    assert.match(text, /WHERE user\.id IS NOT NULL AND \(event\.code == "a" OR event\.code LIKE "b\.\*"\)/);
    assert.match(text, /EVAL counted = COALESCE\(event\.code == "a", false\)/);
    assert.match(
      text,
      /events = COUNT_DISTINCT\(CASE\(counted, event\.id\)\), exempting = SUM\(CASE\(event\.code LIKE/,
    );
    assert.match(text, /last_seen = MAX\(CASE\(counted, @timestamp\)\)/);
    assert.match(text, /WHERE events >= 1 AND exempting == 0/);
    assert.match(text, /WHERE last_seen >= NOW\(\) - 1 hour\n/);
  });

  test('hours that do not count may go over midnight', () => {
    const quiet = (from: number, to: number) =>
      esql({ kind: 'group', filter: A, by: ['user.id'], window: '1h', atLeast: 1, quiet: [from, to] });
    const hour = String.raw`DATE_EXTRACT\("hour_of_day", @timestamp\)`;
    assert.match(quiet(2, 3), new RegExp(`\\(${hour} < 2 OR ${hour} >= 3\\)`));
    assert.match(quiet(22, 3), new RegExp(`\\(${hour} < 22 AND ${hour} >= 3\\)`));
  });

  test('signs are counted once each, by their names', () => {
    const signs = [
      { name: 'one', filter: A },
      { name: 'two', filter: B },
    ];
    const text = esql({ kind: 'signs', signs, by: ['user.id'], window: '24h', atLeast: 2 });
    assert.match(
      text,
      /one = MAX\(CASE\(event\.code == "a", 1, 0\)\), two = MAX\(CASE\(event\.code LIKE "b\.\*", 1, 0\)\)/,
    );
    assert.match(text, /EVAL signs = one \+ two\n\| WHERE signs >= 2/);
  });

  test('a sequence compares the n-th of one kind with the last of the other, each event once', () => {
    const after = { filter: B, atLeast: 3 };
    const sequence = { kind: 'sequence', filter: A, after, by: ['source.ip'], window: '24h' } as const;
    const text = esql(sequence);
    assert.match(
      text,
      /STATS before_at = MIN\(CASE\(event\.code LIKE "b\.\*", @timestamp\)\), .* BY source\.ip, event\.id/,
    );
    assert.match(text, /enough_at = MV_MAX\(TOP\(before_at, 3, "asc"\)\)/);
    assert.match(text, /WHERE events_before >= 3 AND last_seen > enough_at/);
    assert.doesNotMatch(text, /MV_COUNT/);
    const differing = esql({ ...sequence, after: { filter: B, atLeast: 1 }, differing: 'source.geo.country_iso_code' });
    assert.match(differing, /enough_at = MIN\(before_at\)/);
    assert.match(differing, /WHERE MV_COUNT\(countries\) >= 2/);
  });

  test('a pace is that from the first of one kind to the first of the other at or behind it', () => {
    const text = esql({ kind: 'pace', from: A, to: B, by: ['user.id'], window: '24h', under: '1500ms' });
    assert.match(text, /\| MV_EXPAND ends\n\| WHERE ends >= first_seen\n\| STATS .*last_seen = MIN\(ends\)/);
    assert.match(text, /DATE_DIFF\("milliseconds", first_seen, last_seen\)\n\| WHERE took_ms < 1500/);
  });

  test('a rate compares the window with the baseline before it', () => {
    const rate = {
      kind: 'rate',
      part: A,
      of: B,
      by: ['user.id'],
      window: '1h',
      baseline: '7d',
      atLeast: 50,
      partAtLeast: 5,
    } as const;
    const text = esql({ ...rate, above: { times: 3 } });
    assert.match(text, /WHERE @timestamp >= NOW\(\) - 169 hours/);
    assert.match(text, /EVAL recent = @timestamp >= NOW\(\) - 1 hour\n/);
    assert.match(text, /all_before = COUNT_DISTINCT\(CASE\(NOT recent, event\.id\), 40000\)/);
    assert.match(text, /WHERE all_now >= 50 AND all_before >= 50 AND found_now >= 5\n/);
    assert.match(text, /WHERE share > 3 \* usual_share/);
    assert.match(
      esql({ ...rate, above: { sigmas: 3 } }),
      /WHERE share > usual_share \+ 3 \* SQRT\(usual_share \* \(1\.0 - usual_share\) \/ all_now\)/,
    );
  });

  test('silence is one row where there is nothing', () => {
    assert.deepEqual(lines({ kind: 'silence', window: '30m', hours: [8, 18] }).slice(1), [
      'WHERE COALESCE(event.ingested, @timestamp) >= NOW() - 30 minutes',
      'STATS events = COUNT(*)',
      'EVAL hour = DATE_EXTRACT("hour_of_day", NOW()), day = DATE_EXTRACT("day_of_week", NOW())',
      'WHERE events == 0 AND hour >= 8 AND hour < 18 AND day <= 5',
    ]);
  });

  test('what a filter says holds where a field is missing, has several values, or holds signs of the language', () => {
    assert.equal(condition({ not: A }), 'NOT COALESCE(event.code == "a", false)');
    assert.equal(condition({ not: { field: 'user.id', exists: true } }), 'user.id IS NULL');
    const several = 'CONCAT("\\n", MV_CONCAT(tags, "\\n"), "\\n")';
    assert.equal(condition({ field: 'tags', is: ['x'] }), `${several} LIKE "*\\nx\\n*"`);
    assert.equal(condition({ field: 'tags', starts: ['x'] }), `${several} LIKE "*\\nx*"`);
    assert.match(condition({ field: 'related.ip', is: ['192.0.2.1'] }), /MV_CONCAT\(TO_STRING\(related\.ip\), /);
    assert.equal(condition({ field: 'url.domain', is: ['a"b\\c'] }), 'url.domain == "a\\"b\\\\c"');
    assert.equal(condition({ field: 'url.domain', contains: ['5*\\?'] }), 'url.domain LIKE "*5\\\\*\\\\\\\\\\\\?*"');
    assert.equal(condition({ field: 'event.severity', is: ['70', '90'] }), 'event.severity IN (70, 90)');
  });
});

test('KQL quotes what means something to it', () => {
  assert.equal(kql({ field: 'url.domain', is: ['a"b'] }), 'url.domain: "a\\"b"');
  assert.equal(kql({ field: 'url.domain', contains: ['this or (that)'] }), 'url.domain: *this \\or \\(that\\)*');
  assert.equal(
    kql({ all: [{ field: 'user.id', exists: true }, { not: { field: 'tags', is: ['a', 'b'] } }] }),
    'user.id: * and not (tags: ("a" or "b"))',
  );
});

describe('detection rules', () => {
  test('there is one for each rule, of the shape that Kibana takes', () => {
    assert.deepEqual(
      detectionRules().map(({ rule_id: id }) => id),
      RULES.map(({ uuid }) => uuid),
    );
    for (const rule of detectionRules()) detectionRule.parse(rule);
    assert.equal(new Set(detectionRules().map(({ name }) => name)).size, RULES.length);
    const broken = { ...detectionRules()[0], treshold: {} };
    assert.equal(detectionRule.safeParse(broken).success, false);
  });

  test('a group without exemption is a threshold rule, with the numbers of the data', () => {
    for (const rule of detectionRules()) {
      const logic = logicOf(rule.rule_id);
      const plain = logic.kind === 'group' && !logic.unless && !logic.quiet && !logic.recent;
      assert.equal(rule.type, plain ? 'threshold' : logic.kind === 'each' ? 'query' : 'esql', rule.name);
      if (rule.type !== 'threshold' || logic.kind !== 'group') continue;
      const { by, atLeast, distinct = 'event.id' } = logic;
      assert.deepEqual(rule.threshold, {
        field: by,
        value: atLeast,
        cardinality: [{ field: distinct, value: atLeast }],
      });
    }
  });

  test('each looks back over its window at least, and runs often enough to miss nothing between two runs', () => {
    const seconds = { s: 1, m: 60, h: 3600, d: 86_400 };
    const toSeconds = (span: string) => Number.parseInt(span, 10) * seconds[span.at(-1) as keyof typeof seconds];
    for (const rule of detectionRules()) {
      const logic = logicOf(rule.rule_id);
      const lookback = Number(/^now-(\d+)s$/.exec(rule.from)?.[1]);
      const window = 'window' in logic ? toSeconds(logic.window) : 0;
      const baseline = logic.kind === 'rate' ? toSeconds(logic.baseline) : 0;
      assert.ok(lookback >= window + baseline, `${rule.name}: looks back ${lookback} s`);
      assert.ok(lookback >= toSeconds(rule.interval), `${rule.name}: runs each ${rule.interval}`);
      if (rule.type === 'threshold') assert.equal(lookback, window, `${rule.name} counts in all that it sees`);
    }
  });

  test('those that a detection says are off are off, and say why; each carries our mark', () => {
    for (const { rules, off } of DETECTIONS)
      for (const { uuid } of rules) {
        const rule = detectionRules().find(({ rule_id: id }) => id === uuid);
        assert.equal(rule?.enabled, off === undefined);
        assert.equal(rule?.note.includes(off ?? 'Why it is switched off'), off !== undefined);
        assert.equal(readMark(rule?.tags ?? [])?.version, CONTENT_VERSION);
      }
  });

  test('techniques of ATT&CK are its, the others are tags', () => {
    for (const detection of DETECTIONS) {
      const rule = detectionRules().find(({ rule_id: id }) => id === detection.rules[0].uuid);
      const found = rule?.threat.flatMap(({ technique }) =>
        technique.map(({ id, subtechnique }) => subtechnique[0]?.id ?? id),
      );
      const attack = detection.related.filter(({ framework }) => framework === 'MITRE ATT&CK');
      assert.deepEqual(
        found,
        attack.map(({ id }) => id),
      );
      for (const { framework, id } of detection.related)
        if (framework !== 'MITRE ATT&CK') assert.ok(rule?.tags.some((tag) => tag.startsWith(`${framework}: ${id} `)));
    }
  });
});

test('a stack rule for single events looks at what has arrived, since a restart may make an event later than its span', () => {
  const times = stackRules().map(({ body }) => body.params.timeField);
  assert.deepEqual(
    times,
    RULES.map(({ logic }) => (logic.kind === 'each' ? 'event.ingested' : '@timestamp')),
  );
});

test('stack rules are the same rules, switched off, of the shape that Kibana takes', () => {
  assert.equal(stackRules().length, RULES.length);
  for (const rule of stackRules()) {
    stackRule.parse(rule);
    assert.equal(rule.body.params.esqlQuery.esql, esql(logicOf(rule.id)));
  }
});

describe('dashboards', () => {
  const dashboards = savedObjects()
    .map((object) => savedObject.parse(object))
    .filter((object) => object.type === 'dashboard');
  const panels: readonly Panel[] = dashboards.flatMap(({ attributes }) => attributes.panelsJSON);

  test('each panel of the data is there, and names only fields that there are', () => {
    assert.deepEqual(
      dashboards.map(({ id }) => id),
      DASHBOARDS.map(({ uuid }) => uuid),
    );
    assert.deepEqual(
      panels.map(({ title }) => title),
      DASHBOARDS.flatMap((dashboard) => dashboard.panels.map(({ title }) => title)),
    );
    const renamed = JSON.stringify(savedObjects()).replaceAll('source.ip', 'source.address_of_old');
    assert.ok((JSON.parse(renamed) as unknown[]).some((object) => !savedObject.safeParse(object).success));
  });

  test('each visualization names columns that there are, and each column is in the order', () => {
    for (const { embeddableConfig, title } of panels) {
      const { state } = embeddableConfig.attributes;
      const { columns, columnOrder } = state.datasourceStates.formBased.layers.layer;
      assert.deepEqual([...columnOrder].sort(), Object.keys(columns).sort(), title);
      const shown = JSON.stringify(state.visualization).matchAll(
        /"(?:metricAccessor|xAccessor|splitAccessor|columnId)":"(\w+)"/g,
      );
      const names = [...shown].map(([, name = '']) => name);
      assert.ok(names.length > 0, title);
      for (const name of names) assert.ok(columns[name], `${title}: ${name}`);
      for (const column of Object.values(columns))
        if ('references' in column) for (const name of column.references) assert.ok(columns[name], `${title}: ${name}`);
    }
  });

  test('every panel is on its data view, by a reference that its dashboard has too', () => {
    for (const { attributes, references } of dashboards)
      assert.deepEqual(
        references,
        attributes.panelsJSON.map(({ panelIndex }) => ({
          type: 'index-pattern',
          id: DATA_VIEW,
          name: `${panelIndex}:indexpattern-datasource-layer-layer`,
        })),
      );
  });

  test('panels fill 48 columns without lying on one another', () => {
    for (const { attributes } of dashboards) {
      const taken = new Set<string>();
      for (const { gridData, title } of attributes.panelsJSON) {
        const { x, y, w, h } = gridData;
        assert.ok(x + w <= 48, title);
        for (let column = x; column < x + w; column += 1)
          for (let row = y; row < y + h; row += 1) {
            assert.ok(!taken.has(`${column} ${row}`), `${title} lies on another panel`);
            taken.add(`${column} ${row}`);
          }
      }
    }
  });
});

test('what is checked in for those who import by hand is what is generated (npm run generate)', () => {
  const files = kibanaFiles();
  assert.equal(files.size, 3);
  for (const [path, text] of files) {
    assert.equal(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), text, path);
    for (const line of text.trimEnd().split('\n')) assert.doesNotThrow(() => JSON.parse(line));
  }
});
