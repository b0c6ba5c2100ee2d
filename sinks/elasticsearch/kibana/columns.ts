/** The columns of a Lens layer: what a panel counts, and by what. The shapes are those that Kibana itself saves. */
import type { Field, Measure, Step } from '../../content/detection.ts';
import { SESSION } from '../../content/detections/codes.ts';
import fields from '../../content/fields.json' with { type: 'json' };
import { kql } from './kql.ts';

type DataType = 'number' | 'string' | 'date' | 'ip' | 'boolean';

export interface Column {
  readonly label: string;
  readonly customLabel: true;
  readonly dataType: DataType;
  readonly isBucketed: boolean;
  readonly operationType: string;
  readonly scale?: 'ratio' | 'ordinal' | 'interval';
  readonly sourceField?: string;
  readonly filter?: { readonly query: string; readonly language: 'kuery' };
  readonly params?: Readonly<Record<string, unknown>>;
  readonly references?: readonly string[];
}
export type Columns = Readonly<Record<string, Column>>;

/** The name of the column that is shown; a formula brings others along. */
export const VALUE = 'value';

export function measured(measure: Measure, label: string): Columns {
  if (measure === 'events') return { [VALUE]: { ...value(label, 'count'), sourceField: '___records___' } };
  if (measure === 'sessions') return { [VALUE]: unique(label) };
  if ('newest' in measure)
    return { [VALUE]: { ...value(label, 'max'), dataType: 'date', sourceField: measure.newest } };
  if ('average' in measure) return { [VALUE]: { ...value(label, 'average'), sourceField: measure.average } };
  return share(label, kql(measure.share));
}

function value(label: string, operationType: string) {
  const params = { emptyAsNull: true };
  return {
    label,
    customLabel: true,
    dataType: 'number',
    isBucketed: false,
    operationType,
    scale: 'ratio',
    params,
  } as const;
}

function unique(label: string, query?: string): Column {
  const filter = query === undefined ? {} : { filter: { query, language: 'kuery' } as const };
  return { ...value(label, 'unique_count'), sourceField: SESSION, ...filter };
}

/** As Kibana saves a formula: with the columns that it is worked out from, since older ones do not work them out anew. */
function share(label: string, query: string): Columns {
  const [part, whole, quotient] = [`${VALUE}X0`, `${VALUE}X1`, `${VALUE}X2`];
  const formula = `unique_count(${SESSION}, kql='${query.replaceAll("'", "\\'")}') / unique_count(${SESSION})`;
  const inner = `Part of ${label}`;
  const ast = {
    type: 'function',
    name: 'divide',
    args: [part, whole],
    location: { min: 0, max: formula.length },
    text: formula,
  };
  const format = { id: 'percent', params: { decimals: 1 } };
  const one = { customLabel: true, dataType: 'number', isBucketed: false, scale: 'ratio' } as const;
  return {
    [VALUE]: {
      ...one,
      label,
      operationType: 'formula',
      params: { formula, isFormulaBroken: false, format },
      references: [quotient],
    },
    [part]: unique(inner, query),
    [whole]: unique(inner),
    [quotient]: {
      ...one,
      label: inner,
      operationType: 'math',
      params: { tinymathAst: ast },
      references: [part, whole],
    },
  };
}

export function timeColumn(): Column {
  return {
    label: '@timestamp',
    customLabel: true,
    dataType: 'date',
    isBucketed: true,
    operationType: 'date_histogram',
    scale: 'interval',
    sourceField: '@timestamp',
    params: { interval: 'auto', includeEmptyRows: true, dropPartials: false },
  };
}

export function fieldColumn(field: Field, size: number, others: boolean): Column {
  return {
    label: field,
    customLabel: true,
    dataType: dataTypeOf(field),
    isBucketed: true,
    operationType: 'terms',
    scale: 'ordinal',
    sourceField: field,
    params: {
      size,
      orderBy: { type: 'column', columnId: VALUE },
      orderDirection: 'desc',
      otherBucket: others,
      missingBucket: false,
      parentFormat: { id: 'terms' },
      include: [],
      exclude: [],
      includeIsRegex: false,
      excludeIsRegex: false,
    },
  };
}

export function stepsColumn(steps: readonly Step[], label: string): Column {
  const filters = steps.map(({ name, filter }) => ({
    label: name,
    input: { query: kql(filter), language: 'kuery' },
  }));
  return {
    label,
    customLabel: true,
    dataType: 'string',
    isBucketed: true,
    operationType: 'filters',
    scale: 'ordinal',
    params: { filters },
  };
}

function dataTypeOf(field: Field): DataType {
  const { type } = fields[field];
  if (type === 'long' || type === 'float') return 'number';
  return type === 'date' || type === 'ip' || type === 'boolean' ? type : 'string';
}
