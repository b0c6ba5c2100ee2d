import { Command } from 'commander';
import { sinks } from '../../sinks/index.ts';
import { type Config, loadConfig } from '../config.ts';
import { openSpoolReader } from '../spool.ts';
import { spoolText, type Table, type Tone, tablesOf } from '../status/page-view.ts';
import { type SpoolOnly, statusOfSpool } from '../status/shape.ts';
import { Failure, paint } from '../terminal.ts';
import { type Asked, askRunning } from './ask.ts';
import { configOption } from './options.ts';
import { columns, jsonLine, print, remark } from './print.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('shows how each stream and each sink is doing: asks the running process, else reads the spool')
    .addOption(configOption())
    .option('--json', 'one object, as of /api/status, with its source: process or spool')
    .addHelpText('after', '\nExample:\n  mosaic-siem status --config /etc/mosaic-siem/forwarder.yaml')
    .action(async (options: { config?: string; json?: boolean }) => {
      const config = await loadConfig(options.config, sinks);
      const asked = await askRunning(config.status);
      const status = asked.running === 'yes' ? asked.status : await readSpool(config);
      const source = asked.running === 'yes' ? 'process' : 'spool';
      if (options.json) return print(jsonLine({ source, ...status }));
      remark(origin(asked, config.spool.path));
      show(status);
    });
}

function origin(asked: Asked, path: string): string {
  if (asked.running !== 'yes') return `no process answers (${asked.why}); this is what the spool in ${path} says`;
  const { version, pid, ready, reason } = asked.status;
  return `process ${pid} (${version}) at ${asked.url} is ${ready ? 'ready' : `not ready: ${reason}`}`;
}

async function readSpool(config: Config): Promise<SpoolOnly> {
  const reader = openReader(config.spool);
  try {
    const streams = config.mosaic.streams.map(({ name }) => name);
    return statusOfSpool(await reader.report(), streams, new Date());
  } finally {
    await reader.close();
  }
}

/** @throws {Failure} where there is no spool */
export function openReader(spool: Config['spool']): ReturnType<typeof openSpoolReader> {
  try {
    return openSpoolReader(spool.path, spool);
  } catch (error) {
    throw new Failure((error as Error).message, 1, error);
  }
}

function show(status: SpoolOnly): void {
  const now = Date.parse(status.now);
  const [streams, sinkTable, gaps] = tablesOf(status, now);
  for (const table of [streams, sinkTable, gaps]) if (table) showTable(table);
  print(heading('Spool'));
  print(status.spool ? spoolText(status.spool, now) : 'cannot be read');
}

function showTable({ caption, headers, rows, empty }: Table): void {
  print(heading(caption));
  const [head = '', ...lines] = columns([headers, ...rows.map(({ cells }) => cells)]);
  if (lines.length > 0) print(paint('dim', head));
  for (const [index, line] of lines.entries()) print(coloured(line, rows[index]?.tone ?? ''));
  if (lines.length === 0) print(empty);
  print('');
}

function heading(text: string): string {
  return paint('bold', text);
}

function coloured(line: string, tone: Tone): string {
  const colours = { good: 'green', warn: 'yellow', bad: 'red' } as const;
  return tone === '' ? line : paint(colours[tone], line);
}
