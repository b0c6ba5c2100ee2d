/** Queries against the grammars of ES|QL and KQL as Elastic releases them. A sentence that parses may still name a wrong column. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { CACHE, fetchServer } from '../integration/servers.ts';

export interface Query {
  readonly language: 'esql' | 'kql';
  readonly text: string;
}

/** Those that the grammar refuses, by their text, with what it says. Throws where the parsers cannot be had. */
export async function checkQueries(queries: readonly Query[]): Promise<Map<string, string>> {
  const lack = await fetchServer('ql');
  if (lack) throw new Error(lack);
  const script = fileURLToPath(new URL('../integration/servers/ql.sh', import.meta.url));
  const child = spawn('bash', [script, 'run'], { env: { ...process.env, MOSAIC_SIEM_TEST_CACHE: CACHE } });
  child.stdin.end(queries.map(({ language, text: query }) => `${language} ${base64(query)}\n`).join(''));
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const answers = said.split('\n').filter((line) => line !== '');
  if (answers.length !== queries.length || child.exitCode !== 0)
    throw new Error(`${answers.length} answers to ${queries.length} queries, status ${child.exitCode}: ${complained}`);
  return new Map(
    queries.flatMap((query, index) => {
      const answer = answers[index] ?? '';
      return answer === 'ok' ? [] : [[query.text, answer.replace(/^bad /, '')] as const];
    }),
  );
}

function base64(query: string): string {
  return Buffer.from(query).toString('base64');
}
