import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { createCensor } from '../censor.ts';
import { type Config, isThereConfig, loadConfig, type SinkConfig, urlMistake } from '../config.ts';
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
  readonly kibana?: string;
  readonly management?: string;
}

type Verb = 'install' | 'uninstall';

export function installCommand(): Command {
  return command(
    'install',
    'puts our templates, dashboards and detections into the SIEM behind a sink; sinks work without',
  );
}

export function uninstallCommand(): Command {
  return command(
    'uninstall',
    'takes out of the SIEM what install has put there; the events stay, and what users added',
  );
}

function command(verb: Verb, description: string): Command {
  return new Command(verb)
    .description(description)
    .argument('<sink>', 'a name in the config; without a config and with --dry-run a type')
    .addOption(configOption())
    .option('--dry-run', 'print the requests, send none that writes')
    .option(
      '--admin-key-file <file>',
      'holds the administrative key; else MOSAIC_SIEM_ADMIN_KEY; never from the config',
    )
    .option('--kibana <url>', 'of Kibana, for dashboards and rules; without it Elasticsearch alone is served')
    .option('--management <url>', "of Splunk's management port; default: the host of the sink, port 8089")
    .option('--json', 'one object a line')
    .addHelpText(
      'after',
      `\nExample:\n  mosaic-siem ${verb} elastic --config forwarder.yaml --admin-key-file ./admin.key --kibana https://kibana.example.com`,
    )
    .action((name: string, options: Options) => act(verb, name, options));
}

async function act(verb: Verb, name: string, options: Options): Promise<void> {
  const { steps, context, sinkOptions, secrets } =
    (await withoutConfig(verb, name, options)) ?? (await configured(verb, name, options));
  const admin: AdminContext = {
    ...context,
    adminKey: adminKey(options.adminKeyFile),
    dryRun: options.dryRun ?? false,
    kibana: options.kibana && readUrl('--kibana', options.kibana),
    management: options.management && readUrl('--management', options.management),
  };
  if (context.tls.verify === false)
    remark(`${printable(name)}: tls.verify is false, any certificate is taken, also for the administrative key`);
  try {
    for await (const step of steps(sinkOptions, admin, new AbortController().signal)) show(step, options.json ?? false);
  } catch (error) {
    // A server may repeat what it was sent.
    const censor = createCensor(() => [...secrets(), ...keyForms(admin.adminKey)]);
    throw new Failure(censor((error as Error).message), 1, error);
  }
}

function readUrl(option: string, text: string): string {
  const mistake = urlMistakeOf(text);
  // A password that should not be in it is not told to whoever reads the log of a pipeline.
  const shown = printable(text.replace(/\/\/.*@/, '//***@'));
  if (mistake) throw new Failure(`${option} ${shown}: ${mistake.replace(/, or add insecure.*/, '')}`, 2);
  return text.replace(/\/+$/, '');
}

function urlMistakeOf(text: string): string | undefined {
  if (!/^https?:\/\//i.test(text)) return 'must begin with https://';
  return urlMistake(text, false) ?? (/[?#]/.test(text) ? 'must hold nothing behind its path' : undefined);
}

/** As it is, and as a header carries it. */
function keyForms(key = ''): string[] {
  return key === '' ? [] : [key, Buffer.from(key).toString('base64')];
}

interface Target {
  readonly steps: Steps;
  readonly context: SinkContext;
  readonly sinkOptions: unknown;
  /** Of the config. */
  readonly secrets: () => readonly string[];
}
type Steps = NonNullable<SinkDefinition<unknown>[Verb]>;

async function configured(verb: Verb, name: string, options: Options): Promise<Target> {
  const config = await loadConfig(options.config, sinks);
  const sink = chosen(config, name);
  const log = { info: remark, warn: remark, error: remark };
  const context = sinkContext(sink, { version: readVersion(), log });
  const steps = stepsOf(verb, sink.definition, `sink ${printable(name)}`);
  return { steps, context, sinkOptions: sink.options(), secrets: () => config.secrets() };
}

/** What a type would have put in place. Its options stand in for those of a config, and nothing is called. */
async function withoutConfig(verb: Verb, name: string, { config, dryRun }: Options): Promise<Target | undefined> {
  const definition = sinks.find(({ type }) => type === name);
  if (config !== undefined || !definition || isThereConfig()) return undefined;
  const steps = stepsOf(verb, definition, `type ${name}`);
  if (!dryRun)
    throw new Failure(`where to ${verb} is said by a sink of type ${name} in a config; --dry-run needs none`, 2);
  const context = {
    name,
    timeoutMs: 30_000,
    tls: {},
    version: readVersion(),
    log: (_: string, message: string) => remark(message),
  };
  const sinkOptions = definition.options.parse(definition.sample ?? {});
  return { steps, context, sinkOptions, secrets: () => [] };
}

function stepsOf(verb: Verb, definition: SinkDefinition<unknown>, what: string): Steps {
  const { type } = definition;
  const steps = definition[verb];
  if (steps) return steps;
  const able = sinks.filter((each) => each[verb]).map((each) => each.type);
  throw new Failure(`${what} is of a kind (${type}) that has nothing to ${verb}; these have: ${able.join(', ')}`, 2);
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
  const key = readKey(file);
  // Without one the sink's own credentials would be taken, which nobody has asked for.
  if (key === '') throw new Failure(`--admin-key-file ${printable(file)} is empty`, 2);
  return key;
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(`--admin-key-file ${printable(file)} cannot be read: ${code}`, 2, error);
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
