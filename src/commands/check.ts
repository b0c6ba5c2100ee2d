import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { createCensor } from '../censor.ts';
import { type Config, ConfigMistakes, loadConfig } from '../config.ts';
import { Failure, paint, printable } from '../terminal.ts';
import { configOption } from './options.ts';
import { print, remark } from './print.ts';

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
    .addHelpText('after', '\nExample:\n  mosaic-siem check --connect --config /etc/mosaic-siem/forwarder.yaml')
    .action(async (options: { config?: string; connect?: boolean }) => {
      const config = await read(options.config);
      if (!config) return;
      for (const warning of config.warnings) remark(`warning: ${printable(warning)}`);
      const { streams } = config.mosaic;
      print(
        `${printable(config.file)}: fine: ${counted(streams.length, 'stream')}, ${counted(config.sinks.length, 'sink')}`,
      );
      if (options.connect) await tryAll(connect(config), createCensor(config.secrets));
    });
}

/** Mistakes go to stderr as they are, one a line, so that editors and scripts can read them. */
async function read(file: string | undefined): Promise<Config | undefined> {
  try {
    return await loadConfig(file, sinks);
  } catch (error) {
    if (!(error instanceof ConfigMistakes)) throw error;
    remark(error.message);
    process.exitCode = error.exitCode;
    return undefined;
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** @param safe takes the secrets out of what servers and sinks of others say */
async function tryAll(ends: AsyncIterable<End>, safe: (text: string) => string): Promise<void> {
  const failed: string[] = [];
  for await (const { end, ok, lines } of ends) {
    if (!ok) failed.push(end);
    print(`${paint(ok ? 'green' : 'red', ok ? 'works' : 'fails')} ${printable(end)}`);
    for (const line of lines) print(`      ${safe(line)}`);
  }
  if (failed.length > 0) throw new Failure(`${failed.join(', ')}: not ready, as said above`);
}
