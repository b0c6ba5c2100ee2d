import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { loadConfig } from '../config.ts';
import { splitElements } from '../elements.ts';
import { DEFAULT_EVENT_OPTIONS, normalizer } from '../normalize.ts';
import { Failure } from '../terminal.ts';
import type { SecurityEvent, StreamName } from '../types.ts';

interface Options {
  readonly config?: string;
  readonly format: string;
  readonly stream: string;
  readonly receivedAt?: string;
  readonly explain?: boolean;
}

const encoders = () => ({
  ecs: (event: SecurityEvent) => event.json,
  ...Object.fromEntries(sinks.flatMap((definition) => Object.entries(definition.encode ?? {}))),
});

export function mapCommand(): Command {
  return new Command('map')
    .description('maps activities to events, one a line; delivers nothing')
    .argument('[file]', 'one page: an array, an object, or one activity a line; - for standard input', '-')
    .option('--format <name>', `one of ${Object.keys(encoders()).join(', ')}`, 'ecs')
    .option('--stream <type/id>', 'the stream it came from: part of each event.id', 'verify/siem')
    .option('--received-at <time>', 'when the page was received; default: the newest timestamp in the input')
    .option('--explain', 'say on stderr why each event is mapped as it is')
    .option('-c, --config <file>', 'maps as this config says')
    .addHelpText('after', '\nExample:\n  mosaic-siem map activities.json --stream verify/siem --format rfc5424')
    .action(async (file: string, options: Options) => {
      const encode = new Map(Object.entries(encoders())).get(options.format);
      if (!encode) throw new Failure(`--format ${options.format} is none of ${Object.keys(encoders()).join(', ')}`, 2);
      const body = asPage(readInput(file));
      const receivedAt = receipt(options.receivedAt, body);
      const rules = options.config ? (await loadConfig(options.config, sinks)).events : DEFAULT_EVENT_OPTIONS;
      const page = { number: 1, stream: streamName(options.stream), receivedAt, partial: false, body };
      for (const event of normalizer(rules).page(page)) {
        process.stdout.write(`${encode(event)}\n`);
        if (options.explain) process.stderr.write(`${explain(event)}\n`);
      }
    });
}

function readInput(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`, 1, error);
  }
}

function streamName(text: string): StreamName {
  if (/^(verify|cis|admin|risk)\/[^\s]+$/.test(text)) return text as StreamName;
  throw new Failure(`--stream ${text}: expected TYPE/ID, with TYPE one of verify, cis, admin, risk`, 2);
}

/** An object stands for a page of one; lines of objects for a page of as many. Anything else is taken as it is. */
function asPage(input: Buffer): Buffer {
  const text = input.toString('utf8').trim();
  if (!text.startsWith('{')) return input;
  const whole = parsed(text);
  const isPage = whole !== undefined && ['events', 'data', 'items'].some((key) => Array.isArray(whole[key]));
  if (isPage) return input;
  if (whole) return Buffer.from(`[${text}]`);
  return Buffer.from(`[${text.split(/\r?\n/).filter(Boolean).join(',')}]`);
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** The newest timestamp in the input, so that the same file always gives the same events; without one, now. */
function receipt(given: string | undefined, body: Buffer): Date {
  if (given !== undefined) {
    const date = new Date(/^\d+$/.test(given) ? Number(given) : given);
    if (Number.isNaN(date.getTime()))
      throw new Failure(`--received-at ${given} is no time; expected as in 2026-01-31T12:00:00Z`, 2);
    return date;
  }
  const times = splitElements(body)
    .elements.map(({ start, end }) => parsed(body.subarray(start, end).toString('utf8'))?.['timestamp'])
    .map((time) =>
      new Date(typeof time === 'string' && !/^\d+$/.test(time) ? time : Number(time ?? Number.NaN)).getTime(),
    )
    .filter((time) => Number.isFinite(time));
  return new Date(times.length > 0 ? times.reduce((newest, time) => Math.max(newest, time)) : Date.now());
}

function explain({ id, code, severity, document }: SecurityEvent): string {
  const { kind, category, outcome, reason } = document.event as Record<string, unknown>;
  const facts = { code, severity, kind, category, outcome, reason, tags: document['tags'] };
  const said = Object.entries(facts).filter(([, value]) => value !== undefined);
  return `# ${id}: ${said.map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ')}`;
}
