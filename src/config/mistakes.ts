import { Failure, printable } from '../terminal.ts';

export type Path = readonly (string | number)[];

/** One thing that is wrong with the config, and where. Line and column count from 1. Never the value of a secret. */
export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** As in `sinks.splunk.url`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong, what is allowed. */
  readonly message: string;
}

/** Everything that is wrong with one config, in the order of the file. The message has one line for each mistake. */
export class ConfigMistakes extends Failure {
  readonly mistakes: readonly Mistake[];
  constructor(mistakes: readonly Mistake[]) {
    const sorted = unique([...mistakes].sort((one, other) => one.line - other.line || one.column - other.column));
    super(sorted.map(line).join('\n'), 78);
    this.name = 'ConfigMistakes';
    this.mistakes = sorted;
  }
}

function line({ file, line, column, path, message }: Mistake): string {
  return printable(`${file}:${line}:${column} ${path ? `${path}: ` : ''}${message}`);
}

function unique(mistakes: readonly Mistake[]): Mistake[] {
  return [...new Map(mistakes.map((mistake) => [line(mistake), mistake])).values()];
}

const PLAIN = /^[\w-]+$/;

/** `['sinks', 'a.b', 0]` as `sinks["a.b"][0]`. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!PLAIN.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

export function startsWith(path: Path, beginning: Path): boolean {
  return beginning.length <= path.length && beginning.every((step, index) => step === path[index]);
}

/** ` (did you mean region?)`, or nothing where no word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.ceil(word.length / 3);
  const ranked = known
    .map((candidate) => ({ candidate, away: away(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((one, other) => one.away - other.away);
  const best = ranked[0];
  return best && best.away <= limit ? best.candidate : undefined;
}

/** `splunk` for `splunk_hec` and `europe` for `eu` are as near as one wrong letter. */
function away(word: string, candidate: string): number {
  const begun =
    Math.min(word.length, candidate.length) > 1 && (word.startsWith(candidate) || candidate.startsWith(word));
  return begun ? Math.min(1, distance(word, candidate)) : distance(word, candidate);
}

/** Levenshtein: how many letters to add, drop or change. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
