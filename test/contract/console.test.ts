import { Writable } from 'node:stream';
import { openConsole } from '../../sinks/console/console.ts';
import console from '../../sinks/console/index.ts';
import type { SecurityEvent } from '../../src/sink.ts';
import { type Receiver, sinkContract } from './contract.ts';

/** A reader of standard output that can stop to read. What it has not read waits in the pipe. */
class Reader extends Writable {
  text = '';
  #paused: (() => void)[] | undefined;

  constructor() {
    super({ highWaterMark: 1_000, decodeStrings: false });
  }

  pause(on: boolean): void {
    const waiting = this.#paused ?? [];
    this.#paused = on ? waiting : undefined;
    if (!on) for (const read of waiting) read();
  }

  override _write(chunk: string, _: unknown, done: () => void): void {
    const read = () => {
      this.text += chunk;
      done();
    };
    if (this.#paused) this.#paused.push(read);
    else read();
  }
}

let reader = new Reader();

async function start(): Promise<Receiver> {
  reader = new Reader();
  const mine = reader;
  return {
    options: {},
    held: () =>
      mine.text
        .split('\n')
        .slice(0, -1)
        .map((line) => ({ id: line.split(/ +/)[4] ?? '', content: line })),
    close: async () => void mine.destroy(),
    down: (on) => mine.pause(on),
    slow: (on) => mine.pause(on),
  };
}

/** Written out anew, so that a mistake in the sink's own line shows. */
function lineFor({ document, severity, code }: SecurityEvent): string {
  const { ip } = document['source'] as { ip: string };
  const { session_id: session } = document.transmit_security['idv'] as { session_id: string };
  const escaped = Array.from(document.message, (character) =>
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character) ? `\\u{${character.codePointAt(0)?.toString(16)}}` : character,
  ).join('');
  return `${document['@timestamp']} ${severity.padEnd(13)} ${code} ${ip} ${session} ${escaped || '-'}`;
}

sinkContract('console', {
  // The sink itself, on a stream that can be looked at: the process' own belongs to the test runner.
  definition: {
    ...console,
    open: async (_, context) => openConsole(reader as unknown as NodeJS.WriteStream, context.timeoutMs),
  },
  start,
  refused: [],
  expected: lineFor,
  context: { timeoutMs: 1_000 },
  lacks: {
    unwelcome: 'a terminal has no credentials',
    loseAnswer: 'the answer is a callback of the system: it does not get lost',
    refuse: 'a terminal takes every event',
    putOff: 'a terminal takes every event',
  },
});
