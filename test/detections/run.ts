/** `npm run test:detections [-- NAME…]`: runs the files whose name holds one of the names, or all, and prints what each rule did. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesNamed, runSuite } from '../fixtures/suite.ts';
import { NAMED_RULES } from './judge.ts';
import { isRight, type Row, rowsInto, rowsOf, tableOf } from './table.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Files at once, on two cores: one of them computes, the other mostly waits for a server. */
const AT_ONCE = 2;

async function main(names: readonly string[]): Promise<number> {
  const files = filesNamed(HERE, '.detections.ts', names);
  if (files.length === 0) return 2;
  const folder = mkdtempSync(join(tmpdir(), 'mosaic-siem-detections-'));
  try {
    const rows = join(folder, 'rows.ndjson');
    const status = await runSuite(files, { folder: HERE, atOnce: AT_ONCE, timeoutMs: 900_000, env: rowsInto(rows) });
    return files.includes('engine.detections.ts') ? told(rowsOf(rows), status) : status;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A rule without a row was not judged, which is as bad as one that did wrong. */
function told(rows: readonly Row[], status: number): number {
  console.log(`\n${tableOf(rows)}\n`);
  const wrong = rows.filter((row) => !isRight(row));
  const missing = NAMED_RULES.filter(({ name }) => !rows.some(({ rule }) => rule === name));
  for (const { rule } of wrong) console.log(`${rule} is NOT as it should be`);
  for (const { name } of missing) console.log(`${name} was NOT judged`);
  if (rows.some(({ agrees }) => agrees === 'alone'))
    console.log('There was no Elasticsearch: the evaluator judged ALONE, and nothing checked the evaluator.');
  console.log(`detections: ${rows.length - wrong.length} of ${NAMED_RULES.length} rules are as they should be`);
  return status || (wrong.length + missing.length > 0 ? 1 : 0);
}

process.exitCode = await main(process.argv.slice(2));
