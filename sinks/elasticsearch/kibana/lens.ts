/** A panel as a Lens visualization that lives in its dashboard ("by value"). */
import type { Panel } from '../../content/detection.ts';
import { type Column, type Columns, fieldColumn, measured, stepsColumn, timeColumn, VALUE } from './columns.ts';
import { kql } from './kql.ts';

export interface Reference {
  readonly type: string;
  readonly id: string;
  readonly name: string;
}

export interface Lens {
  readonly title: string;
  readonly description: string;
  readonly type: 'lens';
  readonly visualizationType: string;
  readonly references: readonly Reference[];
  readonly state: Readonly<Record<string, unknown>>;
}

const LAYER = 'layer';
const [ALONG, SPLIT] = ['along', 'split'];
/** Values shown of a field: along an axis or in a table, and as lines. */
const ROWS = 10;
const LINES = 8;

export function lens(panel: Panel, dataView: string): Lens {
  const { columns, order } = layerOf(panel);
  return {
    title: panel.title,
    description: panel.tells,
    type: 'lens',
    visualizationType: TYPES[panel.kind],
    references: [{ type: 'index-pattern', id: dataView, name: `indexpattern-datasource-layer-${LAYER}` }],
    state: {
      datasourceStates: {
        formBased: { layers: { [LAYER]: { columns, columnOrder: order, incompleteColumns: {}, sampling: 1 } } },
      },
      visualization: visualizationOf(panel),
      query: { query: panel.filter ? kql(panel.filter) : '', language: 'kuery' },
      filters: [],
      internalReferences: [],
      adHocDataViews: {},
    },
  };
}

const TYPES = { number: 'lnsMetric', line: 'lnsXY', bars: 'lnsXY', table: 'lnsDatatable' } as const;

function layerOf({ title, by, split, measure, kind }: Panel): { columns: Columns; order: readonly string[] } {
  const values = measured(measure, title);
  const buckets: Record<string, Column> = {};
  if (by !== undefined) buckets[ALONG] = along(by, title);
  if (split !== undefined)
    buckets[SPLIT] = typeof split === 'string' ? fieldColumn(split, LINES, true) : stepsColumn(split, title);
  // Lens nests in this order: with the split first, the same values are lines all along the time.
  const order = kind === 'line' ? [SPLIT, ALONG] : [ALONG, SPLIT];
  const columns = { ...buckets, ...values };
  return { columns, order: [...order.filter((name) => name in buckets), ...Object.keys(values)] };
}

function along(by: NonNullable<Panel['by']>, title: string): Column {
  if (by === 'time') return timeColumn();
  return typeof by === 'string' ? fieldColumn(by, ROWS, false) : stepsColumn(by, title);
}

function visualizationOf({ kind, by, split }: Panel): Readonly<Record<string, unknown>> {
  const layer = { layerId: LAYER, layerType: 'data' };
  if (kind === 'number') return { ...layer, metricAccessor: VALUE };
  if (kind === 'table')
    return {
      ...layer,
      columns: [...(by === undefined ? [] : [ALONG]), VALUE].map((columnId) => ({ columnId })),
      sorting: { columnId: VALUE, direction: 'desc' },
    };
  const seriesType = kind === 'line' ? 'line' : 'bar_horizontal';
  return {
    preferredSeriesType: seriesType,
    layers: [
      {
        ...layer,
        seriesType,
        accessors: [VALUE],
        xAccessor: ALONG,
        ...(split !== undefined && { splitAccessor: SPLIT }),
      },
    ],
    legend: { isVisible: split !== undefined, position: 'right' },
    fittingFunction: 'Zero',
    valueLabels: kind === 'bars' ? 'show' : 'hide',
    axisTitlesVisibilitySettings: { x: false, yLeft: false, yRight: false },
    gridlinesVisibilitySettings: { x: true, yLeft: true, yRight: true },
    tickLabelsVisibilitySettings: { x: true, yLeft: true, yRight: true },
    labelsOrientation: { x: 0, yLeft: 0, yRight: 0 },
  };
}
