import winston from 'winston';
import { createCensor } from './censor.ts';
import { createTeller, type TellerOptions } from './log/news.ts';
import { bestEffortOutput, type Complain, type Entry, fileOutput, type Level, type Output } from './log/outputs.ts';
import { type SplunkOutput, splunkSender, syslogSender } from './log/senders.ts';
import type { Tell } from './news.ts';
import { paint } from './terminal.ts';

type LogOutput =
  | { readonly type: 'console' }
  | { readonly type: 'file'; readonly path: string }
  | { readonly type: 'syslog'; readonly address: string; readonly appName?: string | undefined }
  | ({ readonly type: 'splunk_hec' } & SplunkOutput);

export interface LogOptions extends TellerOptions {
  readonly level: Level;
  readonly format: 'text' | 'json';
  readonly outputs: readonly LogOutput[];
  /** What must never be printed; asked for each line. */
  readonly secrets?: () => readonly string[];
  /** Where `console` writes, and where a failing output is complained about. */
  readonly stderr?: NodeJS.WriteStream;
}

/** Shown with format json only: the message stands alone. */
type Fields = Readonly<Record<string, string | number | boolean | null>>;
export type Say = (message: string, fields?: Fields) => void;

/** The daemon's own log. It carries no events. Nothing here throws. */
export interface Log {
  readonly error: Say;
  readonly warn: Say;
  readonly info: Say;
  readonly debug: Say;
  /** Turns news into the few lines worth saying. */
  readonly tell: Tell;
  /** Opens files anew, as after their rotation. */
  reopen(): void;
  /** Says what is left to say; waits at most 2 s for a server. */
  close(): Promise<void>;
}

/** @throws where an output's address is none */
export function createLog(options: LogOptions): Log {
  const terminal = consoleOutput(options.stderr ?? process.stderr, options.format);
  const censor = createCensor(options.secrets ?? (() => []));
  const entry = (level: Level, message: string, fields: Fields = {}): Entry =>
    entryOf(options.format, level, censor(message), mapStrings(fields, censor));
  const complain: Complain = (level, message) => terminal.write(entry(level, message));
  const outputs = options.outputs.map((output) => open(output, terminal, complain));
  const logger = winston.createLogger({
    level: options.level,
    transports: outputs.map(transportOf),
    silent: outputs.length === 0,
  });
  // Without a listener an error of an output would end the process.
  logger.on('error', () => undefined);
  const say =
    (level: Level): Say =>
    (message, fields) => {
      if (logger.isLevelEnabled(level)) logger.log({ level, message: '', entry: entry(level, message, fields) });
    };
  const lines = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') };
  const teller = createTeller(lines, options);
  return {
    ...lines,
    tell: teller.tell,
    reopen: () => {
      for (const output of outputs) output.reopen();
    },
    close: async () => {
      await teller.close();
      const ended = new Promise((resolve) => logger.once('finish', resolve));
      logger.end();
      await ended;
      await Promise.all(outputs.map((output) => output.close()));
    },
  };
}

function open(output: LogOutput, terminal: Output, complain: Complain): Output {
  switch (output.type) {
    case 'console':
      return terminal;
    case 'file':
      return fileOutput(output.path, complain);
    case 'syslog':
      return bestEffortOutput(output.address, syslogSender(output.address, output.appName ?? 'mosaic-siem'), complain);
    case 'splunk_hec':
      return bestEffortOutput(output.url, splunkSender(output), complain);
  }
}

type Take = (info: { readonly entry: Entry }, next: () => void) => void;
/** The types of winston lack the name under which it exports this. */
const { Transport } = winston as unknown as { Transport: new (options: { log: Take }) => winston.transport };

function transportOf(output: Output): winston.transport {
  return new Transport({
    log: ({ entry }, next) => {
      output.write(entry);
      next();
    },
  });
}

function consoleOutput(stream: NodeJS.WriteStream, format: 'text' | 'json'): Output {
  const colours = { error: 'red', warn: 'yellow', info: 'green', debug: 'gray' } as const;
  // A reader that has gone away must not end the daemon.
  const ignore = () => undefined;
  stream.on('error', ignore);
  return {
    write: ({ level, line }) => {
      const shown = format === 'text' ? line.replace(` ${level}`, ` ${paint(colours[level], level, stream)}`) : line;
      stream.write(`${shown}\n`);
    },
    reopen: () => undefined,
    close: async () => {
      await new Promise((resolve) => stream.write('', resolve));
      stream.off('error', ignore);
    },
  };
}

function entryOf(format: 'text' | 'json', level: Level, message: string, fields: Fields): Entry {
  const time = new Date().toISOString();
  const line =
    format === 'json' ? JSON.stringify({ time, level, message, ...fields }) : `${time} ${level.padEnd(5)} ${message}`;
  return { time, level, message, fields, line };
}

function mapStrings(fields: Fields, change: (text: string) => string): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? change(value) : value]),
  );
}
