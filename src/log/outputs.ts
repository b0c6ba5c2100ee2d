import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export type Level = 'error' | 'warn' | 'info' | 'debug';
export interface Entry {
  readonly time: string;
  readonly level: Level;
  readonly message: string;
  /** The whole line, in the format of the log. */
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
/** Takes entries and never throws; what goes wrong is complained about once, on stderr. */
export interface Output {
  write(entry: Entry): void;
  reopen(): void;
  close(): Promise<void>;
}
export type Complain = (level: Level, message: string) => void;

/** Written at once, so that nothing is left in memory when the process dies. */
export function fileOutput(path: string, complain: Complain): Output {
  let file: number | undefined;
  let failing = false;
  const close = () => {
    const open = file;
    file = undefined;
    if (open !== undefined) closeSync(open);
  };
  const fail = (error: unknown) => {
    if (!failing)
      complain('error', `log file ${path} cannot be written: ${wordsOf(error)}; its lines are lost until it can`);
    failing = true;
  };
  const safeClose = () => {
    try {
      close();
    } catch (error) {
      fail(error);
    }
  };
  return {
    write: ({ line }) => {
      try {
        file ??= openSync(path, 'a', 0o600);
        writeSync(file, `${line}\n`);
        if (failing) complain('info', `log file ${path} works again`);
        failing = false;
      } catch (error) {
        fail(error);
        safeClose();
      }
    },
    reopen: safeClose,
    close: async () => safeClose(),
  };
}

/** Sends some entries; rejects where they did not arrive, as far as that can be known. */
export interface Sender {
  send(entries: readonly Entry[]): Promise<void>;
  close(): void;
}
const HELD = 1000;
const TOGETHER = 100;

/**
 * Best effort: at most 1,000 entries are held for a server that is away or slow, older ones are dropped and counted, nothing is
 * sent twice, and nothing waits for it, except `close` for up to 2 s.
 */
export function bestEffortOutput(
  name: string,
  sender: Sender,
  complain: Complain,
  limits: { readonly timeoutMs: number; readonly pauseMs: number } = { timeoutMs: 10_000, pauseMs: 5_000 },
): Output {
  const held: Entry[] = [];
  const stop = new AbortController();
  let lost = 0;
  let failing = false;
  let draining: Promise<void> | undefined;

  const drain = async (): Promise<void> => {
    while (held.length > 0 && !stop.signal.aborted) {
      const batch = held.splice(0, TOGETHER);
      const error = await arrived(sender, batch, limits.timeoutMs);
      if (error === undefined) {
        if (failing) complain('info', `log output ${name} works again; ${lost} of its lines are lost`);
        failing = false;
        lost = 0;
        continue;
      }
      lost += batch.length;
      if (!failing)
        complain(
          'warn',
          `log output ${name} does not work: ${error}; it is best effort, its lines are lost until it does`,
        );
      failing = true;
      await sleep(limits.pauseMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
    }
    draining = undefined;
  };
  return {
    write: (entry) => {
      held.push(entry);
      if (held.length > HELD) {
        held.shift();
        lost += 1;
      }
      draining ??= drain();
    },
    reopen: () => undefined,
    close: async () => {
      await Promise.race([
        draining,
        sleep(failing ? 0 : 2_000, undefined, { signal: stop.signal }).catch(() => undefined),
      ]);
      stop.abort();
      sender.close();
    },
  };
}

/** Undefined when they arrived, else what went wrong. */
async function arrived(sender: Sender, entries: readonly Entry[], timeoutMs: number): Promise<string | undefined> {
  const enough = new AbortController();
  try {
    const late = sleep(timeoutMs, undefined, { signal: enough.signal, ref: false }).then(() => {
      throw new Error(`nothing within ${timeoutMs} ms`);
    });
    late.catch(() => undefined);
    await Promise.race([sender.send(entries), late]);
    return undefined;
  } catch (error) {
    return wordsOf(error);
  } finally {
    enough.abort();
  }
}

function wordsOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof message === 'string' && message !== '') return message;
  return code === undefined ? String(error) : String(code);
}
