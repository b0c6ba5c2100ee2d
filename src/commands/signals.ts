import { type App, SAME_WISH_MS } from '../app.ts';
import { remark } from './print.ts';

export interface Signals {
  /** Whether a stop came while there was no app. */
  readonly stopped: boolean;
  /** From now on the app gets them, and first of all the stop that came before. */
  passTo(app: Pick<App, 'stop' | 'reopen'>): void;
}

/**
 * Takes the signals of a daemon before there is one: a log rotation must not end a start, and a stop during the start is no
 * unclean one. Called first of all. A second stop while there is no app ends the process at once: nothing was collected.
 */
export function takeSignals(stopping: readonly NodeJS.Signals[], reopening: readonly NodeJS.Signals[]): Signals {
  let app: Pick<App, 'stop' | 'reopen'> | undefined;
  let asked: number | undefined;
  const stop = () => {
    if (app) return app.stop();
    asked ??= performance.now();
    if (performance.now() - asked >= SAME_WISH_MS) process.exit(0);
  };
  for (const signal of stopping) process.on(signal, stop);
  for (const signal of reopening) process.on(signal, () => app?.reopen());
  return {
    get stopped() {
      return asked !== undefined;
    },
    passTo: (started) => {
      app = started;
      if (asked !== undefined) app.stop();
    },
  };
}

/** Says that a stop came before anything was opened. */
export function remarkStopped(): void {
  remark('mosaic-siem: stopped before it had started');
}
