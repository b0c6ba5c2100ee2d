import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { type Config, loadConfig, type SinkConfig } from '../config.ts';
import { countActivities } from '../normalize/elements.ts';
import type { SpoolReader } from '../spool.ts';
import { Failure, paint, printable } from '../terminal.ts';
import type { Page, Span } from '../types.ts';
import { decimal } from '../words.ts';
import { askRunning } from './ask.ts';
import { addsUp, type Line, settledLines, totalsOf } from './balance.ts';
import { configOption } from './options.ts';
import { columns, jsonLine, print, remark } from './print.ts';
import { newProgress } from './progress.ts';
import { cannotBeAsked, readKey, type Search, searchSink, sinkToAsk } from './search-sink.ts';
import { spanOf } from './span.ts';
import { giveWay, slowly } from './stand-back.ts';
import { openReader } from './status.ts';

interface Options {
  readonly config?: string;
  readonly sink?: string;
  readonly from?: string;
  readonly to?: string;
  readonly verify?: boolean;
  readonly keyFile?: string;
  readonly json?: boolean;
}

export function auditCommand(): Command {
  return new Command('audit')
    .description('proves that nothing is lost: the books add up, and no retained page is damaged')
    .addOption(configOption())
    .option('--sink <name>', 'only this sink, by its name in the config')
    .option('--from <time>', 'received at this time or later: as in 2026-01-31T12:00:00Z, or in 2h for 2 hours ago')
    .option('--to <time>', 'received before this time')
    .option('--verify', 'asks each SIEM that can be asked which events it holds, and names the missing ones')
    .option('--key-file <file>', 'holds the key that may read there; never from the config')
    .option('--json', 'one object a line')
    .addHelpText('after', '\nExample:\n  mosaic-siem audit --verify --sink elastic --key-file ./read.key --from 24h')
    .action(audit);
}

async function audit(options: Options): Promise<void> {
  const span = spanOf(options, new Date());
  if (options.keyFile !== undefined && !options.verify) throw new Failure('--key-file is for --verify', 2);
  const key = options.verify ? readKey(options.keyFile) : undefined;
  const config = await loadConfig(options.config, sinks);
  const asked = key === undefined ? [] : toAsk(config, options.sink);
  giveWay();
  const beside = (await askRunning(config.status)).running !== 'no';
  const reader = openReader(config.spool);
  try {
    const lines = await books(reader, span, options);
    const pages = await checkPages({ reader, span, beside, json: options.json ?? false });
    const missing = await ask({ reader, config, key: key ?? '', span, beside, json: options.json ?? false }, asked);
    showLines(totalsOf(lines), options.json ?? false);
    conclude(lines, pages, missing);
  } finally {
    await reader.close();
  }
}

function toAsk(config: Config, name: string | undefined): readonly SinkConfig[] {
  return name === undefined ? config.sinks : [sinkToAsk(config, name)];
}

const AGAIN_AFTER_MS = 1_500;

async function books(reader: SpoolReader, span: Span, options: Options): Promise<Line[]> {
  const filter = { ...span, ...(options.sink !== undefined && { sink: options.sink }) };
  if (options.sink !== undefined) await checkSink(reader, options.sink);
  const lines = await settledLines(reader, filter, () => sleep(AGAIN_AFTER_MS));
  showLines(lines, options.json ?? false);
  if (lines.length === 0) remark('the books have nothing of this time');
  return lines;
}

async function checkSink(reader: SpoolReader, sink: string): Promise<void> {
  const known = (await reader.report()).sinks.map((each) => each.sink);
  if (!known.includes(sink))
    throw new Failure(
      `there is no sink ${printable(sink)} in the spool; there is ${known.map(printable).join(', ')}`,
      2,
    );
}

function showLines(lines: readonly Line[], json: boolean): void {
  if (json) for (const line of lines) print(jsonLine(rowOf(line)));
  if (json || lines.length === 0) return;
  const [head = '', ...rest] = columns([HEAD, ...lines.map(cellsOf)]);
  print(paint('dim', head));
  for (const [index, text] of rest.entries()) print(addsUp(lines[index] as Line) ? text : paint('red', text));
  print('');
}

const HEAD = [
  'HOUR',
  'STREAM',
  'SINK',
  'COLLECTED',
  'DELIVERED',
  'FILTERED',
  'DEAD',
  'DISCARDED',
  'DAMAGED',
  'WAITING',
  '',
];

function cellsOf(line: Line): string[] {
  const { hour, stream, sink, collected, delivered, filtered, dead, discarded, damaged, waiting } = line;
  const numbers = [collected, delivered, filtered, dead, discarded, damaged, waiting].map(decimal);
  return [hour ? `${hour.toISOString().slice(0, 13)}:00Z` : 'total', stream, sink, ...numbers, verdict(line)];
}

function verdict({ difference, dead, letters }: Line): string {
  const words = [];
  if (difference > 0) words.push(`${decimal(difference)} are not accounted for`);
  if (difference < 0) words.push(`${decimal(-difference)} too many`);
  if (dead !== letters) words.push(`${decimal(letters)} dead letters are kept`);
  return words.length > 0 ? words.join(', ') : 'adds up';
}

function rowOf(line: Line) {
  const { hour, stream, sink, collected, delivered, filtered, dead, discarded, damaged, waiting, difference, letters } =
    line;
  return {
    row: hour ? 'hour' : 'total',
    ...(hour && { hour: hour.toISOString() }),
    ...{ stream, sink, collected, delivered, filtered, dead_letters: dead, discarded, damaged, waiting, difference },
    dead_letters_kept: letters,
  };
}

interface PageCounts {
  readonly read: number;
  readonly damaged: number;
  readonly miscounted: number;
}

type Reading = Pick<Search, 'reader' | 'span' | 'beside' | 'json'>;

/** Every retained page of the span, whichever sinks have it: its checksum, and its activities counted once more. */
async function checkPages({ reader, span, beside, json }: Reading): Promise<PageCounts> {
  const { pages } = await reader.audit.extent(span);
  const progress = newProgress();
  let [read, damaged, miscounted] = [0, 0, 0];
  const tell = (page: Page, problem: string, reason: string) => {
    progress.clear();
    const { number, stream, receivedAt } = page;
    const received = receivedAt.toISOString();
    if (json) print(jsonLine({ row: 'page', page: number, stream, received_at: received, problem, reason }));
    else print(paint('red', `${printable(reason)} (${printable(stream)}, received ${received})`));
  };
  const all = reader.audit.read(span);
  for await (const { page } of beside ? slowly(all) : all) {
    progress.show(++read, pages, 'pages');
    if (page.damaged) {
      damaged += 1;
      tell(page, 'damaged', page.damaged);
      continue;
    }
    const count = countActivities(page.body);
    if (page.collected === undefined || page.collected === count) continue;
    miscounted += 1;
    tell(
      page,
      'count',
      `page ${page.number} holds ${decimal(count)} activities, the books say ${decimal(page.collected)}`,
    );
  }
  progress.clear();
  remark(`${decimal(read)} pages read: ${damaged === 0 ? 'none is' : `${decimal(damaged)} are`} damaged`);
  return { read, damaged, miscounted };
}

/** How many events their SIEMs lack, as far as these can be asked. */
async function ask(search: Omit<Search, 'sink'>, asked: readonly SinkConfig[]): Promise<number> {
  let missing = 0;
  for (const sink of asked) {
    if (!sink.definition.held) {
      remark(cannotBeAsked(sink));
      continue;
    }
    const result = await searchSink({ ...search, sink });
    const { expected, unknown, gone } = result;
    if (search.json)
      print(
        jsonLine({
          row: 'verified',
          sink: sink.name,
          expected,
          missing: result.missing,
          unknown,
          no_longer_kept: gone,
        }),
      );
    missing += result.missing;
  }
  return missing;
}

function conclude(lines: readonly Line[], pages: PageCounts, missing: number): void {
  const wrong = lines.filter((line) => !addsUp(line)).length;
  const found = [];
  if (wrong > 0) found.push(`${decimal(wrong)} lines of the books do not add up`);
  if (pages.damaged > 0) found.push(`${decimal(pages.damaged)} pages are damaged`);
  if (pages.miscounted > 0)
    found.push(`${decimal(pages.miscounted)} pages hold another number of activities than the books say`);
  if (missing > 0) found.push(`${decimal(missing)} events are missing at their SIEM`);
  if (found.length > 0) throw new Failure(`the audit fails: ${found.join('; ')}`);
  remark('the books add up');
}
