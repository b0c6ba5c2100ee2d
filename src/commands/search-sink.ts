import { readFileSync } from 'node:fs';
import { createCensor } from '../censor.ts';
import type { Config, SinkConfig } from '../config.ts';
import { Failure, paint, printable } from '../terminal.ts';
import { decimal } from '../words.ts';
import { jsonLine, print, remark } from './print.ts';
import { newProgress } from './progress.ts';
import { type Missing, type Question, type Verified, verify } from './verify.ts';

export interface Search extends Question {
  readonly json: boolean;
}

/** @throws {Failure} where there is no such sink, or where it cannot be asked which events it holds */
export function sinkToAsk(config: Config, name: string): SinkConfig {
  const sink = configuredSink(config, name);
  if (sink.definition.held) return sink;
  throw new Failure(cannotBeAsked(sink), 2);
}

export function configuredSink(config: Config, name: string): SinkConfig {
  const sink = config.sinks.find((each) => each.name === name);
  if (sink) return sink;
  const names = config.sinks.map((each) => each.name).join(', ');
  throw new Failure(`there is no sink ${printable(name)} in ${printable(config.file)}; it has ${names}`, 2);
}

export function cannotBeAsked({ name, definition }: SinkConfig): string {
  return `sink ${name} is of a kind (${definition.type}) that cannot be asked which events it holds`;
}

export function readKey(file: string | undefined): string {
  if (file === undefined) throw new Failure('--key-file FILE is needed: it holds the key that may read in the SIEM', 2);
  try {
    const key = readFileSync(file, 'utf8').trim();
    if (key !== '') return demandOneWord(key, file);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(
      `--key-file ${printable(file)} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      2,
      error,
    );
  }
  throw new Failure(`--key-file ${printable(file)} is empty`, 2);
}

/** What fits into no header would fail as if there were no connection. */
function demandOneWord(key: string, file: string): string {
  if (/^[!-~]+$/.test(key)) return key;
  throw new Failure(`--key-file ${printable(file)} holds more than a key, or no key: expected one word on one line`, 2);
}

/** Asks, prints each missing event as it is found, and says what is worth saying of the whole. */
export async function searchSink(search: Search, onMissing: (missing: Missing) => void = () => {}): Promise<Verified> {
  const { reader, config, sink, key, span, json } = search;
  const { pages } = await reader.audit.extent(span);
  const progress = newProgress();
  let read = 0;
  try {
    const result = await verify({
      ...search,
      onPage: () => progress.show(++read, pages, `pages compared with sink ${sink.name}`),
      remark: (line) => {
        progress.clear();
        remark(line);
      },
      onMissing: (missing) => {
        progress.clear();
        print(json ? jsonLine({ row: 'missing', ...rowOf(sink.name, missing) }) : textOf(sink.name, missing));
        onMissing(missing);
      },
    });
    progress.clear();
    for (const line of wordsOf(sink.name, result)) remark(line);
    return result;
  } catch (error) {
    progress.clear();
    const censor = createCensor(() => [...config.secrets(), key]);
    throw new Failure(`sink ${sink.name} could not be asked: ${censor((error as Error).message)}`, 1, error);
  }
}

function rowOf(sink: string, { eventId, page, index, code, stream, receivedAt }: Missing) {
  return { sink, event_id: eventId, page, index, code, stream, received_at: receivedAt.toISOString() };
}

function textOf(sink: string, { eventId, page, index, code, stream, receivedAt }: Missing): string {
  const place = `page ${page}, activity ${index}, ${printable(stream)}, received ${receivedAt.toISOString()}`;
  return paint('red', `missing at ${printable(sink)}: ${eventId} ${printable(code)} (${place})`);
}

function wordsOf(sink: string, result: Verified): string[] {
  const { expected, missing, unknown, perhapsDiscarded, otherFilter, damagedPages, gone } = result;
  const lines = [
    `sink ${sink}: of ${decimal(expected)} events that the SIEM must hold ${decimal(missing)} are missing`,
  ];
  const add = (count: number, words: string) => count > 0 && lines.push(`sink ${sink}: ${decimal(count)} ${words}`);
  add(gone, 'delivered events cannot be looked for: their pages are no longer kept (spool.retention)');
  add(
    unknown,
    'events of this time are in the SIEM and in no retained page: of another forwarder, or of a damaged page',
  );
  add(damagedPages, 'pages are damaged: what they held cannot be looked for');
  add(perhapsDiscarded, 'events are not found and may have been discarded, before it was recorded which they were');
  add(
    otherFilter,
    'pages were settled under another only or except than that of now: an event of them that is missing may have been left out then',
  );
  return lines;
}
