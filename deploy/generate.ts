/** `npm run generate` writes anew every file that is made of `sinks/content` and of the mapping. A test fails when one is stale. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sigmaFiles } from '../sinks/content/sigma.ts';
import { kibanaFiles } from '../sinks/elasticsearch/kibana/files.ts';
import { generatedDocuments } from './documents.ts';
import { splunkAppFiles } from './splunk-app.ts';

const TOP = fileURLToPath(new URL('..', import.meta.url));

/** What else lies in these folders does not belong there. */
const FOLDERS = [
  'sinks/content/sigma',
  'sinks/elasticsearch/content/kibana',
  'sinks/splunk_hec/content',
  'docs/pictures',
];

/** By path from the project's root. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([...kibanaFiles(), ...splunkAppFiles(), ...sigmaFiles(), ...generatedDocuments()]);
}

/** Paths of files that are not as they are made, or are not made any more. */
export function stale(files = generated()): readonly string[] {
  const changed = [...files].filter(([path, text]) => textOf(path) !== text).map(([path]) => path);
  return [...changed, ...present().filter((path) => !files.has(path))].sort();
}

function textOf(path: string): string | undefined {
  return statSync(join(TOP, path), { throwIfNoEntry: false }) && readFileSync(join(TOP, path), 'utf8');
}

function present(): readonly string[] {
  const there = FOLDERS.filter((folder) => statSync(join(TOP, folder), { throwIfNoEntry: false }));
  return there.flatMap((folder) =>
    readdirSync(join(TOP, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(join(TOP, path)).isFile()),
  );
}

function write(): void {
  const files = generated();
  for (const path of stale(files)) {
    const text = files.get(path);
    if (text === undefined) {
      rmSync(join(TOP, path));
    } else {
      mkdirSync(dirname(join(TOP, path)), { recursive: true });
      writeFileSync(join(TOP, path), text);
    }
    console.log(`${text === undefined ? 'removed' : 'written'} ${path}`);
  }
}

if (import.meta.main) write();
