/** What we use of a definition of Dashboard Studio, and nothing else: a word that Studio would not know is refused. */
import { z } from 'zod';

const place = z.int().min(0).max(20_000);
const id = z.string().regex(/^[a-z_]+$/);
const query = z
  .string()
  .regex(/^`/)
  .refine((text) => !text.includes('$'), 'a $ begins a token');
const described = { title: z.string().min(1), description: z.string().min(1) };
const primary = z.strictObject({ primary: id });

const visualization = z.union([
  z.strictObject({
    type: z.literal('splunk.markdown'),
    options: z.strictObject({ markdown: z.string().min(1) }),
    dataSources: z.undefined().optional(),
  }),
  z.strictObject({
    type: z.literal('splunk.singlevalue'),
    ...described,
    options: z.strictObject({ sparklineDisplay: z.literal('off'), trendDisplay: z.literal('off') }),
    dataSources: primary,
  }),
  z.strictObject({
    type: z.literal('splunk.line'),
    ...described,
    options: z.strictObject({
      legendDisplay: z.enum(['off', 'bottom', 'right', 'top', 'left']),
      nullValueDisplay: z.enum(['gaps', 'zero', 'connect']),
      yAxisTitleVisibility: z.enum(['show', 'hide']),
    }),
    dataSources: primary,
  }),
  z.strictObject({
    type: z.literal('splunk.bar'),
    ...described,
    options: z.strictObject({
      legendDisplay: z.enum(['off', 'bottom', 'right', 'top', 'left']),
      yAxisTitleVisibility: z.enum(['show', 'hide']),
    }),
    dataSources: primary,
  }),
  z.strictObject({
    type: z.literal('splunk.table'),
    ...described,
    options: z.strictObject({ count: z.int().min(1).max(100) }),
    dataSources: primary,
  }),
]);

const times = z.strictObject({
  earliest: z.literal('$global_time.earliest$'),
  latest: z.literal('$global_time.latest$'),
});

export const studioSchema = z.strictObject({
  ...described,
  inputs: z.record(
    id,
    z.strictObject({
      type: z.literal('input.timerange'),
      title: z.string(),
      options: z.strictObject({ token: z.literal('global_time'), defaultValue: z.string().regex(/^-\d+[dh]@h,now$/) }),
    }),
  ),
  defaults: z.strictObject({
    dataSources: z.strictObject({
      'ds.search': z.strictObject({ options: z.strictObject({ queryParameters: times }) }),
    }),
  }),
  visualizations: z.record(id, visualization),
  dataSources: z.record(
    id,
    z.strictObject({ type: z.literal('ds.search'), name: z.string().min(1), options: z.strictObject({ query }) }),
  ),
  layout: z.strictObject({
    type: z.literal('grid'),
    options: z.strictObject({ width: place, height: place }),
    globalInputs: z.array(id),
    structure: z.array(
      z.strictObject({
        item: id,
        type: z.literal('block'),
        position: z.strictObject({ x: place, y: place, w: place.max(1200), h: place }),
      }),
    ),
  }),
});
