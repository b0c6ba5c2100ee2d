import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { createCensor } from '../censor.ts';
import { type Config, isThereConfig, loadConfig, type SinkConfig } from '../config.ts';
import { sinkContext } from '../loops.ts';
import type { AdminContext, InstallStep, SinkContext, SinkDefinition } from '../sink.ts';
import { Failure, paint, printable } from '../terminal.ts';
import { readVersion } from '../version.ts';
import { configOption } from './options.ts';
import { jsonLine, printOn, remark } from './print.ts';

interface Options {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly adminKeyFile?: string;
  readonly json?: boolean;
}

export function installCommand(): Command {
  return new Command('install')
    .description('puts our templates and pipelines into the SIEM behind a sink; sinks work without them')
    .argument('<sink>', 'a name in the config; without a config and with --dry-run a type')
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
      const { install, context, sinkOptions, secrets } =
        (await withoutConfig(name, options)) ?? (await configured(name, options));
      const admin: AdminContext = {
        ...context,
        adminKey: adminKey(options.adminKeyFile),
        dryRun: options.dryRun ?? false,
      };
      try {
        for await (const step of install(sinkOptions, admin, new AbortController().signal))
          show(step, options.json ?? false);
      } catch (error) {
        // A server may repeat what it was sent.
        const censor = createCensor(() => [...secrets(), ...keyForms(admin.adminKey)]);
        throw new Failure(censor((error as Error).message), 1, error);
      }
    });
}

/** As it is, and as a header carries it. */
function keyForms(key = ''): string[] {
  return key === '' ? [] : [key, Buffer.from(key).toString('base64')];
}

interface Target {
  readonly install: Install;
  readonly context: SinkContext;
  readonly sinkOptions: unknown;
  /** Of the config. */
  readonly secrets: () => readonly string[];
}
type Install = NonNullable<SinkDefinition<unknown>['install']>;

async function configured(name: string, options: Options): Promise<Target> {
  const config = await loadConfig(options.config, sinks);
  const sink = chosen(config, name);
  const log = { info: remark, warn: remark, error: remark };
  const context = sinkContext(sink, { version: readVersion(), log });
  const install = installOf(sink.definition, `sink ${printable(name)}`);
  return { install, context, sinkOptions: sink.options(), secrets: () => config.secrets() };
}

/** What a type would have put in place. Its options stand in for those of a config, and nothing is called. */
async function withoutConfig(name: string, { config, dryRun }: Options): Promise<Target | undefined> {
  const definition = sinks.find(({ type }) => type === name);
  if (config !== undefined || !definition || isThereConfig()) return undefined;
  const install = installOf(definition, `type ${name}`);
  if (!dryRun)
    throw new Failure(`where to install is said by a sink of type ${name} in a config; --dry-run needs none`, 2);
  const context = {
    name,
    timeoutMs: 30_000,
    tls: {},
    version: readVersion(),
    log: (_: string, message: string) => remark(message),
  };
  const sinkOptions = definition.options.parse({ url: `https://${name}.invalid` });
  return { install, context, sinkOptions, secrets: () => [] };
}

function installOf({ type, install }: SinkDefinition<unknown>, what: string): Install {
  if (install) return install;
  const able = sinks.filter((definition) => definition.install).map((definition) => definition.type);
  throw new Failure(`${what} is of a kind (${type}) that has nothing to install; ${able.join(', ')} has`, 2);
}

function chosen(config: Config, name: string): SinkConfig {
  const sink = config.sinks.find((each) => each.name === name);
  if (sink) return sink;
  throw new Failure(
    `there is no sink ${printable(name)} in ${printable(config.file)}; it has ${config.sinks.map((each) => each.name).join(', ')}`,
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

function show(step: InstallStep, json: boolean): void {
  if (json) {
    printOn(jsonLine(step));
    return;
  }
  const colour = step.result === 'unchanged' ? 'dim' : step.result === 'dry-run' ? 'yellow' : 'green';
  printOn(`${paint(colour, step.result.padEnd(9))} ${printable(step.request)}`);
  if (step.note) printOn(`          ${printable(step.note)}`);
  if (step.result === 'dry-run' && step.body !== undefined) printOn(JSON.stringify(step.body, null, 2));
}
