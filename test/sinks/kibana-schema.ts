/**
 * The shapes of what Kibana imports, as far as we use them: written after dashboards and rules that Elastic publishes. Strict, so that
 * a misspelt key does not pass for one that may be missing.
 */
import FIELDS from '../../sinks/content/fields.json' with { type: 'json' };
import { z } from '../../src/sink.ts';

const field = z.string().refine((name) => name in FIELDS, { error: 'is no field of ours' });
const text = z.string().min(1);
const span = z.string().regex(/^[1-9]\d*[smh]$/);
const kuery = z.strictObject({ query: z.string(), language: z.literal('kuery') });
const named = { id: text, name: text, reference: z.url({ protocol: /^https$/, hostname: /^attack\.mitre\.org$/ }) };

const threat = z.strictObject({
  framework: z.literal('MITRE ATT&CK'),
  tactic: z.strictObject({ ...named, id: z.string().regex(/^TA\d{4}$/) }),
  technique: z
    .array(
      z.strictObject({
        ...named,
        id: z.string().regex(/^T\d{4}$/),
        subtechnique: z.array(z.strictObject({ ...named, id: z.string().regex(/^T\d{4}\.\d{3}$/) })),
      }),
    )
    .min(1),
});

const duration = z.strictObject({ value: z.int().min(1), unit: z.enum(['s', 'm', 'h']) });
const common = {
  rule_id: z.uuid(),
  name: text,
  description: text,
  risk_score: z.literal([21, 47, 73, 99]),
  severity: z.enum(['low', 'medium', 'high', 'critical']),
  enabled: z.boolean(),
  interval: span,
  from: z.string().regex(/^now-[1-9]\d*s$/),
  to: z.literal('now'),
  timestamp_override: z.literal('event.ingested'),
  threat: z.array(threat),
  false_positives: z.array(text).min(1),
  note: z.string().startsWith('## Triage and analysis\n'),
  tags: z.array(text).min(5),
  version: z.int().min(1),
  author: z.array(text).min(1),
  license: text,
};
const suppressed = z.strictObject({
  group_by: z.array(field).min(1).max(3),
  duration,
  missing_fields_strategy: z.enum(['suppress', 'doNotSuppress']),
});
const inKuery = { query: text, language: z.literal('kuery'), index: z.array(z.string().startsWith('logs-')).min(1) };

export const detectionRule = z.discriminatedUnion('type', [
  z.strictObject({ ...common, ...inKuery, type: z.literal('query') }),
  z.strictObject({
    ...common,
    ...inKuery,
    type: z.literal('threshold'),
    threshold: z.strictObject({
      field: z.array(field).min(1).max(3),
      value: z.int().min(1),
      cardinality: z.array(z.strictObject({ field, value: z.int().min(1) })).max(1),
    }),
    alert_suppression: z.strictObject({ duration }),
  }),
  z.strictObject({
    ...common,
    type: z.literal('esql'),
    query: z.string().startsWith('FROM logs-'),
    language: z.literal('esql'),
    alert_suppression: suppressed.optional(),
  }),
]);

export const stackRule = z.strictObject({
  id: z.uuid(),
  body: z.strictObject({
    name: text,
    rule_type_id: z.literal('.es-query'),
    consumer: z.literal('stackAlerts'),
    enabled: z.literal(false),
    schedule: z.strictObject({ interval: span }),
    tags: z.array(text).min(5),
    params: z.strictObject({
      searchType: z.literal('esqlQuery'),
      esqlQuery: z.strictObject({ esql: z.string().startsWith('FROM logs-') }),
      timeField: z.enum(['@timestamp', 'event.ingested']),
      timeWindowSize: z.int().min(1),
      timeWindowUnit: z.enum(['s', 'm', 'h', 'd']),
      threshold: z.tuple([z.literal(0)]),
      thresholdComparator: z.literal('>'),
      size: z.int().min(0).max(10_000),
      aggType: z.literal('count'),
      groupBy: z.enum(['all', 'row']),
      excludeHitsFromPreviousRun: z.boolean(),
    }),
    actions: z.tuple([]),
  }),
});

const label = { label: text, customLabel: z.literal(true) };
const number = { ...label, dataType: z.literal('number'), isBucketed: z.literal(false), scale: z.literal('ratio') };
const empty = z.strictObject({ emptyAsNull: z.boolean() });
const bucket = { ...label, isBucketed: z.literal(true) };

const column = z.discriminatedUnion('operationType', [
  z.strictObject({
    ...number,
    operationType: z.literal('count'),
    sourceField: z.literal('___records___'),
    params: empty,
  }),
  z.strictObject({
    ...number,
    operationType: z.literal('unique_count'),
    sourceField: field,
    params: empty,
    filter: kuery.optional(),
  }),
  z.strictObject({ ...number, operationType: z.literal('average'), sourceField: field, params: empty }),
  z.strictObject({
    ...number,
    dataType: z.literal('date'),
    operationType: z.literal('max'),
    sourceField: field,
    params: empty,
  }),
  z.strictObject({
    ...number,
    operationType: z.literal('formula'),
    params: z.strictObject({
      formula: text,
      isFormulaBroken: z.literal(false),
      format: z.strictObject({ id: z.literal('percent'), params: z.strictObject({ decimals: z.int() }) }),
    }),
    references: z.array(text).length(1),
  }),
  z.strictObject({
    ...number,
    operationType: z.literal('math'),
    params: z.strictObject({
      tinymathAst: z.strictObject({
        type: z.literal('function'),
        name: z.literal('divide'),
        args: z.tuple([text, text]),
        location: z.strictObject({ min: z.int(), max: z.int() }),
        text,
      }),
    }),
    references: z.array(text).length(2),
  }),
  z.strictObject({
    ...bucket,
    dataType: z.literal('date'),
    scale: z.literal('interval'),
    operationType: z.literal('date_histogram'),
    sourceField: z.literal('@timestamp'),
    params: z.strictObject({ interval: z.literal('auto'), includeEmptyRows: z.boolean(), dropPartials: z.boolean() }),
  }),
  z.strictObject({
    ...bucket,
    dataType: z.enum(['string', 'number', 'ip', 'date', 'boolean']),
    scale: z.literal('ordinal'),
    operationType: z.literal('terms'),
    sourceField: field,
    params: z.strictObject({
      size: z.int().min(1),
      orderBy: z.strictObject({ type: z.literal('column'), columnId: text }),
      orderDirection: z.enum(['asc', 'desc']),
      otherBucket: z.boolean(),
      missingBucket: z.boolean(),
      parentFormat: z.strictObject({ id: z.literal('terms') }),
      include: z.tuple([]),
      exclude: z.tuple([]),
      includeIsRegex: z.literal(false),
      excludeIsRegex: z.literal(false),
    }),
  }),
  z.strictObject({
    ...bucket,
    dataType: z.literal('string'),
    scale: z.literal('ordinal'),
    operationType: z.literal('filters'),
    params: z.strictObject({ filters: z.array(z.strictObject({ label: text, input: kuery })).min(1) }),
  }),
]);

const shown = z.strictObject({ x: z.boolean(), yLeft: z.boolean(), yRight: z.boolean() });
const onLayer = { layerId: text, layerType: z.literal('data') };

const visualization = z.union([
  z.strictObject({ ...onLayer, metricAccessor: text }),
  z.strictObject({
    ...onLayer,
    columns: z.array(z.strictObject({ columnId: text })).min(1),
    sorting: z.strictObject({ columnId: text, direction: z.enum(['asc', 'desc']) }),
  }),
  z.strictObject({
    preferredSeriesType: z.enum(['line', 'bar_horizontal']),
    layers: z
      .array(
        z.strictObject({
          ...onLayer,
          seriesType: z.enum(['line', 'bar_horizontal']),
          accessors: z.array(text).min(1),
          xAccessor: text,
          splitAccessor: text.optional(),
        }),
      )
      .length(1),
    legend: z.strictObject({ isVisible: z.boolean(), position: z.literal('right') }),
    fittingFunction: z.literal('Zero'),
    valueLabels: z.enum(['show', 'hide']),
    axisTitlesVisibilitySettings: shown,
    gridlinesVisibilitySettings: shown,
    tickLabelsVisibilitySettings: shown,
    labelsOrientation: z.strictObject({ x: z.int(), yLeft: z.int(), yRight: z.int() }),
  }),
]);

const reference = z.strictObject({ type: z.literal('index-pattern'), id: text, name: text });

export const panel = z.strictObject({
  type: z.literal('lens'),
  version: text,
  panelIndex: text,
  title: text,
  gridData: z.strictObject({
    x: z.int().min(0),
    y: z.int().min(0),
    w: z.int().min(1).max(48),
    h: z.int().min(1),
    i: text,
  }),
  embeddableConfig: z.strictObject({
    attributes: z.strictObject({
      title: text,
      description: text,
      type: z.literal('lens'),
      visualizationType: z.enum(['lnsMetric', 'lnsXY', 'lnsDatatable']),
      references: z.array(reference).length(1),
      state: z.strictObject({
        datasourceStates: z.strictObject({
          formBased: z.strictObject({
            layers: z.strictObject({
              layer: z.strictObject({
                columns: z.record(text, column),
                columnOrder: z.array(text).min(1),
                incompleteColumns: z.strictObject({}),
                sampling: z.literal(1),
              }),
            }),
          }),
        }),
        visualization,
        query: kuery,
        filters: z.tuple([]),
        internalReferences: z.tuple([]),
        adHocDataViews: z.strictObject({}),
      }),
    }),
    enhancements: z.strictObject({}),
  }),
});
export type Panel = z.infer<typeof panel>;

/** A text that holds JSON, as Kibana keeps what it does not search. */
const json = <Inner extends z.ZodType>(inner: Inner) =>
  z
    .string()
    .transform((value) => JSON.parse(value))
    .pipe(inner);

export const savedObject = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('index-pattern'),
    id: text,
    attributes: z.strictObject({
      title: z.string().startsWith('logs-'),
      name: text,
      timeFieldName: z.literal('@timestamp'),
      allowNoIndex: z.literal(true),
    }),
    references: z.tuple([]),
    coreMigrationVersion: text,
    typeMigrationVersion: text,
  }),
  z.strictObject({
    type: z.literal('dashboard'),
    id: z.uuid(),
    attributes: z.strictObject({
      title: text,
      description: text,
      panelsJSON: json(z.array(panel).min(1)),
      optionsJSON: json(
        z.strictObject({
          useMargins: z.boolean(),
          syncColors: z.boolean(),
          syncCursor: z.boolean(),
          syncTooltips: z.boolean(),
          hidePanelTitles: z.boolean(),
        }),
      ),
      timeRestore: z.literal(true),
      timeFrom: text,
      timeTo: text,
      version: z.literal(1),
      kibanaSavedObjectMeta: z.strictObject({
        searchSourceJSON: json(z.strictObject({ query: kuery, filter: z.tuple([]) })),
      }),
    }),
    references: z.array(reference).min(1),
    coreMigrationVersion: text,
    typeMigrationVersion: text,
  }),
]);
