import { createCensor } from './censor.ts';
import type { Config } from './config.ts';
import { createLog, type Log } from './log.ts';
import { type Loops, startLoops } from './loops.ts';
import type { Tell } from './news.ts';
import { countActivities } from './normalize/elements.ts';
import { lockSpool, MissingKey, openSpool } from './spool.ts';
import { createMetrics } from './status/metrics.ts';
import { createState, type StatusState } from './status/state.ts';
import { type StatusServer, startStatus } from './status.ts';
import { Failure } from './terminal.ts';
import type { SecurityEvent, Spool, SpoolStart } from './types.ts';
import { decimal } from './words.ts';

/** The running daemon. */
export interface App {
  /** Of the status page; undefined where it is switched off. */
  readonly url: string | undefined;
  /** Resolves once everything is stored, told and closed. */
  readonly ended: Promise<void>;
  /**
   * The first time: finish what is in flight. Another time: end at once; the next start counts a possible gap. What comes
   * within half a second of the first is the same wish: npm passes on a Ctrl+C that the terminal has sent already.
   */
  stop(): void;
  /** Open log and file outputs anew. */
  reopen(): void;
}

/** Opens the spool, says what the start found, and lets both loops run until `stop`. */
export async function startApp(config: Config, version: string): Promise<App> {
  const lock = lockSpool(config.spool.path);
  try {
    return await runOn(config, version, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function runOn(config: Config, version: string, release: () => void): Promise<App> {
  const streams = config.mosaic.streams.map(({ name }) => name);
  const sinks = config.sinks.map(({ name }) => name);
  let spool: Spool | undefined;
  const report = async () => (spool as Spool).report();
  const waiting = async (sink: string) => (await report()).sinks.find((each) => each.sink === sink)?.waiting;
  const secrets = () => config.secrets();
  const censor = createCensor(secrets);
  const log = createLog({ ...config.log, secrets, waiting });
  const state = createState({ version, streams, sinks, censor });
  const metrics = createMetrics({ streams, sinks, refresh: report });
  const tell: Tell = (news) => {
    log.tell(news);
    state.tell(news);
    metrics.tell(news);
  };
  let server: StatusServer | undefined;
  let started = false;
  try {
    spool = openSpool({ ...config.spool, count: countActivities, sinks, alarm: tell });
    const start = await spool.start(config.sinks, streams);
    started = true;
    sayStart(log, config, version, start);
    state.spoolOpened();
    if (config.status) server = await startStatus({ listen: config.status, state, metrics, report });
    if (server) log.info(`status page at ${server.url}`);
    const loops = startLoops({
      config,
      spool,
      log,
      tell,
      version,
      censor,
      seen: (events) => showRecent(state, events),
    });
    return control(loops, { spool, log, server, release });
  } catch (error) {
    await server?.close();
    // Nothing was collected: a stop in order, unless the mark of the run before is still to be counted.
    await spool?.close(started).catch(() => undefined);
    await log.close();
    throw error instanceof MissingKey ? new Failure(error.message, 78, error) : error;
  }
}

interface Parts {
  readonly spool: Spool;
  readonly log: Log;
  readonly server: StatusServer | undefined;
  release(): void;
}

/** What comes so soon after the first stop is the same wish. */
export const SAME_WISH_MS = 500;

function control(loops: Loops, { spool, log, server, release }: Parts): App {
  let stopped: number | undefined;
  let inOrder = true;
  const close = async () => {
    await server?.close();
    const left = await waitingIn(spool);
    const failed = await spool.close(inOrder).catch((error: Error) => error);
    release();
    if (failed) log.error(`${failed.message}. The next start counts a possible gap for each stream`);
    else if (!inOrder) log.info('stopped at once: the next start counts a possible gap for each stream');
    else if (left !== '') log.info(`stopped; ${left} waiting, sent again at the next start`);
    else log.info('stopped');
    await log.close();
  };
  return {
    url: server?.url,
    ended: loops.ended.then(close),
    stop: () => {
      const now = performance.now();
      if (stopped === undefined) {
        stopped = now;
        log.info('stopping: what is in flight is finished');
        loops.stop();
      } else if (now - stopped >= SAME_WISH_MS) {
        inOrder = false;
        loops.abort();
      }
    },
    reopen: () => {
      log.reopen();
      log.info('files are opened anew: the log, and those of sinks with the next event');
      void loops.reopen();
    },
  };
}

/** As `elastic: 10, soc: 1,234`; empty where no configured sink waits for anything, or where nobody can tell. */
async function waitingIn(spool: Spool): Promise<string> {
  const report = await spool.report().catch(() => undefined);
  const behind = report?.sinks.filter(({ configured, waiting }) => configured && waiting > 0) ?? [];
  return behind.map(({ sink, waiting }) => `${sink}: ${decimal(waiting)}`).join(', ');
}

function sayStart(log: Log, config: Config, version: string, start: SpoolStart): void {
  const sinks = config.sinks.map(({ name, definition }) => `${name} (${definition.type})`).join(', ');
  log.info(`mosaic-siem ${version} starts: ${config.mosaic.streams.map(({ name }) => name).join(', ')} to ${sinks}`);
  for (const warning of config.warnings) log.warn(warning);
  for (const sink of start.newSinks) log.info(`sink ${sink} is new`);
  for (const { name, deadLetters } of start.goneSinks) {
    log.warn(
      `sink ${name} is no longer configured: its place in the spool and ${deadLetters} dead letters are kept; "was: ${name}" hands them to a new name`,
    );
  }
  if (start.uncleanStop) log.warn('the last run did not stop cleanly: a possible gap is counted for each stream');
}

const SHOWN = 20;

function showRecent(state: StatusState, events: readonly SecurityEvent[]): void {
  for (const { id, code, severity, source, document } of events.slice(-SHOWN)) {
    state.recent({ id, code, severity, stream: source.stream, time: new Date(document['@timestamp']) });
  }
}
