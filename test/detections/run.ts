/** `npm run test:detections [-- NAME…]`: runs the files whose name holds one of the names, or all, and prints what each rule did. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RULES } from './judge.ts';
import { isRight, type Row, rowsInto, rowsOf, tableOf } from './table.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Files at once, on two cores: one of them computes, the other mostly waits for a server. */
const AT_ONCE = 2;

async function main(names: readonly string[]): Promise<number> {
  const files = readdirSync(HERE)
    .filter((file) => file.endsWith('.detections.ts'))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
  if (files.length === 0) {
    console.error(`no file of ${HERE} has a name with ${names.join(' or ')}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-detections-'));
  try {
    const rows = join(folder, 'rows.ndjson');
    const status = await run(files, rows);
    return files.includes('engine.detections.ts') ? told(rowsOf(rows), status) : status;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The guards of the servers end them when the tests' processes die, so a signal needs only to be passed on. */
async function run(files: readonly string[], rows: string): Promise<number> {
  const options = ['--test', `--test-concurrency=${AT_ONCE}`, '--test-timeout=900000', '--test-reporter=spec'];
  const paths = files.map((file) => join(HERE, file));
  const env = { ...process.env, ...rowsInto(rows) };
  const tests = spawn(process.execPath, [...options, ...paths], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tests.kill(signal));
  const [code] = (await once(tests, 'exit')) as [number | null];
  return code ?? 1;
}

/** A rule without a row was not judged, which is as bad as one that did wrong. */
function told(rows: readonly Row[], status: number): number {
  console.log(`\n${tableOf(rows)}\n`);
  const wrong = rows.filter((row) => !isRight(row));
  const missing = RULES.filter(({ name }) => !rows.some(({ rule }) => rule === name));
  for (const { rule } of wrong) console.log(`${rule} is NOT as it should be`);
  for (const { name } of missing) console.log(`${name} was NOT judged`);
  if (rows.some(({ agrees }) => agrees === 'alone'))
    console.log('There was no Elasticsearch: the evaluator judged ALONE, and nothing checked the evaluator.');
  console.log(`detections: ${rows.length - wrong.length} of ${RULES.length} rules are as they should be`);
  return status || (wrong.length + missing.length > 0 ? 1 : 0);
}

process.exitCode = await main(process.argv.slice(2));
