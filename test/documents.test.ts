import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { createLog } from '../src/log.ts';
import type { News } from '../src/news.ts';
import { createMetrics } from '../src/status/metrics.ts';
import type { Order, SpoolReport } from '../src/types.ts';
import { newFolder } from './config.fixtures.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const textOf = (file: string) => readFileSync(join(root, file), 'utf8');
const documents = globSync(['README.md', 'CHANGELOG.md', 'docs/**/*.md', 'sinks/**/*.md', 'deploy/*.md'], {
  cwd: root,
});
const operations = textOf('docs/operations.md');

interface Block {
  readonly file: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = documents.flatMap((file) =>
  [...textOf(file).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
    file,
    language,
    text,
  })),
);

describe('links', () => {
  const prose = (file: string) => textOf(file).replace(/^```[\s\S]*?^```$/gm, '');
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
  const anchorsOf = (file: string) => [...prose(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading));

  it('lead to files and headings that are there', () => {
    const links = documents.flatMap((file) =>
      [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ file, target })),
    );
    const own = links.filter(({ target }) => !/^[a-z]+:/.test(target));
    assert.ok(own.length > 20, 'the links were not found');
    const broken = own.filter(({ file, target }) => {
      const [path = '', anchor] = target.split('#');
      const found = path === '' ? file : join(dirname(file), path);
      if (!existsSync(join(root, found))) return true;
      return anchor !== undefined && !anchorsOf(found).includes(anchor);
    });
    assert.deepEqual(broken, []);
  });
});

describe('configs in the documents', () => {
  const folder = newFolder();
  after(() => folder.remove());
  // The config of docs/adding-a-sink.md needs the sink that stands beside it: test/adding-a-sink.test.ts loads both.
  const configs = blocks.filter(
    ({ language, text }) => language === 'yaml' && /^mosaic:/m.test(text) && !text.includes('./my-sink.js'),
  );

  it('are there, and every block of YAML is YAML', () => {
    assert.ok(configs.some(({ file }) => file === 'README.md'));
    const yaml = blocks.filter(({ language }) => language === 'yaml');
    const broken = yaml.flatMap(({ file, text }) =>
      parseDocument(text).errors.map(({ message }) => `${file}: ${message}`),
    );
    assert.deepEqual(broken, []);
  });

  for (const { file, text } of configs)
    it(`of ${file} pass the check: ${text.split('\n', 1)[0]}`, async () => {
      const whole = text.replaceAll(/\$\{file:[^}]+\}/g, `\${file:${folder.file('secret', 'a secret\n')}}`);
      const environment = Object.fromEntries(
        [...whole.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [name, 'value']),
      );
      const { sinks } = await folder.load(whole, environment);
      assert.ok(sinks.length > 0);
    });
});

describe('commands in the documents', () => {
  it('exist, with the options that are named', async () => {
    const code = documents.flatMap((file) => {
      const spans = [...textOf(file).matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
      const lines = blocks.filter((block) => block.file === file).flatMap(({ text }) => text.split('\n'));
      return [...spans, ...lines].map((text) => ({ file, text }));
    });
    const calls = code.flatMap(({ file, text }) =>
      [...text.matchAll(/(?:^|npx |; see )mosaic-siem ([a-z][a-z-]*)( [a-z]+)?([^|&#]*)/g)].map(
        ([, name = '', sub = '', rest = '']) => ({
          file,
          name,
          sub: sub.trim(),
          options: rest.match(/--[a-z-]+/g) ?? [],
        }),
      ),
    );
    assert.ok(calls.length > 20, 'the commands were not found');
    const commands = await allCommands();
    assert.ok(commands.length > 5, 'the program has no commands');
    const wrong = calls.flatMap(({ file, name, sub, options }) => {
      const command = commands.find((each) => each.name() === name);
      if (!command) return [`${file}: ${name}`];
      const help = (command.commands.find((each) => each.name() === sub) ?? command).helpInformation();
      return options
        .filter((option) => !help.includes(`${option} `))
        .map((option) => `${file}: ${name} ${sub} ${option}`);
    });
    assert.deepEqual(wrong, []);
  });
});

/** Each file of src/commands that is one exports a function NAMECommand, which main registers. */
async function allCommands(): Promise<Command[]> {
  const modules = globSync('src/commands/*.ts', { cwd: root }).map(
    (file) => import(join(root, file)) as Promise<Readonly<Record<string, unknown>>>,
  );
  const exported = (await Promise.all(modules)).flatMap((module) => Object.entries(module));
  return exported.filter(([name]) => name.endsWith('Command')).map(([, make]) => (make as () => Command)());
}

interface Message {
  readonly level: string;
  /** `<x>` stands for what differs. */
  readonly text: string;
}

/** The rows of one table of docs/operations.md: level and message. */
function messagesOf(name: string): Message[] {
  const table = new RegExp(`<!-- ${name} -->\\n([\\s\\S]*?)<!-- /${name} -->`).exec(operations)?.[1] ?? '';
  const rows = [...table.matchAll(/^\| (\w+) \| `([^`]+)` \| [^|]+ \| [^|]+ \|$/gm)];
  assert.equal(rows.length, table.trim().split('\n').length - 2, `each row of ${name} has four cells`);
  return rows.map(([, level = '', text = '']) => ({ level, text: text.replaceAll(/<[^>]+>/g, '<x>') }));
}

function isSaidBy({ level, text }: Message, line: Message): boolean {
  const source = text.split('<x>').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return level === line.level && new RegExp(`^${source.join('.+')}$`).test(line.text);
}

const at = new Date('2026-01-02T03:04:05Z');
const sink = 'elastic';
const stream = 'verify/siem';
const order: Order = {
  id: 3,
  kind: 'revive',
  sink,
  filter: {},
  createdAt: at,
  after: 0,
  upTo: 9,
  total: 0,
  delivered: 7,
  refused: 1,
  filtered: 0,
  discarded: 0,
  pagesGone: 0,
};
const raw = { stream, receivedAt: at, position: { page: 1, index: 0 }, ordinal: 0, raw: new Uint8Array() } as const;
const dead = { eventId: 'e', code: 'page_loaded.start', reason: '400 mapper_parsing_exception', activity: raw };

/** One of each kind: the type says when a kind is missing. */
const news: { readonly [What in News['what']]: Extract<News, { what: What }> } = {
  collected: { what: 'collected', stream, activities: 5, bytes: 900 },
  collect_failed: { what: 'collect_failed', stream, result: 'gateway', error: 'answered 502', waitMs: 500 },
  possible_gap: { what: 'possible_gap', stream, reason: 'no_answer', detail: 'nothing came back' },
  collecting: { what: 'collecting', on: false, reason: 'the spool is full' },
  sink_up: { what: 'sink_up', sink },
  sink_down: { what: 'sink_down', sink, reason: 'no connection', waitMs: 500 },
  sink_suspected: { what: 'sink_suspected', sink, held: 12, reason: '400' },
  delivery: { what: 'delivery', sink, result: 'ok', events: 5, seconds: 0.1 },
  settled: { what: 'settled', sink, delivered: 3, filtered: 0, dead: [dead, dead] },
  damaged: { what: 'damaged', sink, page: 4, reason: 'its bytes are missing' },
  order: { what: 'order', sink, order },
  spool_error: { what: 'spool_error', doing: 'saving how far elastic has come', error: 'disk full' },
  spool_damaged: { what: 'spool_damaged', reason: 'the spool could not be opened: file is not a database' },
  spool_salvaged: {
    what: 'spool_salvaged',
    salvage: {
      file: '/data/spool-damaged-20260101T000000Z.db',
      pages: 40,
      damagedPages: [4, 5],
      deadLetters: 3,
      deadLettersLost: 1,
      sinks: ['elastic'],
      broken: ['sinks'],
    },
  },
  spool_works: { what: 'spool_works', doing: 'dropping pages that are settled' },
};

/** Troubles that begin and end, so that every line is said. */
const story: readonly News[] = [
  news.collect_failed,
  news.collected,
  news.collecting,
  { ...news.collecting, on: true },
  news.possible_gap,
  news.spool_error,
  news.settled,
  { ...news.spool_error, doing: news.spool_works.doing },
  news.spool_works,
  news.sink_up,
  news.sink_down,
  news.sink_suspected,
  news.sink_up,
  news.delivery,
  news.damaged,
  news.spool_damaged,
  news.spool_salvaged,
  news.order,
];

/** What comes again within a minute; then a minute passes. */
const flapping: readonly News[] = [news.sink_up, news.sink_down, news.sink_up, news.sink_down, news.sink_up];

/** Troubles that last, with another reason when the minute is over. */
const lasting: readonly News[] = [
  news.collect_failed,
  { ...news.collect_failed, error: 'not within a minute' },
  news.sink_down,
  { ...news.sink_down, reason: 'its certificate has expired' },
];

async function tellAll(all: readonly News[], last?: RegExp): Promise<Message[]> {
  let written = '';
  const stderr = new Writable({
    write: (chunk, _encoding, done) => {
      written += String(chunk);
      done();
    },
  }) as unknown as NodeJS.WriteStream;
  const log = createLog({
    level: 'debug',
    format: 'json',
    outputs: [{ type: 'console' }],
    stderr,
    waiting: async () => 1234,
    summaryMs: last ? 50 : 60_000,
  });
  for (const each of all) log.tell(each);
  while (last && !last.test(written)) await sleep(50);
  await log.close();
  const lines = written.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as { level: string; message: string }).map(toMessage);
}

function toMessage({ level, message }: { level: string; message: string }): Message {
  return { level, text: message };
}

const CALL =
  /\b(?:log\.(?<method>error|warn|info)|log|complain|options\.(?<bare>warn))\(\s*(?:'(?<first>error|warn|info)',\s*)?(?:`(?<template>(?:[^`\\]|\\.)*)`|'(?!(?:error|warn|info)')(?<plain>[^']*)')/g;

/** Messages that a source file hands to the log as they stand there. */
function messagesIn(file: string): Message[] {
  return [...textOf(file).matchAll(CALL)].map(({ groups = {} }) => ({
    level: groups['first'] ?? groups['method'] ?? groups['bare'] ?? '',
    text: (groups['template'] ?? groups['plain'] ?? '').replaceAll(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '<x>'),
  }));
}

describe('the log messages of docs/operations.md', () => {
  it('are those that the loops have said, no more and no less', async () => {
    assert.deepEqual(new Set(story.map(({ what }) => what)), new Set(Object.keys(news)), 'the story tells each kind');
    const lines = [
      ...(await tellAll(story)),
      ...(await tellAll(flapping, /no longer/)),
      ...(await tellAll(lasting, /still down/)),
    ];
    const rows = messagesOf('messages of the loops');
    const missing = lines.filter((line) => !rows.some((row) => isSaidBy(row, line)));
    assert.deepEqual(missing, [], 'said, but not in the table');
    const stale = rows.filter((row) => !lines.some((line) => isSaidBy(row, line)));
    assert.deepEqual(stale, [], 'in the table, but not said');
    const calls = textOf('src/log/news.ts').match(/lines\.(error|warn|info|debug)\(/g)?.length ?? 0;
    const others = textOf('src/log/burials.ts') + textOf('src/log/flapping.ts');
    const summaries = others.match(/\b(warn|info)\(/g)?.length ?? 0;
    assert.equal(rows.length, calls + summaries, 'a place that speaks is not in the story');
  });

  it('are those of the start and the end, no more and no less', () => {
    const said = messagesIn('src/app.ts');
    const whole = textOf('src/app.ts').match(/\blog\.(error|warn|info)\((?!warning\))/g)?.length ?? 0;
    const rows = messagesOf('messages of the daemon');
    assert.equal(said.length, whole);
    assert.deepEqual(sorted(rows), sorted(said));
  });

  it('are those of the sinks, no more and no less', () => {
    const files = globSync('sinks/*/*.ts', { cwd: root });
    const said = files.flatMap((file) => messagesIn(file));
    const all = said.map(({ level, text }) => ({ level, text: `sink <x>: ${text}` }));
    assert.deepEqual(sorted(messagesOf('messages of the sinks')), sorted(all));
  });

  it('are those of the outputs of the log, no more and no less', () => {
    const said = messagesIn('src/log/outputs.ts');
    assert.deepEqual(sorted(messagesOf('messages of the log')), sorted(said));
  });
});

function sorted(messages: readonly Message[]): string[] {
  return messages.map(({ level, text }) => `${level} ${text}`).sort();
}

describe('the metrics of docs/operations.md', () => {
  it('are those that /metrics serves', async () => {
    const report: SpoolReport = {
      bytes: 0,
      limit: 0,
      pages: 0,
      setAside: 0,
      gaps: [],
      streams: [],
      sinks: [],
      orders: [],
    };
    const served = createMetrics({ streams: [stream], sinks: [sink], refresh: async () => report });
    const names = [...(await served.text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
    const listed = [...operations.matchAll(/^\| `(mosaic_siem_\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(listed.sort(), names.sort());
    const used = [...operations.matchAll(/\bmosaic_siem_\w+/g)].map(([name]) =>
      name.replace(/_(bucket|sum|count)$/, ''),
    );
    const unknown = used.filter((name) => name !== 'mosaic_siem_token' && !names.includes(name));
    assert.deepEqual(unknown, [], 'named in an alert or a sentence, and not served');
  });
});
