import { type Outcome, type SecurityEvent, type Sink, Unavailable } from '../../src/sink.ts';
import { lineOf } from './line.ts';

/** Writes to a stream that this sink does not own: close leaves it open. */
export function openConsole(stream: NodeJS.WriteStream, timeoutMs: number): Sink {
  // Without a listener the end of a pipe's reader (EPIPE) would end the process. It is told through the write's callback.
  const ignore = () => undefined;
  stream.on('error', ignore);
  const closing = new AbortController();
  return {
    async deliver(batch, signal): Promise<readonly Outcome[]> {
      signal.throwIfAborted();
      if (batch.length > 0)
        await write(stream, textOf(batch, stream), timeoutMs, AbortSignal.any([signal, closing.signal]));
      return batch.map(() => ({ status: 'delivered' }));
    },
    async close() {
      closing.abort(new Unavailable('standard output: the sink was closed'));
      stream.off('error', ignore);
    },
  };
}

function textOf(batch: readonly SecurityEvent[], stream: NodeJS.WriteStream): string {
  return batch.map((event) => `${lineOf(event, stream)}\n`).join('');
}

/**
 * Resolves when the system has taken the text. A reader that is slow is waited for, up to the timeout; while it has not
 * taken what came before, nothing is added, so that a reader that stopped does not fill the memory.
 */
function write(stream: NodeJS.WriteStream, text: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      clearTimeout(timer);
      stream.off('drain', begin);
      signal.removeEventListener('abort', aborted);
      then();
    };
    const fail = (why: string) => settle(() => reject(new Unavailable(`standard output: ${why}`)));
    const aborted = () => settle(() => reject(signal.reason));
    const begin = () => stream.write(text, (error) => (error ? fail(error.message) : settle(resolve)));
    const timer = setTimeout(() => fail(`nobody has read it for ${timeoutMs} ms`), timeoutMs);
    signal.addEventListener('abort', aborted, { once: true });
    if (stream.writableNeedDrain) stream.once('drain', begin);
    else begin();
  });
}
