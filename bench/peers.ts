import { BENTHOS } from './peers/benthos.ts';
import { FORWARDER } from './peers/forwarder.ts';
import { type Figures, run, TRIALS } from './peers/trials.ts';

/**
 * The same trouble for this forwarder and for others that can be had: `node bench/peers.ts`. Takes some minutes; nothing is
 * asserted, what is printed is what was counted. A word runs only the trials and forwarders whose names hold it. BENTHOS names
 * a binary; else one is built, for which Go is needed.
 */
const [word = ''] = process.argv.slice(2);
const COLUMNS = ['given', 'arrived', 'setAside', 'missing', 'duplicates'] as const;

console.log('| trial | forwarder | given | arrived | set aside | missing | duplicates |');
console.log('|---|---|---|---|---|---|---|');
for (const trial of TRIALS) {
  for (const kind of [FORWARDER, BENTHOS]) {
    if (!`${trial.name} ${kind.name}`.includes(word)) continue;
    const result = await run(trial, kind);
    console.log(
      `| ${trial.name} | ${kind.name} | ${typeof result === 'string' ? `not run: ${result}` : row(result)} |`,
    );
  }
}

function row(figures: Figures): string {
  return COLUMNS.map((column) => figures[column]).join(' | ');
}
