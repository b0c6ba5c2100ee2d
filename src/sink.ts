/**
 * All that a sink may import of this program: the shape of a sink, the two errors, zod and the HTTP client.
 * docs/adding-a-sink.md walks through one.
 */
import type { ZodType } from 'zod';
import type { TlsOptions } from './http.ts';
import type { Sink, StreamName } from './types.ts';

export { z } from 'zod';
export type { HttpClient, HttpRequest, HttpResponse, TlsOptions } from './http.ts';
export { because, httpClient, NoAnswer, retryAfterMs, tlsOptions } from './http.ts';
export { paint, printable, safeJson } from './terminal.ts';
export type { EcsDocument, Outcome, RawActivity, SecurityEvent, Severity, Sink, StreamName } from './types.ts';
export { duration, size } from './units.ts';

/** What the program hands to a sink when it opens it. */
export interface SinkContext {
  /** The sink's name in the config. */
  readonly name: string;
  /** Bound of one request, in ms. */
  readonly timeoutMs: number;
  readonly tls: TlsOptions;
  readonly proxy?: string | undefined;
  readonly version: string;
  /** One line in the daemon's log; the sink's name is added. Never a secret, never applicant data. */
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** `check --connect`: what works and what does not, end by end. */
export interface ProbeReport {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

export interface AdminContext extends SinkContext {
  /** From --admin-key-file or MOSAIC_SIEM_ADMIN_KEY; never from the config. */
  readonly adminKey?: string | undefined;
  /** Say what would be sent, send nothing. */
  readonly dryRun: boolean;
  /** Where the SIEM is managed, where that is another address than the one that takes events: Kibana, splunkd. */
  readonly kibana?: string | undefined;
  readonly management?: string | undefined;
}
export interface InstallStep {
  /** As in `PUT /_index_template/NAME`. */
  readonly request: string;
  readonly body?: unknown;
  readonly result: 'created' | 'updated' | 'unchanged' | 'removed' | 'dry-run';
  /** What is worth saying beside the result: what this server lacks, what was left alone. */
  readonly note?: string;
}

/** Which events to look for: those received in a span of time, or those with one of at most 1,000 ids. */
export interface HeldQuestion extends SinkContext {
  /** May read. From --key-file; never from the config. */
  readonly key: string;
  /** The streams whose events are looked for. */
  readonly streams: readonly StreamName[];
  /** In `event.created`: `from` is in it, `to` is not. */
  readonly received?: { readonly from: Date; readonly to: Date };
  readonly ids?: readonly string[];
}

/** A kind of sink: the default export of its folder, or of the module that `type: ./my-sink.js` names. */
export interface SinkDefinition<Options> {
  /** The config's `type`. */
  readonly type: string;
  readonly summary: string;
  /** Validates, types and documents. Secrets carry `.meta({ secret: true })`. */
  readonly options: ZodType<Options>;
  /**
   * acknowledged: an answer means that the SIEM has stored the event.
   * idempotent: an event sent twice is stored once.
   * perEvent: a refusal names the event.
   */
  readonly promises: { readonly acknowledged: boolean; readonly idempotent: boolean; readonly perEvent: boolean };
  /** What the config may override: deliveries at once, and the bounds of a batch (bytes of ECS JSON). */
  readonly defaults: { readonly concurrency: number; readonly maxEvents: number; readonly maxBytes: number };
  open(options: Options, context: SinkContext, signal: AbortSignal): Promise<Sink>;
  probe?(options: Options, context: SinkContext, signal: AbortSignal): Promise<ProbeReport>;
  install?(options: Options, admin: AdminContext, signal: AbortSignal): AsyncIterable<InstallStep>;
  /** Options that stand in for those of a config where `install --dry-run TYPE` has none: nothing is called with them. */
  readonly sample?: object;
  /** Takes away what `install` put there and nothing else: events and what the user added stay. */
  uninstall?(options: Options, admin: AdminContext, signal: AbortSignal): AsyncIterable<InstallStep>;
  /**
   * For `audit --verify`, where the SIEM can be asked: the ids of the events that it holds of those in question. Throws where it
   * cannot say for sure: an id that is left out counts as an event that is missing.
   */
  held?(options: Options, question: HeldQuestion, signal: AbortSignal): AsyncIterable<string>;
  readonly encode?: Readonly<Record<string, (event: import('./types.ts').SecurityEvent) => string>>;
}

/** The sink cannot be used now; nothing is wrong with the events. They wait, for ever. */
export class Unavailable extends Error {
  readonly retryAfterMs: number | undefined;
  /** Close the sink and open it anew, which reads its secrets again: for 401 and 403. */
  readonly reopen: boolean;
  constructor(message: string, options: { retryAfterMs?: number | undefined; reopen?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Unavailable';
    this.retryAfterMs = options.retryAfterMs;
    this.reopen = options.reopen ?? false;
  }
}

/** The batch was refused as a whole for something in it, and the answer names no event. It is halved. */
export class BatchRefused extends Error {
  readonly tooLarge: boolean;
  constructor(message: string, options: { tooLarge?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'BatchRefused';
    this.tooLarge = options.tooLarge ?? false;
  }
}
