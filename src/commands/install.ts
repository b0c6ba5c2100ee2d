import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { type Config, loadConfig, type SinkConfig } from '../config.ts';
import { sinkContext } from '../loops.ts';
import type { AdminContext, InstallStep } from '../sink.ts';
import { Failure, paint } from '../terminal.ts';
import { readVersion } from '../version.ts';
import { configOption } from './options.ts';

interface Options {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly adminKeyFile?: string;
  readonly json?: boolean;
}

export function installCommand(): Command {
  return new Command('install')
    .description('puts our templates and pipelines into the SIEM behind a sink; sinks work without them')
    .argument('<sink>', 'a name in the config')
    .addOption(configOption())
    .option('--dry-run', 'print the requests, send none that writes')
    .option(
      '--admin-key-file <file>',
      'holds the administrative key; else MOSAIC_SIEM_ADMIN_KEY; never from the config',
    )
    .option('--json', 'one object a line')
    .addHelpText(
      'after',
      '\nExample:\n  mosaic-siem install elastic --config forwarder.yaml --admin-key-file ./admin.key',
    )
    .action(async (name: string, options: Options) => {
      const config = await loadConfig(options.config, sinks);
      const sink = chosen(config, name);
      const install = sink.definition.install;
      if (!install)
        throw new Failure(`sink ${name} is of type ${sink.definition.type}, which has nothing to install`, 2);
      const log = (_level: string, message: string) => void process.stderr.write(`${message}\n`);
      const admin: AdminContext = {
        ...sinkContext(sink, {
          version: readVersion(),
          log: { info: (m) => log('info', m), warn: (m) => log('warn', m), error: (m) => log('error', m) },
        }),
        adminKey: adminKey(options.adminKeyFile),
        dryRun: options.dryRun ?? false,
      };
      for await (const step of install(sink.options(), admin, new AbortController().signal))
        print(step, options.json ?? false);
    });
}

function chosen(config: Config, name: string): SinkConfig {
  const sink = config.sinks.find((each) => each.name === name);
  if (sink) return sink;
  throw new Failure(
    `there is no sink ${name} in ${config.file}; it has ${config.sinks.map((each) => each.name).join(', ')}`,
    2,
  );
}

function adminKey(file: string | undefined): string | undefined {
  if (!file) return process.env['MOSAIC_SIEM_ADMIN_KEY'];
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new Failure(`--admin-key-file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`, 2, error);
  }
}

function print(step: InstallStep, json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify(step)}\n`);
  const colour = step.result === 'unchanged' ? 'dim' : step.result === 'dry-run' ? 'yellow' : 'green';
  process.stdout.write(`${paint(colour, step.result.padEnd(9))} ${step.request}\n`);
  if (step.result === 'dry-run' && step.body !== undefined)
    process.stdout.write(`${JSON.stringify(step.body, null, 2)}\n`);
}
