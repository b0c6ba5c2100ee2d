import type { News, Tell } from '../news.ts';
import { mends } from '../news-trouble.ts';
import { printable } from '../terminal.ts';
import type { Severity, SpoolReport, StreamName } from '../types.ts';
import {
  collectedOf,
  gapStatus,
  hoursUntilFull,
  iso,
  type RecentStatus,
  type SinkStatus,
  type Status,
  type StreamStatus,
  sinkStatus,
  spoolStatus,
} from './shape.ts';

interface RecentEvent {
  readonly time: Date;
  readonly code: string;
  readonly severity: Severity;
  readonly stream?: StreamName;
  readonly sink?: string;
  readonly id?: string;
}

/** Folds the news into what `status` shows. */
export interface StatusState {
  readonly tell: Tell;
  recent(event: RecentEvent): void;
  /** Until this is called `/readyz` says that the spool is not open. */
  spoolOpened(): void;
  /** Why the process is not ready; undefined when it is. */
  unready(): string | undefined;
  /** Without a report (the spool cannot be read) what is known without it. */
  snapshot(report: SpoolReport | undefined): Status;
}
export interface StateOptions {
  readonly version: string;
  readonly streams: readonly StreamName[];
  readonly sinks: readonly string[];
  readonly now?: () => Date;
  /** For each text from outside: see censor.ts. */
  readonly censor?: (text: string) => string;
}

interface StreamNow {
  state: 'ok' | 'failing' | 'waiting';
  since: Date;
  success?: Date;
  newest?: Date;
  error?: string;
  errorAt?: Date;
}
interface SinkNow {
  state: 'up' | 'down' | 'suspected' | 'waiting';
  since: Date;
  reason?: string;
  success?: Date;
  newest?: Date;
}
interface Now {
  readonly streams: Map<StreamName, StreamNow>;
  readonly sinks: Map<string, SinkNow>;
  readonly collected: { minute: number; bytes: number }[];
  readonly events: RecentStatus[];
  collecting: { on: boolean; since: Date; reason: string | null };
  /** By what was being done. */
  readonly spoolErrors: Map<string, string>;
  spoolOpen: boolean;
}

const RECENT = 50;
const MINUTE_MS = 60_000;
const WINDOW_MS = 15 * MINUTE_MS;
export function createState(options: StateOptions): StatusState {
  const clock = options.now ?? (() => new Date());
  const safe = options.censor ?? printable;
  const startedAt = clock();
  const now: Now = {
    streams: new Map(options.streams.map((name) => [name, { state: 'waiting', since: startedAt }])),
    sinks: new Map(options.sinks.map((name) => [name, { state: 'waiting', since: startedAt }])),
    collected: [],
    events: [],
    collecting: { on: true, since: startedAt, reason: null },
    spoolErrors: new Map(),
    spoolOpen: false,
  };
  return {
    tell: (news) => fold(now, news, clock(), safe),
    recent: (event) => {
      now.events.unshift(recentStatus(event, safe));
      if (now.events.length > RECENT) now.events.pop();
      const stream = event.stream && now.streams.get(event.stream);
      if (stream && event.time > (stream.newest ?? 0)) stream.newest = event.time;
    },
    spoolOpened: () => {
      now.spoolOpen = true;
    },
    unready: () => unready(now),
    snapshot: (report) => {
      const at = clock();
      const reason = unready(now) ?? (report ? null : 'the spool cannot be read');
      return {
        version: options.version,
        pid: process.pid,
        started_at: startedAt.toISOString(),
        now: at.toISOString(),
        ready: reason === null,
        reason,
        collecting: { ...now.collecting, since: now.collecting.since.toISOString() },
        streams: [...now.streams].map(([name, stream]) => streamStatus(name, stream, report)),
        sinks: sinkRows(now.sinks, report, at),
        spool: report ? spoolStatus(report, hoursUntilFull(report, bytesPerMs(now, startedAt, at))) : null,
        gaps: (report?.gaps ?? []).map(gapStatus),
        events: [...now.events],
      };
    },
  };
}

function fold(now: Now, news: News, at: Date, safe: (text: string) => string): void {
  for (const doing of now.spoolErrors.keys()) if (mends(news, doing)) now.spoolErrors.delete(doing);
  switch (news.what) {
    case 'collected': {
      const stream = streamOf(now, news.stream, at);
      move(stream, 'ok', at);
      stream.success = at;
      if (news.activities > 0) count(now, at, news.bytes);
      return;
    }
    case 'collect_failed': {
      const stream = streamOf(now, news.stream, at);
      move(stream, 'failing', at);
      stream.error = safe(`${news.result}: ${news.error}`);
      stream.errorAt = at;
      return;
    }
    case 'collecting':
      if (news.on !== now.collecting.on) now.collecting = { on: news.on, since: at, reason: safe(news.reason) };
      return;
    case 'spool_error':
      now.spoolErrors.set(news.doing, safe(`${news.doing}: ${news.error}`));
      return;
    default:
      foldSink(now, news, at, safe);
  }
}

function foldSink(now: Now, news: News, at: Date, safe: (text: string) => string): void {
  if (!('sink' in news)) return;
  const sink = sinkOf(now, news.sink, at);
  switch (news.what) {
    case 'sink_up':
      move(sink, 'up', at);
      delete sink.reason;
      return;
    case 'sink_down':
    case 'sink_suspected':
      move(sink, news.what === 'sink_down' ? 'down' : 'suspected', at);
      sink.reason = safe(news.reason);
      return;
    case 'settled':
      if (news.newest) sink.newest = news.newest;
      if (news.delivered > 0) sink.success = at;
  }
}

function move<State extends string>(what: { state: State; since: Date }, state: State, at: Date): void {
  if (what.state !== state) Object.assign(what, { state, since: at });
}

function streamOf(now: Now, name: StreamName, at: Date): StreamNow {
  const stream: StreamNow = now.streams.get(name) ?? { state: 'waiting', since: at };
  now.streams.set(name, stream);
  return stream;
}

function sinkOf(now: Now, name: string, at: Date): SinkNow {
  const sink: SinkNow = now.sinks.get(name) ?? { state: 'waiting', since: at };
  now.sinks.set(name, sink);
  return sink;
}

function unready(now: Now): string | undefined {
  if (!now.spoolOpen) return 'the spool is not open yet';
  const [spoolError] = now.spoolErrors.values();
  if (spoolError !== undefined) return `the spool fails: ${spoolError}`;
  if (!now.collecting.on) return `collecting is off: ${now.collecting.reason}`;
  const silent = [...now.streams].filter(([, stream]) => !stream.success).map(([name]) => name);
  return silent.length > 0 ? `no answer yet from Mosaic for ${silent.join(', ')}` : undefined;
}

/** Bytes by the minute, so that a busy stream costs no more memory than a quiet one. */
function count(now: Now, at: Date, bytes: number): void {
  const minute = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
  const last = now.collected.at(-1);
  if (last?.minute === minute) last.bytes += bytes;
  else now.collected.push({ minute, bytes });
  while ((now.collected[0]?.minute ?? minute) < minute - WINDOW_MS) now.collected.shift();
}

function bytesPerMs(now: Now, startedAt: Date, at: Date): number {
  const from = Math.max(startedAt.getTime(), at.getTime() - WINDOW_MS);
  const bytes = now.collected
    .filter(({ minute }) => minute > from - MINUTE_MS)
    .reduce((sum, part) => sum + part.bytes, 0);
  return bytes / Math.max(MINUTE_MS, at.getTime() - from);
}

function streamStatus(name: StreamName, stream: StreamNow, report: SpoolReport | undefined): StreamStatus {
  return {
    stream: name,
    state: stream.state,
    since: stream.since.toISOString(),
    last_success: iso(stream.success),
    newest_event: iso(stream.newest),
    last_error: stream.error ?? null,
    last_error_at: iso(stream.errorAt),
    activities: report ? collectedOf(report, name) : 0,
  };
}

function sinkRows(sinks: ReadonlyMap<string, SinkNow>, report: SpoolReport | undefined, at: Date): SinkStatus[] {
  const reports = new Map(report?.sinks.map((sink) => [sink.sink, sink]));
  const rows = [...sinks].map(([name, sink]) => ({
    ...sinkStatus(name, reports.get(name), at),
    state: sink.state,
    since: sink.since.toISOString(),
    reason: sink.reason ?? null,
    last_success: iso(sink.success),
    newest_event: iso(sink.newest),
  }));
  const gone = [...reports.values()].filter((sink) => !sinks.has(sink.sink));
  return [...rows, ...gone.map((sink) => sinkStatus(sink.sink, sink, at))];
}

function recentStatus(event: RecentEvent, safe: (text: string) => string): RecentStatus {
  return {
    time: event.time.toISOString(),
    code: safe(event.code),
    severity: event.severity,
    stream: event.stream ?? null,
    sink: event.sink ?? null,
    id: event.id ?? null,
  };
}
