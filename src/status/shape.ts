import type { Gap, Severity, SinkReport, SpoolReport, StreamName } from '../types.ts';

/**
 * What `/api/status` answers and `status --json` prints. The names are a promise. Times are ISO 8601 in UTC, null while unknown.
 */
export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly started_at: string;
  readonly now: string;
  readonly ready: boolean;
  /** Why it is not ready; null when it is. */
  readonly reason: string | null;
  readonly collecting: { readonly on: boolean; readonly since: string; readonly reason: string | null };
  readonly streams: readonly StreamStatus[];
  readonly sinks: readonly SinkStatus[];
  /** Null when the spool cannot be read; `reason` then says why. */
  readonly spool: SpoolStatus | null;
  readonly gaps: readonly GapStatus[];
  /** The latest events, newest first, at most 50. */
  readonly events: readonly RecentStatus[];
}
export interface StreamStatus {
  readonly stream: string;
  /** waiting: no answer yet. failing: the last call failed. */
  readonly state: 'ok' | 'failing' | 'waiting' | 'unknown';
  readonly since: string | null;
  readonly last_success: string | null;
  /** Timestamp of the newest event that this process has seen of it. */
  readonly newest_event: string | null;
  readonly last_error: string | null;
  readonly last_error_at: string | null;
  /** Collected over all starts, as the books of the spool say: what is kept, and 90 days. */
  readonly activities: number;
}
export interface SinkStatus {
  readonly sink: string;
  /** waiting: not opened yet. suspected: refuses everything, so its events are held. gone: no longer in the config. */
  readonly state: 'up' | 'down' | 'suspected' | 'waiting' | 'gone' | 'unknown';
  readonly since: string | null;
  readonly reason: string | null;
  readonly last_success: string | null;
  /** Timestamp of the newest event that was delivered to it since this process started. */
  readonly newest_event: string | null;
  readonly waiting: number;
  /** Age in seconds of the oldest page that it has not settled; 0 when none waits. */
  readonly lag_seconds: number;
  /** What it had to settle: the sum of all that follows and of `waiting`. As far as the books reach, see `activities`. */
  readonly collected: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead_letters: number;
  readonly discarded: number;
  readonly damaged: number;
}
export interface SpoolStatus {
  readonly bytes: number;
  readonly limit: number;
  readonly pages: number;
  /** Damaged pages. */
  readonly set_aside: number;
  readonly oldest: string | null;
  readonly newest: string | null;
  /** If the sinks that are behind stay behind, at the pace of the last 15 minutes; an estimate. Null while nothing was collected. */
  readonly hours_until_full: number | null;
}
export interface GapStatus {
  readonly stream: string;
  readonly reason: string;
  readonly count: number;
  readonly last_at: string;
}
export interface RecentStatus {
  readonly time: string;
  readonly code: string;
  readonly severity: Severity;
  readonly stream: string | null;
  readonly sink: string | null;
  readonly id: string | null;
}

const HOUR_MS = 3_600_000;
/** Pages are compressed in the spool, 4 to 10 times; the low end, so that the estimate is not too hopeful. */
const STORED_SHARE = 1 / 4;

/** What the spool alone can say, while no process runs. The same names as in `Status`. */
export type SpoolOnly = Pick<Status, 'now' | 'streams' | 'sinks' | 'spool' | 'gaps' | 'events'>;

export function statusOfSpool(report: SpoolReport, streams: readonly StreamName[], at: Date): SpoolOnly {
  return {
    now: at.toISOString(),
    streams: streams.map((stream) => ({
      stream,
      state: 'unknown',
      since: null,
      last_success: null,
      newest_event: null,
      last_error: null,
      last_error_at: null,
      activities: collectedOf(report, stream),
    })),
    sinks: report.sinks.map((sink) => sinkStatus(sink.sink, sink, at)),
    spool: spoolStatus(report, null),
    gaps: report.gaps.map(gapStatus),
    events: [],
  };
}

export function collectedOf(report: SpoolReport, stream: StreamName): number {
  return report.streams.find((each) => each.stream === stream)?.collected ?? 0;
}

/** A sink's counts. Its state is `unknown`, or `gone`, until the running process says more. */
export function sinkStatus(name: string, report: SinkReport | undefined, at: Date): SinkStatus {
  return {
    sink: name,
    state: report && !report.configured ? 'gone' : 'unknown',
    since: null,
    reason: null,
    last_success: null,
    newest_event: null,
    waiting: report?.waiting ?? 0,
    lag_seconds: lagSeconds(report, at),
    collected: report?.collected ?? 0,
    delivered: report?.delivered ?? 0,
    filtered: report?.filtered ?? 0,
    dead_letters: report?.deadLetters ?? 0,
    discarded: report?.discarded ?? 0,
    damaged: report?.damaged ?? 0,
  };
}

export function lagSeconds(report: SinkReport | undefined, at: Date): number {
  if (!report?.waitingSince || report.waiting === 0) return 0;
  return Math.max(0, (at.getTime() - report.waitingSince.getTime()) / 1000);
}

export function spoolStatus(report: SpoolReport, hoursUntilFull: number | null): SpoolStatus {
  return {
    bytes: report.bytes,
    limit: report.limit,
    pages: report.pages,
    set_aside: report.setAside,
    oldest: iso(report.oldestPageAt),
    newest: iso(report.newestPageAt),
    hours_until_full: hoursUntilFull,
  };
}

/**
 * Settled pages go when room is short, so only what a sink has still to settle fills the spool: its share of the bytes is
 * taken from the times of receipt.
 * @param bytesPerMs of collect answers, before compression
 */
export function hoursUntilFull(report: SpoolReport, bytesPerMs: number): number | null {
  if (bytesPerMs <= 0) return null;
  const held = report.bytes * heldShare(report);
  const hours = Math.max(0, report.limit - held) / (bytesPerMs * STORED_SHARE) / HOUR_MS;
  return Math.round(hours * 10) / 10;
}

function heldShare(report: SpoolReport): number {
  const since = report.sinks
    .filter((sink) => sink.configured && sink.waiting > 0)
    .map((sink) => sink.waitingSince?.getTime() ?? 0);
  if (since.length === 0) return 0;
  const oldest = report.oldestPageAt?.getTime() ?? 0;
  const newest = report.newestPageAt?.getTime() ?? 0;
  return newest > oldest ? Math.min(1, (newest - Math.min(...since)) / (newest - oldest)) : 1;
}

export function gapStatus(gap: Gap): GapStatus {
  return { stream: gap.stream, reason: gap.reason, count: gap.count, last_at: gap.lastAt.toISOString() };
}

export function iso(date: Date | undefined): string | null {
  return date?.toISOString() ?? null;
}
