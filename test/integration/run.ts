/** `npm run test:integration [-- NAME…]`: fetches the servers, then runs the files whose name holds one of the names, or all. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesNamed, runSuite } from '../fixtures/suite.ts';
import { CACHE, fetchServer } from './servers.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Files at once, on two cores: most of their time goes by in waiting for a server, or for the next try of a sink. */
const AT_ONCE = 3;

async function main(names: readonly string[]): Promise<number> {
  const files = filesNamed(HERE, '.integration.ts', names);
  if (files.length === 0) return 2;
  const began = performance.now();
  const lacks = names.length === 0 ? await fetchAll() : [];
  const fetched = performance.now();
  const status = await runSuite(files, { folder: HERE, atOnce: AT_ONCE, timeoutMs: 600_000 });
  const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(0)} s`;
  console.error(
    `integration: ${status === 0 ? 'passed' : 'FAILED'}, ${files.length} files${without(lacks)}; ` +
      `servers fetched in ${seconds(began, fetched)}, tests run in ${seconds(fetched, performance.now())}`,
  );
  return status;
}

/** Scripts that others read, and checkers that only `npm run test:detections` asks for. */
const NOT_HERE: ReadonlySet<string> = new Set(['common', 'debian', 'appinspect', 'ql', 'sigma']);

/** Side by side; the scripts wait for each other where they must. What cannot be had, the tests say. */
async function fetchAll(): Promise<readonly string[]> {
  console.error(`integration: the servers are kept in ${CACHE}`);
  const scripts = readdirSync(join(HERE, 'servers')).filter((file) => file.endsWith('.sh'));
  const servers = scripts.map((file) => file.slice(0, -'.sh'.length)).filter((name) => !NOT_HERE.has(name));
  const found = await Promise.all(servers.map(fetchServer));
  return servers.filter((_, index) => found[index] !== undefined);
}

function without(lacks: readonly string[]): string {
  return lacks.length > 0 ? `, WITHOUT ${lacks.join(' and ')}, which could not be had` : '';
}

process.exitCode = await main(process.argv.slice(2));
