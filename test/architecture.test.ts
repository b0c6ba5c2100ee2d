import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { describe, it } from 'node:test';

const root = new URL('../', import.meta.url);
const textOf = (file: string) => readFileSync(new URL(file, root), 'utf8');
const filesOf = (...patterns: string[]) => globSync(patterns, { cwd: root.pathname }).sort();

interface Import {
  readonly from: string;
  /** A module of ours as in the table (`collect`, `sinks/index`), else the name of a package. */
  readonly to: string;
  readonly typesOnly: boolean;
}

/** `src/collect.ts` is `collect` in the table, `sinks/file/index.ts` is `sinks/file/index`. */
function moduleOf(file: string): string {
  return file.replace(/^src\//, '').replace(/\.(ts|js)$/, '');
}

const STATIC = /^(?:import|export)\b((?:[^;'"`=]|\n)*?\bfrom\s+)?\s*'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*(?:'([^']+)'|[^)])/g;

function importsOf(file: string): Import[] {
  const source = textOf(file);
  const found: Import[] = [];
  const add = (specifier: string, typesOnly: boolean) => {
    const ours = specifier.startsWith('.');
    const to = ours ? moduleOf(normalize(join(dirname(file), specifier))) : specifier;
    if (!to.endsWith('.json')) found.push({ from: moduleOf(file), to, typesOnly });
  };
  for (const [, clause = '', specifier = ''] of source.matchAll(STATIC)) add(specifier, isOfTypes(clause));
  for (const [, specifier] of source.matchAll(DYNAMIC)) add(specifier ?? 'computed', true);
  return found;
}

function isOfTypes(clause: string): boolean {
  if (/^\s*type\b/.test(clause)) return true;
  const names = /^\s*\{([^}]*)\}/.exec(clause)?.[1]?.split(',') ?? [''];
  return names
    .map((name) => name.trim())
    .every((name, index) => name.startsWith('type ') || (name === '' && index > 0));
}

interface Row {
  readonly modules: readonly string[];
  readonly allowed: readonly string[];
}

/** The table of docs/architecture.md: patterns in code quotes, in two columns. */
function table(): Row[] {
  const text = /<!-- imports -->\n([\s\S]*?)<!-- \/imports -->/.exec(textOf('docs/architecture.md'))?.[1] ?? '';
  const lines = text.split('\n').filter((line) => line.startsWith('| `'));
  const names = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  return lines.map((line) => {
    const [, modules, allowed] = line.split('|');
    return { modules: names(modules), allowed: names(allowed) };
  });
}

/** `*` stands for anything but a slash. */
function matches(pattern: string, name: string): boolean {
  const source = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('[^/]*')}$`).test(name) || (pattern === 'node:*' && name.startsWith('node:'));
}

const rows = table();
const sources = filesOf('src/**/*.ts', 'sinks/**/*.ts', 'bin/*.js');
const imports = sources.flatMap(importsOf);

const rowsByModule = new Map<string, Row | undefined>();

/** The row of a module: the one that names it, else the one whose pattern says most about it. */
function rowOf(module: string): Row | undefined {
  if (!rowsByModule.has(module)) rowsByModule.set(module, findRow(module));
  return rowsByModule.get(module);
}

function findRow(module: string): Row | undefined {
  const patterns = rows.flatMap((row) => row.modules.map((pattern) => ({ row, pattern })));
  const fitting = patterns.filter(({ pattern }) => matches(pattern, module));
  const weight = (pattern: string) => pattern.replaceAll('*', '').length + (pattern.includes('*') ? 0 : 1000);
  return fitting.sort((a, b) => weight(b.pattern) - weight(a.pattern))[0]?.row;
}

/** Its folder; `spool` and `spool/pages` are one family. */
function familyOf(module: string): string {
  return sources.some((file) => moduleOf(file).startsWith(`${module}/`)) ? module : dirname(module);
}

function isAllowed({ from, to }: Import): boolean {
  const row = rowOf(from);
  if (row?.allowed.some((pattern) => matches(pattern, to))) return true;
  return row !== undefined && rowOf(to) === row && familyOf(from) === familyOf(to);
}

describe('the import table of docs/architecture.md', () => {
  it('has a row for every module', () => {
    assert.ok(rows.length > 10, 'the table was not found');
    const homeless = sources.map(moduleOf).filter((module) => !rowOf(module));
    assert.deepEqual(homeless, [], 'these modules are in no row');
  });

  it('allows every import that there is', () => {
    assert.ok(imports.length > 300, 'the imports were not found');
    const wrong = imports.filter((each) => !isAllowed(each)).map(({ from, to }) => `${from} imports ${to}`);
    assert.deepEqual(wrong, []);
  });

  it('allows nothing that is not there', () => {
    const modules = sources.map(moduleOf);
    const idle = rows.flatMap((row) => [
      ...row.modules.filter((pattern) => !modules.some((module) => matches(pattern, module))),
      ...row.allowed
        .filter((pattern) => !imports.some(({ from, to }) => rowOf(from) === row && matches(pattern, to)))
        .map((pattern) => `${row.modules.join(', ')} may import ${pattern}`),
    ]);
    assert.deepEqual(idle, [], 'these are in the table and not in the code');
  });

  it('lets a sink import src/sink, the content, its own folder and nothing else of ours', () => {
    const folderOf = (module: string) => /^sinks\/([^/]+)\//.exec(module)?.[1];
    const wrong = imports
      .filter(({ from }) => folderOf(from) !== undefined)
      .filter(({ from, to }) => sources.map(moduleOf).includes(to) && to !== 'sink' && folderOf(to) !== folderOf(from))
      .filter(({ to }) => folderOf(to) !== 'content')
      .map(({ from, to }) => `${from} imports ${to}`);
    assert.deepEqual(wrong, []);
  });

  it('is followed without a circle, types apart', () => {
    const needs = new Map<string, string[]>();
    for (const { from, to, typesOnly } of imports) if (!typesOnly) needs.set(from, [...(needs.get(from) ?? []), to]);
    const isBehind = (module: string, start: string, seen: Set<string>): boolean =>
      (needs.get(module) ?? []).some((next) => {
        if (next === start) return true;
        if (seen.has(next)) return false;
        return isBehind(next, start, seen.add(next));
      });
    const circular = [...needs.keys()].filter((module) => isBehind(module, module, new Set()));
    assert.deepEqual(circular, []);
  });
});

describe('the size of the code', () => {
  const linesOf = (file: string) => textOf(file).split('\n').length - 1;

  it('is at most 250 lines a file', () => {
    const long = sources.map((file) => ({ file, lines: linesOf(file) })).filter(({ lines }) => lines > 250);
    assert.deepEqual(long, []);
  });

  it('is under 900 lines for the five files that a newcomer reads', () => {
    const five = ['src/types.ts', 'src/collect.ts', 'src/forward.ts', 'src/spool.ts', 'sinks/elasticsearch/index.ts'];
    const lines = five.map(linesOf).reduce((sum, each) => sum + each, 0);
    assert.ok(lines < 900, `${five.join(', ')} have ${lines} lines together`);
  });
});

describe('a module', () => {
  /** biome formats the code, so a statement at the top level, and nothing else, begins in the first column. */
  function topLevel(file: string): string[] {
    const templates = /`(?:\\.|[^`\\])*`/gs;
    return textOf(file)
      .replace(templates, '``')
      .split('\n')
      .filter((line) => /^[A-Za-z_$[({!+;~'"`-]/.test(line));
  }
  const DECLARATION = /^(import|export|const|function|async function|class|interface|type|declare)\b/;
  const modules = filesOf('src/**/*.ts', 'sinks/**/*.ts');
  const found = (wrong: (line: string) => boolean) =>
    modules.flatMap((file) =>
      topLevel(file)
        .filter(wrong)
        .map((line) => `${file}: ${line}`),
    );

  it('only declares: to import it changes nothing', () => {
    assert.ok(modules.flatMap(topLevel).length > 1000, 'the top level was not found');
    const start = 'src/main.ts: if (import.meta.main) await main(process.argv);';
    const statements = found((line) => !DECLARATION.test(line) && !/^async function\b/.test(line));
    assert.deepEqual(
      statements.filter((line) => line !== start),
      [],
    );
  });

  it('keeps no state of its own', () => {
    const variable = /^(export )?(let|var)\b/;
    const collection = /^(export )?const \w+(: [^=]+)? = (new \w+(<[^>]*>+)?\(\)|\[\]);/;
    assert.deepEqual(
      found((line) => variable.test(line) || collection.test(line)),
      [],
    );
  });
});
