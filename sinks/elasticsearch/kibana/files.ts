/** What is checked in for those who import by hand: the same that `install` sends. */
import { detectionRules } from './rules.ts';
import { savedObjects } from './saved-objects.ts';
import { stackRules } from './stack-rules.ts';

const FOLDER = 'sinks/elasticsearch/content/kibana';

export function kibanaFiles(): ReadonlyMap<string, string> {
  return new Map([
    [`${FOLDER}/detection-rules.ndjson`, lines(detectionRules())],
    [`${FOLDER}/stack-rules.ndjson`, lines(stackRules())],
    [`${FOLDER}/dashboards.ndjson`, lines(savedObjects())],
  ]);
}

function lines(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
