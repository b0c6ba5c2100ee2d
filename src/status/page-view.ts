import type { GapStatus, RecentStatus, SinkStatus, SpoolStatus, Status, StreamStatus } from './shape.ts';

/** What the page shows, as words only: the server writes it as HTML, the browser builds elements of it. */
export interface View {
  readonly summary: string;
  readonly tone: Tone;
  readonly about: string;
  readonly meter: { readonly value: number; readonly text: string };
  readonly tables: readonly Table[];
}
export type Tone = 'good' | 'warn' | 'bad' | '';
export interface Table {
  readonly id: string;
  readonly caption: string;
  readonly headers: readonly string[];
  readonly rows: readonly { readonly tone: Tone; readonly cells: readonly string[] }[];
  readonly empty: string;
}

/**
 * Danger: the page carries these functions' own sources to the browser, so that both sides show the same.
 * They may use one another and what JavaScript has everywhere, and nothing else: no import, no constant of this file.
 */
export function viewSource(): string {
  const carried = [
    viewOf,
    tablesOf,
    streamTable,
    sinkTable,
    rareCount,
    isIdle,
    gapTable,
    eventTable,
    spoolText,
    toneOf,
    troubles,
    age,
    clock,
    size,
    decimal,
  ];
  return carried.map(String).join('\n');
}

export function viewOf(status: Status): View {
  const now = Date.parse(status.now);
  const trouble = troubles(status);
  const spool = status.spool;
  return {
    summary: trouble.length === 0 ? 'All is well' : trouble.join(' · '),
    tone: trouble.length === 0 ? 'good' : trouble.length === 1 && !status.ready ? 'warn' : 'bad',
    about: `mosaic-siem ${status.version}, process ${status.pid}, started ${age(status.started_at, now)}`,
    meter: {
      value: spool ? Math.min(1, spool.bytes / Math.max(1, spool.limit)) : 0,
      text: spool ? spoolText(spool, now) : 'The spool cannot be read.',
    },
    tables: tablesOf(status, now),
  };
}

export function tablesOf(status: Pick<Status, 'streams' | 'sinks' | 'gaps' | 'events'>, now: number): Table[] {
  return [
    streamTable(status.streams, now),
    sinkTable(status.sinks, now),
    gapTable(status.gaps),
    eventTable(status.events),
  ];
}

function troubles({ ready, reason, streams, sinks }: Status): string[] {
  return [
    ...(ready ? [] : [`Not ready: ${reason}`]),
    ...streams.filter(({ state }) => toneOf(state) === 'bad').map(({ stream, state }) => `${stream} is ${state}`),
    ...sinks.filter(({ state }) => toneOf(state) === 'bad').map(({ sink, state }) => `${sink} is ${state}`),
  ];
}

function streamTable(streams: readonly StreamStatus[], now: number): Table {
  return {
    id: 'streams',
    caption: 'Streams',
    headers: ['Stream', 'State', 'Since', 'Last success', 'Newest event', 'Collected', 'Last error'],
    rows: streams.map((row) => ({
      tone: toneOf(row.state),
      cells: [
        row.stream,
        row.state,
        age(row.since, now),
        age(row.last_success, now),
        age(row.newest_event, now),
        decimal(row.activities),
        row.last_error === null ? '' : `${age(row.last_error_at, now)}: ${row.last_error}`,
      ],
    })),
    empty: 'No stream is configured.',
  };
}

function sinkTable(sinks: readonly SinkStatus[], now: number): Table {
  const rare = (['Discarded', 'Damaged'] as const).filter((name) => sinks.some((sink) => rareCount(sink, name) > 0));
  const counts = ['Waiting', 'Oldest waiting', 'Delivered', 'Filtered', 'Dead letters', ...rare];
  return {
    id: 'sinks',
    caption: 'Sinks',
    headers: ['Sink', 'State', 'Since', 'Last success', ...counts, 'Reason'],
    rows: sinks.map((row) => ({
      tone: isIdle(row) ? '' : toneOf(row.state),
      cells: [
        row.sink,
        isIdle(row) ? 'idle' : row.state,
        age(row.since, now),
        age(row.last_success, now),
        decimal(row.waiting),
        row.lag_seconds > 0 ? age(new Date(now - row.lag_seconds * 1000).toISOString(), now) : '–',
        decimal(row.delivered),
        decimal(row.filtered),
        decimal(row.dead_letters),
        ...rare.map((name) => decimal(rareCount(row, name))),
        row.reason ?? '',
      ],
    })),
    empty: 'No sink is configured.',
  };
}

function rareCount({ discarded, damaged }: SinkStatus, name: 'Discarded' | 'Damaged'): number {
  return name === 'Discarded' ? discarded : damaged;
}

/** Nothing has come for it since the start, so nothing is known against it. */
function isIdle({ state, waiting }: SinkStatus): boolean {
  return state === 'waiting' && waiting === 0;
}

function gapTable(gaps: readonly GapStatus[]): Table {
  return {
    id: 'gaps',
    caption: 'Possible gaps',
    headers: ['Stream', 'Reason', 'Count', 'Last (UTC)'],
    rows: gaps.map((row) => ({
      tone: 'warn',
      cells: [row.stream, row.reason, decimal(row.count), clock(row.last_at)],
    })),
    empty: 'None.',
  };
}

function eventTable(events: readonly RecentStatus[]): Table {
  const toneOfSeverity = { critical: 'bad', high: 'bad', medium: 'warn', low: '', informational: '' } as const;
  return {
    id: 'events',
    caption: 'Latest events',
    headers: ['Time (UTC)', 'Severity', 'Code', 'Stream', 'Sink'],
    rows: events.map((row) => ({
      tone: toneOfSeverity[row.severity],
      cells: [clock(row.time), row.severity, row.code, row.stream ?? '', row.sink ?? ''],
    })),
    empty: 'None yet.',
  };
}

export function spoolText(spool: SpoolStatus, now: number): string {
  const pages = `${decimal(spool.pages)} page${spool.pages === 1 ? '' : 's'}`;
  const damaged = spool.set_aside === 0 ? '' : `, ${decimal(spool.set_aside)} damaged and set aside`;
  const used = `${size(spool.bytes)} of ${size(spool.limit)}, ${pages}${damaged}`;
  const oldest = spool.oldest === null ? '' : `, the oldest received ${age(spool.oldest, now)}`;
  const hours = spool.hours_until_full;
  if (hours === null) return `${used}${oldest}`;
  const left = hours > 8760 ? 'more than a year' : `about ${decimal(hours)} hours`;
  return `${used}${oldest}; ${left} until it is full if the sinks take nothing`;
}

function toneOf(state: string): Tone {
  if (state === 'ok' || state === 'up') return 'good';
  return state === 'waiting' || state === 'gone' || state === 'unknown' ? 'warn' : 'bad';
}

function age(time: string | null, now: number): string {
  if (time === null) return '–';
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

function clock(time: string): string {
  return time.replace('T', ' ').slice(0, 19);
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${['KiB', 'MiB', 'GiB', 'TiB'][power - 1]}`;
}

function decimal(value: number): string {
  return value.toLocaleString('en-US');
}
