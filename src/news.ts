import type { GapReason, NewDeadLetter, Order, SpoolAlarm, StreamName } from './types.ts';

/** What the loops tell: `status` counts it, `log` says it. No secret and no applicant data inside. */
export type News =
  | { readonly what: 'collected'; readonly stream: StreamName; readonly activities: number; readonly bytes: number }
  | {
      readonly what: 'collect_failed';
      readonly stream: StreamName;
      readonly result: string;
      readonly error: string;
      readonly waitMs: number;
    }
  | { readonly what: 'possible_gap'; readonly stream: StreamName; readonly reason: GapReason; readonly detail: string }
  | { readonly what: 'collecting'; readonly on: boolean; readonly reason: string }
  | { readonly what: 'sink_up'; readonly sink: string }
  | { readonly what: 'sink_down'; readonly sink: string; readonly reason: string; readonly waitMs: number }
  | { readonly what: 'sink_suspected'; readonly sink: string; readonly held: number; readonly reason: string }
  | {
      readonly what: 'delivery';
      readonly sink: string;
      readonly result: 'ok' | 'partial' | 'refused' | 'unavailable';
      readonly events: number;
      readonly seconds: number;
    }
  | {
      readonly what: 'settled';
      readonly sink: string;
      readonly delivered: number;
      readonly filtered: number;
      readonly dead: readonly NewDeadLetter[];
      /** Timestamp of the newest event that this sink was given since the start; none before the first. */
      readonly newest?: Date;
    }
  | {
      readonly what: 'damaged';
      readonly sink: string;
      readonly page: number;
      readonly reason: string;
    }
  /** Done. reasons: some of those for which events of a replay were refused. */
  | { readonly what: 'order'; readonly sink: string; readonly order: Order; readonly reasons?: readonly string[] }
  | SpoolAlarm
  | { readonly what: 'spool_error'; readonly doing: string; readonly error: string }
  /** Only where no other news shows it. */
  | { readonly what: 'spool_works'; readonly doing: string };
export type Tell = (news: News) => void;
