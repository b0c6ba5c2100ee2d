/**
 * The Sigma files through pySigma: checked, converted to SPL, ES|QL and Lucene, and the Lucene run on a real Elasticsearch over
 * events that the mapping makes, where it must find what the filter finds.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Filter, Rule } from '../../sinks/content/detection.ts';
import { matches } from '../../sinks/content/matches.ts';
import { sigmaFiles, sigmaRules } from '../../sinks/content/sigma.ts';
import { yamlFile } from '../../sinks/content/sigma-yaml.ts';
import { encodeBulk } from '../../sinks/elasticsearch/encode.ts';
import elasticsearch from '../../sinks/elasticsearch/index.ts';
import { activitySource } from '../../src/simulator/sessions.ts';
import type { SecurityEvent } from '../../src/types.ts';
import { startCluster } from '../integration/cluster.ts';
import { CACHE, lacking, shared } from '../integration/servers.ts';
import { mapPage } from '../normalize.fixtures.ts';

const SCRIPT = fileURLToPath(new URL('../integration/servers/sigma.sh', import.meta.url));
/** Both fetch their lists of names from the internet each time. */
const WITHOUT = ['attacktag', 'd3_fendtag'].flatMap((validator) => ['--exclude', validator]);
const START = Date.parse('2022-12-01T00:50:00Z');

interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly all: string;
}

function sigma(...words: readonly string[]): Promise<Said> {
  const env = { ...process.env, MOSAIC_SIEM_TEST_CACHE: CACHE };
  return new Promise((resolve) => {
    execFile('bash', [SCRIPT, 'run', ...words], { env }, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code ?? 1) : 0, stdout, all: `${stdout}${stderr}` }),
    );
  });
}

function convert(target: string, ...words: readonly string[]): Promise<Said> {
  return sigma('convert', '--target', target, '--without-pipeline', ...words);
}

const SAMPLE = {
  title: 'Sample',
  id: '9b0d5f0e-5d1c-4c55-8a53-5b0d6c1f7d11',
  name: 'sample',
  status: 'experimental',
  taxonomy: 'ecs',
  logsource: { product: 'transmit_security', service: 'idv' },
  level: 'low',
};

const skip = await lacking('sigma', 'elasticsearch9');
if (skip) test('Sigma', { skip });
else {
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-sigma-'));
  const fileOf = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const rules = sigmaRules();
  const texts = sigmaFiles();
  const files = rules.map((each) => ({ ...each, file: fileOf(basename(each.path), texts.get(each.path) ?? '') }));
  after(() => rmSync(folder, { recursive: true }));

  describe('Sigma: check', () => {
    it('has nothing to say', async () => {
      const { status, all } = await sigma('check', '--fail-on-issues', ...WITHOUT, ...files.map(({ file }) => file));
      assert.equal(status, 0, all);
      assert.match(all, /Found 0 errors, 0 condition errors and 0 issues/);
    });

    it('would have: a rule without a condition, one with a colliding id', async () => {
      const broken = fileOf(
        'broken_condition.yml',
        yamlFile([{ ...SAMPLE, detection: { code: { 'event.code': 'x' } } }]),
      );
      assert.notEqual((await sigma('check', ...WITHOUT, broken)).status, 0);
      const [first = ''] = texts.values();
      const twin = fileOf('a_second_one.yml', first);
      const { status, all } = await sigma('check', '--fail-on-issues', ...WITHOUT, files[0]?.file ?? '', twin);
      assert.notEqual(status, 0);
      assert.match(all, /IdentifierCollision/);
    });
  });

  describe('Sigma: conversion', () => {
    for (const target of ['splunk', 'esql'])
      it(`each file becomes a query of ${target}, with its key, its number and its codes`, async () => {
        for (const { rule, file } of files) {
          const { status, stdout, all } = await convert(target, file);
          assert.equal(status, 0, all);
          for (const word of wordsOf(rule)) assert.ok(stdout.includes(word), `${basename(file)}: ${word} in ${stdout}`);
        }
      });

    it('what is left out as not understood by the converters still is', async () => {
      const detection = { code: { 'event.code': 'x' }, condition: 'code' };
      const ordered = fileOf(
        'sample_in_order.yml',
        yamlFile([
          { ...SAMPLE, detection },
          { ...SAMPLE, id: '9b0d5f0e-5d1c-4c55-8a53-5b0d6c1f7d12', name: 'other', title: 'Other', detection },
          {
            title: 'Both',
            id: '9b0d5f0e-5d1c-4c55-8a53-5b0d6c1f7d13',
            correlation: {
              type: 'temporal_ordered',
              rules: ['sample', 'other'],
              'group-by': ['source.ip'],
              timespan: '1h',
            },
            level: 'low',
          },
        ]),
      );
      const hour = { ...detection, quiet: { '@timestamp|hour': 2 }, condition: 'code and not quiet' };
      const quiet = fileOf('sample_of_an_hour.yml', yamlFile([{ ...SAMPLE, detection: hour }]));
      for (const target of ['splunk', 'esql']) {
        assert.match((await convert(target, ordered)).all, /'temporal_ordered' is not supported/);
        assert.match((await convert(target, quiet)).all, /timestamp part value expressions are not supported/);
      }
    });
  });

  describe('Sigma: the Lucene on Elasticsearch', () => {
    const events = [...mapPage(`[${activities().join(',')}]`)];
    const cluster = shared((context) => startCluster(context, 'elasticsearch9'));

    before(async () => {
      const { server, must } = cluster();
      const options = elasticsearch.options.parse({ url: server.url, namespace: 'sigma' });
      const admin = { name: 'elastic', timeoutMs: 30_000, tls: {}, version: 'test', log: () => {}, dryRun: false };
      const steps = elasticsearch.install?.(options, admin, AbortSignal.timeout(60_000)) ?? [];
      assert.ok((await Array.fromAsync(steps)).length > 0, 'the templates are there');
      await must('POST', '/_bulk?refresh=true', encodeBulk(events, 'sigma'));
    });

    for (const { detection, rule, documents } of files)
      it(`${detection.id} ${rule.part} finds what its filter finds`, async () => {
        const plain = fileOf(`plain_${rule.uuid.replaceAll('-', '_')}.yml`, yamlFile(documents.slice(0, 1)));
        const { status, stdout, all } = await convert('lucene', plain);
        assert.equal(status, 0, all);
        const query = stdout.trim();
        const filter = filterOf(rule);
        const expected = events.filter(({ document }) => matches(filter, document)).map(({ id }) => id);
        assert.ok(expected.length > 0 && expected.length < events.length, `${expected.length} of ${events.length}`);
        const search = { size: 10_000, _source: false, query: { query_string: { query } } };
        const { body } = await cluster().must('POST', '/logs-transmit_security.idv-sigma/_search', search);
        const found = [...(body['hits']?.['hits'] ?? [])].map((hit) => String(hit['_id']));
        assert.deepEqual(found.sort(), expected.sort(), query);
      });

    it('every event is there', async () => {
      assert.equal(
        (await cluster().must('GET', '/logs-transmit_security.idv-sigma/_count')).body['count'],
        idsOf(events),
      );
    });
  });
}

function idsOf(events: readonly SecurityEvent[]): number {
  return new Set(events.map(({ id }) => id)).size;
}

/** Ordinary ones, forged ones, and one for each thing that the filters look at. */
function activities(): string[] {
  const source = activitySource({ seed: 11, startAt: START, rate: 5, forged: 0.3 });
  const sdk = { platform: 'web-sdk', sdkVersion: '1.3.37' };
  const odd = [
    { activity: 'page_loaded', additionalParams: { pageName: 'intro', ...sdk, platform: 'gadget-sdk' } },
    { activity: 'page_loaded', additionalParams: { pageName: 'intro', platform: 'web-sdk' } },
    { activity: 'redirect', additionalParams: { ...sdk, redirectUrl: 'https://elsewhere.example.net/x' } },
    {
      activity: 'redirect',
      additionalParams: { ...sdk, redirectUrl: 'https://onboarding.example.com.evil.example/x' },
    },
    { activity: 'session_started', user_agent: 'Mozilla/5.0 HeadlessChrome/129.0.0.0' },
    { activity: 'session_started', user_agent: 'curl/8.9.1', device_id: 'dev-1' },
    { activity: 'Deny_By_Restriction_Criterion' },
    { activity: 'verification_status_updated', result: 'Resubmit' },
    { activity: 'verification_status_updated', result: 'UNCERTAIN' },
  ];
  const shared = { app_id: 'app', user_id: 'odd', ip: '192.0.2.9', timestamp: START };
  return [...source.take(2_000).map(({ json }) => json), ...odd.map((each) => JSON.stringify({ ...shared, ...each }))];
}

function filterOf({ logic }: Rule): Filter {
  if (logic.kind === 'signs') return { any: logic.signs.map(({ filter }) => filter) };
  if (logic.kind === 'each' || logic.kind === 'group') return logic.filter;
  throw new Error(`${logic.kind} has no single filter`);
}

/** What a query must name whatever its language is. */
function wordsOf(rule: Rule): readonly string[] {
  const { logic } = rule;
  const values = textsOf(filterOf(rule));
  if (logic.kind === 'each') return values;
  if (logic.kind !== 'group' && logic.kind !== 'signs') throw new Error(logic.kind);
  const distinct = logic.kind === 'group' ? [logic.distinct ?? 'event.id'] : [];
  return [...values, ...logic.by, ...distinct, `>= ${logic.atLeast}`];
}

function textsOf(filter: Filter): readonly string[] {
  if ('all' in filter) return filter.all.flatMap(textsOf);
  if ('any' in filter) return filter.any.flatMap(textsOf);
  if ('not' in filter) return textsOf(filter.not);
  if ('is' in filter) return [filter.field, ...filter.is];
  if ('starts' in filter) return [filter.field, ...filter.starts];
  return 'contains' in filter ? [filter.field, ...filter.contains] : [filter.field];
}
