import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { News, Tell } from '../news.ts';
import type { GapReason, SpoolReport, StreamName } from '../types.ts';
import { lagSeconds } from './shape.ts';

export interface Metrics {
  readonly tell: Tell;
  /** Of the answer that carries `text()`. */
  readonly contentType: string;
  /** Prometheus text format. Asks the spool first; where that fails the gauges keep their last values. */
  text(): Promise<string>;
}
export interface MetricsOptions {
  readonly streams: readonly StreamName[];
  readonly sinks: readonly string[];
  readonly refresh: () => Promise<SpoolReport>;
  readonly now?: () => Date;
}

const GAP_REASONS: readonly GapReason[] = ['no_answer', 'cut_off', 'gateway', 'too_large', 'crash'];
const DELIVERY_RESULTS = ['ok', 'partial', 'refused', 'unavailable'] as const;
const EVENT_RESULTS = ['delivered', 'filtered', 'dead'] as const;

/** Every series of a configured stream or sink exists from the first scrape, so that an alert on it can be trusted. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const meters = createMeters([registry]);
  const now = options.now ?? (() => new Date());
  zero(meters, options);
  return {
    contentType: registry.contentType,
    tell: (news) => count(meters, news, now()),
    text: async () => {
      const report = await options.refresh().catch(() => undefined);
      if (report) show(meters, report, options.streams, now());
      return registry.metrics();
    },
  };
}

type Meters = ReturnType<typeof createMeters>;

function createMeters(registers: Registry[]) {
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Counter({ name: `mosaic_siem_${name}`, help, labelNames, registers });
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name: `mosaic_siem_${name}`, help, labelNames, registers });
  return {
    activities: counter('activities_collected_total', 'Activities that Mosaic handed over.', ['stream']),
    calls: counter('collect_calls_total', 'Collect calls by what came of them.', ['stream', 'result']),
    lastCollect: gauge('last_collect_timestamp_seconds', 'When a collect call last succeeded; 0 is never.', ['stream']),
    gaps: counter('possible_gaps_total', 'Collect answers lost after Mosaic may have moved the stream on.', [
      'stream',
      'reason',
    ]),
    spoolBytes: gauge('spool_bytes', 'Bytes that the spool uses.', []),
    spoolLimit: gauge('spool_limit_bytes', 'Bytes that the spool may use.', []),
    oldestPage: gauge('spool_oldest_page_timestamp_seconds', 'Receipt of the oldest page kept; 0 is none.', []),
    damagedPages: gauge('spool_damaged_pages', 'Pages whose bytes are damaged.', []),
    collecting: gauge('collecting', '0 while collecting has stopped, as when the spool is full.', []),
    events: counter('sink_events_total', 'Events that a sink has settled since the start.', ['sink', 'result']),
    waiting: gauge('sink_waiting_events', 'Activities in the spool that a sink has still to settle.', ['sink']),
    lag: gauge('sink_lag_seconds', 'Age of the oldest page that a sink has still to settle.', ['sink']),
    up: gauge('sink_up', '1 while a sink takes events.', ['sink']),
    deliveries: counter('sink_deliveries_total', 'Deliveries by what came of them.', ['sink', 'result']),
    duration: new Histogram({
      name: 'mosaic_siem_sink_delivery_duration_seconds',
      help: 'Time from sending a batch to its outcomes.',
      labelNames: ['sink'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    deadLetters: gauge('dead_letters', 'Dead letters kept.', ['sink']),
  };
}

function zero(meters: Meters, { streams, sinks }: MetricsOptions): void {
  meters.collecting.set(1);
  for (const stream of streams) {
    meters.activities.inc({ stream }, 0);
    for (const result of ['ok', 'empty']) meters.calls.inc({ stream, result }, 0);
    meters.lastCollect.set({ stream }, 0);
    for (const reason of GAP_REASONS) meters.gaps.inc({ stream, reason }, 0);
  }
  for (const sink of sinks) {
    for (const result of EVENT_RESULTS) meters.events.inc({ sink, result }, 0);
    for (const result of DELIVERY_RESULTS) meters.deliveries.inc({ sink, result }, 0);
    for (const gauge of [meters.waiting, meters.lag, meters.up, meters.deadLetters]) gauge.set({ sink }, 0);
    meters.duration.zero({ sink });
  }
}

function count(meters: Meters, news: News, at: Date): void {
  switch (news.what) {
    case 'collected':
      meters.activities.inc({ stream: news.stream }, news.activities);
      meters.calls.inc({ stream: news.stream, result: news.activities > 0 ? 'ok' : 'empty' });
      meters.lastCollect.set({ stream: news.stream }, at.getTime() / 1000);
      return;
    case 'collect_failed':
      meters.calls.inc({ stream: news.stream, result: news.result });
      return;
    case 'collecting':
      meters.collecting.set(news.on ? 1 : 0);
      return;
    case 'sink_up':
    case 'sink_down':
    case 'sink_suspected':
      meters.up.set({ sink: news.sink }, news.what === 'sink_up' ? 1 : 0);
      return;
    case 'delivery':
      meters.deliveries.inc({ sink: news.sink, result: news.result });
      meters.duration.observe({ sink: news.sink }, news.seconds);
      return;
    case 'settled':
      meters.events.inc({ sink: news.sink, result: 'delivered' }, news.delivered);
      meters.events.inc({ sink: news.sink, result: 'filtered' }, news.filtered);
      meters.events.inc({ sink: news.sink, result: 'dead' }, news.dead.length);
  }
}

function show(meters: Meters, report: SpoolReport, streams: readonly StreamName[], at: Date): void {
  meters.spoolBytes.set(report.bytes);
  meters.spoolLimit.set(report.limit);
  meters.damagedPages.set(report.setAside);
  meters.oldestPage.set((report.oldestPageAt?.getTime() ?? 0) / 1000);
  // The spool counts gaps over restarts, so its count is the truth and the counter is set to it.
  meters.gaps.reset();
  for (const stream of streams) for (const reason of GAP_REASONS) meters.gaps.inc({ stream, reason }, 0);
  for (const { stream, reason, count } of report.gaps) meters.gaps.inc({ stream, reason }, count);
  for (const sink of report.sinks) {
    const labels = { sink: sink.sink };
    meters.waiting.set(labels, sink.waiting);
    meters.lag.set(labels, lagSeconds(sink, at));
    meters.deadLetters.set(labels, sink.deadLetters);
  }
}
