import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { type Config, loadConfig } from '../config.ts';
import type { SpoolReader } from '../spool.ts';
import { Failure, printable } from '../terminal.ts';
import type { DeadLetter, DeadLetterFilter } from '../types.ts';
import { decimal } from '../words.ts';
import { askRunning } from './ask.ts';
import { followOrders } from './follow-orders.ts';
import { configOption } from './options.ts';
import { columns, jsonLine, print, remark } from './print.ts';
import { openReader } from './status.ts';

interface Options {
  readonly config?: string;
  readonly sink?: string;
  readonly reason?: string;
  readonly id?: readonly string[];
  readonly json?: boolean;
  readonly wait: boolean;
}

export function deadLettersCommand(): Command {
  const about = 'dead letters: events that a sink refused for good, kept with the reason';
  return new Command('dead-letters')
    .description(`${about}; without a filter: all of them`)
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(
      orderCommand('replay', 'revive', 'has them mapped anew and delivered once more; what is refused again stays'),
    )
    .addCommand(orderCommand('discard', 'discard', 'has them dropped for good; how many and which is kept on record'))
    .addHelpText('after', '\nExample:\n  mosaic-siem dead-letters list --sink elastic --reason mapper_parsing');
}

function filtered(command: Command): Command {
  return command
    .addOption(configOption())
    .option('--sink <name>', 'of this sink, by its name in the config')
    .option('--reason <text>', 'with this text in the reason, whatever the case')
    .option('--id <id...>', 'with these ids')
    .option('--json', 'one object a line');
}

function listCommand(): Command {
  return filtered(new Command('list'))
    .description('lists them, oldest first')
    .addHelpText('after', '\nExample:\n  mosaic-siem dead-letters list --json | jq -r .reason | sort | uniq -c')
    .action((options: Options) => withSpool(options, async ({ reader }, filter) => list(reader, filter, options)));
}

function showCommand(): Command {
  return filtered(new Command('show'))
    .description('prints each with its activity as Mosaic wrote it')
    .addHelpText('after', '\nExample:\n  mosaic-siem dead-letters show --id 17')
    .action((options: Options) =>
      withSpool(options, async ({ reader }, filter) => {
        let count = 0;
        for await (const letter of reader.deadLetters(filter)) {
          count += 1;
          showOne(letter, options.json ?? false);
        }
        if (count === 0) remark(NONE);
      }),
    );
}

type Kind = 'revive' | 'discard';

function orderCommand(name: string, kind: Kind, description: string): Command {
  return filtered(new Command(name))
    .description(description)
    .option('--no-wait', 'leave the order and do not follow it')
    .addHelpText('after', `\nExample:\n  mosaic-siem dead-letters ${name} --sink elastic`)
    .action((options: Options) => withSpool(options, (opened, filter) => leaveOrders(opened, kind, filter, options)));
}

interface Opened {
  readonly reader: SpoolReader;
  readonly config: Config;
}

async function withSpool(
  options: Options,
  work: (opened: Opened, filter: DeadLetterFilter) => Promise<void>,
): Promise<void> {
  const config = await loadConfig(options.config, sinks);
  const reader = openReader(config.spool);
  try {
    await checkSink(options.sink, { reader, config });
    await work({ reader, config }, filterOf(options));
  } finally {
    await reader.close();
  }
}

function filterOf({ sink, reason, id }: Options): DeadLetterFilter {
  const wrong = id?.find((text) => !/^[1-9]\d{0,14}$/.test(text));
  if (wrong !== undefined) throw new Failure(`--id ${printable(wrong)}: an id is a whole number, as list prints it`, 2);
  return {
    ...(sink !== undefined && { sink }),
    ...(reason !== undefined && { reason }),
    ...(id && { ids: id.map(Number) }),
  };
}

async function checkSink(sink: string | undefined, { reader, config }: Opened): Promise<void> {
  if (sink === undefined) return;
  const kept = (await reader.report()).sinks.map((each) => each.sink);
  const known = [...new Set([...config.sinks.map(({ name }) => name), ...kept])];
  if (!known.includes(sink)) throw new Failure(`there is no sink ${printable(sink)}; there is ${known.join(', ')}`, 2);
}

const BLOCK = 200;
const NONE = 'no dead letter matches';

async function list(reader: SpoolReader, filter: DeadLetterFilter, options: Options): Promise<void> {
  const block: string[][] = [];
  let count = 0;
  for await (const letter of reader.deadLetters(filter)) {
    count += 1;
    if (options.json) print(jsonLine(rowOf(letter)));
    else
      block.push([String(letter.id), letter.sink, letter.at.toISOString(), letter.eventId, letter.code, letter.reason]);
    if (block.length === BLOCK) printBlock(block.splice(0));
  }
  if (block.length > 0) printBlock(block);
  if (count === 0) remark(NONE);
}

function printBlock(block: readonly string[][]): void {
  for (const line of columns([['ID', 'SINK', 'AT', 'EVENT ID', 'CODE', 'REASON'], ...block])) print(line);
}

function rowOf({ id, sink, eventId, code, reason, at, activity }: DeadLetter) {
  const { stream, receivedAt, position } = activity;
  const received = { stream, received_at: receivedAt.toISOString(), page: position.page, index: position.index };
  return { id, sink, event_id: eventId, code, reason, at: at.toISOString(), ...received };
}

function showOne(letter: DeadLetter, json: boolean): void {
  const raw = Buffer.from(letter.activity.raw);
  const text = raw.toString('utf8');
  const whole = Buffer.from(text).equals(raw);
  const row = rowOf(letter);
  if (json) {
    const bytes = !whole && { raw_base64: raw.toString('base64') };
    print(jsonLine({ ...row, raw: text, ...bytes, ...(letter.damaged !== undefined && { damaged: letter.damaged }) }));
    return;
  }
  print(`dead letter ${row.id} of sink ${printable(row.sink)}, since ${row.at}`);
  print(`  reason    ${printable(row.reason)}`);
  print(`  event     ${printable(row.code)}, id ${printable(row.event_id)}`);
  print(`  received  ${row.received_at} from ${printable(row.stream)}`);
  if (letter.damaged !== undefined) print(`  activity  lost: ${printable(letter.damaged)}`);
  else print(`  activity  ${printable(text)}${whole ? '' : ' (not valid UTF-8; --json has the bytes)'}`);
}

async function leaveOrders(
  { reader, config }: Opened,
  kind: Kind,
  filter: DeadLetterFilter,
  options: Options,
): Promise<void> {
  const matches = await countBySink(reader, filter);
  if (matches.size === 0) return remark(`${NONE}; nothing is ordered`);
  const ids: number[] = [];
  let total = 0;
  for (const [sink, count] of matches) {
    if (!config.sinks.some(({ name }) => name === sink)) {
      remark(
        `${countOf(count)} of sink ${printable(sink)} stay: it is not configured; "was: ${printable(sink)}" hands them to a new name`,
      );
      continue;
    }
    const id = await reader.order({ kind, sink, filter: { ...filter, sink } });
    remark(`${countOf(count)} of sink ${sink}: order ${id} is left in the spool`);
    ids.push(id);
    total += count;
  }
  if (ids.length === 0) throw new Failure('nothing is ordered');
  const asked = options.wait ? await askRunning(config.status) : undefined;
  await followOrders(reader, ids, { running: asked?.running ?? 'no', json: options.json ?? false, total });
}

async function countBySink(reader: SpoolReader, filter: DeadLetterFilter): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const { sink } of reader.deadLetters(filter)) counts.set(sink, (counts.get(sink) ?? 0) + 1);
  return counts;
}

function countOf(count: number): string {
  return `${decimal(count)} dead letter${count === 1 ? '' : 's'}`;
}
