/** Holds the tables in the READMEs of the sinks against the code. `UPDATE=1` writes them anew. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { sinks } from '../sinks/index.ts';
import { duration, type SinkDefinition, size, z } from '../src/sink.ts';

const SINKS = new URL('../sinks/', import.meta.url);

interface Option {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly secret?: boolean;
  readonly items?: Option;
}

function jsonSchema(schema: z.ZodType) {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Option & {
    readonly properties?: Readonly<Record<string, Option>>;
    readonly required?: readonly string[];
  };
}

const [DURATION, SIZE] = [jsonSchema(duration).pattern, jsonSchema(size).pattern];

function typeOf(option: Option): string {
  if (option.secret) return 'secret';
  if (option.enum) return option.enum.map((choice) => `\`${choice}\``).join(', ');
  if (option.items) return `list of ${typeOf(option.items)}s`;
  if (option.format === 'uri') return 'url';
  if (option.pattern === DURATION) return 'duration';
  if (option.pattern === SIZE) return 'size';
  assert.ok(option.type, 'an option whose kind the table can tell');
  return option.type;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `|${cells.map((cell) => (cell ? ` ${cell.replaceAll('|', '\\|')} ` : ' ')).join('|')}|`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function optionsTable({ options }: SinkDefinition<unknown>): string {
  const { properties = {}, required = [] } = jsonSchema(options);
  const rows = Object.entries(properties).map(([name, option]) => {
    const standard = option.default === undefined ? '' : `\`${option.default}\``;
    return [`\`${name}\``, typeOf(option), required.includes(name) ? 'required' : standard, option.description ?? ''];
  });
  return rows.length > 0 ? table(['option', 'type', 'default', 'meaning'], rows) : 'It has no options of its own.';
}

const yesNo = (yes: boolean) => (yes ? 'yes' : 'no');

function promisesTable({ promises, defaults }: SinkDefinition<unknown>): string {
  const { acknowledged, idempotent, perEvent } = promises;
  const number = (value: number) => value.toLocaleString('en-US');
  const rows = [
    ['an answer means that the event is stored', yesNo(acknowledged)],
    ['an event that is sent twice is stored once', yesNo(idempotent)],
    ['a refusal names the event', yesNo(perEvent)],
    ['in one batch, at most', `${number(defaults.maxEvents)} events, ${number(defaults.maxBytes)} bytes of ECS JSON`],
    ['batches under way at once', number(defaults.concurrency)],
  ];
  return table(['what', 'this sink'], rows);
}

function allSinks(): string {
  const rows = sinks.map(({ type, summary, promises }) => [
    `[\`${type}\`](${type}/README.md)`,
    summary.replace(/\.$/, ''),
    ...[promises.acknowledged, promises.idempotent, promises.perEvent].map(yesNo),
  ]);
  return table(['type', 'what it is', 'acknowledged', 'stored once', 'refuses one by one'], rows);
}

/** The text with what stands between `<!-- NAME -->` and `<!-- /NAME -->` replaced. */
function filled(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const parts = text.split(start);
  assert.equal(parts.length, 2, `exactly one ${start.trim()}`);
  const [before = '', after = ''] = parts;
  assert.equal(after.split(end).length, 2, `exactly one ${end} behind it`);
  return `${before}${start}${content}\n${after.slice(after.indexOf(end))}`;
}

function hold(path: string, contents: Readonly<Record<string, string>>): void {
  const file = new URL(path, SINKS);
  const present = readFileSync(file, 'utf8');
  const fresh = Object.entries(contents).reduce((text, [name, content]) => filled(text, name, content), present);
  if (process.env['UPDATE']) writeFileSync(file, fresh);
  else assert.equal(present, fresh, `sinks/${path} is stale: UPDATE=1 node --test test/readmes.test.ts`);
}

test('sinks/README.md lists every sink with its promises', () => hold('README.md', { sinks: allSinks() }));

for (const sink of sinks)
  test(`the README of ${sink.type} has its options and promises`, () =>
    hold(`${sink.type}/README.md`, { options: optionsTable(sink), promises: promisesTable(sink) }));

test('every folder of sinks is a sink of the registry, and has a README', () => {
  const folders = readdirSync(SINKS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = folders.map(({ name }) => name);
  assert.deepEqual(names.sort(), [...sinks.map(({ type }) => type), 'content'].sort(), 'content is what sinks install');
  for (const name of names) assert.ok(existsSync(new URL(`${name}/README.md`, SINKS)), name);
});

test('a stale table is found', () => {
  const text = 'a\n<!-- options -->\nold\n<!-- /options -->\nb\n';
  assert.equal(filled(text, 'options', 'new'), 'a\n<!-- options -->\nnew\n<!-- /options -->\nb\n');
  assert.throws(() => filled('no marker', 'options', 'new'), /exactly one/);
});
