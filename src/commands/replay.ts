import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { loadConfig } from '../config.ts';
import { selector } from '../forward/select.ts';
import { normalizer } from '../normalize.ts';
import { Failure } from '../terminal.ts';
import type { Cursor } from '../types.ts';
import { decimal } from '../words.ts';
import { askRunning } from './ask.ts';
import { followOrders } from './follow-orders.ts';
import { configOption } from './options.ts';
import { jsonLine, print, remark } from './print.ts';
import { newProgress } from './progress.ts';
import { configuredSink, readKey, type Search, searchSink, sinkToAsk } from './search-sink.ts';
import { spanOf } from './span.ts';
import { giveWay } from './stand-back.ts';
import { openReader } from './status.ts';

interface Options {
  readonly config?: string;
  readonly sink: string;
  readonly from?: string;
  readonly to?: string;
  readonly missing?: boolean;
  readonly keyFile?: string;
  readonly dryRun?: boolean;
  readonly wait: boolean;
  readonly json?: boolean;
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('delivers retained pages to a sink once more, mapped anew; live events go first')
    .addOption(configOption())
    .requiredOption('--sink <name>', 'to this sink, by its name in the config, through its only and except of now')
    .option(
      '--from <time>',
      'what was received at this time or later: as in 2026-01-31T12:00:00Z, or in 2h for 2 hours ago',
    )
    .option('--to <time>', 'what was received before this time; default: now')
    .option('--missing', 'asks the SIEM which events it holds, and delivers exactly those that it lacks')
    .option('--key-file <file>', 'for --missing: holds the key that may read there; never from the config')
    .option('--dry-run', 'only counts')
    .option('--no-wait', 'leave the order and do not follow it')
    .option('--json', 'one object a line')
    .addHelpText(
      'after',
      '\nExample:\n  mosaic-siem replay --sink elastic --from 2026-01-31T12:00:00Z --to 2026-01-31T14:00:00Z',
    )
    .action(replay);
}

async function replay(options: Options): Promise<void> {
  const span = spanOf(options, new Date());
  checkUse(options);
  const key = options.missing ? readKey(options.keyFile) : undefined;
  const config = await loadConfig(options.config, sinks);
  const sink = key === undefined ? configuredSink(config, options.sink) : sinkToAsk(config, options.sink);
  if (key !== undefined) giveWay();
  const reader = openReader(config.spool);
  try {
    const search: Search = { reader, config, sink, key: key ?? '', span, beside: true, json: options.json ?? false };
    await checkKnown(search);
    const { ids, total } = key === undefined ? await orderSpan(search, options) : await orderMissing(search, options);
    if (ids.length === 0) return;
    const asked = options.wait ? await askRunning(config.status) : undefined;
    await followOrders(reader, ids, { running: asked?.running ?? 'no', json: search.json, total });
  } finally {
    await reader.close();
  }
}

function checkUse({ from, missing, keyFile }: Options): void {
  if (!missing && keyFile !== undefined) throw new Failure('--key-file is for --missing', 2);
  if (missing || from !== undefined) return;
  throw new Failure('say what to deliver again: --from TIME --to TIME, or --missing', 2);
}

async function checkKnown({ reader, sink }: Search): Promise<void> {
  if ((await reader.report()).sinks.some((each) => each.sink === sink.name)) return;
  throw new Failure(`the spool does not know sink ${sink.name} yet: start \`mosaic-siem run\` once`);
}

interface Ordered {
  readonly ids: readonly number[];
  readonly total: number;
}

async function orderSpan(search: Search, options: Options): Promise<Ordered> {
  if (options.dryRun) {
    await countSpan(search);
    return { ids: [], total: 0 };
  }
  const { reader, sink, span } = search;
  const id = await reader.order({ kind: 'replay', sink: sink.name, span });
  const total = (await reader.orders()).find((order) => order.id === id)?.total ?? 0;
  remark(`${countOf(total)} for sink ${sink.name}: order ${id} is left in the spool`);
  return { ids: [id], total };
}

/** As an order would find them now, through the filter of now. */
async function countSpan({ reader, config, sink, span, json }: Search): Promise<void> {
  const { events } = normalizer(config.events);
  const selects = selector(sink.only, sink.except);
  const { pages: all } = await reader.audit.extent(span);
  const progress = newProgress();
  let [pages, selected, filtered, dead, damaged, read] = [0, 0, 0, 0, 0, 0];
  for await (const { page, book } of reader.audit.read(span, sink.name)) {
    progress.show(++read, all, 'pages');
    // Only what is settled as a whole is delivered again: the rest comes anyway.
    if (book?.settledTo !== Number.POSITIVE_INFINITY) continue;
    pages += 1;
    if (page.damaged) damaged += 1;
    for (const event of page.damaged ? [] : events(page)) {
      const { index } = event.source.position;
      if (book.deadAt.has(index) || book.discardedAt.has(index)) dead += 1;
      else if (selects(event)) selected += 1;
      else filtered += 1;
    }
  }
  progress.clear();
  if (json) {
    print(jsonLine({ sink: sink.name, pages, events: selected, filtered, dead_letters: dead, damaged_pages: damaged }));
    return;
  }
  print(`${countOf(selected)} of ${decimal(pages)} pages would be delivered to sink ${sink.name} again`);
  if (filtered > 0) print(`${countOf(filtered)} would be left out by only or except`);
  if (dead > 0)
    print(`${countOf(dead)} are dead letters, or were discarded: \`mosaic-siem dead-letters replay\` is for those`);
  if (damaged > 0) print(`${decimal(damaged)} pages are damaged`);
}

/** In one order: each is taken in one transaction, for which the daemon waits. */
const EVENTS_PER_ORDER = 100_000;

async function orderMissing(search: Search, { dryRun }: Options): Promise<Ordered> {
  const { reader, sink, span } = search;
  const events: Cursor[] = [];
  await searchSink(search, ({ page, index }) => events.push({ page, index }));
  if (events.length === 0) remark('nothing is missing; nothing is ordered');
  const ids: number[] = [];
  for (let at = 0; !dryRun && at < events.length; at += EVENTS_PER_ORDER) {
    const part = events.slice(at, at + EVENTS_PER_ORDER);
    const id = await reader.order({ kind: 'replay', sink: sink.name, span, events: part });
    remark(`${countOf(part.length)} for sink ${sink.name}: order ${id} is left in the spool`);
    ids.push(id);
  }
  return { ids, total: events.length };
}

function countOf(count: number): string {
  return `${decimal(count)} event${count === 1 ? '' : 's'}`;
}
