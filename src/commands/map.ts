import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { loadConfig, reasonOf } from '../config.ts';
import { isEmptyAnswer, splitElements } from '../normalize/elements.ts';
import { DEFAULT_EVENT_OPTIONS, type Normalizer, normalizer, readTime } from '../normalize.ts';
import { Failure, safeJson } from '../terminal.ts';
import type { SecurityEvent, StreamName } from '../types.ts';
import { jsonLine, print, remark } from './print.ts';

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
      const stream = streamName(options.stream);
      const given = options.receivedAt === undefined ? undefined : timeOf(options.receivedAt);
      const input = await readInput(file);
      if (isEmptyAnswer(input)) return remark('nothing to map: an empty input, as Mosaic answers when it has nothing');
      const rules = options.config ? (await loadConfig(options.config, sinks)).events : DEFAULT_EVENT_OPTIONS;
      for (const event of eventsOf(input, { normalize: normalizer(rules), stream, given })) {
        const line = encode(event);
        print(line.startsWith('{') ? safeJson(line) : line);
        if (options.explain) remark(explain(event));
        if (process.stdout.errored) return;
      }
    });
}

async function readInput(file: string): Promise<Buffer> {
  try {
    return file === '-' ? await buffer(process.stdin) : await readFile(file);
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${reasonOf(error)}`, 1, error);
  }
}

function streamName(text: string): StreamName {
  if (/^(verify|cis|admin|risk)\/[^\s]+$/.test(text)) return text as StreamName;
  throw new Failure(`--stream ${text}: expected TYPE/ID, with TYPE one of verify, cis, admin, risk`, 2);
}

function timeOf(text: string): Date {
  const date = new Date(readTime(text) ?? Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new Failure(`--received-at ${text} is no time; expected as in 2026-01-31T12:00:00Z`, 2);
}

interface Mapping {
  readonly normalize: Normalizer;
  readonly stream: StreamName;
  /** When the page was received, where the user says so. */
  readonly given: Date | undefined;
}

/** Lines of objects make one page. One that is no JSON is a page of its own, so that it spoils no other. */
function eventsOf(input: Buffer, { normalize, stream, given }: Mapping): readonly SecurityEvent[] {
  const lines = linesOf(input);
  const whole = lines ? listOf(lines.filter(isJson)) : asPage(input);
  const receivedAt = given ?? newest(whole);
  const map = (body: Buffer) => [...normalize.events({ number: 1, stream, receivedAt, partial: false, body })];
  if (!lines) return map(whole);
  const mapped = map(whole).values();
  const next = () => mapped.next().value ?? [];
  return lines.flatMap((line) => (isJson(line) ? next() : map(Buffer.from(line))));
}

/** undefined where the input is one page. */
function linesOf(input: Buffer): readonly string[] | undefined {
  const text = input.toString('utf8').trim();
  if (!text.startsWith('{') || isJson(text)) return undefined;
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

/** An object stands for a page of one, unless it holds a list. */
function asPage(input: Buffer): Buffer {
  const text = input.toString('utf8').trim();
  const whole = text.startsWith('{') ? parsed(text) : undefined;
  return whole && splitElements(input).tail ? listOf([text]) : input;
}

function listOf(elements: readonly string[]): Buffer {
  return Buffer.from(`[${elements.join(',')}]`);
}

function isJson(text: string): boolean {
  return parsed(text) !== undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The newest timestamp in a page, so that the same file always gives the same events; without one, now. */
function newest(page: Buffer): Date {
  const times = splitElements(page)
    .elements.map(({ start, end }) => parsed(page.subarray(start, end).toString('utf8')) as Timed)
    .map((activity) => readTime(activity?.timestamp) ?? Number.NaN)
    .filter((time) => !Number.isNaN(new Date(time).getTime()));
  return new Date(times.length > 0 ? times.reduce((latest, time) => Math.max(latest, time)) : Date.now());
}
type Timed = { readonly timestamp?: unknown } | null | undefined;

function explain({ id, code, severity, document }: SecurityEvent): string {
  const { kind, category, outcome, reason } = document.event as Record<string, unknown>;
  const facts = { code, severity, kind, category, outcome, reason, tags: document['tags'] };
  const said = Object.entries(facts).filter(([, value]) => value !== undefined);
  return `# ${id}: ${said.map(([name, value]) => `${name} ${jsonLine(value)}`).join(', ')}`;
}
