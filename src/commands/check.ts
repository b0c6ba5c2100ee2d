import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { createCensor } from '../censor.ts';
import { type Config, ConfigMistakes, loadConfig } from '../config.ts';
import { Failure, paint, printable } from '../terminal.ts';
import { configOption } from './options.ts';
import { jsonLine, print, remark } from './print.ts';

/** One thing that the forwarder talks to, tried. */
interface End {
  readonly end: string;
  readonly ok: boolean;
  readonly lines: readonly string[];
}

/** @param connect tries Mosaic and every sink without consuming or writing an event */
export function checkCommand(connect: (config: Config) => AsyncIterable<End>): Command {
  return new Command('check')
    .description('reads the config and says all that is wrong with it; creates nothing')
    .addOption(configOption())
    .option('--connect', 'also get a token from Mosaic and try each sink; collects nothing, writes no event')
    .option('--json', 'one object a line: each mistake, each warning, each end that was tried')
    .addHelpText('after', '\nExample:\n  mosaic-siem check --connect --config /etc/mosaic-siem/forwarder.yaml')
    .action(async (options: Options) => {
      const json = options.json ?? false;
      const config = await read(options.config, json);
      if (!config) return;
      for (const warning of config.warnings)
        if (json) print(jsonLine({ warning }));
        else remark(`warning: ${printable(warning)}`);
      print(json ? jsonLine(summaryOf(config)) : sentenceOf(config));
      if (options.connect) await tryAll(connect(config), createCensor(config.secrets), json);
    });
}

interface Options {
  readonly config?: string;
  readonly connect?: boolean;
  readonly json?: boolean;
}

/** Mistakes go to stderr as they are, one a line, so that editors and scripts can read them; as rows they are data. */
async function read(file: string | undefined, json: boolean): Promise<Config | undefined> {
  try {
    return await loadConfig(file, sinks);
  } catch (error) {
    if (!(error instanceof ConfigMistakes)) throw error;
    if (json) for (const mistake of error.mistakes) print(jsonLine(mistake));
    else remark(error.message);
    process.exitCode = error.exitCode;
    return undefined;
  }
}

function summaryOf({ file, mosaic, sinks: configured }: Config) {
  return { file, streams: mosaic.streams.length, sinks: configured.length };
}

function sentenceOf(config: Config): string {
  const { file, streams, sinks: configured } = summaryOf(config);
  return `${printable(file)}: fine: ${counted(streams, 'stream')}, ${counted(configured, 'sink')}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** @param safe takes the secrets out of what servers and sinks of others say */
async function tryAll(ends: AsyncIterable<End>, safe: (text: string) => string, json: boolean): Promise<void> {
  const failed: string[] = [];
  for await (const { end, ok, lines } of ends) {
    if (!ok) failed.push(end);
    const said = lines.map(safe);
    if (json) print(jsonLine({ end, ok, lines: said }));
    else {
      print(`${paint(ok ? 'green' : 'red', ok ? 'works' : 'fails')} ${printable(end)}`);
      for (const line of said) print(`      ${line}`);
    }
  }
  if (failed.length > 0) throw new Failure(`${failed.join(', ')}: not ready, as said above`);
}
