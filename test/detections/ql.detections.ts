/** Every ES|QL and KQL text that is generated, against the released grammars. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Filter } from '../../sinks/content/detection.ts';
import { columnOf, condition } from '../../sinks/elasticsearch/kibana/conditions.ts';
import { kql } from '../../sinks/elasticsearch/kibana/kql.ts';
import { detectionRules } from '../../sinks/elasticsearch/kibana/rules.ts';
import { savedObjects } from '../../sinks/elasticsearch/kibana/saved-objects.ts';
import { stackRules } from '../../sinks/elasticsearch/kibana/stack-rules.ts';
import { lacking } from '../integration/servers.ts';
import { checkQueries, type Query } from './ql.ts';

/** All that stands under `query` beside `language: kuery`, how deep ever. */
function kueries(value: unknown): readonly string[] {
  if (typeof value === 'string' && /^[[{]/.test(value)) return kueries(JSON.parse(value));
  if (typeof value !== 'object' || value === null) return [];
  const { query, language } = value as { query?: unknown; language?: unknown };
  const own = language === 'kuery' && typeof query === 'string' && query !== '' ? [query] : [];
  return [...own, ...Object.values(value).flatMap(kueries)];
}

const STRANGE: Filter = {
  any: [
    { field: 'url.domain', is: ['a"b\\c', 'd\ne'] },
    { field: 'url.domain', contains: ['50% and not (all) of: {it} <or> *?'] },
    { not: { field: 'tags', starts: ['idv"\\_*'] } },
    { not: { all: [{ field: 'user.id', exists: true }, { not: { field: 'tags', is: ['a', 'b'] } }] } },
    { field: 'event.severity', is: ['70', '90'] },
  ],
};

describe('released grammars', { skip: await lacking('ql') }, () => {
  test('every query of a rule and of a panel is one', async () => {
    const queries: Query[] = [
      ...detectionRules().map(({ language, query }) => ({
        language: language === 'kuery' ? ('kql' as const) : language,
        text: query,
      })),
      ...stackRules().map(({ body }) => ({ language: 'esql' as const, text: body.params.esqlQuery.esql })),
      ...savedObjects()
        .flatMap(kueries)
        .map((text) => ({ language: 'kql' as const, text })),
    ];
    assert.ok(queries.filter(({ language }) => language === 'kql').length > 40, 'the panels were not found');
    assert.ok(queries.filter(({ language }) => language === 'esql').length > 30, 'the rules were not found');
    assert.deepEqual(await checkQueries(queries), new Map());
  });

  test('texts that mean something to the language are quoted', async () => {
    const esql = `FROM a | WHERE ${condition(STRANGE)} | KEEP ${columnOf('event.end')}, ${columnOf('source.as.number')}`;
    const found = await checkQueries([
      { language: 'esql', text: esql },
      { language: 'kql', text: kql(STRANGE) },
    ]);
    assert.deepEqual(found, new Map());
  });

  test('a broken one is found, and only that', async () => {
    const broken = ['FROM a | STATS n = COUNT(* BY b', 'event.code: ("a" or'];
    const found = await checkQueries([
      { language: 'esql', text: 'FROM a | LIMIT 1' },
      { language: 'esql', text: broken[0] ?? '' },
      { language: 'kql', text: broken[1] ?? '' },
    ]);
    assert.deepEqual([...found.keys()], broken);
    assert.match(found.get(broken[0] ?? '') ?? '', /line 1/);
  });
});
